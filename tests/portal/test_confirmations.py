"""Referees: asked by mail, they answer once on a public page; the lab sees it, and does not decide before or alone."""

from __future__ import annotations

import re
import zipfile
from datetime import timedelta

import pytest
import time_machine
from allauth.account.models import EmailAddress
from django.core import mail
from django.db import IntegrityError, transaction
from django.test import Client
from django.utils import timezone

from portal.access import actions, confirmations, tasks
from portal.access.application_models import Application
from portal.access.referee_models import Referee, Waiver
from portal.access.referees import TABLE, RefereeStatus, RefereeVerb
from portal.access.review_models import Vote
from portal.audit.models import Entry
from portal.errors import Conflict, Invalid, NotAllowed, NotFound
from portal.outbox import delivery
from portal.outbox.models import Message
from portal.people import erasure, ror
from portal.people.affiliation_actions import Place, affiliate
from portal.people.institution_actions import import_register
from portal.people.models import User
from portal.tokens.scopes import Kind
from tests.portal import world
from tests.portal.test_access_api import client, post
from tests.portal.world import World, browser

pytestmark = pytest.mark.django_db
ADDRESS = "ada@elsewhere.example"


@pytest.fixture
def guarded(lyceum: World) -> World:
    """The gate asks for one referee, and for one reviewer."""
    lyceum.gate = actions.change_gate(by=lyceum.manager, gate=lyceum.gate, confirmations=1, quorum=1)
    return lyceum


def asked(w: World, by: User, email: str = ADDRESS, name: str = "Ada Weiss") -> Referee:
    application = by.applications.first() or w.applied(by)
    return actions.ask_referee(by=by, application=application, name=name, email=email, relation="doctoral supervisor")


def secret_of(referee: Referee) -> str:
    sent = Message.objects.filter(key=f"referee:{referee.pk}").latest("pk")
    return re.search(r"/confirmations/([\w-]+)/", sent.payload["context"]["path"])[1]


def answered(referee: Referee, answer: str = "confirm", comment: str = "") -> Referee:
    return actions.answer_referee(secret=secret_of(referee), answer=RefereeVerb(answer), comment=comment)


def approve(w: World, application: Application, **more: str) -> Application:
    return actions.cast_vote(by=w.reviewers[0], application=application, vote=Vote.APPROVE, **more)


# --- What a gate asks for ---------------------------------------------------------------------------------------


def test_a_reviewer_approves_once_the_confirmation_is_in_and_not_before(guarded, mara):
    referee = asked(guarded, mara)
    with pytest.raises(Invalid) as refused:
        approve(guarded, referee.application)
    assert refused.value.code == "confirmations_missing"
    assert not referee.application.reviews.exists()
    answered(referee)
    assert approve(guarded, referee.application).status == "approved"


@pytest.mark.parametrize("answer", ["decline", "disown"])
def test_a_no_does_not_count_and_leaves_the_place_to_somebody_else(guarded, mara, answer):
    referee = answered(asked(guarded, mara), answer)
    with pytest.raises(Invalid):
        approve(guarded, referee.application)
    with pytest.raises(Invalid, match="asked already"):
        asked(guarded, mara)
    answered(asked(guarded, mara, "bo@elsewhere.example", "Bo Lind"))
    assert approve(guarded, referee.application).status == "approved"


def test_a_reviewer_goes_on_without_but_says_why_and_staff_alone_read_it(guarded, mara):
    application = guarded.applied(mara)
    page = f"/review/{application.pk}/"
    reviewer = browser(guarded.reviewers[0])
    shown = reviewer.get(page).content.decode()
    assert "1 confirmation is missing" in shown
    refused = reviewer.post(page, {"verb": "approve", "note": "Sound."})
    assert refused.status_code == 422
    assert "say in a sentence or two why you go on without" in refused.content.decode()
    done = reviewer.post(page, {"verb": "approve", "without_confirmation": "I heard the talk."})
    assert done.status_code == 302
    assert Waiver.objects.get().by == guarded.reviewers[0]
    assert "I heard the talk." in reviewer.get(page).content.decode()
    assert "I heard the talk." not in browser(mara).get(f"/applications/{application.pk}/").content.decode()
    assert not Entry.objects.filter(data__icontains="heard").exists()


def test_a_reviewer_goes_on_without_by_token_too_and_says_why(guarded, mara):
    url = f"/api/v1/applications/{guarded.applied(mara).pk}/approve"
    reviewer = client(guarded.reviewers[0], Kind.REVIEW)
    refused = post(reviewer, url, note="Sound.")
    assert (refused.status_code, refused.json()["code"]) == (400, "confirmations_missing")
    assert "without_confirmation" in refused.json()["fields"]
    assert not Waiver.objects.exists()
    assert post(reviewer, url, without_confirmation="I heard the talk.").json()["status"] == "approved"
    assert Waiver.objects.get().reason == "I heard the talk."


def test_a_decline_needs_no_confirmation_and_a_gate_that_asks_for_none_is_as_it_was(guarded, lyceum, harbour, mara):
    application = guarded.applied(mara)
    actions.decline(by=guarded.reviewers[0], application=application, reason="other", message="No.")
    plain = harbour.applied(mara)
    assert actions.cast_vote(by=harbour.reviewers[0], application=plain, vote=Vote.APPROVE).reviews.count() == 1
    with pytest.raises(Conflict):
        actions.ask_referee(by=mara, application=plain, name="Ada", email=ADDRESS, relation="supervisor")
    assert browser(mara).get(f"/applications/{plain.pk}/referees/").status_code == 404


def test_a_later_change_of_the_gate_does_not_move_the_post(guarded, mara):
    application = guarded.applied(mara)
    actions.change_gate(by=guarded.manager, gate=guarded.gate, confirmations=3)
    answered(asked(guarded, mara))
    assert approve(guarded, application).status == "approved"


def test_rules_pass_nobody_who_is_not_confirmed(guarded, mara):
    from portal.access import passes

    application = guarded.applied(mara)
    assert "unconfirmed" in passes.held_back(application)
    answered(asked(guarded, mara))
    assert "unconfirmed" not in passes.held_back(application)
    assert set(passes.held_back(application)) <= set(passes.WORDS)


# --- The link -----------------------------------------------------------------------------------------------------


def test_the_page_and_the_mail_say_who_asks_and_for_what_and_nothing_private(
    guarded, mara, django_capture_on_commit_callbacks
):
    mail.outbox.clear()
    with django_capture_on_commit_callbacks(execute=True):
        referee = asked(guarded, mara)
    delivery.deliver_due()
    sent = next(message for message in mail.outbox if message.to == [ADDRESS])
    secret = re.search(r"/confirmations/([\w-]+)/", sent.body)[1]
    page = Client().get(f"/confirmations/{secret}/").content.decode()
    for text in (sent.subject + sent.body + sent.alternatives[0][0], page):
        assert "Mara Lindqvist" in text
        assert guarded.gate.title in text
        for private in ("title", "summary", "storage"):
            assert world.ANSWERS[private].strip() not in text
    assert "doctoral supervisor" in page
    assert secret not in Referee.objects.get(pk=referee.pk).digest
    assert not Entry.objects.filter(data__icontains="ada@").exists()


def test_looking_answers_nothing_and_one_answer_is_all(guarded, mara):
    referee = asked(guarded, mara)
    link = f"/confirmations/{secret_of(referee)}/"
    assert Client().get(link).status_code == Client().head(link).status_code == 200
    assert Client().post(link, {"answer": "yes please"}).status_code == 422
    assert Referee.objects.get().status == RefereeStatus.ASKED
    assert Client().post(link, {"answer": "confirm", "comment": "A careful person."}).status_code == 200
    for again in (Client().get(link), Client().post(link, {"answer": "disown"})):
        assert again.status_code == 404
    kept = Referee.objects.get()
    assert (kept.status, kept.comment, kept.digest) == ("confirmed", "A careful person.", "")


def test_a_guessed_link_and_a_digest_lead_nowhere(guarded, mara):
    referee = asked(guarded, mara)
    for guess in ("a" * 43, referee.digest, secret_of(referee)[:-1], secret_of(referee).swapcase()):
        assert Client().get(f"/confirmations/{guess}/").status_code == 404
        assert Client().post(f"/confirmations/{guess}/", {"answer": "confirm"}).status_code == 404
    assert Referee.objects.get().status == RefereeStatus.ASKED


def test_a_link_is_dead_once_taken_back_replaced_decided_withdrawn_or_old(guarded, mara, stranger):
    first = asked(guarded, mara)
    old = secret_of(first)
    actions.replace_referee(by=mara, referee=first)
    second = asked(guarded, mara)
    newer = secret_of(second)
    with time_machine.travel(timezone.now() + timedelta(days=2)):
        actions.remind_referee(by=mara, referee=second)
        for secret in (old, newer):
            assert Client().post(f"/confirmations/{secret}/", {"answer": "confirm"}).status_code == 404
    with time_machine.travel(timezone.now() + timedelta(days=30)), pytest.raises(NotFound):
        answered(second)
    actions.withdraw(by=mara, application=second.application)
    with pytest.raises(NotFound):
        answered(second)
    theirs = asked(guarded, stranger)
    approve(guarded, theirs.application, without_confirmation="Known to us.")
    with pytest.raises(NotFound):
        answered(theirs)


# --- The applicant, within bounds -----------------------------------------------------------------------------------


def test_nobody_refers_themselves_or_lets_the_team_do_it_or_names_more_than_are_asked_for(guarded, mara, stranger):
    application = guarded.applied(mara)
    actions.invite(by=mara, application=application, name="Joan", email="joan@x.example")
    local, domain = mara.email.split("@")
    for email, why in (
        (mara.email.upper(), "own address"),
        (f"{local}+boss@{domain}", "own address"),
        ("joan@x.example", "on your team"),
    ):
        with pytest.raises(Invalid) as refused:
            asked(guarded, mara, email)
        assert why in refused.value.fields["email"][0]
    asked(guarded, mara)
    with pytest.raises(Invalid, match="as many as are asked for"):
        asked(guarded, mara, "bo@elsewhere.example")
    for field, changes in (
        ("name", {"name": "See www.x"}),
        ("relation", {"relation": "https://x"}),
        ("email", {"email": "x"}),
    ):
        told = {"name": "Bo", "email": "bo@x.example", "relation": "head of group", **changes}
        with pytest.raises(Invalid) as refused:
            actions.ask_referee(by=mara, application=application, **told)
        assert field in refused.value.fields


def test_only_the_applicant_asks_reminds_and_takes_back(guarded, harbour, mara, stranger):
    referee = asked(guarded, mara)
    page = f"/applications/{referee.application_id}/referees/"
    for who in (stranger, guarded.manager, guarded.reviewers[0], harbour.manager):
        assert browser(who).get(page).status_code == 404
        for act in (actions.remind_referee, actions.replace_referee):
            with pytest.raises(NotFound):
                act(by=who, referee=referee)
    foreign = asked(guarded, stranger, "bo@elsewhere.example")
    assert browser(mara).post(page, {"verb": "replace", "person": foreign.pk}).status_code == 404
    assert Client().get(page).status_code == 302


def test_the_pages_say_who_holds_the_ball(guarded, mara):
    lead, reviewer = browser(mara), browser(guarded.reviewers[0])
    application = guarded.applied(mara)
    status, page = f"/applications/{application.pk}/", f"/applications/{application.pk}/referees/"
    bare = lead.get(status).content.decode()
    assert "You hold the ball: name somebody" in bare
    assert "One thing is needed from you" in bare
    assert "Nothing is needed from you now" not in bare
    bad = lead.post(page, {"verb": "ask", "name": "Ada Weiss", "email": "ada", "relation": "supervisor"})
    assert bad.status_code == 422
    assert 'value="Ada Weiss"' in bad.content.decode()
    told = {"verb": "ask", "name": "Ada Weiss", "email": ADDRESS, "relation": "supervisor"}
    assert lead.post(page, told).status_code == 302
    assert "Waiting for your referee" in lead.get(status).content.decode()
    referee = Referee.objects.get()
    early = lead.post(page, {"verb": "remind", "person": referee.pk}, follow=True).content.decode()
    assert "within the last day" in early
    answered(referee, "disown", "Never met.")
    for shown in (lead.get(status).content.decode(), lead.get(page).content.decode()):
        assert "does not confirm" in shown
        assert "does not know" not in shown
        assert "Never met." not in shown
    review = reviewer.get(f"/review/{application.pk}/").content.decode()
    assert "does not know the applicant" in review
    assert "Never met." in review


def test_once_a_reviewer_goes_on_without_the_applicant_is_told_and_nobody_is_reminded(guarded, mara):
    guarded.gate = actions.change_gate(by=guarded.manager, gate=guarded.gate, quorum=2)
    lead, referee = browser(mara), asked(guarded, mara)
    status, page = f"/applications/{referee.application.pk}/", f"/applications/{referee.application.pk}/referees/"
    assert "Remind or replace" in lead.get(status).content.decode()
    assert approve(guarded, referee.application, without_confirmation="I heard the talk.").status == "in_review"
    shown = lead.get(status).content.decode()
    assert "The lab goes on without the rest, and holds the ball." in shown
    assert "Nothing is needed from you now" in shown
    assert "Remind or replace" not in shown
    named = lead.get(page).content.decode()
    assert "nobody is reminded any more" in named
    assert "Ask them by mail" not in named
    for text in (shown, named):
        assert "I heard the talk." not in text
        assert guarded.reviewers[0].name not in text, "who it was is the lab's to know"
    with time_machine.travel(timezone.now() + timedelta(days=8)):
        assert tasks.remind_referees() == 0


# --- Who decides, and on what evidence ------------------------------------------------------------------------------


def test_a_reviewer_who_refers_does_not_decide_and_another_does(guarded, mara):
    reviewer, other = guarded.reviewers[:2]
    referee = asked(guarded, mara, reviewer.email)
    answered(referee)
    with pytest.raises(NotAllowed) as refused:
        approve(guarded, referee.application)
    assert refused.value.reasons[0].code == "referee"
    assert "asked to confirm it" in browser(reviewer).get(f"/review/{referee.application_id}/").content.decode()
    assert actions.cast_vote(by=other, application=referee.application, vote=Vote.APPROVE).status == "approved"


@pytest.mark.parametrize("shown", [True, False])
def test_a_reviewer_who_refers_by_another_address_of_theirs_does_not_decide_either(guarded, mara, shown):
    reviewer = guarded.reviewers[0]
    EmailAddress.objects.create(user=reviewer, email="home@reviewer.example", verified=shown)
    referee = asked(guarded, mara, "home+papers@reviewer.example")
    answered(referee)
    if not shown:
        assert approve(guarded, referee.application).status == "approved", "anybody could claim the address"
        return
    with pytest.raises(NotAllowed) as refused:
        approve(guarded, referee.application)
    assert refused.value.reasons[0].code == "referee"


def test_reviewers_see_what_the_address_says(guarded, mara):
    import_register(ror.read(ror.SAMPLE), by=None)
    affiliate(by=mara, place=Place("Northfield University"))
    guarded.gate = actions.change_gate(by=guarded.manager, gate=guarded.gate, confirmations=3)
    application = guarded.applied(mara)
    for number, address in enumerate(("ada@gmail.com", "bo@cs.northfield.example", ADDRESS)):
        asked(guarded, mara, address, f"Referee {'ABC'[number]}")
    says = [text for _, text in confirmations.with_evidence(application, list(application.referees.all()))]
    assert [text.split()[0] for text in says] == ["free", "at", "another"]
    shown = browser(guarded.reviewers[0]).get(f"/review/{application.pk}/").content.decode()
    assert all(text in shown for text in says)


# --- The schedule -----------------------------------------------------------------------------------------------------


def mails(template: str) -> int:
    return Message.objects.filter(payload__template=template).count()


def test_the_schedule_reminds_after_one_and_two_weeks_once_each_and_then_closes(guarded, mara):
    referee = asked(guarded, mara)
    begin = timezone.now()
    for day, sent in ((1, 1), (8, 2), (9, 2), (15, 3), (16, 3)):
        with time_machine.travel(begin + timedelta(days=day)):
            tasks.remind_referees()
            assert tasks.remind_referees() == 0
            assert mails("referee_asked") == sent, day
    with time_machine.travel(begin + timedelta(days=22)):
        assert (tasks.expire_referees(), tasks.expire_referees(), tasks.remind_referees()) == (1, 0, 0)
        assert mails("referee_silent") == 1
        referee.refresh_from_db()
        assert referee.status == RefereeStatus.EXPIRED
        actions.remind_referee(by=mara, referee=referee)
        assert answered(referee).status == RefereeStatus.CONFIRMED


def test_after_a_long_pause_one_reminder_is_sent_and_not_two(guarded, mara):
    asked(guarded, mara)
    with time_machine.travel(timezone.now() + timedelta(days=17)):
        assert tasks.remind_referees() == 1
        assert mails("referee_asked") == 2


def test_nobody_is_reminded_of_what_was_decided(guarded, mara):
    referee = asked(guarded, mara)
    approve(guarded, referee.application, without_confirmation="Known to us.")
    with time_machine.travel(timezone.now() + timedelta(days=8)):
        assert tasks.remind_referees() == 0
    with time_machine.travel(timezone.now() + timedelta(days=22)):
        assert tasks.expire_referees() == 1
        assert mails("referee_silent") == 0


# --- What is kept -----------------------------------------------------------------------------------------------------


def test_a_referee_is_forgotten_a_year_after_the_answer(guarded, mara):
    answered(asked(guarded, mara))
    erasure.purge(timezone.now() + timedelta(days=360))
    assert Referee.objects.exists()
    erasure.purge(timezone.now() + timedelta(days=366))
    assert not Referee.objects.exists()


@pytest.mark.parametrize("who", ["applicant", "referee"])
def test_erasing_either_takes_what_was_said_and_by_whom(guarded, mara, stranger, who):
    referee = answered(asked(guarded, mara, stranger.email), comment="A careful person.")
    request = erasure.request_erasure(by=mara if who == "applicant" else stranger)
    erasure.erase(request=request, now=timezone.now() + erasure.DELAY + timedelta(hours=1))
    referee.refresh_from_db()
    assert {referee.name, referee.email, referee.mailbox, referee.relation, referee.comment} == {""}
    assert referee.status == RefereeStatus.CONFIRMED


def test_the_applicants_copy_of_their_data_holds_no_word_for_the_reviewers(guarded, mara):
    answered(asked(guarded, mara), comment="Between us: careless.")
    with zipfile.ZipFile(erasure.export(by=mara)) as pack:
        assert not [name for name in pack.namelist() if b"careless" in pack.read(name)]
        assert "access.Application.json" in pack.namelist()
        assert "access.Referee.json" not in pack.namelist()


def test_the_database_repeats_the_table(guarded, mara):
    referee = asked(guarded, mara)
    for wrong in ({"status": "confirmed"}, {"digest": ""}, {"status": "lost"}, {"ended_at": timezone.now()}):
        with pytest.raises(IntegrityError), transaction.atomic():
            Referee.objects.filter(pk=referee.pk).update(**wrong)
    assert {at for at, _ in TABLE} == {RefereeStatus.ASKED, RefereeStatus.EXPIRED}
