"""Access requests as the Hub knows them: what one is said to be is where it is listed."""

from __future__ import annotations

import pytest

from portal.access import actions, requests
from portal.access.application_models import Application, Decline
from portal.access.models import Grant
from portal.access.requests import Stage
from tests.portal import world

pytestmark = pytest.mark.django_db


def declined(w, by):
    application = w.applied(by)
    return actions.decline(by=w.reviewers[0], application=application, reason=Decline.DETAIL, message="Too thin.")


def test_every_request_stands_in_the_list_of_its_stage(lyceum):
    people = {
        name: world.person(name) for name in ("sent", "approved", "declined", "appealed", "held", "paused", "ended")
    }
    lyceum.applied(people["sent"])
    lyceum.approved(people["approved"])
    declined(lyceum, people["declined"])
    actions.appeal(
        by=people["appealed"],
        application=declined(lyceum, people["appealed"]),
        text="The description names both methods, the data and the measure; it is not thin.",
    )
    lyceum.granted(people["held"])
    actions.suspend_grant(by=lyceum.manager, grant=lyceum.granted(people["paused"]), reason="a question")
    actions.revoke_grant(by=lyceum.manager, grant=lyceum.granted(people["ended"]), reason="because")
    expected = {
        Stage.PENDING: {"sent", "appealed", "paused"},
        Stage.ACCEPTED: {"approved", "held"},
        Stage.REJECTED: {"declined", "ended"},
    }
    for stage, names in expected.items():
        rows = requests.listed(lyceum.gate, stage, asker=lyceum.manager)
        assert {row.applicant.name for row in rows} == names
        assert {requests.stage_of(row) for row in rows} == {stage}


def test_of_each_person_only_the_last_request_counts(lyceum, mara):
    declined(lyceum, mara)
    lyceum.applied(mara)
    found = {stage: [r.applicant for r in requests.listed(lyceum.gate, stage, asker=lyceum.manager)] for stage in Stage}
    assert found == {Stage.PENDING: [mara], Stage.ACCEPTED: [], Stage.REJECTED: []}
    assert requests.find(lyceum.gate, email=mara.email.upper()).pk == Application.objects.latest("submitted_at").pk
    assert Grant.objects.count() == 0


def test_a_reviewers_own_request_is_not_in_their_list(lyceum):
    reviewer = lyceum.reviewers[0]
    lyceum.applied(reviewer)
    assert not requests.listed(lyceum.gate, Stage.PENDING, asker=reviewer).exists()
    assert requests.listed(lyceum.gate, Stage.PENDING, asker=lyceum.manager).exists()
