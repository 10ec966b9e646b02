"""Clocks and calendars: one that is set back, and people for whom it is another day."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta

import pytest
import time_machine
from django.utils import timezone

from portal.access import actions
from portal.access.application_models import Application, Lane
from portal.access.models import Grant
from portal.errors import Invalid
from portal.people import erasure
from portal.people.actions import end_role, give_role
from portal.people.models import Membership, Role
from tests.portal import seats, world

pytestmark = pytest.mark.django_db
HOUR = timedelta(hours=1)


def test_a_role_ends_though_the_clock_was_set_back_since_it_was_given(lyceum, mara):
    with time_machine.travel(timezone.now() + HOUR, tick=False):
        given = give_role(user=mara, lab=lyceum.lab, role=Role.MANAGER, by=None)
    ended = end_role(membership=given, by=lyceum.manager)
    assert ended.ends_at == ended.starts_at
    assert not Membership.objects.active(ended.ends_at + HOUR).filter(user=mara).exists()


def attest(by, grant, day):
    return actions.close_out(by=by, grant=grant, typed_name=by.name, deleted_on=day, statement="Every copy is gone.")


@pytest.mark.parametrize(
    ("now", "named"),
    [
        (datetime(2026, 11, 27, 20, tzinfo=UTC), date(2026, 11, 28)),  # Auckland, in the morning
        (datetime(2026, 11, 27, 3, tzinfo=UTC), date(2026, 11, 26)),  # Honolulu, in the evening of the first day
    ],
)
def test_who_deletes_today_names_the_day_as_it_is_where_they_are(lyceum, mara, now, named):
    grant = lyceum.granted(mara)
    begun = now - HOUR
    Grant.objects.filter(pk=grant.pk).update(starts_at=begun, ends_at=begun + timedelta(days=365))
    with time_machine.travel(now, tick=False):
        assert attest(mara, grant, named).deleted_on == named


@pytest.mark.parametrize("day", [date(2026, 11, 29), date(2026, 11, 25)])
def test_a_day_that_it_is_nowhere_is_refused(lyceum, mara, day):
    grant = lyceum.granted(mara)
    now = datetime(2026, 11, 27, 20, tzinfo=UTC)
    Grant.objects.filter(pk=grant.pk).update(starts_at=now - HOUR, ends_at=now + timedelta(days=365))
    with time_machine.travel(now, tick=False), pytest.raises(Invalid) as refused:
        attest(mara, grant, day)
    assert set(refused.value.fields) == {"deleted_on"}


# --- What was given by a clock that was ahead ends though it was set back since ---------------------------------------
@pytest.fixture
def ahead():
    """Everything in the test is made an hour ahead of the clock that it ends by."""
    with time_machine.travel(timezone.now() + HOUR, tick=False) as clock:
        yield lambda: clock.shift(-HOUR)


def test_a_holder_gives_a_grant_back_though_the_clock_was_set_back_since_it_was_given(lyceum, mara, ahead):
    grant = lyceum.granted(mara)
    ahead()
    closed = attest(mara, grant, timezone.now().date())
    assert closed.state() == "closed_out"
    assert not Grant.objects.standing().filter(user=mara).exists()
    assert lyceum.granted(mara).state() == "active", "and may come again"


def test_a_seat_is_freed_and_an_agreement_ended_though_the_clock_was_set_back(lyceum, official, ahead):
    agreement = seats.in_force(lyceum, official)
    people = [seats.member(name) for name in ("Ana Duarte", "Tomas Hale")]
    grants = [seats.seated(agreement, person) for person in people]
    ahead()
    actions.remove_from_roster(by=official, line=agreement.roster.get(user=people[0]))
    assert Grant.objects.get(pk=grants[0].pk).state() == "ended"
    actions.end_institutional(by=official, agreement=agreement)
    assert Grant.objects.get(pk=grants[1].pk).state() == "ended"
    assert seats.fresh(agreement).status == "ended"


@pytest.mark.parametrize("verb", ["suspend", "revoke"])
def test_a_lab_takes_a_grant_though_the_clock_was_set_back(lyceum, mara, ahead, verb):
    grant = lyceum.granted(mara)
    ahead()
    act = {"suspend": actions.suspend_grant, "revoke": actions.revoke_grant}[verb]
    act(by=lyceum.manager, grant=grant, reason="Passed on.")
    assert not world.active(mara)


def test_who_leaves_is_erased_though_the_clock_was_set_back(lyceum, mara, official, ahead):
    lyceum.granted(mara)
    agreement = seats.in_force(lyceum, official)
    colleague = seats.member("Ana Duarte")
    seats.seated(agreement, colleague)
    ahead()
    for person in (mara, colleague):
        erasure.erase_now(user=person)
        assert not Grant.objects.standing().filter(user=person).exists()


def test_somebody_moves_to_another_place_of_work_though_the_clock_was_set_back(mara, ahead):
    world.work_at("Northfield University", mara)
    ahead()
    world.work_at("Southfield University", mara)
    assert [each.organisation for each in mara.affiliations.filter(ends_at=None)] == ["Southfield University"]


# --- Leap days and midnights ------------------------------------------------------------------------------------------
LEAP = datetime(2028, 2, 29, 23, 59, 30, tzinfo=UTC)


def test_what_is_given_on_a_leap_day_is_renewed_for_a_year_from_its_end(lyceum, mara):
    with time_machine.travel(LEAP, tick=False):
        grant = lyceum.granted(mara)
    life = grant.ends_at - grant.starts_at
    assert (grant.starts_at, life) == (LEAP, timedelta(days=365))
    near = grant.ends_at - timedelta(days=1)
    with time_machine.travel(near, tick=False):
        assert world.active(mara)
        Application.objects.filter(pk=grant.application_id).update(lane=Lane.GREEN)
        lyceum.gate.renew_unchanged = True
        lyceum.gate.save()
        renewal = actions.renew(by=mara, grant=grant)
    renewed = Grant.objects.get(pk=grant.pk)
    assert (renewal.ends_from, renewed.ends_at) == (grant.ends_at, grant.ends_at + timedelta(days=365))
    with time_machine.travel(grant.ends_at - timedelta(seconds=1), tick=False):
        assert world.active(mara)
    with time_machine.travel(renewed.ends_at, tick=False):
        assert not world.active(mara), "the end itself is no more within"
