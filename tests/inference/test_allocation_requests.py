"""Requests for query time: the lead asks, somebody of the lab without a part in the project decides, once."""

from __future__ import annotations

import html
import re
from datetime import timedelta

import pytest
import time_machine
from django.db import IntegrityError, transaction
from django.test import Client
from django.utils import timezone
from django.utils.formats import date_format

from inference import allocation, allocation_actions, usage
from inference.actions import set_allowance
from inference.allocation import Party, Status, Verb
from inference.allocation_models import AllocationRequest
from inference.allowances import SITE_DEFAULT
from inference.models import Allowance
from portal.access import actions as access
from portal.access.models import Grant
from portal.audit.models import Entry
from portal.errors import Conflict, Invalid, NotAllowed, NotFound
from portal.outbox.models import Message
from portal.people import erasure
from portal.people.actions import give_role
from portal.people.models import Role
from portal.people.tasks import erase_due
from portal.projects import actions as projects
from portal.tokens import actions as tokens
from portal.tokens.scopes import Kind, Scope
from tests.inference.bench import Bench
from tests.portal import world
from tests.portal.world import browser

UNTIL = timezone.now().date() + timedelta(days=90)


def asked(bench: Bench, by=None, **changes) -> AllocationRequest:
    said = {"tokens_per_period": 9_000_000, "until": UNTIL, "case": "Six evaluations of four models."} | changes
    return allocation_actions.ask_for_allocation(by=by or bench.researcher, project=bench.project, **said)


def granted(bench: Bench, request: AllocationRequest, by=None, **changes) -> AllocationRequest:
    said = {"tokens_per_period": 5_000_000, "until": UNTIL, "tokens_per_day": 400_000} | changes
    return allocation_actions.grant_allocation(by=by or bench.world.manager, request=request, **said)


def mails(template: str) -> list[str]:
    return sorted(
        row.payload["to"] for row in Message.objects.filter(topic="mail.send") if row.payload["template"] == template
    )


@pytest.mark.parametrize("status", list(Status))
@pytest.mark.parametrize("verb", list(Verb))
def test_the_table_says_what_buttons_and_guards_say(status, verb):
    for party in Party:
        may = allocation.next_status(status, verb, {party}) is not None
        assert may == (verb in allocation.verbs(status, {party}))
        assert not may or party in allocation.may(verb)
        assert not may or status == Status.SUBMITTED


def test_asking_tells_the_lab_and_changes_nothing(bench):
    made = asked(bench, published="arXiv:2611.00001")
    assert made.status == Status.SUBMITTED
    assert not Allowance.objects.exists()
    staff = {bench.world.manager, *bench.world.reviewers}
    assert mails("allocation_to_review") == sorted(user.email for user in staff)
    entry = Entry.objects.get(event="allocation.requested")
    assert "Six evaluations" not in str(entry.data)


def test_granting_sets_the_allowance_and_keeps_what_was_not_named(bench):
    set_allowance(by=None, lab=bench.world.lab, limits=SITE_DEFAULT, top_class="batch")
    done = granted(bench, asked(bench))
    limits = usage.burn_of(bench.project, timezone.now()).limits
    assert (limits.tokens_per_period, limits.tokens_per_day, limits.tokens_per_minute) == (5_000_000, 400_000, None)
    assert (limits.requests_per_minute, limits.concurrency, done.allowance.top_class) == (60, 8, "batch")
    assert done.allowance == Allowance.objects.get(project=bench.project)
    assert done.allowance.ends_at == allocation_actions.end_of(UNTIL)
    assert mails("allocation_granted") == [bench.researcher.email]
    assert Entry.objects.filter(event="allowance.set", actor_id=str(bench.world.manager.pk)).count() == 1
    assert Entry.objects.get(event="allocation.granted").data["tokens_per_period"] == 5_000_000


def test_after_its_last_day_the_labs_default_holds_again(bench):
    granted(bench, asked(bench))
    later = allocation_actions.end_of(UNTIL)
    assert usage.burn_of(bench.project, later - timedelta(seconds=1)).limits.tokens_per_period == 5_000_000
    assert usage.burn_of(bench.project, later).limits.tokens_per_period == 2_000_000


def test_declining_needs_a_ground_and_leaves_the_allowance(bench):
    made = asked(bench)
    reviewer = bench.world.reviewers[0]
    for ground, message in (("", ""), ("because", ""), ("other", "  ")):
        with pytest.raises(Invalid):
            allocation_actions.decline_allocation(by=reviewer, request=made, ground=ground, message=message)
    done = allocation_actions.decline_allocation(by=reviewer, request=made, ground="capacity")
    assert (done.status, done.ground, done.decided_by) == ("declined", "capacity", reviewer)
    assert not Allowance.objects.exists()
    assert mails("allocation_declined") == [bench.researcher.email]
    assert asked(bench).status == Status.SUBMITTED, "one may ask again"


def test_one_request_waits_at_a_time_and_is_decided_once(bench):
    made = asked(bench)
    with pytest.raises(Conflict):
        asked(bench)
    granted(bench, made)
    with pytest.raises(Conflict):
        granted(bench, made)
    with pytest.raises(Conflict):
        allocation_actions.withdraw_allocation(by=bench.researcher, request=made)


def ended(bench: Bench, way: str) -> None:
    if way == "revoked":
        access.revoke_grant(by=bench.world.manager, grant=bench.grant, reason="The weights were passed on.")
        return
    past = timezone.now() - timedelta(days=1)
    Grant.objects.filter(pk=bench.grant.pk).update(starts_at=past - timedelta(days=1), ends_at=past)


@pytest.mark.parametrize("way", ["revoked", "past"])
def test_query_time_is_neither_asked_nor_granted_where_nobody_may_query_any_more(bench, way):
    request = asked(bench)
    ended(bench, way)
    with pytest.raises(Conflict, match="Decline its request"):
        granted(bench, request)
    assert mails("allocation_granted") == []
    allocation_actions.decline_allocation(by=bench.world.manager, request=request, ground="scope")
    with pytest.raises(Conflict, match="Your grant for this project is over"):
        asked(bench)


def test_a_suspended_grant_may_run_again_so_its_request_is_decided_as_ever(bench):
    request = asked(bench)
    access.suspend_grant(by=bench.world.manager, grant=bench.grant, reason="A question.")
    assert granted(bench, request).status == Status.GRANTED


def test_the_lab_decides_on_no_request_of_somebody_who_was_erased(bench):
    request = asked(bench)
    erasure.request_erasure(by=bench.researcher)
    with time_machine.travel(timezone.now() + erasure.DELAY):
        assert erase_due() == 1
    request.refresh_from_db()
    assert request.status == Status.WITHDRAWN


def test_the_lead_takes_it_back_and_nobody_else_does(bench):
    made = asked(bench)
    for other in (bench.world.manager, bench.world.reviewers[0]):
        with pytest.raises(NotAllowed):
            allocation_actions.withdraw_allocation(by=other, request=made)
    assert allocation_actions.withdraw_allocation(by=bench.researcher, request=made).status == "withdrawn"


def test_nobody_decides_on_their_own_whatever_role_they_hold(bench):
    jonas = world.person("Jonas Weber")
    projects.join(project=bench.project, user=jonas)
    for insider in (bench.researcher, jonas):
        give_role(user=insider, lab=bench.world.lab, role=Role.MANAGER, by=None)
    made = asked(bench)
    assert jonas.email not in mails("allocation_to_review")
    for insider in (bench.researcher, jonas):
        with pytest.raises(NotAllowed, match="who asks does not decide"):
            granted(bench, made, by=insider)
        assert "Grant query time" not in browser(insider).get(made.get_absolute_url()).content.decode()
        assert bench.project.title not in browser(insider).get("/projects/requests/").content.decode()
    with pytest.raises(NotAllowed):
        allocation_actions.ask_for_allocation(
            by=jonas, project=bench.project, tokens_per_period=1, until=UNTIL, case="x"
        )


def test_a_colleague_of_the_lead_does_not_decide(bench):
    domain = bench.researcher.email.partition("@")[2]
    near = world.person("Near Reviewer", f"near@{domain}")
    give_role(user=near, lab=bench.world.lab, role=Role.REVIEWER, by=None)
    made = asked(bench)
    with pytest.raises(NotAllowed) as refused:
        granted(bench, made, by=near)
    assert refused.value.code == "conflict_of_interest"
    assert near.email not in mails("allocation_to_review"), "who may not decide is not asked to"
    assert "Somebody else of the lab decides" in browser(near).get(made.get_absolute_url()).content.decode()


def test_another_lab_and_a_stranger_find_nothing(bench):
    made, harbour = asked(bench), world.build("harbour")
    for outsider in (harbour.manager, world.person("Ida Fremd")):
        client = browser(outsider)
        for url in (made.get_absolute_url(), f"/projects/{bench.project.pk}/requests/"):
            assert (client.get(url).status_code, client.post(url, {"verb": "grant"}).status_code) == (404, 404)
        with pytest.raises(NotFound):
            granted(bench, made, by=outsider)
        with pytest.raises(NotFound):
            allocation_actions.withdraw_allocation(by=outsider, request=made)
        assert client.get(f"/api/v1/allocation-requests/{made.pk}").status_code == 404
    assert bench.project.title not in browser(harbour.manager).get("/projects/requests/").content.decode()
    assert browser(harbour.manager).get("/api/v1/allocation-requests").json()["count"] == 0


@pytest.mark.parametrize(
    "wrong",
    [
        {"tokens_per_period": 0},
        {"tokens_per_period": 10**16},
        {"tokens_per_minute": -1},
        {"until": timezone.now().date() - timedelta(days=1)},
        {"until": timezone.now().date() + timedelta(days=2000)},
        {"case": " \x00 "},
        {"case": "x" * 4001},
        {"published": "x" * 4001},
    ],
)
def test_what_is_asked_must_make_sense(bench, wrong):
    with pytest.raises(Invalid) as refused:
        asked(bench, **wrong)
    assert list(refused.value.fields) == list(wrong)
    assert not AllocationRequest.objects.exists()


@pytest.mark.parametrize(
    "change",
    [
        {"status": "granted"},
        {"status": "declined"},
        {"status": "lost"},
        {"status": "withdrawn"},
        {"tokens_per_period": 0},
        {"closed_at": timezone.now()},
    ],
)
def test_the_database_refuses_what_the_table_does_not_know(bench, change):
    made = asked(bench)
    with pytest.raises(IntegrityError), transaction.atomic():
        AllocationRequest.objects.filter(pk=made.pk).update(**change)


def test_the_database_refuses_who_decides_on_their_own(bench):
    made = granted(bench, asked(bench))
    with pytest.raises(IntegrityError), transaction.atomic():
        AllocationRequest.objects.filter(pk=made.pk).update(decided_by=made.asked_by)


def test_it_is_asked_read_and_granted_on_pages(bench):
    url = f"/projects/{bench.project.pk}/requests/"
    mara, manager = browser(bench.researcher), browser(bench.world.manager)
    wrong = mara.post(url, {"tokens_per_period": "many", "until": UNTIL.isoformat(), "case": "Kept words."})
    assert wrong.status_code == 422
    assert "Kept words." in wrong.content.decode()
    sent = {"tokens_per_period": "9000000", "until": UNTIL.isoformat(), "case": "Six evaluations.", "published": ""}
    answer = mara.post(url, sent, follow=True)
    made = AllocationRequest.objects.get()
    assert answer.redirect_chain == [(made.get_absolute_url(), 302)]
    assert mara.post(url, sent).status_code == 409
    assert "1 request for query time waits" in browser(bench.world.reviewers[0]).get("/review/").content.decode()
    assert bench.project.title in html.unescape(manager.get("/projects/requests/").content.decode())
    page = manager.get(made.get_absolute_url()).content.decode()
    assert "Six evaluations." in page
    assert 'value="9000000"' in page
    refused = manager.post(made.get_absolute_url(), {"verb": "grant", "tokens_per_period": "", "message": "Kept."})
    assert (refused.status_code, "Kept." in refused.content.decode()) == (422, True)
    unsaid = manager.post(made.get_absolute_url(), {"verb": "decline", "ground": "other"})
    assert (unsaid.status_code, "Tell the lead why" in unsaid.content.decode()) == (422, True)
    figures = {"verb": "grant", "tokens_per_period": "4000000", "until": UNTIL.isoformat(), "message": "Good luck."}
    assert manager.post(made.get_absolute_url(), figures).status_code == 302
    told = mara.get(made.get_absolute_url()).content.decode()
    assert "4,000,000" in told
    assert "Good luck." in told
    assert bench.world.manager.name not in told, "the lab answers, not a person"
    for grant_page in (f"/grants/{bench.grant.pk}/", f"/grants/{bench.grant.pk}/mine/"):
        whose = manager if not grant_page.endswith("mine/") else mara
        assert "4,000,000" in whose.get(grant_page).content.decode()


def page_for(who, url: str) -> str:
    shown = html.unescape(browser(who).get(url).content.decode()).replace("\xa0", " ")
    return re.sub(r"<time[^>]*>|</time>", "", shown)


def test_where_no_more_can_be_asked_for_the_page_says_why_to_the_lead_and_the_grant_leads_nobody_there(bench):
    url, mine = f"/projects/{bench.project.pk}/requests/", f"/grants/{bench.grant.pk}/mine/"
    assert "Ask for more query time" in page_for(bench.researcher, mine)
    request = asked(bench)
    assert "A request of this project is with the lab already." in page_for(bench.researcher, url)
    allocation_actions.withdraw_allocation(by=bench.researcher, request=request)
    assert "with the lab already" not in page_for(bench.researcher, url)
    ended(bench, "past")
    assert "Your grant for this project is over. Apply again to go on." in page_for(bench.researcher, url)
    assert "Ask for more query time" not in page_for(bench.researcher, mine)
    assert url in page_for(bench.researcher, mine), "what was asked can still be read"
    assert "Your grant for this project is over" not in page_for(bench.world.manager, url)


@pytest.mark.parametrize("way", ["waits", "past", "revoked"])
def test_the_page_of_usage_offers_to_ask_only_where_a_project_can_and_leads_to_its_requests_all_the_same(bench, way):
    usage, url = "/me/usage/", f"/projects/{bench.project.pk}/requests/"
    assert "Ask for more query time" in page_for(bench.researcher, usage)
    if way == "waits":
        asked(bench)
    else:
        ended(bench, way)
    after = page_for(bench.researcher, usage)
    assert "Ask for more query time" not in after
    assert f'href="{url}">Requests for query time' in after


def test_who_decides_second_is_told_so_even_where_their_form_was_not_filled_in(bench):
    made = asked(bench)
    granted(bench, made)
    for verb in ("grant", "decline"):
        late = browser(bench.world.reviewers[0]).post(made.get_absolute_url(), {"verb": verb})
        assert late.status_code == 409
        assert "This request is closed by now." in late.content.decode()


def test_a_request_that_was_granted_otherwise_is_headed_and_listed_by_what_was_granted(bench):
    made = asked(bench)
    last = UNTIL - timedelta(days=30)
    assert f"9,000,000 tokens until {date_format(UNTIL)}" in page_for(bench.researcher, made.get_absolute_url())
    granted(bench, made, until=last)
    told = page_for(bench.researcher, made.get_absolute_url())
    assert f"5,000,000 tokens until {date_format(last)}" in told
    assert f"{date_format(last + timedelta(days=1))}, 00:00 UTC" not in told, "one end, written in one way"
    listed = page_for(bench.researcher, f"/projects/{bench.project.pk}/requests/").partition("Requests so far")[2]
    assert date_format(last) in listed
    assert date_format(UNTIL) not in listed


def test_programs_of_the_lab_decide_and_none_asks(bench):
    secret = tokens.issue(by=bench.world.manager, kind=Kind.SERVICE, scopes={Scope.MANAGE}, label="desk")[1]
    desk, person = {"HTTP_AUTHORIZATION": f"Bearer {secret}"}, browser(bench.researcher)
    url = f"/api/v1/projects/{bench.project.pk}/allocation-requests"
    said = {"tokens_per_period": 7_000_000, "until": UNTIL.isoformat(), "case": "Six evaluations."}
    assert Client().post(url, said, content_type="application/json", **desk).status_code == 403
    made = person.post(url, said, content_type="application/json").json()
    assert (made["status"], made["tokens_per_period"], made["granted_until"]) == ("submitted", 7_000_000, None)
    queue = Client().get("/api/v1/allocation-requests", **desk).json()
    assert [row["id"] for row in queue["results"]] == [made["id"]]
    one = f"/api/v1/allocation-requests/{made['id']}"
    wrong = Client().post(f"{one}/decline", {"ground": "mood"}, content_type="application/json", **desk)
    assert (wrong.status_code, list(wrong.json()["fields"])) == (400, ["ground"])
    figures = {"tokens_per_period": 6_000_000, "until": UNTIL.isoformat()}
    assert person.post(f"{one}/grant", figures, content_type="application/json").status_code == 403
    done = Client().post(f"{one}/grant", figures, content_type="application/json", **desk).json()
    assert (done["status"], done["granted_tokens_per_period"]) == ("granted", 6_000_000)
    assert Client().get(url, **desk).json()["results"][0]["status"] == "granted"
    assert person.post(f"{one}/withdraw", content_type="application/json").status_code == 409


@pytest.mark.parametrize("count", [0, 1, *world.CROWDS])
def test_the_queue_is_pages_of_fifty_in_as_many_queries(bench, count, django_assert_max_num_queries):
    owner = bench.researcher
    made = [
        projects.Project.objects.create(title=f"Study {n}", kind="granted", lab=bench.world.lab, owner=owner)
        for n in range(count)
    ]
    AllocationRequest.objects.bulk_create(
        AllocationRequest(project=each, asked_by=owner, tokens_per_period=1, until=UNTIL, case="x") for each in made
    )
    world.counted()
    client = browser(bench.world.manager)
    with django_assert_max_num_queries(14):
        page = client.get("/projects/requests/").content.decode()
    assert page.count("Study ") == min(50, count)


def test_query_time_that_is_granted_again_is_counted_anew(bench):
    first = granted(bench, asked(bench)).allowance
    again = granted(bench, asked(bench)).allowance
    assert again.tokens_per_period == first.tokens_per_period
    now = timezone.now()
    assert again.period(now)[0] != first.period(now)[0]


def test_a_request_goes_on_when_the_project_is_taken_over_and_its_new_lead_hears_of_it(bench):
    request = asked(bench)
    heir = world.person("Ana Duarte")
    projects.join(project=bench.project, user=heir)
    projects.hand_over(project=bench.project, to=heir, by=heir)
    projects.leave(project=bench.project, user=bench.researcher)
    with pytest.raises(NotFound):
        allocation_actions.withdraw_allocation(by=bench.researcher, request=request)
    granted(bench, request)
    assert mails("allocation_granted") == [heir.email]


def test_who_led_the_project_before_does_not_decide_on_what_its_new_lead_asks_for(bench):
    heir = world.person("Ana Duarte")
    projects.join(project=bench.project, user=heir)
    projects.hand_over(project=bench.project, to=heir, by=heir)
    projects.leave(project=bench.project, user=bench.researcher)
    request = asked(bench, by=heir)
    give_role(by=bench.world.manager, user=bench.researcher, lab=bench.world.lab, role=Role.MANAGER)
    with pytest.raises(NotAllowed, match=r"You belong(ed)? to this project"):
        granted(bench, request, by=bench.researcher)
    granted(bench, request)


def test_who_asked_and_handed_the_project_over_since_does_not_decide_nor_does_who_knows_the_new_lead(bench):
    request = asked(bench)
    heir = world.person("Ana Duarte")
    projects.join(project=bench.project, user=heir)
    projects.hand_over(project=bench.project, to=heir, by=heir)
    projects.leave(project=bench.project, user=bench.researcher)
    colleague = world.person("Colleague Known", email=f"colleague@{heir.email.split('@')[1]}")
    for who in (bench.researcher, colleague):
        give_role(by=bench.world.manager, user=who, lab=bench.world.lab, role=Role.MANAGER)
        with pytest.raises(NotAllowed):
            granted(bench, request, by=who)
