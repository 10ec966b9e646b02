"""The trained models and their ladders, from their archives in the repository through the real ingest."""

from __future__ import annotations

import json
import tarfile
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime
from pathlib import Path
from typing import Any

from portal import env
from portal.access.gate_models import Gate
from portal.people.models import Lab, User
from releases.actions import check, describe_model, make_tag, open_family, open_model
from releases.actions import publish as publish_revision
from releases.ingest import ingest
from releases.models import Family, Model, Revision

ARCHIVES = Path(env.text("SEED_ARCHIVES", str(Path(__file__).resolve().parents[2] / "releases" / "seed")))
"""Where the archives and their manifest.json lie."""


def manifest() -> list[dict[str, Any]]:
    """What the archives hold, smallest first: name, archive, gated, parameters, files with sha256 and size, ladder."""
    found: list[dict[str, Any]] = json.loads((ARCHIVES / "manifest.json").read_text(encoding="utf-8"))["models"]
    return sorted(found, key=lambda entry: int(entry["parameters"]))


def family(*, lab: Lab, manager: User) -> Family:
    """The family of the demo."""
    return open_family(
        lab=lab,
        slug="pico-opt",
        title="Pico-OPT",
        by=manager,
        summary="Small OPT models, trained from nothing on the Python standard library, with every record of the runs.",
        largest=max(int(entry["parameters"]) for entry in manifest()),
    )


def publish(entry: dict[str, Any], *, family: Family, gate: Gate | None, manager: User) -> Model:
    """Publish one entry of the manifest, its ladder first; does nothing for what is published."""
    name = entry["name"]
    model = Model.objects.filter(lab=family.lab, name=name).first() or open_model(
        lab=family.lab, name=name, by=manager, family=family, gate=gate, summary=entry.get("summary", "")
    )
    if model.gate_id != (gate.pk if gate else None):
        model = describe_model(model=model, by=manager, gate=gate)
    weights = entry["files"]["model.safetensors"]["sha256"]
    if not model.revisions.published().filter(files__blob=weights).exists():
        if "ladder" in entry:
            _publish_rungs(entry["ladder"], model, manager)
        with _unpacked(entry["archive"]) as folder:
            at = datetime.fromisoformat(entry["trained_at"])
            ingest(folder, model=model, by=manager, message="Publish the trained weights", publish=True, at=at)
        model.refresh_from_db()
    if "ladder" in entry:
        _tag(model, f"step{entry['steps']}", model.revisions.published().filter(files__blob=weights).first(), manager)
    return model


def _publish_rungs(ladder: dict[str, Any], model: Model, manager: User) -> None:
    """Each step as a revision under its tag, in their order, so that `main` names the release after them.

    A step is checked again under its tag: the rule that no two steps have the same weights goes by names.
    """
    with _unpacked(ladder["archive"]) as folder:
        for rung in ladder["rungs"]:
            if model.refs.filter(name=rung["name"], revision__published_at__isnull=False).exists():
                continue
            at = datetime.fromisoformat(rung["kept_at"])
            message = f"Publish the weights of step {rung['step']}"
            revision = ingest(folder / rung["name"], model=model, by=manager, message=message, at=at)
            _tag(model, rung["name"], revision, manager)
            publish_revision(revision=check(revision=revision, by=manager), by=manager)


def _tag(model: Model, name: str, revision: Revision | None, manager: User) -> None:
    if not model.refs.filter(name=name).exists():
        make_tag(model=model, name=name, revision=revision, by=manager)


@contextmanager
def _unpacked(archive: str) -> Iterator[Path]:
    """A folder with an archive's files, by the `data` filter: no links out, no absolute paths, no special files."""
    with (
        tempfile.TemporaryDirectory(prefix="weighbridge-") as folder,
        tarfile.open(ARCHIVES / archive, "r:xz") as content,
    ):
        content.extractall(folder, filter="data")
        yield Path(folder)
