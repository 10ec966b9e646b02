"""A person takes a copy of everything, asks to be erased, changes their mind or not; the record that must stay, stays."""

from __future__ import annotations

import io
import json
import tracemalloc
import zipfile
from datetime import timedelta
from smtplib import SMTPRecipientsRefused

import pytest
import time_machine
from django.core.mail import EmailMultiAlternatives
from django.db.models import ProtectedError, QuerySet
from django.test import Client
from django.urls import reverse
from django.utils import timezone

from portal.access import actions as access
from portal.access import tasks
from portal.access.application_models import Application, Decline, Submission
from portal.access.desk_models import Note
from portal.access.institutional import Line
from portal.access.lifetime import RenewalStatus
from portal.access.lifetime_models import GrantStep, Renewal
from portal.access.member_models import Member
from portal.access.members import MemberStatus
from portal.access.models import Grant
from portal.access.review_models import Review
from portal.access.workflow import Status
from portal.agreements.models import Signature
from portal.audit import trail
from portal.audit.models import Entry
from portal.errors import BadToken, Conflict
from portal.mail.models import Sent
from portal.outbox import delivery
from portal.outbox.models import Message
from portal.people import erasure, privacy
from portal.people.erasure_models import ErasureRequest
from portal.people.models import User
from portal.people.tasks import erase_due, purge
from portal.projects.models import ProjectMember
from portal.tokens import actions as tokens
from portal.tokens.authentication import identify
from portal.tokens.scopes import Kind
from tests.portal import seats, world

pytestmark = pytest.mark.django_db


@pytest.fixture
def holder(lyceum, mara):
    """Somebody with a grant, a token, a note about the application, and a place of work."""
    grant = lyceum.granted(mara)
    access.add_note(by=lyceum.reviewers[0], application=grant.application, text="Mara is well known to us.")
    return mara


def signed_in(user):
    """Through the sign-in page, and the password given once more."""
    user.emailaddress_set.get_or_create(email=user.email, defaults={"verified": True, "primary": True})
    client = Client()
    answer = client.post("/account/login/", {"login": user.email, "password": world.PASSWORD})
    assert answer.status_code == 302
    answer = client.post("/account/reauthenticate/", {"password": world.PASSWORD, "next": "/me/data/"})
    assert answer["Location"] == "/me/data/"
    return client


def erased(user):
    """Erase somebody, up to the last letter, which is sent."""
    address = user.email
    erasure.request_erasure(by=user)
    with time_machine.travel(timezone.now() + erasure.DELAY):
        assert erase_due() == 1
        assert delivery.deliver(Message.objects.get(payload__template="erasure_done", payload__to=address).pk)
    user.refresh_from_db()


def join(w, application, lead, who):
    """Name somebody, who accepts by the link that they were mailed."""
    member = access.invite(by=lead, application=application, name=who.name, email=who.email)
    who.emailaddress_set.get_or_create(email=who.email, defaults={"verified": True, "primary": True})
    said = {"typed_name": who.name, "capacity": "for myself", "text_sha256": w.version.sha256}
    return access.accept_invitation(by=who, secret=seats.secret("member_invited", member.email), **said)


def team_of(w, lead, who):
    """A lead's grant, and somebody whose grant rests on it."""
    grant = w.granted(lead)
    join(w, grant.application, lead, who)
    return grant


def everything():
    """Every value of every declared table, as text."""
    return {holding.model: str(list(holding.manager().values())) for holding in privacy.holdings()}


def test_the_copy_holds_every_table_and_the_receipts_and_no_secret(holder, stranger):
    secret = tokens.issue(by=holder, kind=Kind.DOWNLOAD, label="laptop")[0].digest
    tokens.issue(by=stranger, kind=Kind.DOWNLOAD, label="somebody else's")
    answer = signed_in(holder).post(reverse("people:export_data"))
    assert answer["Content-Disposition"] == 'attachment; filename="my-data.zip"'
    pack = zipfile.ZipFile(io.BytesIO(b"".join(answer)))
    names = set(pack.namelist())
    assert {
        "people.User.json",
        "access.Submission.json",
        "agreements.Signature.json",
        "tokens.AccessToken.json",
    } <= names
    receipt = Signature.objects.get(user=holder).reference
    assert {f"receipts/{receipt}.json", f"receipts/{receipt}.pdf"} <= names
    assert json.loads(pack.read("access.Submission.json"))[0]["answers"]["legal_name"] == holder.name
    text = "".join(pack.read(name).decode(errors="replace") for name in names)
    for hidden in (secret, holder.password, "Mara is well known to us", "somebody else", stranger.email):
        assert hidden not in text
    assert Entry.objects.filter(event="user.exported", actor_id=str(holder.pk)).count() == 1


def test_a_copy_of_many_rows_is_whole_and_never_whole_in_memory(holder):
    with erasure.export(by=holder):
        pass  # what writes receipts is imported at the first copy, and takes 20 MB itself
    grant, now, words = holder.grants.get(), timezone.now(), "A message to the holder. " * 40
    GrantStep.objects.bulk_create(
        (GrantStep(grant=grant, verb="suspend", by=None, at=now, message=words) for _ in range(10_000)),
        batch_size=1_000,
    )
    tracemalloc.start()
    with erasure.export(by=holder) as copy:
        most = tracemalloc.get_traced_memory()[1]
        tracemalloc.stop()
        rows = json.loads(zipfile.ZipFile(copy).read("access.GrantStep.json"))
    assert most < 10_000_000, "the rows alone are as many bytes"
    assert (len(rows), {row["message"] for row in rows}) == (10_000, {words})


def test_copy_and_erasing_ask_for_the_password_again(holder):
    client = Client()
    client.force_login(holder)
    for name in ("people:export_data", "people:erase"):
        answer = client.post(reverse(name))
        assert (answer.status_code, answer["Location"].split("?")[0]) == (302, "/account/reauthenticate/")
    assert not ErasureRequest.objects.exists()
    assert not Entry.objects.filter(event="user.exported").exists()


def test_a_person_asks_on_the_page_and_changes_their_mind(holder):
    client = signed_in(holder)
    assert client.get(reverse("people:erase")).status_code == 200
    client.post(reverse("people:erase"))
    assert "You asked to be erased" in client.get(reverse("people:data")).content.decode()
    assert Message.objects.filter(payload__template="erasure_requested").count() == 1
    client.post(reverse("people:keep_data"))
    with time_machine.travel(timezone.now() + 2 * erasure.DELAY):
        assert erase_due() == 0
    holder.refresh_from_db()
    assert holder.name == "Mara Lindqvist"


def test_who_has_asked_reads_the_hour_and_is_not_offered_to_ask_again(holder):
    client = signed_in(holder)
    with time_machine.travel("2027-03-01T14:20:30Z", tick=False):
        erasure.request_erasure(by=holder)
    assert "15 Mar 2027, 14:20 UTC" in client.get(reverse("people:data")).content.decode().replace("\xa0", " ")
    assert client.get(reverse("people:erase"))["Location"] == reverse("people:data")


def test_nothing_happens_before_the_day(holder):
    erasure.request_erasure(by=holder)
    with time_machine.travel(timezone.now() + erasure.DELAY - timedelta(minutes=1)):
        assert erase_due() == 0
    with pytest.raises(Conflict):
        erasure.request_erasure(by=holder)


def test_whoever_acts_for_a_lab_hands_over_first(lyceum):
    with pytest.raises(Conflict):
        erasure.request_erasure(by=lyceum.reviewers[0])


def test_of_an_erased_person_nothing_is_left_but_the_signed_record(holder):
    _, secret = tokens.issue(by=holder, kind=Kind.DOWNLOAD, label="laptop of Mara")
    address = holder.email
    erased(holder)
    left = {model for model, text in everything().items() if "Mara" in text or address in text or "forget" in text}
    assert left == {"agreements.Signature"}
    with pytest.raises(BadToken):
        identify(f"Bearer {secret}")


def test_a_last_letter_says_that_it_is_done_and_nothing_holds_to_whom_it_went(holder, mailoutbox):
    address = holder.email
    User.objects.filter(pk=holder.pk).update(language="de")
    erased(holder)
    letter = mailoutbox[-1]
    assert letter.to == [address]
    assert "/help/" in letter.body
    assert holder.name not in letter.body
    assert "Mara" not in letter.body
    assert address not in str(everything())
    assert erase_due() == 0, "and it comes once"


@pytest.mark.parametrize(("code", "answer"), [(550, b"5.1.1 no such user"), (451, b"4.3.0 not now")])
def test_the_last_letter_waits_for_a_server_that_is_busy_and_for_none_that_knows_nobody(
    holder, monkeypatch, code, answer
):
    def refuse(_self: object) -> None:
        raise SMTPRecipientsRefused({"x": (code, answer)})

    monkeypatch.setattr(EmailMultiAlternatives, "send", refuse)
    erasure.request_erasure(by=holder)
    with time_machine.travel(timezone.now() + erasure.DELAY):
        erase_due()
        last = Message.objects.get(payload__template="erasure_done")
        assert delivery.deliver(last.pk) is (code == 550)
    last.refresh_from_db()
    assert bool(last.payload) is (code == 451)
    assert not Sent.objects.filter(letter="erasure_done").exists()


def test_decisions_dates_and_grants_stay_under_the_pseudonym(holder):
    erased(holder)
    application = Application.objects.get(applicant=holder)
    assert (application.status, application.answers) == (Status.GRANTED, {})
    assert application.decided_at is not None
    assert Review.objects.filter(application=application).count() == 2
    assert Grant.objects.get(user=holder).application == application
    assert not Grant.objects.active().exists(), "and the grant opens nothing"
    assert User.objects.get(pk=holder.pk).email == f"erased-{holder.pk}@erased.invalid"


def standing():
    """Whose grants stand once the day of erasing is over."""
    with time_machine.travel(timezone.now() + erasure.DELAY + timedelta(days=1)):
        return set(Grant.objects.standing().values_list("user", flat=True))


def state_of(application):
    return Application.objects.get(pk=application.pk).status


def test_nobody_reviews_for_an_erased_person_and_what_others_sent_still_waits(lyceum, harbour, mara, stranger):
    sent, others = lyceum.applied(mara), lyceum.applied(stranger)
    draft = access.save_draft(by=mara, gate=harbour.gate, answers={"title": "How small models forget"})
    erased(mara)
    assert (state_of(sent), state_of(draft)) == (Status.WITHDRAWN, Status.WITHDRAWN)
    assert [row.pk for row in Application.objects.queued()] == [others.pk]


def test_an_appeal_of_an_erased_person_is_left_to_its_reviewers(lyceum, mara):
    sent = lyceum.applied(mara)
    access.decline(by=lyceum.reviewers[0], application=sent, reason=Decline.DETAIL, message="Too thin.")
    access.appeal(by=mara, application=sent, text="Read it again.")
    erased(mara)
    assert state_of(sent) == Status.APPEALED
    access.uphold(by=lyceum.reviewers[1], application=sent, message="It stays.")
    assert state_of(sent) == Status.DECLINED


def test_the_team_of_an_erased_lead_ends_with_them_and_is_asked_for_its_copies(lyceum, mara, stranger):
    lead = team_of(lyceum, mara, stranger)
    Grant.objects.update(ends_at=timezone.now() + timedelta(days=50))
    access.renew(by=mara, grant=lead, report={"changes": "None to speak of."})
    erased(mara)
    lead.refresh_from_db()
    theirs = Grant.objects.get(user=stranger)
    assert standing() == set()
    assert (lead.deletion_due_at, theirs.deletion_due_at is None) == (None, False)
    assert Message.objects.filter(payload__template="member_grant_ended", payload__to=stranger.email).count() == 1
    assert Renewal.objects.get(grant=lead).status == RenewalStatus.LAPSED


def test_an_erased_member_leaves_the_team_and_the_lead_goes_on(lyceum, mara, stranger):
    lead = team_of(lyceum, mara, stranger)
    erased(stranger)
    assert standing() == {mara.pk}
    assert Member.objects.get(user=stranger).status == MemberStatus.REMOVED
    assert not ProjectMember.objects.filter(user=stranger, project=lead.project, left_at=None).exists()


def test_who_was_erased_before_the_lead_signs_is_not_admitted(lyceum, mara, stranger):
    approved = lyceum.approved(mara)
    join(lyceum, approved, mara, stranger)
    erased(stranger)
    lyceum.signed(mara, approved)
    assert not Grant.objects.filter(user=stranger).exists()


def test_the_seat_of_an_erased_person_is_free_and_a_colleague_keeps_theirs(lyceum):
    agreement = seats.in_force(lyceum)
    jonas, ana = seats.member("Jonas Weber"), seats.member("Ana Duarte")
    theirs, _others = seats.seated(agreement, jonas), seats.seated(agreement, ana)
    erased(jonas)
    agreement.refresh_from_db()
    assert agreement.taken == 1
    assert standing() == {ana.pk}
    assert theirs.steps.get().verb == "holder_left"


def test_who_asked_by_one_address_and_was_invited_by_another_can_be_erased(lyceum):
    agreement = seats.in_force(lyceum)
    ana = seats.at_home("Ana Duarte")
    access.ask_to_join(by=ana, agreement=agreement)
    User.objects.filter(pk=ana.pk).update(email="a.duarte@northfield.example")
    ana.refresh_from_db()
    seats.invited(agreement, ana)
    erased(ana)
    assert {line.status for line in agreement.roster.all()} == {Line.REMOVED}
    assert all(line.address.endswith("@erased.invalid") for line in agreement.roster.all())


def test_nobody_writes_to_a_pseudonym_and_others_hear_as_ever(lyceum, mara, stranger):
    lyceum.gate = access.change_gate(by=lyceum.manager, gate=lyceum.gate, confirmations=1)
    sent = lyceum.applied(stranger)
    vera = world.person("Vera Olsen")
    access.ask_referee(by=stranger, application=sent, name=vera.name, email=vera.email, relation="supervisor")
    lyceum.gate = access.change_gate(by=lyceum.manager, gate=lyceum.gate, confirmations=0)
    grant = lyceum.granted(mara)
    for person in (mara, vera):
        erased(person)
    before = Message.objects.count()
    with time_machine.travel(timezone.now() + timedelta(days=20)):
        assert (tasks.announce_expiries(), tasks.remind_of_deletions()) == (0, 0)
        tasks.remind_referees()
    with time_machine.travel(timezone.now() + timedelta(days=22)):
        assert tasks.expire_referees() == 1
    left = {message.payload["to"] for message in Message.objects.order_by("pk")[before:]}
    assert left == {stranger.email}, "whose referee is silent"
    assert not grant.notices.exists()


def test_the_chain_verifies_after_erasing_and_still_shows_an_edit(holder):
    trail.seal()
    erased(holder)
    trail.seal()
    assert trail.verify()[2] == []
    theirs = Entry.objects.filter(actor_id=str(holder.pk))
    assert theirs.count() > 3
    assert set(theirs.values_list("actor", "salt")) == {("", "")}


def test_the_lab_and_other_people_keep_what_is_theirs(holder, lyceum, stranger):
    other = lyceum.applied(stranger)
    erased(holder)
    assert Submission.objects.get(application=other).answers["legal_name"] == stranger.name
    assert Entry.objects.filter(actor=lyceum.manager.email).exists()
    assert User.objects.get(pk=stranger.pk).name == "Ida Fremd"


def test_erasing_twice_erases_once(holder):
    erased(holder)
    request = ErasureRequest.objects.get(user=holder)
    assert erasure.erase(request=request, now=timezone.now() + 2 * erasure.DELAY) is False


def test_the_purge_takes_what_is_past_its_time_and_no_more(holder):
    Message.objects.update(delivered_at=timezone.now())
    count = Message.objects.count()
    assert purge()["outbox.Message"] == 0
    with time_machine.travel(timezone.now() + timedelta(days=31)):
        assert purge()["outbox.Message"] == count
    assert Note.objects.count() == 1


def test_a_table_that_cannot_be_cleared_holds_up_no_other(holder, monkeypatch):
    first = next(holding.model for holding in privacy.holdings() if holding.purge)
    Message.objects.update(delivered_at=timezone.now())
    count, delete = Message.objects.count(), QuerySet.delete

    def fails(rows):
        if rows.model._meta.label == first:
            raise ProtectedError("something still refers to it", set())
        return delete(rows)

    monkeypatch.setattr(QuerySet, "delete", fails)
    with time_machine.travel(timezone.now() + timedelta(days=31)):
        told = purge()
    assert first not in told
    assert told["outbox.Message"] == count


def test_an_appeal_loses_its_words_and_keeps_its_outcome(lyceum, mara):
    for outcome in ("", "upheld"):
        person = world.person(f"Appellant {outcome}")
        application = lyceum.applied(person)
        access.decline(by=lyceum.reviewers[0], application=application, reason=Decline.OTHER, message="No.")
        appeal = access.appeal(by=person, application=application, text="Look again, please, at the method. " * 3)
        if outcome:
            access.uphold(by=lyceum.reviewers[1], application=application, message="It stands.")
        erased(person)
        appeal.refresh_from_db()
        assert (appeal.text, appeal.outcome, appeal.message) == ("", outcome, "Erased." if outcome else "")
