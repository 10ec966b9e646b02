"""Institutional agreements: an official asks and signs, people take seats, and whoever may not does not."""

from __future__ import annotations

from datetime import timedelta

import pytest
from django.db import IntegrityError, transaction
from django.utils import timezone

from portal.access import actions, tasks
from portal.access.institutional import GRACE, YEAR, Line, Status
from portal.access.institutional_models import AttestationNotice, RosterLine
from portal.access.lifetime import State
from portal.access.models import Grant
from portal.agreements import actions as agreements
from portal.agreements.models import ChangeClass, Signature
from portal.audit.models import Entry
from portal.errors import Conflict, Invalid, NotAllowed, NotFound
from portal.people.models import Affiliation
from tests.portal import seats, world
from tests.portal.seats import fresh
from tests.portal.world import active, mails

pytestmark = pytest.mark.django_db


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


def test_who_was_told_that_their_seat_stopped_is_told_that_it_works_again_and_nobody_else(cover, lyceum):
    mara, tomas = (seats.member(name) for name in ("Mara Lindqvist", "Tomas Hale"))
    seats.seated(cover, mara)
    paused = seats.seated(cover, tomas)
    seats.shift(cover, attest_by=-31, lapses_at=-1)
    tasks.announce_attestations()
    actions.suspend_grant(by=lyceum.manager, grant=paused, reason="A question is open.")
    actions.attest_roster(by=cover.official, agreement=cover, expected=fresh(cover).version)
    assert mails("seat_resumed") == 1
    assert seats.mailed("seat_resumed", to=mara.email)["institution"] == cover.institution.name


def test_a_roster_that_is_confirmed_in_time_is_no_news_to_those_with_a_seat(cover):
    seats.seated(cover, seats.member("Mara Lindqvist"))
    seats.shift(cover, attest_by=-5, lapses_at=25)
    tasks.announce_attestations()
    actions.attest_roster(by=cover.official, agreement=cover, expected=fresh(cover).version)
    assert mails("seat_resumed") == 0


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
