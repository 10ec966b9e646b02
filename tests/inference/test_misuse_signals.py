"""Misuse signals: what the rules find in counts and times, who sees it, and what they may do with it."""

from __future__ import annotations

from contextlib import contextmanager
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from types import MappingProxyType, SimpleNamespace
from uuid import uuid4

import pytest
from django.test import Client
from django.utils import timezone

from inference import contract, ledger, misuse, signalling, tasks, watching
from inference.misuse import RULES
from inference.signal_models import Signal
from inference.signal_states import State, Verb
from portal.access.models import Grant
from portal.audit.models import Entry
from portal.errors import Conflict, Invalid, NotAllowed, Unavailable
from portal.outbox.models import Message
from portal.people import erasure
from portal.people.erasure_models import ErasureRequest
from portal.projects.actions import personal
from portal.tokens import actions as tokens
from portal.tokens.models import AccessToken
from portal.tokens.page_models import PageToken
from portal.tokens.scopes import Kind, Scope
from tests.inference.bench import GATED, event
from tests.portal import world

YESTERDAY = datetime.now(UTC).replace(hour=0, minute=0, second=0, microsecond=0) - timedelta(days=1)


@pytest.fixture
def bound(monkeypatch):
    """Rules with small bounds, so that a small ledger is enough."""

    def set_bounds(name: str, **bounds: int) -> None:
        changed = replace(RULES[name], bounds={**RULES[name].bounds, **bounds})
        monkeypatch.setitem(misuse.RULES, name, changed)

    return set_bounds


@pytest.fixture
def queried(bench):
    """Settle queries of the researcher's project, so many minutes after a day's midnight."""

    def settle(*minutes: int, day: datetime = YESTERDAY, **changes) -> None:
        start = int(day.timestamp() * 1000)
        whose = {"user_id": str(bench.researcher.pk), "project_id": str(bench.project.pk), "model": GATED}
        ledger.post([
            event(**{**whose, "token_id": str(bench.token.pk), **changes}, started_at=start + minute * 60_000,
                  ended_at=start + minute * 60_000 + 500)
            for minute in minutes
        ])  # fmt: skip

    return settle


def raised() -> list[tuple[str, dict[str, int]]]:
    signalling.raise_for(YESTERDAY.date())
    return [(signal.rule, signal.figures) for signal in Signal.objects.order_by("rule")]


@pytest.fixture
def signal(bench, bound, queried) -> Signal:
    bound("same_length", least=2)
    queried(1, 2, 3)
    assert raised()
    return Signal.objects.get()


def test_every_rule_asks_something_and_says_it_in_words():
    assert RULES.keys() == watching.QUESTIONS.keys()
    for rule in RULES.values():
        assert str(rule.looks_for) % MappingProxyType(rule.bounds)


def test_a_quiet_day_raises_nothing(queried):
    queried(1, 2, 3)
    assert raised() == []


def test_a_day_far_over_the_own_median_stands_out(bound, queried):
    bound("burst", least=100, times=10, days=3)
    for back in (1, 2, 3):
        queried(5, day=YESTERDAY - timedelta(days=back), prompt_tokens=10, completion_tokens=10)
    queried(5, prompt_tokens=190, completion_tokens=9)
    assert raised() == []
    queried(6, prompt_tokens=1, completion_tokens=0)
    assert raised() == [("burst", {"tokens": 200, "usual": 20})]
    assert "usual for this project are 20 a day" in Signal.objects.get().words


def test_who_has_no_usual_yet_does_not_stand_out(bound, queried):
    bound("burst", least=100, days=3)
    queried(5, day=YESTERDAY - timedelta(days=1), prompt_tokens=1)
    queried(5, prompt_tokens=100_000)
    assert raised() == []


def test_queries_in_nearly_every_minute_stand_out(bound, queried):
    bound("saturation", minutes=5)
    queried(0, 0, 1, 2, 3)
    assert raised() == []
    queried(1439)
    assert raised() == [("saturation", {"minutes": 5})]


def test_prompts_of_one_length_stand_out_and_mixed_ones_do_not(bound, queried):
    bound("same_length", least=10, percent=90)
    queried(*range(9), prompt_tokens=77)
    queried(1, 2, prompt_tokens=5)
    assert raised() == []
    queried(*range(20, 38), prompt_tokens=77)
    assert raised() == [("same_length", {"requests": 27, "all": 29, "length": 77})]


def test_many_tokens_of_one_person_stand_out_and_those_of_pages_do_not(bench, bound, queried):
    bound("many_tokens", tokens=3)
    queried(1)
    for number in range(3):
        page = AccessToken.objects.create(
            user=bench.researcher, project=bench.project, kind="page", digest=f"{number:064}", hint="wb_page_x",
            label=GATED, scopes=["query"], expires_at=timezone.now() + timedelta(minutes=5),
        )  # fmt: skip
        PageToken.objects.create(token=page, session_id="s", resource=GATED)
        queried(number, token_id=str(page.pk))
    assert raised() == []
    queried(2, token_id="another")
    queried(3, token_id="a third")
    assert raised() == [("many_tokens", {"tokens": 3})]


def test_a_day_looked_at_twice_raises_nothing_twice(signal):
    assert signalling.raise_for(YESTERDAY.date()) == 0
    assert Entry.objects.filter(event="signal.raised").count() == 1


def test_a_night_that_was_missed_and_rows_that_came_late_are_asked_about_in_the_next(bench, bound, queried):
    bound("same_length", least=2)
    queried(1, 2, 3, day=YESTERDAY - timedelta(days=1))
    assert tasks.raise_signals() == 1
    queried(1, 2, 3, day=YESTERDAY - timedelta(days=2), prompt_tokens=8)
    queried(1, 2, 3, day=YESTERDAY - timedelta(days=3), prompt_tokens=8)
    assert tasks.raise_signals() == 1
    assert tasks.raise_signals() == 0
    days = [(YESTERDAY - timedelta(days=ago)).date() for ago in (1, 2)]
    assert [signal.day for signal in Signal.objects.order_by("-day")] == days


def test_what_was_deleted_with_its_person_is_not_raised_again(bench, signal):
    asked = ErasureRequest.objects.create(user=bench.researcher, requested_at=YESTERDAY, due_at=YESTERDAY)
    assert erasure.erase(request=asked, now=timezone.now())
    assert tasks.raise_signals() == 0
    assert not Signal.objects.exists()


def test_a_rule_that_cannot_be_asked_keeps_no_other_from_it(bound, queried, monkeypatch):
    """A row of another portal's, whose person has no id of ours."""
    bound("same_length", least=2)
    bound("many_tokens", tokens=1)
    queried(1, 2, 3, user_id="u")
    assert raised() == [("same_length", {"requests": 3, "all": 3, "length": 10})]


def test_nobodys_access_changes_whatever_is_answered(bench, signal):
    before = Grant.objects.filter(pk=bench.grant.pk).values().get()
    signalling.answer(by=bench.world.manager, signal=signal, verb=Verb.LOOK)
    signalling.answer(by=bench.world.manager, signal=signal, verb=Verb.DISMISS, note="A benchmark.")
    assert Grant.objects.filter(pk=bench.grant.pk).values().get() == before


def test_it_is_dismissed_with_a_note_and_opened_again(bench, signal):
    manager = bench.world.manager
    with pytest.raises(Invalid):
        signalling.answer(by=manager, signal=signal, verb=Verb.DISMISS, note="  ")
    dismissed = signalling.answer(by=manager, signal=signal, verb=Verb.DISMISS, note="A benchmark.")
    assert (dismissed.state, dismissed.note, dismissed.decided_by) == (State.DISMISSED, "A benchmark.", manager)
    with pytest.raises(Conflict):
        signalling.answer(by=manager, signal=signal, verb=Verb.LOOK)
    assert signalling.answer(by=manager, signal=signal, verb=Verb.REOPEN).state == State.OPEN
    verbs = [entry.data["verb"] for entry in Entry.objects.filter(event="signal.answered").order_by("id")]
    assert verbs == ["dismiss", "reopen"]


def test_a_reviewer_answers_nothing(bench, signal):
    with pytest.raises(NotAllowed):
        signalling.answer(by=bench.world.reviewers[0], signal=signal, verb=Verb.LOOK)


def seen(user, path: str):
    client = Client()
    client.force_login(user)
    return client.get(path)


@pytest.mark.parametrize(("language", "bound"), [("en-gb", "100,000"), ("de", "100.000")])
def test_the_bounds_of_a_rule_are_written_as_their_reader_writes_numbers(bench, language, bound):
    client = Client()
    client.force_login(bench.world.manager)
    client.cookies["language"] = language
    assert bound in client.get("/review/signals/").content.decode()


def test_the_labs_managers_see_it_and_nobody_else_does(bench, signal):
    listed = seen(bench.world.manager, "/review/signals/").content.decode()
    assert "Prompts of one length" in listed
    assert bench.project.title in listed
    second = world.build("harbour")
    assert "Nothing stood out" in seen(second.manager, "/review/signals/").content.decode()
    assert seen(second.manager, signal.get_absolute_url()).status_code == 404
    for other in (bench.world.reviewers[0], bench.researcher):
        assert seen(other, "/review/signals/").status_code == 404
        assert seen(other, signal.get_absolute_url()).status_code == 404


def test_of_a_personal_project_no_name_is_shown(bench, bound, queried):
    bound("same_length", least=2)
    ida = world.person("Ida Fremd")
    queried(1, 2, 3, project_id=str(personal(ida).pk), user_id=str(ida.pk), model="lyceum/pico-opt-1m")
    raised()
    page = seen(bench.world.manager, Signal.objects.get().get_absolute_url()).content.decode()
    assert "somebody’s personal project" in page
    assert "Ida" not in page


def test_the_page_takes_an_answer_and_says_what_is_wrong_with_it(bench, signal):
    client = Client()
    client.force_login(bench.world.manager)
    url = signal.get_absolute_url()
    refused = client.post(url, {"verb": "dismiss", "note": ""})
    assert refused.status_code == 422
    assert "Say why it is nothing" in refused.content.decode()
    assert client.post(url, {"verb": "nonsense"}).status_code == 422
    assert client.post(url, {"verb": "dismiss", "note": "A benchmark."}).status_code == 302
    assert "A benchmark." in client.get(url).content.decode()


def test_the_list_asks_the_database_as_often_for_many_as_for_one(bench, signal, django_assert_max_num_queries):
    Signal.objects.bulk_create(
        Signal(
            lab=signal.lab,
            rule="burst",
            project_id=f"{n:032}",
            model=GATED,
            day=signal.day,
            figures={"tokens": 1, "usual": 1},
        )
        for n in range(60)
    )
    client = Client()
    client.force_login(bench.world.manager)
    client.get("/review/signals/")
    with django_assert_max_num_queries(16):
        assert client.get("/review/signals/?page=2").status_code == 200


# --- What gateways tally, and who hears of it -----------------------------------------------------------------------


def tallied(store, bench, *, refused: int = 0, networks: int = 0, model: str = GATED, token: str = "t1") -> None:
    """As a gateway puts it into Redis."""
    principal = SimpleNamespace(project_id=str(bench.project.pk), user_id="7", token_id=token)
    name, day = contract.tally_name(principal, model), YESTERDAY.date().isoformat()
    if refused:
        store.hincrby(contract.refusals_key(day), name, refused)
    for number in range(networks):
        store.pfadd(contract.networks_key(day, name), f"network {number}")


def test_refusals_of_one_person_stand_out_over_all_their_tokens(bench, store, bound):
    bound("refusals", least=10)
    tallied(store, bench, refused=9)
    assert raised() == []
    tallied(store, bench, refused=1, token="t2")
    assert raised() == [("refusals", {"refusals": 10})]


def test_one_token_from_many_networks_stands_out_and_many_tokens_from_few_do_not(bench, store, bound):
    bound("many_networks", networks=4)
    for token in ("t1", "t2", "t3"):
        tallied(store, bench, networks=3, token=token)
    assert raised() == []
    tallied(store, bench, networks=4, token="t4")
    assert raised() == [("many_networks", {"networks": 4})]


def test_a_store_that_is_away_takes_no_other_rule_along(bench, bound, queried, monkeypatch):
    bound("same_length", least=2)
    queried(1, 2, 3)

    @contextmanager
    def away():
        raise Unavailable("away")
        yield

    monkeypatch.setattr(watching, "reachable", away)
    assert [rule for rule, _ in raised()] == ["same_length"]


def test_managers_are_told_once_a_night_and_nobody_else(bench, signal):
    def told() -> list[str]:
        rows = Message.objects.filter(topic="mail.send", payload__template="signals_raised")
        return [row.payload["to"] for row in rows]

    assert told() == [bench.world.manager.email]
    raised()
    assert len(told()) == 1


def test_a_manager_lists_signals_by_program_and_dismisses_none_without_a_note(bench, signal):
    def program(user) -> Client:
        secret = tokens.issue(by=user, kind=Kind.SERVICE, label=f"desk {uuid4()}", scopes={Scope.MANAGE})[1]
        return Client(headers={"Authorization": f"Bearer {secret}", "Idempotency-Key": str(uuid4())})

    desk = program(bench.world.manager)
    (listed,) = desk.get("/api/v1/signals").json()["results"]
    assert (listed["rule"], listed["figures"]["requests"], listed["state"]) == ("same_length", 3, "open")
    path = f"/api/v1/signals/{signal.pk}"
    bare = desk.post(path, {"verb": "dismiss"}, content_type="application/json")
    assert (bare.status_code, list(bare.json()["fields"])) == (400, ["note"])


def test_a_manager_answers_a_signal_by_program_and_it_is_told_as_it_is_now(bench, signal):
    secret = tokens.issue(by=bench.world.manager, kind=Kind.SERVICE, label="desk", scopes={Scope.MANAGE})[1]
    desk = Client(headers={"Authorization": f"Bearer {secret}"})
    path, note = f"/api/v1/signals/{signal.pk}", "The nightly benchmark; agreed with its lead."

    def answer(key: str, **said: str):
        return desk.post(path, said, content_type="application/json", headers={"Idempotency-Key": key})

    first = answer("one", verb="dismiss", note=note)
    assert (first.status_code, first.json()["state"], first.json()["note"]) == (200, "dismissed", note)
    assert first.json()["decided_at"]
    assert answer("one", verb="dismiss", note=note).json() == first.json(), "one key, one answer"
    assert desk.get(path).json() == first.json()
    assert desk.get("/api/v1/signals").json()["results"] == [], "open ones are listed, if nothing else is asked"
    assert [one["id"] for one in desk.get("/api/v1/signals?state=dismissed").json()["results"]] == [str(signal.pk)]
    assert answer("two", verb="reopen").json()["state"] == "open"
    told = Entry.objects.filter(event="signal.answered").order_by("id")
    assert [(one.data["verb"], one.actor_id) for one in told] == [
        ("dismiss", str(bench.world.manager.pk)), ("reopen", str(bench.world.manager.pk)),
    ]  # fmt: skip
