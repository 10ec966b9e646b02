"""The review queue: its filters, who holds what, views that one keeps, files, and several at once."""

from __future__ import annotations

import csv
import io
import json
import re
from datetime import UTC, datetime, timedelta

import pytest
from django.db import IntegrityError, transaction
from django.test import Client
from django.urls import reverse
from django.utils import timezone
from hypothesis import given
from hypothesis import strategies as st

from portal.access import actions, exports, waiting
from portal.access.actions import desk
from portal.access.application_models import Application
from portal.access.desk_models import FILTER_LIMIT, Note, SavedFilter
from portal.access.queue import Chosen
from portal.access.review_models import Vote
from portal.access.workflow import Status
from portal.audit.models import Entry
from portal.errors import Conflict, Invalid, NotAllowed, NotFound
from portal.outbox.models import Message
from tests.portal import world
from tests.portal.world import browser

QUEUE = reverse("access:queue")


def listed(client: Client, **query: str) -> set[str]:
    return set(re.findall(r"A-\d{4}-\d{4,}(?=</a>)", client.get(QUEUE, query).content.decode()))


# --- Filters


@given(st.datetimes(datetime(2026, 1, 1), datetime(2026, 3, 1)), st.integers(1, 30), st.integers(0, 90))  # noqa: DTZ001
def test_late_is_more_business_days_than_the_target(now, target, ago):
    now = now.replace(tzinfo=UTC)
    sent = now - timedelta(days=ago)
    assert (sent < waiting.late_before(target, now)) == (waiting.business_days(sent, now) > target)


def test_every_filter_of_the_queue_stands_in_the_address(lyceum, mara, stranger):
    one, two = lyceum.applied(mara), lyceum.applied(stranger)
    world.work_at("Northfield University", mara)
    Application.objects.filter(pk=one.pk).update(submitted_at=timezone.now() - timedelta(days=40))
    me, colleague = lyceum.reviewers[:2]
    actions.assign(by=me, application=one, to=me)
    client = browser(me)
    assert listed(client) == {one.reference, two.reference}
    for query, found in (
        ({"assignee": "me"}, one), ({"assignee": "none"}, two), ({"late": "yes"}, one), ({"institution": "northfield univ"}, one),
        ({"q": stranger.name}, two), ({"q": two.reference}, two),
    ):  # fmt: skip
        assert listed(client, **query) == {found.reference}, query
    for query in ({"assignee": str(colleague.pk)}, {"assignee": "x"}, {"institution": "nowhere"}, {"show": "closed"}):
        assert listed(client, **query) == set(), query
    actions.assign(by=me, application=two, to=colleague)
    assert listed(client, assignee=str(colleague.pk)) == {two.reference}


def test_filters_that_are_saved_come_back_by_name(lyceum):
    client, mine = browser(lyceum.reviewers[0]), {"lane": "red", "late": "yes"}
    kept = client.post(f"{reverse('access:save_filter')}?lane=red&late=yes&page=3", {"name": "  Old   reds "})
    assert kept.status_code == 302
    found = SavedFilter.objects.get()
    assert (found.name, Chosen.read(mine).query()) == ("Old reds", found.query)
    assert kept["Location"] == found.get_absolute_url()
    assert "Old reds" in client.get(kept["Location"]).content.decode()
    client.post(f"{reverse('access:save_filter')}?lane=green", {"name": "OLD REDS"})
    assert SavedFilter.objects.get().query == "show=waiting&lane=green", "the same name replaces"


def test_saved_filters_are_ones_own_few_and_named(lyceum, stranger):
    first, second = lyceum.reviewers[:2]
    kept = actions.save_filter(by=first, name="Mine", query=Chosen(lane="red"))
    assert "Mine" not in browser(second).get(QUEUE).content.decode()
    browser(second).post(reverse("access:forget_filter", args=[kept.pk]))
    assert SavedFilter.objects.filter(pk=kept.pk).exists(), "nobody removes another's"
    nameless = browser(first).post(f"{reverse('access:save_filter')}?lane=red", {"name": " "})
    assert nameless.status_code == 422
    assert "Give it a name" in nameless.content.decode()
    for n in range(FILTER_LIMIT - 1):
        actions.save_filter(by=first, name=f"Filter {n}", query=Chosen())
    with pytest.raises(Invalid, match="Remove one first"):
        actions.save_filter(by=first, name="One more", query=Chosen())
    browser(first).post(reverse("access:forget_filter", args=[kept.pk]))
    assert not SavedFilter.objects.filter(pk=kept.pk).exists()
    assert browser(stranger).post(reverse("access:save_filter"), {"name": "x"}).status_code == 404


def test_filters_longer_than_can_be_kept_are_told_so_and_long_words_are_kept(lyceum):
    client, words = browser(lyceum.reviewers[0]), "北" * 120
    honest = client.post(f"{reverse('access:save_filter')}?q={words}&institution={words}", {"name": "Northern"})
    assert honest.status_code == 302
    assert SavedFilter.objects.get().query.count("%E5%8C%97") == 240
    endless = "&".join(f"{name}={words}" for name in ("q", "institution", "lane", "gate", "assignee", "late"))
    refused = client.post(f"{reverse('access:save_filter')}?{endless}", {"name": "Everything"})
    assert refused.status_code == 422
    assert "too long to be kept" in refused.content.decode()


# --- Who holds what


def test_a_reviewer_claims_gives_and_releases_an_application(lyceum, mara):
    application = lyceum.applied(mara)
    first, second, _ = lyceum.reviewers
    link = reverse("access:assign", args=[application.pk])
    browser(first).post(link, {"to": "me"})
    application.refresh_from_db()
    assert (application.assignee, application.status) == (first, Status.SUBMITTED)
    version = application.version
    browser(first).post(link, {"to": str(second.pk)})
    application.refresh_from_db()
    assert application.assignee == second
    assert application.version == version, "who holds it does not make another's open page stale"
    mail = Message.objects.get(payload__template="application_assigned")
    assert mail.payload["to"] == second.email, "the colleague is told; who takes it needs no mail"
    browser(second).post(link, {"to": ""})
    application.refresh_from_db()
    assert application.assignee is None
    told = [entry.data["to"] for entry in Entry.objects.filter(event="application.assigned").order_by("id")]
    assert told == [str(first.pk), str(second.pk), ""]


def test_nobody_gives_an_application_to_whom_it_is_not_for(lyceum, harbour, mara, stranger):
    application = lyceum.applied(mara)
    first, second, third = lyceum.reviewers
    for unfit in (stranger, harbour.reviewers[0], lyceum.manager):
        with pytest.raises(Invalid):
            actions.assign(by=first, application=application, to=unfit)
    for outsider in (stranger, harbour.reviewers[0], lyceum.manager):
        with pytest.raises(NotFound):
            actions.assign(by=outsider, application=application, to=first)
    actions.cast_vote(by=second, application=application, vote=Vote.RECUSE)
    with pytest.raises(NotAllowed, match="Choose somebody else"):
        actions.assign(by=first, application=application, to=second)
    world.work_at("Northfield University", mara, third)
    with pytest.raises(NotAllowed, match="both at"):
        actions.assign(by=third, application=application, to=third)
    wrong = browser(first).post(reverse("access:assign", args=[application.pk]), {"to": str(stranger.pk)})
    assert wrong.status_code == 422
    assert browser(stranger).post(reverse("access:assign", args=[application.pk]), {"to": "me"}).status_code == 404


def test_a_decided_application_is_not_given_to_anybody(lyceum, mara):
    application = lyceum.approved(mara)
    with pytest.raises(Conflict):
        actions.assign(by=lyceum.reviewers[0], application=application, to=lyceum.reviewers[1])


# --- Files


def test_the_filtered_list_leaves_as_a_file_and_the_trail_says_so(lyceum, harbour, mara, stranger):
    one, two = lyceum.applied(mara), lyceum.applied(stranger)
    harbour.applied(mara)
    client = browser(lyceum.reviewers[0])
    answer = client.get(reverse("access:export", args=["csv"]), {"q": mara.name})
    rows = list(csv.DictReader(io.StringIO(answer.getvalue().decode())))
    assert [row["reference"] for row in rows] == [one.reference]
    assert rows[0]["email"] == mara.email
    assert "attachment" in answer["Content-Disposition"]
    entry = Entry.objects.get(event="applications.exported")
    assert (entry.lab, entry.data["rows"], entry.data["format"]) == ("lyceum", 1, "csv")
    lines = client.get(reverse("access:export", args=["jsonl"])).getvalue().decode().splitlines()
    assert [json.loads(line)["reference"] for line in lines] == [one.reference, two.reference]
    assert not Entry.objects.filter(event="applications.exported", lab="harbour").exists()


def test_a_file_holds_no_answer_and_is_for_staff_alone(lyceum, mara, stranger):
    lyceum.applied(mara)
    answer = browser(lyceum.reviewers[0]).get(reverse("access:export", args=["jsonl"]))
    assert "How small models forget" not in answer.getvalue().decode()
    assert browser(stranger).get(reverse("access:export", args=["csv"])).status_code == 404
    assert browser(lyceum.reviewers[0]).get(reverse("access:export", args=["xlsx"])).status_code == 404


@pytest.mark.parametrize("name", ['=HYPERLINK("http://evil.example")', "+1", "-1", "@SUM(A1)", "\t=1", "\r=1"])
def test_a_name_is_never_a_formula_in_a_spreadsheet(name):
    assert str(exports.harmless(name)).startswith("'")


def test_an_ordinary_name_and_a_number_stay_as_they_are():
    assert [exports.harmless(each) for each in ("Mara = Lindqvist", -3)] == ["Mara = Lindqvist", -3]


# --- Several at once


def picks(*applications: Application) -> list[str]:
    return [f"{each.pk}:{each.version}" for each in applications]


def test_several_are_assigned_after_a_page_that_shows_what_would_happen(lyceum, mara, stranger):
    one, two = lyceum.applied(mara), lyceum.applied(stranger)
    first, second, _ = lyceum.reviewers
    actions.cast_vote(by=second, application=two, vote=Vote.RECUSE)
    client, link = browser(first), reverse("access:together")
    asked = {"verb": "assign", "pick": picks(one, two), "to": str(second.pk)}
    preview = client.post(link, asked).content.decode()
    assert "Nothing has happened yet" in preview
    assert "may not judge this application. Choose somebody else." in preview
    assert not Application.objects.exclude(assignee=None).filter(assignee=second).exists()
    assert not Entry.objects.filter(event="application.assigned").exists(), "a rehearsal leaves no trace"
    done = client.post(f"{link}?lane=red", {**asked, "confirm": "1"}, follow=True)
    assert done.redirect_chain == [(f"{QUEUE}?show=waiting&lane=red", 302)]
    page = done.content.decode()
    assert "1 application done." in page
    assert f"{two.reference}: " in page, "the one that was refused is named"
    assert Application.objects.get(assignee=second) == one


def test_several_are_asked_for_changes_with_one_batch_and_one_event_each(lyceum, mara, stranger):
    one, two = lyceum.applied(mara), lyceum.applied(stranger)
    client, link = browser(lyceum.reviewers[0]), reverse("access:together")
    asked = {"verb": "changes", "pick": picks(one, two)}
    wordless = client.post(link, {**asked, "confirm": "1", "message": " "})
    assert wordless.status_code == 422
    assert not Application.objects.filter(status=Status.CHANGES_REQUESTED).exists()
    client.post(link, {**asked, "confirm": "1", "message": "Which cluster?"})
    assert Application.objects.filter(status=Status.CHANGES_REQUESTED, message="Which cluster?").count() == 2
    entries = Entry.objects.filter(event="application.changes_requested")
    assert len(entries) == 2
    assert len({entry.data["batch"] for entry in entries}) == 1


def test_one_that_changed_since_it_was_picked_is_left_alone(lyceum, mara, stranger):
    one, two = lyceum.applied(mara), lyceum.applied(stranger)
    picked = picks(one, two)
    actions.withdraw(by=mara, application=one)
    answer = browser(lyceum.reviewers[0]).post(
        reverse("access:together"), {"verb": "changes", "pick": picked, "message": "More.", "confirm": "1"}, follow=True
    )
    assert "changed since you opened it" in answer.content.decode()
    one.refresh_from_db()
    two.refresh_from_db()
    assert (one.status, two.status) == (Status.WITHDRAWN, Status.CHANGES_REQUESTED)


def test_no_batch_is_empty_too_large_or_of_another_lab(lyceum, harbour, mara, stranger):
    application = lyceum.applied(mara)
    link = reverse("access:together")
    for pick in ([], ["x"], ["x:y"], picks(application)):
        answer = browser(harbour.reviewers[0]).post(
            link, {"verb": "changes", "pick": pick, "message": "x", "confirm": "1"}, follow=True
        )
        assert "Pick between 1 and 50" in answer.content.decode()
    with pytest.raises(Invalid):
        desk.together([application] * (desk.BATCH_LIMIT + 1), desk.assigning(lyceum.reviewers[0], None))
    assert browser(stranger).post(link, {"verb": "assign", "pick": picks(application)}).status_code == 404
    assert browser(lyceum.reviewers[0]).get(link)["Location"] == QUEUE
    application.refresh_from_db()
    assert application.status == Status.SUBMITTED


# --- The reviewers' thread


def test_reviewers_talk_in_notes_that_the_applicant_never_reads(lyceum, harbour, mara):
    application = lyceum.applied(mara)
    first, second, _ = lyceum.reviewers
    link = reverse("access:note", args=[application.pk])
    assert browser(first).post(link, {"text": "I know the cluster."}).status_code == 302
    assert browser(first).post(link, {"text": "  "}).status_code == 422
    page = reverse("access:review", args=[application.pk])
    assert "I know the cluster." in browser(second).get(page).content.decode()
    assert "I know the cluster." in browser(lyceum.manager).get(page).content.decode()
    assert "I know the cluster." not in browser(mara).get(application.get_absolute_url()).content.decode()
    assert browser(mara).post(link, {"text": "x"}).status_code == 404
    assert browser(harbour.reviewers[0]).post(link, {"text": "x"}).status_code == 404
    assert "cluster" not in str(list(Entry.objects.values_list("data", flat=True)))


def test_who_is_recused_neither_reads_nor_writes_notes(lyceum, mara):
    application = lyceum.applied(mara)
    first, second, _ = lyceum.reviewers
    actions.add_note(by=first, application=application, text="I know the cluster.")
    actions.cast_vote(by=second, application=application, vote=Vote.RECUSE)
    page = browser(second).get(reverse("access:review", args=[application.pk])).content.decode()
    assert "I know the cluster." not in page
    with pytest.raises(NotAllowed):
        actions.add_note(by=second, application=application, text="Me too.")


def test_a_note_is_written_once(lyceum, mara):
    note = actions.add_note(by=lyceum.reviewers[0], application=lyceum.applied(mara), text="Mine.")
    with pytest.raises(IntegrityError), transaction.atomic():
        Note.objects.filter(pk=note.pk).update(text="Other.")


def test_a_review_names_others_of_the_same_institution(lyceum, harbour, mara, stranger):
    world.work_at("Northfield University", mara, stranger)
    one, two, elsewhere = lyceum.applied(mara), lyceum.applied(stranger), harbour.applied(stranger)
    page = browser(lyceum.reviewers[0]).get(reverse("access:review", args=[one.pk])).content.decode()
    assert "Others at Northfield University" in page
    assert two.reference in page
    assert elsewhere.reference not in page, "another lab's application stays unseen"
