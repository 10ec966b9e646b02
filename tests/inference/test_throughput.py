"""What a pool's newest requests came to is told beside the estimate, and no other pool's."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest
from django.core.cache import caches

from inference import ledger, throughput
from inference.models import Backend, Pool
from releases.costs import measured
from tests.inference.bench import GATED, event

T = datetime(2026, 11, 26, tzinfo=UTC)


def span(start: float, end: float) -> tuple[datetime, datetime]:
    return T + timedelta(seconds=start), T + timedelta(seconds=end)


@pytest.mark.parametrize(("spans", "covered"), [
    ([(0, 2), (1, 3)], 3), ([(0, 1), (5, 6)], 2), ([(0, 10), (2, 3), (4, 12)], 12), ([(3, 3)], 0), ([], 0),
])  # fmt: skip
def test_time_in_which_anything_ran_is_counted_once(spans, covered):
    assert throughput.covered([span(*each) for each in spans]) == covered


@pytest.fixture
def model(bench):
    caches["process"].clear()
    yield Pool.objects.get(model__name=GATED.partition("/")[2]).model
    caches["process"].clear()


def used(model, *, backend: str, seconds: float, tokens: int, ago_s: float = 60, **more) -> None:
    start = int((datetime.now(tz=UTC).timestamp() - ago_s) * 1000)
    more = {"status": "ok", "completion_tokens": tokens, **more}
    ledger.post([event(model=GATED, backend=backend, started_at=start, ended_at=start + int(seconds * 1000), **more)])


def test_a_pool_tells_its_speed_and_how_many_it_served_at_once(model):
    pool = Pool.objects.get(model=model)
    backend = str(Backend.objects.filter(pool=pool).first())
    used(model, backend=backend, seconds=4, tokens=100, ago_s=60)
    used(model, backend=backend, seconds=4, tokens=100, ago_s=58)
    used(model, backend=backend, seconds=4, tokens=999, status="upstream_error")
    used(model, backend="another/pool/server", seconds=1, tokens=999)
    found = measured.of(model)
    assert found is not None
    assert (found.pool, found.requests) == (str(pool), 2)
    assert found.each == pytest.approx(200 / 8)
    assert found.rate == pytest.approx(200 / 6, rel=0.01)
    assert found.at_once == pytest.approx(8 / 6, rel=0.01)
    assert found.as_json()["rate"] == found.rate


def test_a_model_that_nobody_asked_has_nothing_to_tell(model):
    assert measured.of(model) is None
