"""Counters restored from PostgreSQL equal what the gateway's own scripts had counted."""

from __future__ import annotations

import io
import time
from datetime import timedelta

import pytest
import time_machine
from django.core.management import CommandError, call_command
from django.utils import timezone

from inference import actions, contract, ledger, principals, rebuild, routes
from inference.contract import Limits
from inference.gateway.counters import Counter, counter_key, counter_of
from inference.gateway.rights import Identity, right_for
from inference.introspection import introspect
from inference.models import UsageRecord
from inference.posting import BAD
from portal.errors import Unavailable
from portal.people import actions as people
from portal.people.actions import create_lab
from releases.actions import rename_model
from tests.inference.bench import OPEN, append, event, publish, serve

DAY_MS = 86_400_000


def settled(bench, **changes):
    return event(**{"project_id": str(bench.project.pk), "user_id": str(bench.researcher.pk), **changes})


def counter(store, bench, kind: str = "project", identity: str = "") -> Counter:
    return counter_of(store, kind, identity or str(bench.project.pk))


def test_posted_and_unposted_requests_are_counted(bench, store):
    ledger.post([settled(bench, prompt_tokens=100, completion_tokens=20)])
    append(store, settled(bench, prompt_tokens=1, completion_tokens=2))
    rebuild.rebuild(store, timezone.now())
    kept = counter(store, bench)
    assert (kept.tokens_in_day, kept.tokens_in_period, kept.running) == (123, 123, 0)
    assert kept.day == int(time.time() * 1000) // DAY_MS
    assert kept.period == f"{timezone.now():%Y-%m}"
    assert UsageRecord.objects.count() == 2


def test_an_entry_that_was_posted_but_not_acknowledged_counts_once(bench, store):
    one = settled(bench)
    ledger.post([one])
    append(store, one)
    rebuild.rebuild(store, timezone.now())
    assert counter(store, bench).tokens_in_day == 15


def test_an_entry_that_cannot_be_read_stops_no_restoration(bench, store):
    store.xadd(contract.USAGE_STREAM, {"request_id": "broken"})
    append(store, settled(bench))
    rebuild.rebuild(store, timezone.now())
    assert counter(store, bench).tokens_in_day == 15
    assert store.xlen(BAD) == 1


LEASE = """
redis.call('HSET', KEYS[1], 'scopes', cmsgpack.pack({{KEYS[3], 0, tonumber(ARGV[1]), ARGV[2], 1, 0, 0}}), 'reserved_tokens', 50)
redis.call('ZADD', KEYS[2], 1e15, 'under-way')
"""


@pytest.mark.parametrize(("former", "in_period"), [(False, 50), (True, 0)], ids=["this allowance", "the former"])
def test_a_request_under_way_counts_for_the_allowance_that_it_was_admitted_by(bench, store, former, in_period):
    """When it ends, only a counter of its own period is given back what it held."""
    given = actions.set_allowance(
        by=None, project=bench.project, limits=Limits(tokens_per_day=90, tokens_per_period=90)
    )
    period = "2026-01-01T00:00:00.000+00:00" if former else given.period(timezone.now())[0]
    keys = [contract.lease_key("under-way"), contract.LEASES, counter_key("project", str(bench.project.pk))]
    store.eval(LEASE, len(keys), *keys, int(time.time() * 1000) // DAY_MS, period)
    rebuild.rebuild(store, timezone.now())
    kept = counter(store, bench)
    assert (kept.running, kept.tokens_in_day, kept.tokens_in_period) == (1, 50, in_period)


def test_yesterdays_use_counts_for_the_period_alone(bench, store):
    actions.set_allowance(by=None, project=bench.project, limits=Limits(tokens_per_day=1000, tokens_per_period=5000))
    bench.project.allowances.update(starts_at=timezone.now() - timezone.timedelta(days=3))
    ledger.post([settled(bench, started_at=int(time.time() * 1000) - DAY_MS), settled(bench)])
    rebuild.rebuild(store, timezone.now())
    assert (counter(store, bench).tokens_in_day, counter(store, bench).tokens_in_period) == (15, 30)


def test_a_models_own_allowance_has_its_own_counter(bench, store):
    actions.set_allowance(by=None, project=bench.project, model=bench.open_model, limits=Limits(tokens_per_day=100))
    later = int(time.time() * 1000) + 5
    ledger.post([settled(bench, started_at=later), settled(bench, started_at=later, model="lyceum/other")])
    rebuild.rebuild(store, timezone.now())
    assert counter(store, bench, "model", f"{bench.project.pk}:{bench.open_model.pk}").tokens_in_day == 15
    assert counter(store, bench).tokens_in_day == 30


def test_a_renamed_model_goes_on_with_what_was_used_of_it(bench, store):
    """Its name changes, in its case too, and back; the counter that the gateway reads and the sum of the ledger do not."""
    actions.set_allowance(by=None, project=bench.project, model=bench.open_model, limits=Limits(tokens_per_day=100))
    key, later = f"{bench.project.pk}:{bench.open_model.pk}", int(time.time() * 1000) + 5
    for name in ("renamed", "ReNamed", OPEN.partition("/")[2], "renamed", "again"):
        ledger.post([settled(bench, started_at=later, model=routes_of(bench)[0].model)])
        bench.open_model.refresh_from_db()
        rename_model(model=bench.open_model, lab=bench.world.lab, name=name, by=bench.world.manager)
    ledger.post([settled(bench, started_at=later, model="lyceum/other")])
    rebuild.rebuild(store, timezone.now())
    assert counter(store, bench, "model", key).tokens_in_day == 75
    (route,) = routes_of(bench)
    assert (route.model, route.number) == ("lyceum/again", bench.open_model.pk)
    right = right_for(Identity("0" * 64, principals.build(bench.token)), route, largest=100)
    assert counter_key("model", key) in {scope.key for scope in right.scopes}


def routes_of(bench) -> list[contract.Route]:
    return [route for route in routes.current().values() if route.number == bench.open_model.pk]


def test_a_personal_projects_month_is_counted_though_a_lab_that_does_not_serve_it_has_no_bound(bench, store):
    harbour = create_lab(slug="harbour", name="Harbour", by=None)
    serve(publish(harbour, "tide", gate=bench.world.gate), 8103)
    actions.set_allowance(by=None, lab=bench.world.lab, limits=Limits(tokens_per_period=90))
    actions.set_allowance(by=None, lab=harbour, limits=Limits(tokens_per_day=50))
    own = bench.new_token(bench.researcher).project
    ledger.post([settled(bench, project_id=str(own.pk))])
    rebuild.rebuild(store, timezone.now())
    kept = counter(store, bench, identity=str(own.pk))
    assert (kept.tokens_in_period, kept.period) == (15, f"{timezone.now():%Y-%m}")


def test_stale_counters_are_overwritten_and_routes_are_back(bench, store):
    stale = Counter(running=7, day=1, tokens_in_day=99, tokens_in_period=99, period="x")
    store.set(counter_key("project", str(bench.project.pk)), stale.to_bytes())
    rebuild.rebuild(store, timezone.now())
    assert (counter(store, bench).tokens_in_day, counter(store, bench).running) == (0, 0)
    assert store.hexists(contract.ROUTES, OPEN)


def test_a_counter_of_an_earlier_version_begins_anew(bench, store):
    store.hset(counter_key("project", str(bench.project.pk)), mapping={"dn": 99, "c": 7, "d": "1"})
    rebuild.rebuild(store, timezone.now())
    assert (counter(store, bench).tokens_in_day, counter(store, bench).running) == (0, 0)


def test_a_request_that_ends_meanwhile_sends_it_round_again(bench, store, monkeypatch):
    """Something settles between reading and setting: the script refuses, and the second round has it."""
    current, late = rebuild.current, [settled(bench, prompt_tokens=1, completion_tokens=1)]

    def interrupted(now):
        found = list(current(now))
        if late:
            append(store, late.pop())
        return found

    monkeypatch.setattr(rebuild, "current", interrupted)
    rebuild.rebuild(store, timezone.now())
    assert counter(store, bench).tokens_in_day == 2


def test_without_a_quiet_moment_it_says_so(bench, store, monkeypatch):
    current = rebuild.current

    def busy(now):
        append(store, settled(bench))
        return current(now)

    monkeypatch.setattr(rebuild, "current", busy)
    with pytest.raises(CommandError, match="Stop the gateways"):
        call_command("rebuild_limits")


def test_what_was_used_while_the_clock_was_ahead_counts_in_the_day_that_it_was_set_back_to(bench, store):
    """It is in the ledger under tomorrow; forgotten, it would be given again."""
    actions.set_allowance(by=None, project=bench.project, limits=Limits(tokens_per_day=1000, tokens_per_period=5000))
    evening = timezone.now().replace(hour=23, minute=50)
    ahead = int((evening + timedelta(minutes=20)).timestamp() * 1000)
    ledger.post([settled(bench, prompt_tokens=100, completion_tokens=20, started_at=ahead, ended_at=ahead)])
    with time_machine.travel(evening, tick=False):
        rebuild.rebuild(store, timezone.now())
    kept = counter(store, bench)
    assert (kept.day, kept.tokens_in_day) == (int(evening.timestamp() * 1000) // DAY_MS, 120)


# --- After a copy was restored --------------------------------------------------------------------------------------


def rebuilt() -> str:
    out = io.StringIO()
    call_command("rebuild_limits", stdout=out)
    return out.getvalue()


def test_an_operator_who_restored_a_copy_reads_whose_rights_were_taken_since_and_they_can_query_again(bench, store):
    """The store knew of a later change than the database, and refused for good what was built from it."""
    gate, person = bench.world.gate, bench.researcher
    for kind, identity, generation in (
        ("user", str(person.pk), person.generation + 3),
        ("gate", gate.full_name, gate.generation + 2),
        ("gate", bench.open_model.own_gate, 5),
        ("user", "00000000-0000-4000-8000-000000000000", 9),  # who came after the copy
    ):
        principals.bump(kind, identity, generation)
    with pytest.raises(Unavailable, match="rights behind this token are changing"):
        introspect(bench.token.digest)
    told = rebuilt()
    assert "The database is an earlier copy" in told
    assert told.splitlines()[2:] == [
        f"  person {person.email}", f"  gate {gate.full_name}", f"  model {bench.open_model.full_name}",
    ]  # fmt: skip
    assert introspect(bench.token.digest).active
    assert "earlier copy" not in rebuilt(), "it is said once"
    before = person.generation + 3
    people.suspend(user=person, by=bench.world.manager, reason="A drill.")
    person.refresh_from_db()
    assert person.generation > before, "the next change counts on from there"


def test_a_database_that_is_no_copy_is_called_none(bench, store):
    principals.bump("user", str(bench.researcher.pk), bench.researcher.generation)
    principals.bump("gate", bench.world.gate.full_name, 0)
    assert "earlier copy" not in rebuilt()
