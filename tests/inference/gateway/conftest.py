"""One engine, one gateway and one control plane for all tests here; a clean store for each."""

from __future__ import annotations

import os
import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path

import openai
import pytest

from tests.inference.gateway import rig


@pytest.fixture(scope="session")
def folder() -> Iterator[Path]:
    path = Path(tempfile.mkdtemp(prefix="wb-gw-", dir="/tmp"))  # a socket's path must be short
    yield path
    shutil.rmtree(path, ignore_errors=True)


@pytest.fixture(scope="session")
def redis_url() -> str:
    """A database of our own on the run's server."""
    return f"{os.environ['REDIS_URL'].partition('?')[0]}?db=7"


@pytest.fixture(scope="session")
def engine() -> Iterator[rig.Engine]:
    engine = rig.Engine()
    yield engine
    engine.stop()


@pytest.fixture(scope="session")
def portal(folder: Path) -> Iterator[rig.Portal]:
    portal = rig.Portal(folder / "internal.sock")
    yield portal
    portal.stop()


@pytest.fixture(scope="session")
def gateway_process(folder: Path, redis_url: str, portal: rig.Portal) -> Iterator[rig.Gateway]:
    gateway = rig.Gateway(folder, redis_url, HEARTBEAT_MS="300", LEASE_MS="3000", IDLE_SECONDS="3").ready()
    yield gateway
    gateway.stop()


@pytest.fixture
def store(redis_url: str, engine: rig.Engine) -> rig.Store:
    store = rig.Store(redis_url)
    store.clear()
    engine.reset()
    store.publish(rig.route(engine))
    return store


@pytest.fixture
def gateway(gateway_process: rig.Gateway, store: rig.Store) -> Iterator[rig.Gateway]:
    """The shared gateway, once it has seen this test's routes."""
    assert gateway_process.process.poll() is None, gateway_process.log.read_text()
    yield gateway_process
    log = gateway_process.log.read_text()
    assert "Traceback" not in log, log[-4000:]


@pytest.fixture
def client(gateway: rig.Gateway, store: rig.Store) -> openai.OpenAI:
    """An unmodified client with a token that nothing limits, and no retries."""
    token = store.grant(rig.principal())
    return openai.OpenAI(base_url=f"{gateway.base}/v1", api_key=token, max_retries=0, timeout=20)
