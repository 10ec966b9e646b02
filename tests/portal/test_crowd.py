"""The invented crowd: like what real people leave, under every constraint, and never among real people unasked."""

from __future__ import annotations

import io

import pytest
from django.core.management import CommandError, call_command
from django.db.models import Count, F, Q
from django.test import Client
from django.urls import reverse

from portal.access.application_models import Application
from portal.access.crowd import loading
from portal.access.crowd.lives import EVENTS_EACH, GRANTS_EACH
from portal.access.crowd.scene import scene
from portal.access.models import Grant
from portal.access.workflow import DECIDED
from portal.agreements import receipts
from portal.agreements.models import Signature
from portal.audit import trail
from portal.audit.models import Entry
from portal.people.models import User

pytestmark = pytest.mark.django_db
PEOPLE = 60


def load(count: int, *options: str) -> str:
    said = io.StringIO()
    call_command("load_crowd", str(count), *options, stdout=said)
    return said.getvalue()


def test_an_operator_fills_an_empty_portal_and_the_trail_verifies():
    assert f"{PEOPLE} applications" in load(PEOPLE)
    applications = Application.objects.all()
    assert (applications.count(), Grant.objects.count()) == (PEOPLE, PEOPLE * GRANTS_EACH)
    assert Entry.objects.filter(event="private.read").exists()
    by_crowd = Entry.objects.exclude(target_type__in=["people.lab", "agreements.version", "agreements.agreement"])
    assert by_crowd.count() >= PEOPLE * EVENTS_EACH
    sealed, unsealed, findings = trail.verify()
    assert (sealed, unsealed, findings) == (Entry.objects.count(), 0, [])


def test_what_the_crowd_left_keeps_the_promises_of_the_portal(settings):
    settings.RECEIPT_SIGNING_KEY = "a key for receipts"
    load(PEOPLE)
    assert all(all(receipts.checks(each).values()) for each in Signature.objects.select_related("version"))
    unsigned = Grant.objects.exclude(user__signatures__version__agreement=F("gate__agreement"))
    assert not unsigned.exists(), "nobody holds a grant under an agreement that they never signed"
    votes = Count("reviews", filter=Q(reviews__vote="approve"))
    approved = Application.objects.filter(status__in=DECIDED, reason="").annotate(votes=votes)
    assert approved.exists()
    assert not approved.filter(votes__lt=F("quorum")).exists(), "nothing is approved without its quorum"
    assert not approved.filter(decided_at__lt=F("submitted_at")).exists()


def test_an_interrupted_run_goes_on_where_it_stopped(monkeypatch):
    monkeypatch.setattr(loading, "BATCH", 10)
    assert next(loading.load(30)) == 10
    assert loading.loaded() == 10
    load(30)
    assert (loading.loaded(), User.objects.filter(applications__isnull=False).count()) == (30, 30)
    load(30)
    assert loading.loaded() == 30, "what is there already is not loaded twice"
    assert trail.verify()[2] == []


def test_a_reviewer_of_the_crowd_opens_the_queue_and_a_person_their_status():
    load(PEOPLE)
    staff, applicant = Client(), Client()
    staff.force_login(scene().reviewers[0])
    application = Application.objects.filter(status="submitted").order_by("submitted_at").first()
    assert application.reference in staff.get(reverse("access:queue")).content.decode()
    applicant.force_login(application.applicant)
    assert application.reference in applicant.get(application.get_absolute_url()).content.decode()
    assert staff.get(reverse("access:review", args=[application.pk])).status_code == 200


def test_real_people_are_never_mixed_with_the_crowd_unasked(mara):
    with pytest.raises(CommandError, match="1 people here are not of the crowd"):
        load(1)
    assert not Application.objects.exists()
    load(1, "--among-real-people")
    assert Application.objects.count() == 1
