"""Clocks and calendars: one that is set back, and people for whom it is another day."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta

import pytest
import time_machine
from django.utils import timezone

from portal.access import actions
from portal.access.models import Grant
from portal.errors import Invalid
from portal.people.actions import end_role, give_role
from portal.people.models import Membership, Role

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
