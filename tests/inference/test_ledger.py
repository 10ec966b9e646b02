"""Posting: once, whatever dies in between; sums from new rows alone; rows that nothing can change."""

from __future__ import annotations

import random
from datetime import UTC, date, datetime, timedelta
from io import StringIO

import pytest
from django.core.management import call_command
from django.db import DatabaseError, OperationalError, connection, transaction
from django.db.models import Count, Sum
from django.utils import timezone

from inference import contract, ledger
from inference.hourly_models import HourlyUsage
from inference.models import DailyUsage, UsageRecord
from inference.posting import BAD, Poster, ensure_group
from tests.inference.bench import append, event

pytestmark = pytest.mark.django_db


def sums() -> dict[tuple, tuple]:
    keys = ("started_day", "project_id", "user_id", "model", "status")
    rows = UsageRecord.objects.values_list(*keys).annotate(
        n=Count("request_id"), p=Sum("prompt_tokens"), c=Sum("completion_tokens"), k=Sum("cached_tokens")
    )
    return {tuple(row[:5]): tuple(row[5:]) for row in rows.order_by()}


def rolled_up() -> dict[tuple, tuple]:
    rows = DailyUsage.objects.values_list(
        "day",
        "project_id",
        "user_id",
        "model",
        "status",
        "requests",
        "prompt_tokens",
        "completion_tokens",
        "cached_tokens",
    )
    return {tuple(row[:5]): tuple(row[5:]) for row in rows}


def by_hour_from_rows() -> dict[tuple, list[int]]:
    found: dict[tuple, list[int]] = {}
    for row in UsageRecord.objects.all():
        hour = row.started_at.replace(minute=0, second=0, microsecond=0)
        key = (hour, row.project_id, row.user_id, row.model, row.revision, row.pool, row.fingerprint, row.status)
        sums = found.setdefault(key, [0, 0, 0, 0])
        for at, n in enumerate((1, row.prompt_tokens, row.completion_tokens, row.cached_tokens)):
            sums[at] += n
    return found


def by_hour() -> dict[tuple, list[int]]:
    keys = ("hour", "project_id", "user_id", "model", "revision", "pool", "fingerprint", "status")
    figures = ("requests", "prompt_tokens", "completion_tokens", "cached_tokens")
    return {row[:8]: list(row[8:]) for row in HourlyUsage.objects.values_list(*keys, *figures)}


def test_a_request_is_posted_with_all_its_figures():
    one = event(
        prompt_tokens=7, completion_tokens=3, cached_tokens=2, status="client_abort", stream=True, first_byte_at=0
    )
    assert ledger.post([one]) == 1
    row = UsageRecord.objects.get()
    assert (row.request_id, row.prompt_tokens, row.completion_tokens, row.cached_tokens) == (one.request_id, 7, 3, 2)
    assert (row.status, row.stream, row.first_byte_at, row.tokens) == ("client_abort", True, None, 10)
    assert row.started_at == datetime.fromtimestamp(one.started_at / 1000, tz=UTC)


def test_posting_twice_is_posting_once():
    batch = [event() for _ in range(5)]
    assert ledger.post(batch) == 5
    assert ledger.post(batch) == 0
    assert ledger.post([*batch, event()]) == 1
    assert UsageRecord.objects.count() == 6
    assert rolled_up() == sums()
    assert by_hour() == by_hour_from_rows()


def test_the_same_request_twice_in_one_batch_counts_once():
    one = event()
    assert ledger.post([one, one]) == 1
    assert DailyUsage.objects.get().requests == 1


def test_a_request_id_is_unique_across_the_edge_of_a_day():
    midnight = int(datetime(2026, 11, 24, tzinfo=UTC).timestamp() * 1000)
    one = event(started_at=midnight - 1)
    ledger.post([one])
    assert ledger.post([event(request_id=one.request_id, started_at=midnight)]) == 0


def test_sums_equal_the_rows_after_random_overlapping_batches():
    chance = random.Random(7)
    known = [
        event(
            project_id=chance.choice("pq"), user_id=chance.choice("uv"), model=chance.choice(["lyceum/a", "lyceum/b"]),
            status=chance.choice(["ok", "client_abort", "lost"]), prompt_tokens=chance.randrange(1000),
            completion_tokens=chance.randrange(1000), revision=chance.choice(["a" * 40, "b" * 40]),
            started_at=1_795_000_000_000 + chance.randrange(96) * 3_600_000 + chance.randrange(3_600_000),
        )
        for _ in range(200)
    ]  # fmt: skip
    for _ in range(30):
        ledger.post(chance.sample(known, 40))
    ledger.post(known)
    assert UsageRecord.objects.count() == 200
    assert rolled_up() == sums()
    assert by_hour() == by_hour_from_rows()


@pytest.mark.parametrize(
    "statement",
    [
        "UPDATE inference_usagerecord SET prompt_tokens = 0",
        "DELETE FROM inference_usagerecord",
        "TRUNCATE inference_usagerecord",
        "TRUNCATE {partition}",
        "UPDATE {partition} SET prompt_tokens = 0",
        "DELETE FROM {partition}",
    ],
)
def test_the_ledger_refuses_every_change(statement):
    ledger.make_partitions(datetime.now(tz=UTC).date())
    ledger.post([event()])
    with connection.cursor() as cursor:
        cursor.execute("SELECT tableoid::regclass::text FROM inference_usagerecord")
        partition = cursor.fetchone()[0]
        assert partition != "inference_usagerecord_default"
        with pytest.raises(DatabaseError, match="append-only"), transaction.atomic():
            cursor.execute(statement.format(partition=partition))
    assert UsageRecord.objects.get().prompt_tokens == 10


def test_a_row_of_any_month_has_a_place():
    far = int(datetime(2031, 5, 3, tzinfo=UTC).timestamp() * 1000)
    assert ledger.post([event(started_at=far)]) == 1


def test_partitions_are_made_ahead_and_only_once():
    ledger.make_partitions(date(2031, 11, 30))
    assert ledger.make_partitions(date(2031, 11, 30)) == []
    with connection.cursor() as cursor:
        cursor.execute("SELECT to_regclass('inference_usagerecord_2032_02')")
        assert cursor.fetchone()[0]


@pytest.fixture
def _in_december(monkeypatch):
    """Years from now, where no month has been made."""
    monkeypatch.setattr(timezone, "now", lambda: datetime(2031, 12, 5, tzinfo=UTC))


@pytest.mark.usefixtures("_in_december")
def test_one_command_makes_the_months_of_every_ledger_that_has_any():
    with connection.cursor() as cursor:
        cursor.execute("SELECT relname FROM pg_class WHERE relkind = 'p' AND relnamespace = 'public'::regnamespace")
        parted = {name for (name,) in cursor.fetchall()}
    said = StringIO()
    call_command("make_partitions", ahead=1, stdout=said)
    assert set(said.getvalue().strip().split(", ")) == {f"{t}_{m}" for t in parted for m in ("2031_12", "2032_01")}


@pytest.mark.usefixtures("_in_december", "store")
def test_the_poster_makes_the_months_of_downloads_as_soon_as_it_starts():
    call_command("post_usage", once=True, stdout=StringIO())
    with connection.cursor() as cursor:
        cursor.execute("SELECT to_regclass('releases_download_2031_12')")
        assert cursor.fetchone()[0], "a stack that rested for months finds its place for the first download"


def test_a_month_that_a_wrong_clock_began_stays_where_its_rows_are_and_stops_no_other():
    far = int(datetime(2031, 5, 3, tzinfo=UTC).timestamp() * 1000)
    assert ledger.post([event(started_at=far)]) == 1
    made = ledger.make_partitions(date(2031, 4, 30), ahead=2)
    assert [name for name in made if "usage" in name] == [f"inference_usagerecord_2031_0{n}" for n in (4, 6)]
    assert ledger.post([event(request_id="later", started_at=far)]) == 1


def test_an_unknown_status_is_refused():
    with pytest.raises(DatabaseError), transaction.atomic():
        ledger.post([event(status="free")])


# --- The stream ---------------------------------------------------------------------------------------------------


@pytest.fixture
def poster(store):
    ensure_group(store)
    ensure_group(store)
    return Poster(store, "one")


def test_the_stream_is_posted_acknowledged_and_trimmed(poster, store):
    append(store, *(event() for _ in range(7)))
    assert poster.step(block_ms=1) == 7
    assert poster.step(block_ms=1) == 0
    assert UsageRecord.objects.count() == 7
    poster.trim()
    assert store.xlen(contract.USAGE_STREAM) <= 1


def test_entries_before_the_group_was_made_are_posted(store):
    append(store, event())
    ensure_group(store)
    assert Poster(store, "one").step(block_ms=1) == 1


def test_a_consumer_that_dies_between_commit_and_acknowledgement_costs_nothing(poster, store, monkeypatch):
    monkeypatch.setattr("inference.posting.CLAIM_AFTER_MS", 0)
    append(store, event(), event())

    class Killed(Exception):
        pass

    def die(*_: object) -> None:
        raise Killed

    with monkeypatch.context() as patch:
        patch.setattr(poster.store, "xack", die)
        with pytest.raises(Killed):
            poster.step(block_ms=1)
    assert UsageRecord.objects.count() == 2
    assert Poster(store, "two").step(block_ms=1) == 2
    assert UsageRecord.objects.count() == 2
    assert rolled_up() == sums()
    assert store.xpending(contract.USAGE_STREAM, contract.USAGE_GROUP)["pending"] == 0


def test_a_consumer_that_dies_before_the_commit_loses_nothing(store, monkeypatch):
    monkeypatch.setattr("inference.posting.CLAIM_AFTER_MS", 0)
    ensure_group(store)
    append(store, event(), event())

    def die(events: object) -> int:
        raise RuntimeError("killed")

    with pytest.raises(RuntimeError):
        Poster(store, "one", die).step(block_ms=1)
    assert UsageRecord.objects.count() == 0
    assert Poster(store, "two").step(block_ms=1) == 2
    assert UsageRecord.objects.count() == 2


def test_nothing_unacknowledged_is_ever_trimmed(store):
    ensure_group(store)
    append(store, *(event() for _ in range(3)))
    slow = store.xreadgroup(contract.USAGE_GROUP, "slow", {contract.USAGE_STREAM: ">"}, count=1)
    quick = Poster(store, "quick")
    quick.step(block_ms=1)
    quick.trim()
    left = [identity for identity, _ in store.xrange(contract.USAGE_STREAM)]
    assert slow[0][1][0][0] in left


@pytest.mark.parametrize("broken", [{"request_id": "x"}, {"nonsense": "1"}])
def test_an_unreadable_entry_is_kept_apart_and_blocks_nothing(poster, store, broken):
    store.xadd(contract.USAGE_STREAM, broken)
    append(store, event())
    assert poster.step(block_ms=1) == 2
    assert UsageRecord.objects.count() == 1
    assert store.xlen(BAD) == 1
    assert store.xpending(contract.USAGE_STREAM, contract.USAGE_GROUP)["pending"] == 0


@pytest.mark.parametrize(
    "odd",
    [
        {"fingerprint": "x" * 121}, {"engine": "a\0b"}, {"prompt_tokens": 2**63}, {"status": "nothing"},
        {"started_at": 10**18}, {"ended_at": 10**30},
    ],
    ids=str,
)  # fmt: skip
def test_an_entry_that_the_ledger_refuses_is_kept_apart_and_holds_up_nobody(store, odd):
    ensure_group(store)
    append(store, event(), event(**odd), event())
    poster = Poster(store, "test")
    assert poster.step(block_ms=1) == 3
    assert UsageRecord.objects.count() == 2
    assert store.xlen(BAD) == 1
    assert store.xpending(contract.USAGE_STREAM, contract.USAGE_GROUP)["pending"] == 0


def test_what_was_kept_apart_is_posted_once_it_can_be_and_no_sooner(store):
    def narrow(events):
        """A ledger of before, which knows neither of two."""
        if any(one.engine == "new" or one.status == "nothing" for one in events):
            raise ValueError("unknown")
        return ledger.post(events)

    ensure_group(store)
    append(store, event(), event(engine="new"), event(status="nothing"))
    Poster(store, "before", narrow).step(block_ms=1)
    assert (UsageRecord.objects.count(), store.xlen(BAD)) == (1, 2)
    told = StringIO()
    call_command("post_usage", "--apart", stdout=told)
    assert told.getvalue() == "1 entries posted, 1 still kept apart\n"
    call_command("post_usage", "--apart", stdout=told)
    assert (UsageRecord.objects.count(), store.xlen(BAD)) == (2, 1)
    assert UsageRecord.objects.filter(engine="new").count() == 1


def test_what_is_wrong_with_the_database_is_held_against_no_entry(store):
    def away(_events):
        raise OperationalError("the server closed the connection")

    ensure_group(store)
    append(store, event())
    with pytest.raises(OperationalError):
        Poster(store, "test", away).step(block_ms=1)
    assert store.xlen(BAD) == 0
    assert store.xpending(contract.USAGE_STREAM, contract.USAGE_GROUP)["pending"] == 1


def test_silent_consumers_are_forgotten_only_when_they_hold_nothing(store, monkeypatch):
    monkeypatch.setattr("inference.posting._SILENT_MS", -1)
    ensure_group(store)
    append(store, event())
    store.xreadgroup(contract.USAGE_GROUP, "holds", {contract.USAGE_STREAM: ">"}, count=1)
    store.xgroup_createconsumer(contract.USAGE_STREAM, contract.USAGE_GROUP, "idle")
    Poster(store, "me").forget_silent()
    assert {c["name"] for c in store.xinfo_consumers(contract.USAGE_STREAM, contract.USAGE_GROUP)} == {"holds"}


def test_day_and_time_agree_in_utc():
    ledger.post([event(started_at=int(datetime(2026, 11, 23, 23, 59, 59, 999000, tzinfo=UTC).timestamp() * 1000))])
    row = UsageRecord.objects.get()
    assert row.started_day == row.started_at.astimezone(UTC).date() == date(2026, 11, 23)
    assert row.posted_at - row.started_at > timedelta(0)
