"""Idempotency keys: a write that is sent twice happens once, whoever asks and however close together."""

from __future__ import annotations

import threading
from datetime import timedelta

import pytest
from django.db import connection
from django.test import Client
from django.utils import timezone

from portal.access.desk_models import Note
from portal.access.review_models import Review
from portal.api.models import KeptAnswer
from portal.people import erasure
from portal.tokens.scopes import Kind, Scope
from portal.webhooks.models import Endpoint
from tests.portal import world
from tests.portal.test_access_api import client


def send(caller, url, key, /, **body):
    return caller.post(url, body, content_type="application/json", headers={"Idempotency-Key": key})


@pytest.fixture
def notes(lyceum, mara):
    return f"/api/v1/applications/{lyceum.applied(mara).pk}/notes"


@pytest.fixture
def reviewer(lyceum):
    return client(lyceum.reviewers[0], Kind.REVIEW)


def test_the_same_write_happens_once_and_is_answered_alike(notes, reviewer):
    first = send(reviewer, notes, "k-1", text="Sound.")
    again = send(reviewer, notes, "k-1", text="Sound.")
    assert (first.status_code, again.status_code, first.json()) == (201, 201, again.json())
    assert "Idempotent-Replayed" not in first
    assert again["Idempotent-Replayed"] == "true"
    assert send(reviewer, notes, '"k-1"', text="Sound.")["Idempotent-Replayed"] == "true", "quotes are not part of it"
    assert Note.objects.count() == 1
    assert send(reviewer, notes, "k-2", text="Sound.").status_code == 201
    assert Note.objects.count() == 2, "another key is another write"


def test_the_same_key_for_another_write_is_refused(notes, reviewer):
    send(reviewer, notes, "k", text="Sound.")
    refused = send(reviewer, notes, "k", text="Thin.")
    assert (refused.status_code, refused.json()["code"]) == (422, "idempotency_key_reused")
    assert refused.json()["status"] == 422
    assert Note.objects.count() == 1


def test_a_key_belongs_to_one_person_one_credential_and_one_address(lyceum, mara, stranger, notes, reviewer):
    send(reviewer, notes, "k", text="Sound.")
    assert "Idempotent-Replayed" not in send(client(lyceum.reviewers[1], Kind.REVIEW), notes, "k", text="Sound.")
    other = f"/api/v1/applications/{lyceum.applied(stranger).pk}/notes"
    assert "Idempotent-Replayed" not in send(reviewer, other, "k", text="Sound.")
    session = Client()
    session.force_login(lyceum.reviewers[0])
    assert "Idempotent-Replayed" not in send(session, notes, "k", text="Sound.")
    assert "Idempotent-Replayed" in send(session, notes, "k", text="Sound.")
    assert Note.objects.count() == 4


def test_a_refusal_changes_nothing_and_may_be_corrected_under_its_key(notes, reviewer):
    assert send(reviewer, notes, "k", text="").status_code == 400
    assert send(reviewer, notes, "k", text="Sound.").status_code == 201
    assert (Note.objects.count(), KeptAnswer.objects.count()) == (1, 1)


@pytest.mark.parametrize("key", ["x" * 256, "ö", "a\tb"])
def test_an_unusable_key_is_said_so(notes, reviewer, key):
    refused = send(reviewer, notes, key, text="Sound.")
    assert (refused.status_code, refused.json()["code"]) == (400, "idempotency_key_unusable")
    assert Note.objects.count() == 0


def test_a_key_is_free_again_after_a_day_and_the_answer_is_purged(notes, reviewer):
    send(reviewer, notes, "k", text="Sound.")
    KeptAnswer.objects.update(made_at=timezone.now() - timedelta(hours=25))
    assert "Idempotent-Replayed" not in send(reviewer, notes, "k", text="Other words.")
    assert Note.objects.count() == 2
    erasure.purge(timezone.now())
    assert KeptAnswer.objects.count() == 1, "it was renewed"
    erasure.purge(timezone.now() + timedelta(hours=25))
    assert KeptAnswer.objects.count() == 0


def test_a_secret_is_never_kept(lyceum):
    manager = client(lyceum.manager, Kind.SERVICE, {Scope.MANAGE})
    asked = {"lab": "lyceum", "url": "https://hooks.example.org/x", "events": ["grant.given"]}
    first, again = (send(manager, "/api/v1/webhooks", "k", **asked) for _ in range(2))
    assert first.json()["secret"].startswith("whsec_")
    assert (again.json()["secret"], again.json()["id"]) == (None, first.json()["id"])
    assert "whsec_" not in str(KeptAnswer.objects.get().body)
    assert Endpoint.objects.count() == 1


def test_what_is_removed_twice_under_one_key_is_removed_once(reviewer):
    kept = send(reviewer, "/api/v1/filters", "k", name="Mine").json()
    url, key = f"/api/v1/filters/{kept['id']}", {"headers": {"Idempotency-Key": "k"}}
    assert [reviewer.delete(url, **key).status_code for _ in range(2)] == [204, 204]
    assert reviewer.delete(url).status_code == 404


@pytest.mark.django_db(transaction=True)
@pytest.mark.parametrize("rounds", [4, pytest.param(200, marks=pytest.mark.drill)])
def test_two_at_once_under_one_key_are_one_write(rounds):
    """Real threads on real connections: one is done, the other is told so or asked to wait."""
    w = world.build()
    reviewer = client(w.reviewers[0], Kind.REVIEW)
    for n in range(rounds):
        url = f"/api/v1/applications/{w.applied(world.person(f'Person {n}')).pk}/approve"
        got, barrier = [], threading.Barrier(2)

        def run(url=url, key=f"k-{n}", got=got, barrier=barrier):
            barrier.wait(10)
            try:
                got.append(send(reviewer, url, key))
            finally:
                connection.close()

        threads = [threading.Thread(target=run) for _ in range(2)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join(30)
        codes = sorted((answer.status_code, answer.json().get("code", "")) for answer in got)
        assert codes in ([(200, ""), (200, "")], [(200, ""), (409, "idempotency_in_flight")])
        assert send(reviewer, url, f"k-{n}")["Idempotent-Replayed"] == "true"
    assert Review.objects.count() == rounds
