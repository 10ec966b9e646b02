"""Whoever reads an applicant's answers is in the trail; whoever may not read them is not."""

from __future__ import annotations

import pytest
import time_machine
from django.test import Client
from django.urls import reverse
from django.utils import timezone

from portal.access import actions
from portal.access.review_models import Vote
from portal.audit import trail
from portal.audit.events import Event
from portal.audit.models import Entry

pytestmark = pytest.mark.django_db


def opened(user, application, name="access:review"):
    client = Client()
    client.force_login(user)
    return client.get(reverse(name, args=[application.pk])).status_code


def reads():
    return list(Entry.objects.filter(event=Event.PRIVATE_READ).order_by("id").values_list("actor_id", "target_id"))


@pytest.mark.parametrize("name", ["access:review", "access:api_application"])
def test_a_reviewer_who_opens_the_answers_is_in_the_trail(lyceum, mara, name):
    application = lyceum.applied(mara)
    assert opened(lyceum.reviewers[0], application, name) == 200
    assert reads() == [(str(lyceum.reviewers[0].pk), str(application.pk))]


def test_going_back_and_forth_is_one_reading_and_coming_back_later_another(lyceum, mara):
    application = lyceum.applied(mara)
    for _ in range(3):
        opened(lyceum.reviewers[0], application)
    assert len(reads()) == 1
    opened(lyceum.reviewers[1], application)
    assert len(reads()) == 2
    with time_machine.travel(timezone.now() + trail.READ_AGAIN):
        opened(lyceum.reviewers[0], application)
    assert len(reads()) == 3


def test_who_sees_no_answers_has_read_none(lyceum, harbour, mara):
    application = lyceum.applied(mara)
    actions.cast_vote(by=lyceum.reviewers[0], application=application, vote=Vote.RECUSE)
    assert opened(lyceum.reviewers[0], application) == 200
    assert opened(harbour.reviewers[0], application) == 404
    assert opened(mara, application, "access:application") == 200
    assert reads() == []
