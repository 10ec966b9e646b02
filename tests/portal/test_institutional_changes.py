"""When something changes under an institutional agreement: its official goes, the lab takes a seat, institutions merge."""

from __future__ import annotations

from datetime import timedelta

import pytest
from django.utils import timezone

from portal.access import actions
from portal.access.institutional import Line, Status
from portal.access.institutional_models import RosterLine
from portal.access.lifetime import State
from portal.access.models import Grant
from portal.audit.models import Entry
from portal.errors import Conflict, Invalid, NotAllowed, NotFound
from portal.outbox.models import Message
from portal.people import erasure
from portal.people.actions import restore, suspend
from portal.people.models import Institution, InstitutionStatus, User
from tests.portal import seats, world
from tests.portal.seats import fresh
from tests.portal.world import active, mails

pytestmark = pytest.mark.django_db

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
