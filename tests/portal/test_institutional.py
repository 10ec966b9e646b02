"""Institutional agreements: an official asks and signs, people take seats, and whoever may not does not."""

from __future__ import annotations

from datetime import timedelta

import pytest
from django.db import IntegrityError, transaction
from django.utils import timezone

from portal.access import actions, tasks
from portal.access.institutional import GRACE, YEAR, Line, Status
from portal.access.institutional_models import AttestationNotice, InstitutionalAgreement, RosterLine
from portal.access.lifetime import State
from portal.access.models import Grant
from portal.agreements import actions as agreements
from portal.agreements.models import ChangeClass, Signature
from portal.audit.models import Entry
from portal.errors import Conflict, Invalid, NotAllowed, NotFound
from portal.outbox.models import Message
from portal.people import erasure
from portal.people.actions import restore, suspend
from portal.people.models import Affiliation, Institution, InstitutionStatus, User
from tests.portal import seats, world

pytestmark = pytest.mark.django_db


@pytest.fixture
def official(db) -> User:
    return seats.at_home("Ingrid Solberg")


@pytest.fixture
def cover(lyceum, official) -> InstitutionalAgreement:
    return seats.in_force(lyceum, official)


def active(user: User) -> bool:
    return Grant.objects.active().filter(user=user).exists()


def fresh(agreement: InstitutionalAgreement) -> InstitutionalAgreement:
    return InstitutionalAgreement.objects.get(pk=agreement.pk)


def mails(template: str) -> int:
    return Message.objects.filter(topic="mail.send", payload__template=template).count()


# --- Asking, offering, signing


def test_an_official_asks_a_manager_offers_and_the_signature_begins_it(lyceum, official):
    made = seats.asked(lyceum.gate, official, seats=40)
    assert (made.status, made.institution.name) == (Status.ASKED, seats.HOME)
    assert seats.mailed("institutional_asked")["official"] == "Ingrid Solberg"
    made = actions.approve_institutional(by=lyceum.manager, agreement=made, seats=20, days=365)
    assert (made.status, made.seats, mails("institutional_offered")) == (Status.OFFERED, 20, 1)
    made = seats.signed(made)
    assert made.status == Status.IN_FORCE
    assert made.ends_at - made.starts_at == timedelta(days=365)
    assert made.lapses_at == made.attest_by + GRACE
    receipt = made.signature.document
    assert receipt["capacity"] == "signing official of Northfield University, vice-rector for research"
    assert (receipt["seats"], receipt["ror"]) == (20, made.institution.ror)
    assert not active(official), "who signs for the institution holds no access by it"


def test_whoever_has_not_shown_where_they_work_asks_for_nothing(lyceum, mara):
    with pytest.raises(Conflict) as refused:
        seats.asked(lyceum.gate, mara)
    assert refused.value.code == "no_evidence"


def test_evidence_that_is_too_old_does_not_sign(lyceum, official):
    made = seats.asked(lyceum.gate, official)
    made = actions.approve_institutional(by=lyceum.manager, agreement=made, seats=1, days=365)
    Affiliation.objects.filter(user=official).update(verified_at=timezone.now() - timedelta(days=366))
    with pytest.raises(Conflict):
        seats.signed(made)
    assert fresh(made).status == Status.OFFERED


def test_a_manager_offers_to_an_official_and_not_to_anybody_else(lyceum, official, mara):
    terms = {"gate": lyceum.gate, "office": "dean", "seats": 5, "days": 365}
    with pytest.raises(Invalid) as refused:
        actions.offer_institutional(by=lyceum.manager, address=mara.email, **terms)
    assert "verify their address" in refused.value.fields["address"][0]
    made = actions.offer_institutional(by=lyceum.manager, address=official.email.upper(), **terms)
    assert (made.status, made.official) == (Status.OFFERED, official)
    with pytest.raises(Conflict):
        seats.asked(lyceum.gate, official)


def test_wrong_terms_are_told_field_by_field(lyceum, official):
    with pytest.raises(Invalid) as refused:
        actions.ask_institutional(by=official, gate=lyceum.gate, office=" ", purpose="", seats=0, days=9_999)
    assert set(refused.value.fields) == {"office", "purpose", "seats", "days"}


def test_only_the_labs_managers_decide_and_no_colleague_of_the_official(lyceum, harbour, official, stranger):
    made = seats.asked(lyceum.gate, official)
    for somebody in (stranger, harbour.manager, lyceum.reviewers[0]):
        with pytest.raises(NotFound):
            actions.approve_institutional(by=somebody, agreement=made, seats=1, days=365)
    with pytest.raises(NotAllowed):
        actions.approve_institutional(by=official, agreement=made, seats=1, days=365)
    world.work_at(seats.HOME, lyceum.manager)
    with pytest.raises(NotAllowed) as refused:
        actions.approve_institutional(by=lyceum.manager, agreement=made, seats=1, days=365)
    assert refused.value.code == "conflict_of_interest"
    assert fresh(made).status == Status.ASKED


def test_a_decline_needs_words_and_lets_one_ask_again(lyceum, official):
    made = seats.asked(lyceum.gate, official)
    with pytest.raises(Invalid):
        actions.decline_institutional(by=lyceum.manager, agreement=made, message=" ")
    actions.decline_institutional(by=lyceum.manager, agreement=made, message="Too many seats.")
    assert seats.asked(lyceum.gate, official).status == Status.ASKED


def test_a_new_one_can_follow_one_whose_period_is_over(lyceum, cover, official):
    with pytest.raises(Conflict):
        seats.asked(lyceum.gate, official)
    seats.shift(cover, starts_at=-400, ends_at=-1)
    assert seats.asked(lyceum.gate, official).status == Status.ASKED
    assert fresh(cover).status == Status.ENDED


# --- Seats


def test_a_member_accepts_an_undertaking_and_holds_a_grant_marked_with_the_agreement(cover, lyceum):
    mara = seats.member("Mara Lindqvist")
    grant = seats.seated(cover, mara)
    assert active(mara)
    assert (grant.institutional, grant.application, grant.ends_at) == (cover, None, cover.ends_at)
    assert grant.project.owner == mara
    receipt = Signature.objects.get(user=mara).document
    assert "I pass no weights on" in receipt["undertaking"]
    assert receipt["institution"] == seats.HOME
    assert fresh(cover).taken == 1
    assert Entry.objects.filter(event="seat.taken", target_id=str(grant.pk)).exists()


def test_a_paste_invites_the_good_lines_and_gives_back_the_others(cover):
    text = "\n".join([
        "Mara Lindqvist <mara@northfield.example>", "tomas@cs.northfield.example; mara+x@northfield.example",
        "not an address", "someone@gmail.com", "eve@elsewhere.example", "", "  ",
    ])  # fmt: skip
    done, refused = actions.invite_to_roster(by=cover.official, agreement=cover, text=text)
    assert [line.address for line in done] == ["mara@northfield.example", "tomas@cs.northfield.example"]
    assert [line.text for line in refused] == [
        "mara+x@northfield.example", "not an address", "someone@gmail.com", "eve@elsewhere.example",
    ]  # fmt: skip
    assert all(line.problem for line in refused)
    _, again = actions.invite_to_roster(by=cover.official, agreement=cover, text="mara@northfield.example")
    assert "invited already" in again[0].problem
    assert "northfield.example" not in str(Entry.objects.filter(event="roster.invited").values_list("data", flat=True))


def test_no_more_invitations_are_open_than_there_are_seats(cover):
    done, refused = actions.invite_to_roster(
        by=cover.official, agreement=cover, text="\n".join(f"p{n}@northfield.example" for n in range(5))
    )
    assert (len(done), len(refused)) == (3, 2)


def test_the_link_is_kept_as_a_digest_works_once_and_runs_out(cover):
    mara, late = seats.member("Mara Lindqvist"), seats.member("Late Comer")
    link, other = seats.invited(cover, mara, late)
    assert not RosterLine.objects.filter(digest=link).exists()
    grant = seats.accept(mara, link, cover)
    with pytest.raises(NotFound):
        seats.accept(mara, link, cover)
    RosterLine.objects.filter(mailbox=late.email).update(expires_at=timezone.now())
    with pytest.raises(NotFound, match="run out"):
        seats.accept(late, other, cover)
    line = RosterLine.objects.get(mailbox=late.email)
    actions.invite_again(by=cover.official, line=line)
    with pytest.raises(NotFound):
        seats.accept(late, other, cover)
    assert seats.accept(late, seats.secret("roster_invited", late.email), cover).pk != grant.pk


def test_a_link_that_was_passed_on_seats_nobody_else(cover, stranger):
    link = seats.invited(cover, seats.member("Mara Lindqvist"))[0]
    with pytest.raises(NotFound, match="another address"):
        seats.accept(stranger, link, cover)
    assert fresh(cover).taken == 0


def test_an_invitation_can_be_declined_and_taken_back(cover):
    first, second = seats.member("First One"), seats.member("Second One")
    links = seats.invited(cover, first, second)
    actions.decline_seat(by=first, secret=links[0])
    actions.remove_from_roster(by=cover.official, line=RosterLine.objects.get(mailbox=second.email))
    for who, link in ((first, links[0]), (second, links[1])):
        with pytest.raises(NotFound):
            seats.accept(who, link, cover)
    assert sorted(RosterLine.objects.values_list("status", flat=True)) == [Line.DECLINED, Line.REMOVED]


def test_a_colleague_asks_by_the_link_and_the_official_admits(cover, stranger):
    mara = seats.at_home("Mara Lindqvist")
    line = actions.ask_to_join(by=mara, agreement=cover)
    with pytest.raises(Conflict):
        actions.ask_to_join(by=mara, agreement=cover)
    with pytest.raises(Conflict):
        actions.ask_to_join(by=stranger, agreement=cover)
    with pytest.raises(NotFound):
        actions.admit(by=stranger, line=line)
    actions.admit(by=cover.official, line=line)
    seats.accept(mara, seats.secret("roster_invited"), cover)
    assert active(mara)


def test_whoever_is_refused_gets_word_and_no_seat(cover):
    line = actions.ask_to_join(by=seats.at_home("Mara Lindqvist"), agreement=cover)
    assert actions.refuse_seat(by=cover.official, line=line).status == Line.REFUSED
    assert mails("roster_refused") == 1
    with pytest.raises(Conflict):
        actions.admit(by=cover.official, line=line)


def test_there_is_no_seat_more_than_the_agreement_has(cover, lyceum):
    people = [seats.member(f"Person {n}") for n in range(3)]
    links = seats.invited(cover, *people)
    for person, link in zip(people, links, strict=True):
        seats.accept(person, link, cover)
    late = seats.member("Late Comer")
    link = seats.invited(cover, late)[0]
    with pytest.raises(Conflict) as refused:
        seats.accept(late, link, cover)
    assert (refused.value.code, active(late)) == ("no_seat", False)
    grant = lyceum.granted(late)
    with pytest.raises(IntegrityError, match="institutional_seats"), transaction.atomic():
        RosterLine.objects.filter(mailbox=late.email).update(
            status=Line.SEATED, user=late, grant=grant, digest=None, expires_at=None
        )


def test_who_holds_access_already_takes_no_seat(cover, lyceum):
    mara = seats.member("Mara Lindqvist")
    lyceum.granted(mara)
    link = seats.invited(cover, mara)[0]
    with pytest.raises(Conflict, match="hold access here already"):
        seats.accept(mara, link, cover)
    assert fresh(cover).taken == 0


def test_removing_a_member_ends_the_grant_at_once_and_frees_the_seat(cover):
    mara = seats.member("Mara Lindqvist")
    grant = seats.seated(cover, mara)
    before = mara.generation
    actions.remove_from_roster(by=cover.official, line=RosterLine.objects.get(grant=grant))
    grant.refresh_from_db()
    mara.refresh_from_db()
    assert not active(mara)
    assert grant.state() == State.ENDED
    assert grant.deletion_due_at is not None
    assert mara.generation > before
    assert (fresh(cover).taken, mails("grant_ended")) == (0, 1)
    tasks.announce_expiries()
    assert mails("grant_ended") == 1, "told once"
    with pytest.raises(Conflict):
        actions.remove_from_roster(by=cover.official, line=RosterLine.objects.get(grant=grant))
    assert seats.seated(cover, mara).pk != grant.pk, "may be invited again"


def test_nobody_but_the_official_keeps_the_roster(cover, lyceum, harbour, stranger):
    mara = seats.member("Mara Lindqvist")
    seats.seated(cover, mara)
    line = RosterLine.objects.get()
    for somebody, error in (
        (stranger, NotFound),
        (harbour.manager, NotFound),
        (mara, NotFound),
        (lyceum.manager, NotAllowed),
    ):
        with pytest.raises(error):
            actions.remove_from_roster(by=somebody, line=line)
        with pytest.raises(error):
            actions.invite_to_roster(by=somebody, agreement=cover, text="x@northfield.example")
    assert active(mara)


@pytest.mark.parametrize("how", ["revoked by the lab", "closed out by its holder"])
def test_a_seat_whose_grant_is_over_for_good_is_free(cover, lyceum, how):
    mara = seats.member("Mara Lindqvist")
    grant = seats.seated(cover, mara)
    if how == "revoked by the lab":
        actions.revoke_grant(by=lyceum.manager, grant=grant, reason="Passed on.")
    else:
        today = timezone.now().date()
        actions.close_out(by=mara, grant=grant, typed_name=mara.name, deleted_on=today, statement="Gone.")
    assert (fresh(cover).taken, RosterLine.objects.get().status) == (0, Line.REMOVED)


def test_a_seat_is_not_renewed_by_its_holder(cover):
    mara = seats.member("Mara Lindqvist")
    grant = seats.seated(cover, mara)
    Grant.objects.filter(pk=grant.pk).update(ends_at=timezone.now() + timedelta(days=5))
    grant.refresh_from_db()
    assert not grant.renewable
    with pytest.raises(Conflict, match="official"):
        actions.renew(by=mara, grant=grant)


# --- Pausing and ending


def test_suspending_the_agreement_pauses_every_seat_and_resuming_brings_them_back(cover, lyceum):
    people = [seats.member(f"Person {n}") for n in range(2)]
    for each in people:
        seats.seated(cover, each)
    actions.suspend_institutional(by=lyceum.manager, agreement=cover, reason="A question.")
    assert [active(each) for each in people] == [False, False]
    actions.resume_institutional(by=lyceum.manager, agreement=cover)
    assert [active(each) for each in people] == [True, True]


@pytest.mark.parametrize("how", ["revoked", "ended"])
def test_ending_the_agreement_ends_every_grant_of_it_and_of_nobody_else(cover, lyceum, how):
    mara, tomas = seats.member("Mara Lindqvist"), world.person("Tomas Hale")
    grant, own = seats.seated(cover, mara), lyceum.granted(tomas)
    gate = lyceum.gate.generation
    if how == "revoked":
        actions.revoke_institutional(by=lyceum.manager, agreement=cover, reason="Breach.")
    else:
        actions.end_institutional(by=cover.official, agreement=cover)
    grant.refresh_from_db()
    lyceum.gate.refresh_from_db()
    assert (active(mara), active(tomas)) == (False, True)
    assert (grant.state(), own.state()) == (State.ENDED, State.ACTIVE)
    assert lyceum.gate.generation > gate, "the gateway asks again"
    assert (fresh(cover).status, fresh(cover).taken) == (how, 0)
    tasks.announce_expiries()
    grant.refresh_from_db()
    assert grant.deletion_due_at is not None
    with pytest.raises(Conflict):
        actions.resume_institutional(by=lyceum.manager, agreement=cover)


def test_a_blocking_text_pauses_the_seats_until_the_official_signs_it_too(cover, lyceum):
    mara = seats.member("Mara Lindqvist")
    grant = seats.seated(cover, mara)
    agreements.publish_version(by=lyceum.manager, agreement=lyceum.agreement, text=world.TEXT + "More.\n")
    assert mails("institutional_to_sign") == 1
    text = lyceum.agreement.current().sha256
    actions.sign_again(by=mara, grant=grant, typed_name=mara.name, capacity="for myself", text_sha256=text)
    assert not active(mara), "the institution is bound to the old text"
    seats.signed(fresh(cover))
    assert active(mara)
    with pytest.raises(Conflict, match="have signed"):
        seats.signed(fresh(cover))


def test_an_editorial_text_asks_the_official_for_nothing(cover, lyceum):
    agreements.publish_version(
        by=lyceum.manager, agreement=lyceum.agreement, text=world.TEXT + "Typo.\n", change_class=ChangeClass.EDITORIAL
    )
    assert mails("institutional_to_sign") == 0
    assert not fresh(cover).to_sign


def test_a_right_ends_no_later_than_what_the_institution_has_to_do(cover, lyceum):
    mara = seats.member("Mara Lindqvist")
    grant = seats.seated(cover, mara)

    def until():
        return Grant.objects.with_not_after().get(pk=grant.pk).not_after

    assert until() == cover.lapses_at
    grace = timezone.now() + timedelta(days=20)
    agreements.publish_version(
        by=lyceum.manager, agreement=lyceum.agreement, text=world.TEXT + "More.\n",
        change_class=ChangeClass.NOTICE, grace_ends_at=grace,
    )  # fmt: skip
    text = lyceum.agreement.current().sha256
    actions.sign_again(by=mara, grant=grant, typed_name=mara.name, capacity="for myself", text_sha256=text)
    assert until() == grace, "the official has not signed"
    seats.signed(fresh(cover))
    assert until() == cover.lapses_at


# --- The yearly attestation


def test_the_official_hears_four_times_and_each_time_once(cover):
    for days, sent in ((61, 0), (59, 1), (29, 2), (6, 3), (-1, 4)):
        seats.shift(cover, attest_by=days, lapses_at=days + 30, ends_at=700)
        AttestationNotice.objects.update(due=fresh(cover).attest_by)
        tasks.announce_attestations()
        tasks.announce_attestations()
        assert mails("attestation_due") == sent, days
    assert seats.mailed("attestation_due")["overdue"] is True


def test_when_the_seats_stop_the_official_and_everybody_with_a_seat_hear_once(cover):
    mara, tomas = seats.member("Mara Lindqvist"), seats.member("Tomas Hale")
    seats.seated(cover, mara)
    seats.seated(cover, tomas)
    actions.remove_from_roster(by=cover.official, line=cover.roster.get(user=tomas))
    seats.shift(cover, attest_by=-29, lapses_at=1)
    tasks.announce_attestations()
    assert (mails("attestation_lapsed"), mails("seat_stopped")) == (0, 0)
    seats.shift(cover, attest_by=-31, lapses_at=-1)
    AttestationNotice.objects.update(due=fresh(cover).attest_by)
    tasks.announce_attestations()
    tasks.announce_attestations()
    assert (mails("attestation_lapsed"), mails("seat_stopped")) == (1, 1)
    assert seats.mailed("seat_stopped", to=mara.email)["official"] == cover.official.get_full_name()


def test_one_confirms_what_one_has_read(cover):
    seats.seated(cover, seats.member("Mara Lindqvist"))
    with pytest.raises(Conflict) as early:
        actions.attest_roster(by=cover.official, agreement=cover, expected=fresh(cover).version)
    assert early.value.code == "too_early"
    due = seats.shift(cover, attest_by=10, lapses_at=40).attest_by
    seen = fresh(cover).version
    seats.seated(cover, seats.member("Tomas Hale"))
    with pytest.raises(Conflict) as stale:
        actions.attest_roster(by=cover.official, agreement=cover, expected=seen)
    assert stale.value.code == "stale"
    made = actions.attest_roster(by=cover.official, agreement=cover, expected=fresh(cover).version)
    assert (made.seated, fresh(cover).attest_by) == (2, due + YEAR)
    with pytest.raises(Conflict):
        actions.attest_roster(by=cover.official, agreement=cover, expected=fresh(cover).version)


def test_without_the_attestation_access_stops_after_the_days_of_grace_and_comes_back_with_it(cover):
    mara = seats.member("Mara Lindqvist")
    seats.seated(cover, mara)
    seats.shift(cover, attest_by=-29, lapses_at=1)
    assert active(mara)
    seats.shift(cover, attest_by=-31, lapses_at=-1)
    assert not active(mara)
    assert fresh(cover).lapsed
    actions.attest_roster(by=cover.official, agreement=cover, expected=fresh(cover).version)
    assert active(mara)
    assert fresh(cover).attest_by > timezone.now() + timedelta(days=364), "a year from now, not from then"


def test_an_official_without_fresh_evidence_attests_nothing(cover):
    seats.shift(cover, attest_by=10, lapses_at=40)
    Affiliation.objects.filter(user=cover.official).update(ends_at=timezone.now())
    with pytest.raises(Conflict) as refused:
        actions.attest_roster(by=cover.official, agreement=cover, expected=fresh(cover).version)
    assert refused.value.code == "no_evidence"


# --- An official who is not there


def test_an_institutions_seats_outlive_the_account_of_its_official_and_the_labs_managers_are_told(lyceum, cover):
    """The institution signed, not the person: its people go on until the roster is due, and the lab can see why it will lapse."""
    mara = seats.member("Mara Lindqvist")
    seats.seated(cover, mara)
    suspend(user=cover.official, by=world.person("Root"), reason="Somebody else has the password.")
    assert active(mara)
    assert seats.mailed("institutional_unattended")["name"] == lyceum.manager.get_full_name()
    restore(user=cover.official, by=world.person("Root Two"), reason="It is theirs again.")
    assert mails("institutional_unattended") == 1, "once, when it happens"


def test_nobody_is_told_of_an_official_whose_agreement_is_over_or_of_somebody_who_is_none(lyceum, cover, mara):
    seats.shift(cover, starts_at=-400, ends_at=-1)
    for somebody in (cover.official, mara):
        suspend(user=somebody, by=world.person("Root"), reason="Somebody else has the password.")
    assert mails("institutional_unattended") == 0


def erased(user: User) -> None:
    erasure.erase(request=erasure.request_erasure(by=user), now=timezone.now() + timedelta(days=15))


def test_an_erased_official_leaves_seats_that_run_and_nothing_that_waits_for_them(lyceum, harbour, cover, official):
    mara = seats.member("Mara Lindqvist")
    seats.seated(cover, mara)
    waits = seats.asked(harbour.gate, official)
    erased(official)
    assert fresh(waits).status == Status.WITHDRAWN, "else nobody of the institution could ever ask there"
    assert (fresh(cover).status, active(mara), mails("institutional_unattended")) == (Status.IN_FORCE, True, 1)
    before = Message.objects.filter(topic="mail.send").count()
    seats.shift(cover, attest_by=20)
    assert actions.announce_attestation(agreement=fresh(cover))
    told = Message.objects.filter(topic="mail.send").order_by("pk")[before:]
    assert [each.payload["to"] for each in told] == [lyceum.manager.email], (
        "no pseudonym, but who can name somebody else"
    )


def test_a_manager_names_another_official_who_confirms_the_roster_under_the_old_signature(lyceum, cover, official):
    mara, heir = seats.member("Mara Lindqvist"), seats.at_home("Sofia Heir")
    seats.seated(cover, mara)
    suspend(user=official, by=world.person("Root"), reason="Has left.")
    seats.shift(cover, starts_at=-400, attest_by=-40, lapses_at=-10)
    assert not active(mara)
    made = actions.name_official(by=lyceum.manager, agreement=cover, address=heir.email.upper(), office="dean")
    assert (made.official, made.office, made.signature) == (heir, "dean", cover.signature)
    assert {each.payload["to"] for each in Message.objects.filter(payload__template="institutional_named")} == {
        heir.email,
    }, "whoever is shut out reads nothing"
    actions.attest_roster(by=heir, agreement=made, expected=made.version)
    assert active(mara)
    with pytest.raises(NotFound):
        actions.end_institutional(by=official, agreement=made)
    entry = Entry.objects.get(event="institutional.official_named")
    assert (entry.data["official"], entry.data["before"]) == (str(heir.pk), str(official.pk))


def test_an_official_who_is_there_is_told_that_another_was_named(lyceum, cover, official):
    heir = seats.at_home("Sofia Heir")
    actions.name_official(by=lyceum.manager, agreement=cover, address=heir.email, office="dean")
    assert {each.payload["to"] for each in Message.objects.filter(payload__template="institutional_named")} == {
        heir.email, official.email,
    }  # fmt: skip


def test_nobody_is_named_official_who_has_not_shown_to_work_there_or_by_whom_it_is_not_to_decide(
    lyceum, harbour, cover, official, mara, stranger
):
    heir = seats.at_home("Sofia Heir")
    elsewhere = seats.at_home("Ben Else", home="University of Saltmarsh")
    for wrong in (mara, elsewhere, official):
        with pytest.raises(Invalid):
            actions.name_official(by=lyceum.manager, agreement=cover, address=wrong.email, office="dean")
    with pytest.raises(Invalid) as refused:
        actions.name_official(by=lyceum.manager, agreement=cover, address=heir.email, office=" ")
    assert set(refused.value.fields) == {"office"}
    for somebody in (stranger, harbour.manager, lyceum.reviewers[0], heir):
        with pytest.raises(NotFound):
            actions.name_official(by=somebody, agreement=cover, address=heir.email, office="dean")
    with pytest.raises(NotAllowed):
        actions.name_official(by=official, agreement=cover, address=heir.email, office="dean")
    world.work_at(seats.HOME, lyceum.manager)
    with pytest.raises(NotAllowed) as refused:
        actions.name_official(by=lyceum.manager, agreement=cover, address=heir.email, office="dean")
    assert refused.value.code == "conflict_of_interest"
    assert fresh(cover).official == official


# --- What the lab took away


@pytest.mark.parametrize("how", ["revoked", "suspended"])
def test_an_official_gives_nobody_back_what_the_lab_took_from_them(lyceum, cover, official, how):
    """A new seat would be a new grant, of which the lab's reason knows nothing."""
    mara = seats.member("Mara Lindqvist")
    grant = seats.seated(cover, mara)
    taking = actions.revoke_grant if how == "revoked" else actions.suspend_grant
    taking(by=lyceum.manager, grant=grant, reason="Weights were passed on.")
    for line in RosterLine.objects.filter(grant=grant, status=Line.SEATED):
        actions.remove_from_roster(by=official, line=line)
    (link,) = seats.invited(cover, mara)
    with pytest.raises(Conflict) as refused:
        seats.accept(mara, link, cover)
    assert (refused.value.code, active(mara)) == ("taken_away", False)


def test_whom_the_lab_admits_again_by_its_own_decision_may_have_a_seat_later(lyceum, cover, official):
    mara = seats.member("Mara Lindqvist")
    actions.revoke_grant(by=lyceum.manager, grant=seats.seated(cover, mara), reason="Weights were passed on.")
    again = lyceum.granted(mara)
    assert active(mara)
    Grant.objects.filter(pk=again.pk).update(ends_at=timezone.now())
    assert seats.seated(cover, mara).state() == State.ACTIVE


def test_whoever_left_by_themselves_or_was_taken_off_by_mistake_comes_back(cover, official):
    mara = seats.member("Mara Lindqvist")
    grant = seats.seated(cover, mara)
    actions.remove_from_roster(by=official, line=grant.roster_line)
    assert seats.seated(cover, mara).state() == State.ACTIVE


def test_an_approval_that_is_older_than_what_the_lab_took_away_is_not_signed_any_more(lyceum, cover):
    """It waited for the signature as long as the seat held."""
    mara = seats.member("Mara Lindqvist")
    approved = lyceum.approved(mara)
    grant = seats.seated(cover, mara)
    actions.revoke_grant(by=lyceum.manager, grant=grant, reason="Weights were passed on.")
    with pytest.raises(Conflict) as refused:
        lyceum.signed(mara, approved)
    assert (refused.value.code, active(mara)) == ("taken_away", False)


# --- An institution that was merged into another


def merged(old: Institution, heir_name: str) -> Institution:
    heir = Institution.objects.get(name=heir_name)
    Institution.objects.filter(pk=old.pk).update(status=InstitutionStatus.WITHDRAWN, successor=heir)
    return heir


def test_an_agreement_goes_on_with_the_institution_that_its_own_was_merged_into(lyceum, cover, official):
    """In a year nobody can show any more that they work at the old one: its people get addresses of the new."""
    merged(cover.institution, "University of Saltmarsh")
    heir, colleague = (seats.at_home(name, home="University of Saltmarsh") for name in ("Sofia Heir", "Ben Colleague"))
    made = actions.name_official(by=lyceum.manager, agreement=fresh(cover), address=heir.email, office="dean")
    done, refused = actions.invite_to_roster(
        by=heir, agreement=made, text="new@saltmarsh.example\nold@northfield.example"
    )
    assert (len(done), refused) == (2, [])
    assert actions.ask_to_join(by=colleague, agreement=made).status == Line.ASKED
    seats.shift(made, starts_at=-400, attest_by=-1, lapses_at=20)
    assert actions.attest_roster(by=heir, agreement=made, expected=fresh(made).version)


def test_a_merger_gives_the_old_institutions_people_nothing_of_the_new_ones(lyceum, official):
    theirs = seats.in_force(lyceum, seats.at_home("Sofia Heir", home="University of Saltmarsh"))
    merged(Institution.objects.get(name=seats.HOME), "University of Saltmarsh")
    with pytest.raises(Conflict):
        actions.ask_to_join(by=official, agreement=theirs)
    _done, refused = actions.invite_to_roster(by=theirs.official, agreement=theirs, text="old@northfield.example")
    assert len(refused) == 1
