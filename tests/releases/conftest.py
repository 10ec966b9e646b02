from __future__ import annotations

import itertools
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from portal.people.models import User
from releases import actions
from releases.ingest import ingest
from releases.models import Model
from tests.portal import world
from tests.releases import looks, swift
from tests.releases.folders import model_folder


@pytest.fixture
def lyceum(db: None) -> world.World:
    return world.build("lyceum")


@pytest.fixture
def harbour(db: None) -> world.World:
    return world.build("harbour")


@pytest.fixture
def mara(db: None) -> User:
    return world.person("Mara Lindqvist")


@pytest.fixture
def stranger(db: None) -> User:
    return world.person("Ida Fremd")


@pytest.fixture(scope="session")
def s3_server() -> Iterator[swift.Swift]:
    with swift.running() as server:
        yield server


Publish = Callable[..., Model]


@pytest.fixture
def publish(tmp_path: Path) -> Publish:
    """publish(world, name, **changes): a model of the world's lab, from a small true folder."""
    seeds = itertools.count(1)

    def make(
        of: world.World, name: str, *, publish: bool = True, family: Any = None, gate: Any = None, **files: Any
    ) -> Model:
        model = actions.open_model(
            lab=of.lab, name=name, by=of.manager, family=family, gate=gate, summary=f"Model {name}."
        )
        folder = model_folder(tmp_path / of.lab.slug / name, name=name, seed=next(seeds), **files)
        with looks.remembered():
            ingest(folder, model=model, by=of.manager, publish=publish)
        return Model.objects.named(of.lab.slug, name).get()

    return make
