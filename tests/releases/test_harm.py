"""Reports of harm: from anybody, without an account; answered by the lab; public as far as the reporter allows."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest
import time_machine
from django.core import mail
from django.test import Client
from django.utils import timezone

from portal import counters
from portal.audit.models import Entry
from portal.errors import Conflict, Invalid, NotAllowed
from portal.outbox import delivery
from portal.people.models import User
from releases import harm_lifecycle as lifecycle
from releases.harm import actions, guarding
from releases.harm_lifecycle import Verb
from releases.harm_models import HarmReport
from releases.models import Model
from tests.portal import world
from tests.portal.world import browser

WORDS = "Asked for a recipe, it named a real person and told where they live."
TYPED = {"subject": "lyceum/mine", "about": "privacy", "text": WORDS, "publish": "all", "email": "ida@reader.example"}


@pytest.fixture
def model(lyceum: world.World, publish: Any) -> Model:
    return publish(lyceum, "mine")


@pytest.fixture(autouse=True)
def _nothing_counted() -> None:
    redis = counters.client()
    for key in redis.scan_iter("wb:harm:*"):
        redis.delete(key)


def a_while_ago(**age: int) -> str:
    with time_machine.travel(timezone.now() - timedelta(**age), tick=False):
        return guarding.seal()


def send(client: Client, **changes: Any) -> Any:
    return client.post("/harm/", TYPED | {"sealed": a_while_ago(seconds=30)} | changes)


def received(model: Model, **changes: Any) -> HarmReport:
    return actions.receive(subject=model, **({"about": "privacy", "text": WORDS, "publish": "all"} | changes))


def mails() -> dict[str, list[str]]:
    mail.outbox.clear()
    while delivery.deliver_due():
        pass
    found: dict[str, list[str]] = {}
    for message in mail.outbox:
        for address in message.to:
            found.setdefault(address, []).append(f"{message.subject}\n{message.body}")
    return found


# --- Sending ------------------------------------------------------------------------------------------------------
def test_somebody_without_an_account_reports_and_follows_the_report(
    lyceum: world.World, model: Model, client: Client
) -> None:
    assert 'value="lyceum/mine"' in client.get("/harm/?about=lyceum/mine").content.decode()
    answer = send(client)
    assert answer.status_code == 302
    report = HarmReport.objects.get()
    page = client.get(answer.headers["Location"]).content.decode()
    assert report.number in page
    assert WORDS not in page, "whoever has the address does not read the words"
    told = mails()
    assert told.keys() == {"ida@reader.example", lyceum.manager.email}
    assert report.status_path() in told["ida@reader.example"][0]
    assert WORDS not in str(told), "no mail carries what was reported"
    assert Entry.objects.filter(event="harm.reported", actor="system").exists()


def test_an_invented_address_of_a_status_is_nothing(model: Model, client: Client) -> None:
    report = received(model)
    assert client.get(report.status_path()).status_code == 200
    assert client.get(f"/harm/status/{report.pk}:invented/").status_code == 404
    assert client.get("/harm/status/1/").status_code == 404


@pytest.mark.parametrize(
    ("changes", "says"),
    [
        ({"subject": "lyceum/none"}, "There is no model or family of this name"),
        ({"text": "short"}, 'id="id_text_error"'),
        ({"about": "all"}, 'id="id_about_error"'),
        ({"email": "not an address"}, 'id="id_email_error"'),
        ({"website": "https://casino.example"}, "too quick for a person"),
        ({"sealed": "invented"}, "This form is too old"),
        ({"sealed": ""}, "This form is too old"),
        ({"text": WORDS + " http://a.example" * 6}, "At most 5 links"),
    ],
)
def test_what_is_wrong_is_told_and_nothing_is_lost(
    model: Model, client: Client, changes: dict[str, str], says: str
) -> None:
    answer = send(client, **changes)
    page = answer.content.decode()
    assert answer.status_code == 422
    assert says in page
    assert (TYPED | changes)["text"][:20] in page
    assert not HarmReport.objects.exists()


def test_a_machine_is_too_quick_and_a_form_lives_a_day(model: Model, client: Client) -> None:
    assert "too quick" in send(client, sealed=guarding.seal()).content.decode()
    assert "too old" in send(client, sealed=a_while_ago(days=2)).content.decode()
    assert send(client, sealed=a_while_ago(hours=20)).status_code == 302


def test_an_address_sends_a_few_an_hour_and_another_is_not_hindered(
    model: Model, client: Client, settings: Any
) -> None:
    settings.HARM_REPORTS = 2
    assert [send(client).status_code for _ in range(3)] == [302, 302, 422]
    refused = send(client).content.decode()
    assert "That is enough for an hour" in refused
    assert WORDS in refused
    assert client.post("/harm/", TYPED | {"sealed": a_while_ago(seconds=9)}, REMOTE_ADDR="192.0.2.7").status_code == 302
    assert HarmReport.objects.count() == 3


def test_a_draft_of_another_lab_cannot_be_reported_on(harbour: world.World, publish: Any, client: Client) -> None:
    publish(harbour, "secret", publish=False)
    assert "There is no model or family of this name" in send(client, subject="harbour/secret").content.decode()


# --- The lab ------------------------------------------------------------------------------------------------------
def test_the_lab_looks_into_it_answers_and_the_address_is_forgotten(
    lyceum: world.World, model: Model, client: Client
) -> None:
    report = received(model, email="ida@reader.example")
    mails()
    manager = browser(lyceum.manager)
    assert report.number in manager.get("/harm/reports/").content.decode()
    assert "1 report of harm waits" in manager.get("/review/").content.decode()
    assert manager.post(report.get_absolute_url(), {"verb": "triage"}).status_code == 422
    manager.post(report.get_absolute_url(), {"verb": "triage", "gravity": "serious"})
    assert "Being looked into" in client.get(report.status_path()).content.decode()
    assert "serious" not in client.get(report.status_path()).content.decode()
    assert manager.post(report.get_absolute_url(), {"verb": "answer", "answer": ""}).status_code == 422
    manager.post(report.get_absolute_url(), {"verb": "answer", "answer": "We took the file out of the data."})
    report.refresh_from_db()
    assert (report.state, report.email, report.handled_by) == ("answered", "", lyceum.manager)
    assert "ida@reader.example" in mails()
    log = client.get("/harm/answered/").content.decode()
    assert WORDS in log
    assert "We took the file out of the data." in log
    with pytest.raises(Conflict):
        actions.end(report=report, verb=Verb.CLOSE, answer="Once more.", by=lyceum.manager)


def test_the_log_shows_what_each_reporter_allowed(lyceum: world.World, model: Model, client: Client) -> None:
    for publish in ("nothing", "answer", "all"):
        report = received(model, text=f"{WORDS} {publish}!", publish=publish)
        actions.end(report=report, verb=Verb.ANSWER, answer=f"Answer to {publish}.", by=lyceum.manager)
    closed = received(model, text=f"{WORDS} closed!")
    actions.end(report=closed, verb=Verb.CLOSE, answer="Sent twice.", by=lyceum.manager)
    log = client.get("/harm/answered/").content.decode()
    assert "Answer to all." in log
    assert "all!" in log
    assert "Answer to answer." in log
    assert "answer!" not in log
    assert "Answer to nothing." not in log
    assert "1 more answered report is not shown" in log
    assert "Sent twice." not in log
    assert "Sent twice." in client.get(closed.status_path()).content.decode()


def test_a_second_lab_and_reviewers_see_none_of_it(
    lyceum: world.World, harbour: world.World, model: Model, mara: User
) -> None:
    report = received(model)
    other = browser(harbour.manager)
    assert report.number not in other.get("/harm/reports/").content.decode()
    for reader in (other, browser(lyceum.reviewers[0]), browser(mara)):
        assert reader.get(report.get_absolute_url()).status_code == 404
        assert reader.post(report.get_absolute_url(), {"verb": "close", "answer": "x"}).status_code == 404
    assert browser(mara).get("/harm/reports/").status_code == 404
    for act in (
        lambda: actions.triage(report=report, gravity="minor", by=harbour.manager),
        lambda: actions.end(report=report, verb=Verb.CLOSE, answer="No.", by=harbour.manager),
    ):
        with pytest.raises(NotAllowed):
            act()


def test_actions_refuse_what_no_form_would_send(lyceum: world.World, model: Model) -> None:
    for changes in ({"text": "x"}, {"about": "y"}, {"publish": "z"}):
        with pytest.raises(Invalid):
            received(model, **changes)
    with pytest.raises(Invalid):
        actions.triage(report=received(model), gravity="awful", by=lyceum.manager)


def test_what_ended_has_no_verb_left() -> None:
    assert lifecycle.verbs("answered", frozenset({"manager"})) == ()
    assert lifecycle.verbs("closed", frozenset({"manager"})) == ()
    assert lifecycle.verbs("received", frozenset({"reviewer"})) == ()


@pytest.mark.parametrize("count", world.CROWDS)
def test_many_reports_are_paged_and_their_queries_do_not_grow(
    lyceum: world.World, model: Model, client: Client, django_assert_max_num_queries: Any, count: int
) -> None:
    now = timezone.now()
    rows = [HarmReport(lab=lyceum.lab, model=model, about="bias", text=WORDS, publish="all") for _ in range(count)]
    for row in rows[: count // 2]:
        row.state, row.answer, row.ended_at = "answered", "Thanks.", now
    HarmReport.objects.bulk_create(rows)
    world.counted()
    manager = browser(lyceum.manager)
    for reader, address in ((client, "/harm/answered/"), (manager, "/harm/reports/")):
        with django_assert_max_num_queries(16):
            assert reader.get(address).status_code == 200
