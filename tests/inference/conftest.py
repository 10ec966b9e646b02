from __future__ import annotations

from collections.abc import Iterator

import pytest
import redis

from portal.counters import client
from tests.inference.bench import Bench, build


@pytest.fixture
def store() -> Iterator[redis.Redis]:
    """The limits store of this test process, empty before and after."""
    connection = client()
    connection.flushdb()
    yield connection
    connection.flushdb()


@pytest.fixture
def bench(db: None, store: redis.Redis) -> Bench:
    return build()
