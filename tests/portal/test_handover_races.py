"""A project is handed over while somebody else acts: one outcome, whoever is first. Real threads on real connections."""

from __future__ import annotations

import pytest
from django.db import transaction

from portal.access import actions
from portal.access.handover_models import Handover
from portal.access.models import Grant
from portal.errors import WeighbridgeError
from portal.people.models import User
from tests.portal import world
from tests.portal.test_handovers import joined, offered, taken
from tests.portal.test_races import race, rounds  # noqa: F401 the fixture
from tests.portal.test_team import accepted, active, named, verified, vote_and_sign
from tests.portal.world import World

pytestmark = pytest.mark.django_db(transaction=True)


@transaction.atomic  # delivered mail is stripped of its links, and this reads them
def _team(number: int) -> tuple[World, User, User, User, Grant, Grant, Grant]:
    w = world.build(f"lab{number}")
    lead, ana, joan = (verified(world.person(f"{name} Of{number}")) for name in ("Mara", "Ana", "Joan"))
    accepted(w, named(w, lead, ana), ana)
    grant = vote_and_sign(w, lead)
    return w, lead, ana, joan, grant, Grant.objects.get(user=ana), joined(w, grant, joan)


def test_two_offers_at_once_leave_one(rounds):  # noqa: F811
    for number in range(rounds):
        _w, _lead, _ana, _joan, grant, first, second = _team(number)
        outcomes = race(lambda g=grant, f=first: offered(g, f), lambda g=grant, s=second: offered(g, s))
        assert sum(isinstance(each, Handover) for each in outcomes) == 1
        assert Handover.objects.filter(application=grant.application, status="offered").count() == 1


def test_two_acceptances_at_once_sign_once(rounds):  # noqa: F811
    for number in range(rounds):
        w, lead, ana, _joan, grant, theirs, _other = _team(number)
        handover = offered(grant, theirs)
        outcomes = race(*[lambda: taken(w, handover, ana)] * 2)  # noqa: B023 run before the next round
        assert sum(isinstance(each, Handover) for each in outcomes) == 1
        assert (active(lead), active(ana)) == (False, True)


def test_an_acceptance_and_a_removal_at_once_leave_one_lead(rounds):  # noqa: F811
    for number in range(rounds):
        w, lead, ana, joan, grant, theirs, _other = _team(number)
        handover = offered(grant, theirs)
        race(
            lambda: taken(w, handover, ana),  # noqa: B023
            lambda: actions.remove_member(by=lead, member=theirs.membership),  # noqa: B023
        )
        assert active(lead) is not active(ana)
        assert active(joan), "the rest of the team has a lead either way"


def test_an_acceptance_and_a_revocation_of_the_lead_at_once_leave_the_team_no_more_than_one_of_them_gives(rounds):  # noqa: F811
    for number in range(rounds):
        w, _lead, ana, joan, grant, theirs, _other = _team(number)
        handover = offered(grant, theirs)
        accepted_, revoked = race(
            lambda: taken(w, handover, ana),  # noqa: B023
            lambda: actions.revoke_grant(by=w.manager, grant=grant, reason="Passed on."),  # noqa: B023
        )
        assert isinstance(accepted_, WeighbridgeError) != isinstance(revoked, WeighbridgeError)
        assert active(ana) is active(joan) is isinstance(revoked, WeighbridgeError)


def test_an_acceptance_and_a_taking_back_at_once_leave_one_answer(rounds):  # noqa: F811
    for number in range(rounds):
        w, lead, ana, _joan, grant, theirs, _other = _team(number)
        handover = offered(grant, theirs)
        race(
            lambda: taken(w, handover, ana),  # noqa: B023
            lambda: actions.withdraw_handover(by=lead, application=grant.application),  # noqa: B023
        )
        handover.refresh_from_db()
        assert active(lead) is (handover.status == "withdrawn")
