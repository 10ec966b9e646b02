"""Pools, routes and allowances: what the gateway is told to serve, and what it may be used for."""

from __future__ import annotations

import io
import json
from datetime import timedelta
from io import StringIO

import pytest
import time_machine
from django.core.management import CommandError, call_command
from django.utils import timezone

from inference import actions, contract, routes, usage
from inference.allowances import SITE_DEFAULT, Budget, widest
from inference.contract import Limits, Route
from inference.introspection import introspect
from inference.models import Allowance, Backend, Pool
from portal.audit.models import Entry
from portal.errors import Conflict, Invalid, NotFound
from portal.outbox.delivery import deliver_due
from portal.outbox.telling import NOT_TOLD
from portal.people.actions import create_lab
from portal.projects.actions import personal
from portal.switches.models import Switch, flip
from releases import actions as release_actions
from tests.inference.bench import GATED, OPEN, publish, serve


def pushed(store) -> dict[str, Route]:
    return {name: Route.from_json(text) for name, text in store.hgetall(contract.ROUTES).items()}


def test_a_ready_server_becomes_a_route(bench, store):
    deliver_due()
    route = pushed(store)[GATED]
    assert route.backends == (contract.Backend("lyceum/pico-opt-5m/pico-opt-5m", "http://127.0.0.1:8102"),)
    assert (route.owner, route.pool, route.engine, route.context) == (
        "lyceum",
        "lyceum/pico-opt-5m",
        "vllm 0.32.0",
        1024,
    )
    assert route.revision == bench.gated_model.revisions.get().commit
    assert route.gated
    assert route.apply_url.endswith("/apply/lyceum-large/")
    assert not pushed(store)[OPEN].gated


def test_a_restarted_server_replaces_itself(bench):
    serve(bench.open_model, 9999)
    backend = Backend.objects.get(pool__model=bench.open_model)
    assert backend.url == "http://127.0.0.1:9999"


def test_a_gone_server_leaves_a_route_without_backends(bench, store):
    actions.withdraw(by=None, backend=Backend.objects.get(pool__model=bench.open_model), reason="It ended.")
    deliver_due()
    assert pushed(store)[OPEN].backends == ()


def test_a_draining_server_says_so_and_drains_once(bench, store):
    backend = Backend.objects.get(pool__model=bench.open_model)
    actions.drain(by=bench.world.manager, backend=backend)
    deliver_due()
    assert pushed(store)[OPEN].backends[0].draining
    with pytest.raises(Conflict):
        actions.drain(by=bench.world.manager, backend=backend)


def test_a_retired_pool_is_not_served_and_its_place_is_free(bench, store):
    actions.retire(by=bench.world.manager, pool=Pool.objects.get(model=bench.open_model))
    deliver_due()
    assert OPEN not in pushed(store)
    with pytest.raises(Conflict):
        actions.retire(by=bench.world.manager, pool=Pool.objects.get(model=bench.open_model))
    serve(bench.open_model)
    deliver_due()
    assert pushed(store)[OPEN].pool == "lyceum/pico-opt-1m-2"
    assert Pool.objects.get(name="pico-opt-1m").retired_at is not None


def test_two_models_whose_names_become_one_word_are_both_served(bench, store):
    serve(publish(bench.world.lab, "pico_opt-1m"), 8109)
    assert routes.current()["lyceum/pico_opt-1m"].pool == "lyceum/pico-opt-1m-2"
    assert routes.current()[OPEN].pool == "lyceum/pico-opt-1m"


def test_the_places_of_a_new_pool_are_its_servers_own_and_then_the_operators(bench):
    pool = Pool.objects.get(model=bench.open_model)
    commit = pool.commit
    actions.retire(by=None, pool=pool)
    serving = actions.Serving("http://127.0.0.1:1", "vllm", OPEN, 10, True, 1, places=36)
    for expected in (36, 50):
        Pool.objects.filter(model=bench.open_model, retired_at=None).update(concurrency=50)
        Pool.objects.filter(pk=pool.pk).update(name="former")
        served = actions.serve(by=None, model=bench.open_model, commit=commit, serving=serving).pool
        assert served.concurrency == expected


def test_an_unknown_commit_cannot_be_served(bench):
    serving = actions.Serving("http://127.0.0.1:1", "vllm", OPEN, 10, True, 1)
    with pytest.raises(NotFound):
        actions.serve(by=None, model=bench.open_model, commit="f" * 40, serving=serving)


@pytest.mark.parametrize("how", ["withdrawn revision", "withdrawn model", "switch"])
def test_what_may_not_be_used_is_not_routed(bench, store, how):
    if how == "withdrawn revision":
        bench.open_model.revisions.update(state="withdrawn", withdrawn_at=timezone.now(), withdrawn_reason="x")
    elif how == "withdrawn model":
        type(bench.open_model).objects.filter(pk=bench.open_model.pk).update(
            withdrawn_at=timezone.now(), withdrawn_reason="x"
        )
    else:
        flip(switch=Switch.QUERY, on=False, reason="A test.", by=None)
    routes.push()
    assert OPEN not in pushed(store)


def test_a_push_removes_what_is_no_longer_there(bench, store):
    store.hset(contract.ROUTES, "ghost/model", "{}")
    assert routes.push() == 2
    assert set(store.hkeys(contract.ROUTES)) == {OPEN, GATED}


def test_a_renamed_model_is_routed_under_both_names_as_long_as_it_is_served(bench, store):
    """Scripts, notebooks and the rows of batches hold the old name, which is never given to another model."""
    renamed = release_actions.rename_model(
        model=bench.open_model, lab=bench.world.lab, name="renamed", by=bench.world.manager
    )
    routes.push()
    told = pushed(store)
    assert (told[OPEN], told[OPEN].model) == (told[renamed.full_name], renamed.full_name)
    assert routes.renamed() == {OPEN: renamed.full_name}
    assert set(routes.current()) == {renamed.full_name, GATED}, "it is one model"
    Pool.objects.filter(model=bench.open_model).delete()
    routes.push()
    assert set(pushed(store)) == {GATED}


def test_every_change_of_a_pool_is_in_the_trail(bench):
    before = Entry.objects.filter(event="pool.changed").count()
    actions.withdraw(by=bench.world.manager, backend=Backend.objects.get(pool__model=bench.open_model), reason="x")
    assert Entry.objects.filter(event="pool.changed").count() == before + 1


# --- manage.py pool -----------------------------------------------------------------------------------------------


def ready_event(bench, **changes) -> dict:
    commit = bench.open_model.revisions.get().commit
    facts = {"engine": "vllm 0.32.0", "context": 512, "chat": False, "template_overhead": 9}
    return {"event": "ready", "model": OPEN, "revision": commit, "url": "http://127.0.0.1:7777", **facts, **changes}


def pool(verb: str, *arguments: str, stdin: str = "", monkeypatch=None) -> str:
    out = StringIO()
    if monkeypatch:
        monkeypatch.setattr("sys.stdin", io.StringIO(stdin))
    call_command("pool", verb, *arguments, stdout=out)
    return out.getvalue()


def test_the_engine_registers_and_removes_itself(bench, monkeypatch):
    pool("ready", stdin=json.dumps(ready_event(bench)), monkeypatch=monkeypatch)
    served = Pool.objects.get(model=bench.open_model)
    assert (served.context, served.chat, served.template_overhead) == (512, False, 9)
    assert (served.generates, served.embeds, served.tools, served.tokenizer_info) == (True, False, False, False)
    event = ready_event(bench, generates=False, embeds=True, tokenizer_info=True)
    pool("ready", stdin=json.dumps(event), monkeypatch=monkeypatch)
    served.refresh_from_db()
    assert (served.generates, served.embeds, served.tools, served.tokenizer_info) == (False, True, False, True)
    assert routes.current()[OPEN].embeds
    assert "http://127.0.0.1:7777" in pool("status")
    pool("gone", stdin=json.dumps({"url": "http://127.0.0.1:7777", "reason": "stopped"}), monkeypatch=monkeypatch)
    assert not served.backends.exists()


@pytest.mark.parametrize("text", ["", "{}", "[]x", '{"model": "no/such"}'])
def test_a_malformed_event_is_refused_with_a_sentence(bench, monkeypatch, text):
    with pytest.raises(CommandError):
        pool("ready", stdin=text, monkeypatch=monkeypatch)


def test_drain_by_name(bench):
    pool("drain", "lyceum/pico-opt-1m/pico-opt-1m")
    assert Backend.objects.get(pool__model=bench.open_model).draining
    for wrong in ("lyceum/pico-opt-1m/other", "nonsense", "a/b/c/d"):
        with pytest.raises(CommandError, match=f"There is no server {wrong}"):
            pool("drain", wrong)


def test_a_drained_server_is_taken_back_by_name_once(bench, store):
    name = "lyceum/pico-opt-1m/pico-opt-1m"
    assert f"queries of {OPEN} are refused" in pool("drain", name), "it was the last of its pool"
    assert "in use" in pool("resume", name)
    deliver_due()
    assert not pushed(store)[OPEN].backends[0].draining
    with pytest.raises(CommandError, match="in use already"):
        pool("resume", name)
    with pytest.raises(CommandError, match="There is no server nonsense"):
        pool("resume", "nonsense")


def test_draining_one_of_two_servers_says_nothing_of_refused_queries(bench):
    only = Backend.objects.get(pool__model=bench.open_model)
    Backend.objects.create(pool=only.pool, name="two", url="http://127.0.0.1:8199")
    assert "refused" not in pool("drain", "lyceum/pico-opt-1m/two")


def test_the_operator_retires_a_pool_by_name_once(bench):
    pool("retire", "lyceum/pico-opt-1m")
    assert OPEN not in routes.current()
    assert not Backend.objects.filter(pool__model=bench.open_model).exists()
    assert GATED in routes.current(), "the other pool"
    with pytest.raises(CommandError, match="retired already"):
        pool("retire", "lyceum/pico-opt-1m")
    with pytest.raises(CommandError, match="There is no pool nonsense"):
        pool("retire", "nonsense")


@pytest.mark.parametrize(
    "words",
    [("drain", "lyceum/pico-opt-1m/pico-opt-1m"), ("retire", "lyceum/pico-opt-1m")],
)
def test_an_operator_is_told_what_waits_while_the_limits_store_is_away(bench, store, settings, words):
    reached, settings.REDIS_URL = settings.REDIS_URL, "redis://127.0.0.1:1/0"
    with pytest.raises(CommandError, match="the gateways do not know it yet") as missed:
        pool(*words)
    assert missed.value.returncode == NOT_TOLD
    for told in ("The limits store does not answer", "Do not give the command again", "the relay tells them"):
        assert told in str(missed.value)
    assert OPEN not in routes.current() or routes.current()[OPEN].backends[0].draining, "it is done all the same"
    settings.REDIS_URL = reached
    with time_machine.travel(timezone.now() + timedelta(minutes=5)):
        deliver_due()
    assert pushed(store).keys() == routes.current().keys()
    assert pushed(store) == routes.current(), "by itself, when the store is back"


def test_an_engine_is_registered_while_the_limits_store_is_away(bench, settings, monkeypatch):
    """It would be tried again with each probe, and each try is an entry of the trail."""
    settings.REDIS_URL = "redis://127.0.0.1:1/0"
    pool("ready", stdin=json.dumps(ready_event(bench)), monkeypatch=monkeypatch)
    assert Backend.objects.filter(url="http://127.0.0.1:7777").exists()


# --- Allowances ---------------------------------------------------------------------------------------------------

SMALL = Limits(requests_per_minute=5, tokens_per_minute=1000, concurrency=2, tokens_per_day=500, tokens_per_period=900)


def limits_of(bench, token=None):
    return introspect((token or bench.token).digest).principal


def test_without_any_allowance_the_sites_default_holds(bench):
    limits = limits_of(bench).project_limits
    assert limits.tokens_per_period == SITE_DEFAULT.tokens_per_period
    assert limits.period == f"{timezone.now():%Y-%m}"


def test_a_labs_default_holds_for_projects_without_their_own(bench):
    actions.set_allowance(by=bench.world.manager, lab=bench.world.lab, limits=SMALL)
    own = bench.new_token(bench.researcher)
    for token in (bench.token, own):
        assert limits_of(bench, token).project_limits.tokens_per_day == 500


def test_a_projects_own_allowance_holds_and_names_its_period(bench):
    actions.set_allowance(by=bench.world.manager, lab=bench.world.lab, limits=SMALL)
    actions.set_allowance(by=bench.world.manager, project=bench.project, limits=Limits(tokens_per_period=7))
    limits = limits_of(bench).project_limits
    assert (limits.tokens_per_period, limits.tokens_per_day) == (7, None)
    assert limits.period.startswith(f"{timezone.now():%Y-%m-%d}T")


def test_a_new_allowance_ends_the_former_and_begins_a_new_count(bench):
    first = actions.set_allowance(by=None, project=bench.project, limits=Limits(tokens_per_period=7))
    name = limits_of(bench).project_limits.period
    actions.set_allowance(by=None, project=bench.project, limits=Limits(tokens_per_period=9))
    first.refresh_from_db()
    assert first.ends_at is not None
    assert limits_of(bench).project_limits.period != name
    assert Allowance.objects.current().filter(project=bench.project).count() == 1


def test_an_allowance_for_one_model_is_that_models_scope(bench):
    actions.set_allowance(by=None, project=bench.project, model=bench.gated_model, limits=Limits(tokens_per_day=3))
    principal = limits_of(bench)
    assert principal.models[GATED].limits.tokens_per_day == 3
    assert principal.models[OPEN].limits == Limits()


def test_a_past_allowance_does_not_hold(bench):
    past = timezone.now() - timedelta(days=2)
    Allowance.objects.create(project=bench.project, tokens_per_day=1, starts_at=past, ends_at=past + timedelta(days=1))
    assert limits_of(bench).project_limits.tokens_per_day == SITE_DEFAULT.tokens_per_day


def test_with_two_labs_a_personal_project_keeps_each_labs_default(bench):
    harbour = create_lab(slug="harbour", name="Harbour", by=None)
    serve(publish(harbour, "tide"), 8103)
    actions.set_allowance(by=None, lab=bench.world.lab, limits=SMALL)
    actions.set_allowance(by=None, lab=harbour, limits=Limits(tokens_per_day=50, tokens_per_period=90))
    principal = limits_of(bench, bench.new_token(bench.researcher))
    assert principal.project_limits.tokens_per_day == 500
    assert principal.models[OPEN].limits.tokens_per_day == 500
    assert principal.models["harbour/tide"].limits.tokens_per_day == 50


def test_a_person_is_shown_the_limits_that_hold_for_them_and_not_those_of_a_lab_whose_models_they_may_not_query(bench):
    harbour = create_lab(slug="harbour", name="Harbour", by=None)
    tide = publish(harbour, "tide", gate=bench.world.gate)
    serve(tide, 8103)
    actions.set_allowance(by=None, lab=bench.world.lab, limits=SMALL, top_class="normal")
    actions.set_allowance(by=None, lab=harbour, limits=Limits(tokens_per_day=10**6), top_class="interactive")
    token = bench.new_token(bench.researcher)
    for gate, most, top in ((bench.world.gate, 900, "normal"), (None, None, "interactive")):
        tide.gate = gate
        tide.save()
        held, shown = limits_of(bench, token), usage.burn_of(token.project, timezone.now())
        assert shown.limits == held.project_limits
        assert (shown.limits.tokens_per_period, shown.top_class, held.top_class) == (most, top, top)


def test_widest_takes_no_limit_for_the_widest():
    assert widest([Limits(tokens_per_day=1), Limits(tokens_per_day=None, concurrency=3)]) == Limits()
    assert widest([Limits(concurrency=2), Limits(concurrency=9)]).concurrency == 9


@pytest.mark.parametrize("wrong", [{}, {"lab": 1, "project": 1}, {"lab": 1, "model": 1}])
def test_an_allowance_names_a_project_or_a_lab(bench, wrong):
    named = {"lab": bench.world.lab, "project": bench.project, "model": bench.open_model}
    with pytest.raises(Invalid):
        actions.set_allowance(by=None, limits=SMALL, **{key: named[key] for key in wrong})


def test_a_set_allowance_is_effective_at_the_gateway(bench, store):
    limits_of(bench)
    actions.set_allowance(by=None, project=bench.project, limits=SMALL)
    deliver_due()
    bench.project.refresh_from_db()
    assert store.get(contract.generation_key("project", str(bench.project.pk))) == str(bench.project.generation)


def test_the_budget_takes_two_queries(bench, django_assert_num_queries):
    project = personal(bench.researcher)
    with django_assert_num_queries(2):
        Budget.of(project, timezone.now())
