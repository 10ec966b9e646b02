from __future__ import annotations

import os
import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import redis

from inference import actions
from inference.actions import Serving
from inference.contract import Limits
from portal.celery import app as celery
from portal.counters import client as limits_store
from tests import leftovers
from tests.contract import hub as hubs
from tests.inference.bench import Bench, build
from tests.inference.gateway import rig
from tests.inference.listener import listening


@pytest.fixture(scope="session")
def portal_url(django_db_setup: None) -> Iterator[str]:
    """The running portal."""
    with hubs.serving(hubs.portal()) as url:
        yield url


@pytest.fixture(scope="session")
def hub_templates() -> dict[str, hubs.Template]:
    """The hubs that tests of this process asked for, by the key with which the portal signs what it publishes."""
    return {}


@pytest.fixture
def hub(
    portal_url: str,
    transactional_db: None,
    settings: Any,
    tmp_path: Path,
    tmp_path_factory: pytest.TempPathFactory,
    hub_templates: dict[str, hubs.Template],
) -> hubs.Hub:
    """A running portal with data of its own."""
    settings.BASE_URL = portal_url
    key = settings.RECEIPT_SIGNING_KEY
    if key not in hub_templates:
        leftovers.empty()
        hub_templates[key] = hubs.Template.of(hubs.build(portal_url, tmp_path_factory.mktemp("hub")))
        leftovers.empty()
    return hub_templates[key].stand(tmp_path / "published")


@pytest.fixture(scope="package")
def gateway(django_db_setup: None, django_db_blocker: object) -> Iterator[rig.Gateway]:
    """One for all tests here: the listener beside it is a whole Django, and takes seconds of a processor to start."""
    folder = Path(tempfile.mkdtemp(prefix="wb-gw-", dir="/tmp"))
    # Its lease is that of a public gateway: on a machine that stands still for seconds nothing is settled meanwhile.
    with django_db_blocker.unblock(), listening(folder, rig.SECRET):
        gateway = rig.Gateway(folder, os.environ["REDIS_URL"], HEARTBEAT_MS="300").ready()
        yield gateway
        gateway.stop()
    shutil.rmtree(folder, ignore_errors=True)


@pytest.fixture(scope="package")
def engine() -> Iterator[rig.Engine]:
    engine = rig.Engine()
    yield engine
    engine.stop()


@pytest.fixture
def store() -> Iterator[redis.Redis]:
    connection = limits_store()
    connection.flushdb()
    yield connection
    connection.flushdb()


@pytest.fixture
def bench(
    transactional_db: None, store: redis.Redis, gateway: rig.Gateway, engine: rig.Engine, settings, portal_url: str
) -> Iterator[Bench]:
    """Committed, with limits that no test meets by accident. The broker is a queue in this process that nobody reads:
    the tests take the worker's turns themselves."""
    settings.GATEWAY_URL = gateway.base
    broker = celery.conf.broker_url
    celery.conf.broker_url = "memory://"
    made = build()
    for model in (made.open_model, made.gated_model):
        serving = Serving(engine.url, "vllm 0.32.0", "fake", 4096, True, 12)
        actions.serve(by=None, model=model, commit=model.revisions.get().commit, serving=serving)
    plenty = Limits(requests_per_minute=600_000, tokens_per_minute=60_000_000, concurrency=64)
    actions.set_allowance(by=None, project=made.project, limits=plenty)
    rig.settle_routes()
    engine.reset()
    yield made
    celery.conf.broker_url = broker
