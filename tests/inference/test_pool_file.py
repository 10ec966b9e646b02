"""Pools as a file, the canary that a share of projects meets, and how it all stands."""

from __future__ import annotations

import json
import time
from io import StringIO
from pathlib import Path

import pytest
from django.core.management import CommandError, call_command
from django.db import IntegrityError
from django.utils import timezone

from inference import actions, contract, overview, pool_actions, pool_file, routes
from inference.contract import Report, Route, Seen
from inference.gateway.counters import Counter, counter_key
from inference.models import EngineCount, Pool
from portal.audit.models import Entry
from portal.errors import Conflict, Invalid, NotFound
from portal.outbox.delivery import deliver_due
from releases.actions import rename_model
from releases.models import Revision
from tests.inference.bench import OPEN
from tests.inference.test_pools import limits_of, pushed


def text_of(bench, **changes) -> str:
    commit = bench.open_model.revisions.get(message="First").commit
    body = {
        "model": OPEN, "revision": commit[:10], "engine_model": OPEN, "context": 1024, "template_overhead": 12,
        "concurrency": 32, "backends": {"one": {"url": "http://10.0.0.1:8000"}, "two": {"url": "http://10.0.0.2:8000"}},
    }  # fmt: skip
    body |= changes
    name = body.pop("name", "lyceum/pico-opt-1m")
    return json.dumps({"pools": {name: {key: value for key, value in body.items() if value is not None}}})


def apply(bench, *, dry_run: bool = False, **changes) -> list[str]:
    wanted = pool_file.read(text_of(bench, **changes))
    return pool_actions.apply(by=bench.world.manager, wanted=wanted, dry_run=dry_run)


def second_revision(bench) -> Revision:
    first = bench.open_model.revisions.get()
    return Revision.objects.create(
        model=bench.open_model, commit="b" * 40, tree="b" * 40, author="A", email="a@lyceum.example", message="Second",
        authored_at=first.authored_at, state="published", checked_at=first.checked_at, published_at=first.published_at,
    )  # fmt: skip


def canary(bench, percent: int = 30) -> Pool:
    apply(bench, name="lyceum/next", revision=second_revision(bench).commit, canary_percent=percent)
    return Pool.objects.get(name="next")


TWICE = """
pools:
  lyceum/pico-opt-1m:
    {fact}
    backends:
      one: {{url: "http://10.0.0.1:8000"}}
      {second}: {{url: "http://10.0.0.2:8000"}}
{pool}
"""
MORE = {"fact": "context: 1024", "second": "two", "pool": ""}


@pytest.mark.parametrize(
    ("odd", "named"),
    [({"second": "one"}, "one"), ({"fact": "context: 8\n    context: 9"}, "context"),
     ({"pool": "  lyceum/pico-opt-1m: {}"}, "lyceum/pico-opt-1m")],
    ids=["server", "figure", "pool"],
)  # fmt: skip
def test_what_stands_twice_is_named_and_none_of_both_is_dropped(odd, named):
    with pytest.raises(Invalid, match=f"{named}: named twice"):
        pool_file.read(TWICE.format(**MORE | odd))
    with pytest.raises(Invalid, match="model must be text"):
        pool_file.read(TWICE.format(**MORE))


# --- The file -----------------------------------------------------------------------------------------------------


def test_a_file_changes_what_differs_once_and_the_trail_says_what(bench, store):
    changes = apply(bench)
    assert "lyceum/pico-opt-1m: concurrency none → 32" in changes
    assert "new backend lyceum/pico-opt-1m/one at http://10.0.0.1:8000" in changes
    assert "backend lyceum/pico-opt-1m/pico-opt-1m removed" in changes
    entry = Entry.objects.filter(event="pool.changed").latest("pk")
    assert "concurrency none → 32" in entry.data["changes"]
    assert apply(bench) == []
    deliver_due()
    route = pushed(store)[OPEN]
    assert [one.url for one in route.backends] == ["http://10.0.0.1:8000", "http://10.0.0.2:8000"]
    assert route.limits.concurrency == 32


def test_a_dry_run_says_the_same_and_changes_nothing(bench):
    before = Entry.objects.count()
    assert apply(bench, dry_run=True) == apply(bench, dry_run=True) != []
    assert (Entry.objects.count(), Pool.objects.get(model=bench.open_model).concurrency) == (before, None)


def test_pools_that_the_file_does_not_name_stay(bench):
    apply(bench)
    assert Pool.objects.get(model=bench.gated_model).backends.count() == 1


def test_a_backend_that_drains_or_moves_is_one_change(bench):
    apply(bench)
    backends = {"one": {"url": "http://10.0.0.9:8000"}, "two": {"url": "http://10.0.0.2:8000", "draining": True}}
    assert apply(bench, backends=backends) == [
        "lyceum/pico-opt-1m/one: url http://10.0.0.1:8000 → http://10.0.0.9:8000",
        "lyceum/pico-opt-1m/two: draining False → True",
    ]


@pytest.mark.parametrize(
    ("changes", "error", "says"),
    [
        ({"model": "lyceum/none"}, NotFound, "no model"),
        ({"revision": "f" * 40}, NotFound, "no one revision"),
        ({"revision": "abc"}, NotFound, "seven digits"),
        ({"context": "long"}, Invalid, "context must be a whole number"),
        ({"context": None}, Invalid, "context must be a whole number"),
        ({"chat": 1}, Invalid, "chat must be true or false"),
        ({"colour": "red"}, Invalid, "colour is not known here"),
        ({"backends": {"one": {"url": "not a url"}}}, Invalid, "valid URL"),
        ({"backends": {"one": {}}}, Invalid, "url must be text"),
        ({"backends": None}, Invalid, "backends must be a table"),
        ({"canary_percent": 101, "name": "lyceum/next"}, Invalid, "pool_canary_is_a_share"),
        ({"name": "lyceum/another"}, Invalid, "pool_one_own_per_model"),
        ({"name": "lyceum/pico-opt-5m"}, Conflict, "keeps its model"),
        ({"name": "harbour/x"}, NotFound, "no model"),
    ],
)
def test_what_is_wrong_is_said_and_nothing_is_changed(bench, changes, error, says):
    with pytest.raises(error, match=says):
        apply(bench, **changes)
    assert not Entry.objects.filter(event="pool.changed", data__change="applied").exists()


@pytest.mark.parametrize("text", ["", "[]", "pools: {}", "pools: {x: {}}", "pools: [", "pool: {a/b: {}}"])
def test_a_file_of_another_shape_is_refused(text):
    with pytest.raises(Invalid):
        pool_file.read(text)


def test_the_command_reads_a_file(bench, tmp_path: Path):
    (tmp_path / "pools.yaml").write_text(text_of(bench))
    out = StringIO()
    for arguments in (["--dry-run"], [], []):
        call_command("pool", "apply", str(tmp_path / "pools.yaml"), *arguments, stdout=out)
    said = out.getvalue()
    assert said.count("concurrency none → 32") == 2
    assert "this was a dry run" in said
    assert said.endswith("Nothing to change.\n")
    with pytest.raises(CommandError, match="cannot be read"):
        call_command("pool", "apply", str(tmp_path / "absent.yaml"))


# --- Canary -------------------------------------------------------------------------------------------------------


def test_a_project_always_meets_one_version_and_the_share_is_as_said():
    projects = [f"p-{number}" for number in range(2000)]
    met = {percent: {one for one in projects if contract.meets_canary(one, 1, percent)} for percent in (0, 5, 30, 100)}
    assert met[0] == set()
    assert met[100] == set(projects)
    assert met[5] < met[30]
    assert 0.25 < len(met[30]) / 2000 < 0.35
    other = {one for one in projects if contract.meets_canary(one, 2, 30)}
    assert other != met[30]


def test_the_route_carries_its_canary_at_its_own_revision(bench, store):
    next_pool = canary(bench)
    deliver_due()
    route = pushed(store)[OPEN]
    assert (route.canary_percent, route.canary.revision, route.canary.pool) == (30, next_pool.commit, "lyceum/next")
    assert route.revision != route.canary.revision
    assert Route.from_json(route.to_json()) == route
    projects = [f"p-{number}" for number in range(300)]
    seen = {one: route.seen_by(one).revision for one in projects}
    assert set(seen.values()) == {route.revision, next_pool.commit}


def test_a_rename_changes_nothing_about_who_meets_the_canary(bench):
    canary(bench)
    projects = [f"p-{number}" for number in range(300)]
    before = {one: routes.current()[OPEN].seen_by(one).pool for one in projects}
    rename_model(model=bench.open_model, lab=bench.world.lab, name="renamed", by=bench.world.manager)
    renamed = routes.current()[OPEN.replace(OPEN.partition("/")[2], "renamed")]
    assert {one: renamed.seen_by(one).pool for one in projects} == before
    assert len(set(before.values())) == 2


def test_rights_are_those_of_the_revision_that_the_project_meets(bench, store):
    """A revision that may not be queried is not, where it is met; elsewhere nothing changes."""
    next_pool = canary(bench, 100)
    assert OPEN in limits_of(bench).models
    assert [pool.pk for pool in routes.met_by(str(bench.project.pk)) if pool.model == bench.open_model] == [
        next_pool.pk
    ]
    withdrawn = {"state": "withdrawn", "withdrawn_at": timezone.now(), "withdrawn_reason": "A test."}
    Revision.objects.filter(commit=next_pool.commit).update(**withdrawn)
    assert [pool.name for pool in routes.met_by(str(bench.project.pk))] != ["next"]
    assert OPEN in limits_of(bench).models
    assert routes.current()[OPEN].canary is None


def test_a_file_of_before_a_rename_changes_nothing(bench):
    """The operator applies it again and again; a refusal would leave the pools of all other models as they are, too."""
    apply(bench)
    rename_model(model=bench.open_model, lab=bench.world.lab, name="renamed", by=bench.world.manager)
    assert apply(bench) == []
    with pytest.raises(NotFound, match="no model lyceum/never"):
        apply(bench, model="lyceum/never")


def test_an_engine_that_registers_itself_goes_into_the_models_own_pool(bench):
    next_pool = canary(bench)
    serving = actions.Serving("http://127.0.0.1:9999", "vllm 0.32.0", OPEN, 1024, True, 12)
    backend = actions.serve(by=None, model=bench.open_model, commit=next_pool.commit, serving=serving)
    assert (backend.pool.canary_percent, next_pool.backends.count()) == (None, 2)


def test_a_model_has_one_canary(bench):
    pool = canary(bench)
    with pytest.raises(IntegrityError, match="pool_one_canary"):
        Pool.objects.create(
            lab=pool.lab, name="third", model=pool.model, commit=pool.commit, engine_model="x", context=1,
            canary_percent=1,
        )  # fmt: skip


# --- How it stands ------------------------------------------------------------------------------------------------


def test_status_joins_the_data_with_what_the_gateways_report(bench, store):
    apply(bench)
    now = time.time_ns() // 1_000_000
    ours = Report(now, {"http://10.0.0.1:8000": Seen("well", 40, 3, 1, 0.5)})
    theirs = Report(now, {"http://10.0.0.1:8000": Seen("ejected", 2, 3, 1, 0.5)})
    old = Report(now - 60_000, {"http://10.0.0.2:8000": Seen("well", 9, 9, 9, 0.9)})
    store.hset(contract.REPORTS, mapping={"a": ours.to_json(), "b": theirs.to_json(), "c": old.to_json(), "d": "{}"})
    store.set(counter_key("pool", "lyceum/pico-opt-1m"), Counter(running=7).to_bytes())
    store.hset("wb:queue:lyceum/pico-opt-1m:who", "r1", "x")
    backend = Pool.objects.get(model=bench.open_model).backends.get(name="one")
    EngineCount.objects.create(
        backend=str(backend), since=backend.started_at, engine_prompt=12, engine_completion=5, finished_prompt=10,
        finished_completion=5, aborted_prompt=0, aborted_completion=0,
    )  # fmt: skip
    pool = next(one for one in overview.states(list(Pool.objects.serving())) if one.model == OPEN)
    one, two = pool.backends
    assert (pool.places, pool.running, pool.queued, pool.canary_percent) == (32, 7, 1, 0)
    assert (one.state, one.outstanding, one.running, one.waiting, one.drift) == ("ejected", 42, 3, 1, (2, 0))
    assert (two.state, two.outstanding, two.running, two.drift) == (overview.UNKNOWN, 0, None, None)
    out = StringIO()
    call_command("pool", "status", stdout=out)
    assert "places 7/32  queued 1" in out.getvalue()
    out = StringIO()
    call_command("pool", "status", "--json", stdout=out)
    assert {one["model"] for one in json.loads(out.getvalue())} >= {OPEN}


def test_status_takes_as_many_queries_for_many_backends(bench, django_assert_num_queries):
    backends = {f"b{number}": {"url": f"http://10.0.1.{number}:8000"} for number in range(20)}
    apply(bench, backends=backends)
    with django_assert_num_queries(3):
        overview.states(list(Pool.objects.serving()))
