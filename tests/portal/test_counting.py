"""Several numbers at once are the numbers that each question gives alone."""

from __future__ import annotations

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext

from portal.counting import counts
from portal.people.models import Lab, Membership, User
from tests.portal import world

pytestmark = pytest.mark.django_db


def test_they_are_what_each_gives_alone_and_cost_one_query() -> None:
    w = world.build()
    asked = {
        "people": User.objects.exclude(name="100 % nobody").order_by("name"),
        "labs": Lab.objects.filter(slug=w.lab.slug),
        "roles": Membership.objects.active().filter(lab=w.lab).select_related("user"),
        "none": User.objects.none(),
    }
    with CaptureQueriesContext(connection) as seen:
        found = counts(asked)
    assert len(seen) == 1
    assert found == {name: rows.count() for name, rows in asked.items()}
    assert found["roles"] > 1


def test_nothing_is_asked_where_nothing_can_be_found() -> None:
    with CaptureQueriesContext(connection) as seen:
        assert counts({"none": User.objects.none()}) == {"none": 0}
    assert len(seen) == 0
