"""The pages that grow: the same number of queries, and about the same time, at 1 and at 10,000 applications."""

from __future__ import annotations

import re
import time
from datetime import timedelta

import pytest
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.urls import reverse
from django.utils import timezone

from portal.access.application_models import Application, Submission
from portal.access.models import Grant
from portal.access.workflow import Status
from portal.agreements import actions as agreements
from portal.agreements.models import Signature
from portal.people.models import User
from portal.projects.models import Kind, Project
from tests.portal import world

QUERIES = 12 + 1
"""Twelve of the page, and the one for what is announced, which a process asks once in ten seconds."""


def crowd(w: world.World, count: int) -> None:
    """Applications of `count` people, straight into the tables: only their number matters here."""
    now = timezone.now()
    people = User.objects.bulk_create(
        [User(email=f"many{n}@crowd{n % 97}.example", name=f"Many {n}") for n in range(count)], batch_size=2_000
    )
    rows = [
        Application(
            number=1_000_000 + n, gate=w.gate, applicant=person, status=Status.SUBMITTED, answers=world.ANSWERS, rounds=1,
            quorum=2, lane=("green", "amber", "red")[n % 3], triage={"version": 1, "rules": ["student"]},
            capabilities=["download"], submitted_at=now - timedelta(minutes=n),
        )
        for n, person in enumerate(people)
    ]  # fmt: skip
    Application.objects.bulk_create(rows, batch_size=2_000)
    Submission.objects.bulk_create(
        [
            Submission(
                application=row,
                round=1,
                answers=world.ANSWERS,
                form_spec=w.gate.form_spec,
                form_version=1,
                submitted_at=now,
            )
            for row in rows[:50]
        ]
    )
    world.counted()


def cost(client: Client, url: str, **query: str) -> tuple[int, float]:
    """(queries, seconds of our own CPU) of the best of three: a busy machine does not fail it."""
    best = 9.0
    for _ in range(3):
        with CaptureQueriesContext(
            connection,
        ) as seen:
            begin = time.process_time()
            response = client.get(url, query)
            best = min(best, time.process_time() - begin)
        assert response.status_code == 200
    return len(seen), best


@pytest.mark.parametrize("count", [0, 1, *world.CROWDS])
def test_the_queue_page_is_flat(lyceum, count):
    crowd(lyceum, count)
    client = Client()
    client.force_login(lyceum.reviewers[0])
    for query in ({}, {"lane": "red"}, {"assignee": "none", "q": "Many 12"}, {"page": "2"}, {"page": "999999"},
                  {"late": "yes"}, {"assignee": "me"}, {"institution": "Northfield"}):  # fmt: skip
        queries, seconds = cost(client, reverse("access:queue"), **query)
        assert queries <= QUERIES, (count, query, queries)
        assert seconds < 0.3, (count, query, seconds)


def links(page: str) -> list[tuple[str, str]]:
    """(address, words) of the links from page to page."""
    pager = page.partition('<nav class="pager"')[2].partition("</nav>")[0]
    return re.findall(r'href="([^"]+)"[^>]*>([^<]+)</a>', pager)


def test_a_reviewer_reads_how_many_wait_and_reaches_both_ends_of_the_queue(lyceum):
    """The queue begins with the oldest: what comes next is newer, and no page calls it older."""
    crowd(lyceum, 1_200)
    client, url = Client(), reverse("access:queue")
    client.force_login(lyceum.reviewers[0])
    first, middle, last = (client.get(url, {"lane": "", "page": n}).content.decode() for n in (1, 12, 24))
    assert "1,200 applications, oldest first" in first
    assert links(first) == [("?lane=&amp;page=2", "next →"), ("?lane=&amp;page=24", "last page")]
    assert [words for _url, words in links(middle)] == ["first page", "← previous", "next →", "last page"]
    assert links(last) == [("?lane=&amp;page=1", "first page"), ("?lane=&amp;page=23", "← previous")]


def test_a_queue_of_one_page_leads_to_no_other(lyceum):
    crowd(lyceum, 3)
    client = Client()
    client.force_login(lyceum.reviewers[0])
    assert links(client.get(reverse("access:queue")).content.decode()) == []


@pytest.mark.parametrize("count", world.CROWDS)
def test_the_review_and_the_status_page_are_flat(lyceum, mara, count):
    application = lyceum.applied(mara)
    staff, applicant = Client(), Client()
    staff.force_login(lyceum.reviewers[0])
    applicant.force_login(mara)
    review, status = reverse("access:review", args=[application.pk]), application.get_absolute_url()
    before = cost(staff, review)[0], cost(applicant, status)[0]
    crowd(lyceum, count)
    assert (cost(staff, review)[0], cost(applicant, status)[0]) == pytest.approx(before, abs=1)
    assert cost(applicant, status)[0] <= QUERIES


@pytest.mark.parametrize(
    "query",
    [
        {"page": "x"},
        {"q": "\x00"},
        {"q": "%_\\"},
        {"show": "nothing"},
        {"gate": "'"},
        {"assignee": "somebody"},
        {"institution": "\x00%"},
        {"late": "perhaps"},
        {"q": "A-2026-99999999999999999999"},
    ],
)
def test_strange_filters_are_no_fault(lyceum, query):
    client = Client()
    client.force_login(lyceum.reviewers[0])
    assert client.get(reverse("access:queue"), query).status_code == 200


def signed_crowd(w: world.World, count: int) -> None:
    """Holders of grants who signed version 1, straight into the tables."""
    now = timezone.now()
    people = User.objects.bulk_create(
        [User(email=f"holder{n}@crowd{n % 97}.example", name=f"Holder {n}") for n in range(count)], batch_size=2_000
    )
    projects = Project.objects.bulk_create(
        [Project(owner=person, title="x", kind=Kind.GRANTED, lab=w.lab) for person in people], batch_size=2_000
    )
    Grant.objects.bulk_create(
        [
            Grant(
                project=project, user=person, gate=w.gate, capabilities=["query"], starts_at=now,
                ends_at=now + timedelta(days=99),
            )
            for person, project in zip(people, projects, strict=True)
        ],
        batch_size=2_000,
    )  # fmt: skip
    Signature.objects.bulk_create(
        [
            Signature(version=w.version, user=person, typed_name=person.name, capacity="x", signed_at=now)
            for person in people
        ],
        batch_size=2_000,
    )
    world.counted()


@pytest.mark.parametrize("count", [1, *world.CROWDS])
def test_the_pages_of_an_agreement_are_flat(lyceum, count):
    signed_crowd(lyceum, count)
    agreements.publish_version(by=lyceum.manager, agreement=lyceum.agreement, text=world.TEXT + "3. More.")
    lyceum.agreement.refresh_from_db()
    agreements.save_draft(by=lyceum.manager, agreement=lyceum.agreement, text="Next.", expected=lyceum.agreement.edits)
    client, names = Client(), [lyceum.lab.slug, lyceum.agreement.slug]
    client.force_login(lyceum.manager)
    pages = [(reverse("access:agreements"), {})]
    pages += [(reverse(f"access:{name}", args=names), {}) for name in ("agreement", "agreement_publish")]
    pages += [
        (reverse("access:agreement_outstanding", args=names), query)
        for query in ({}, {"show": "signed"}, {"show": "all", "q": "Holder 12"}, {"page": "99999"})
    ]
    for url, query in pages:
        queries, seconds = cost(client, url, **query)
        assert queries <= QUERIES, (url, query, queries)
        assert seconds < 0.3, (url, query, seconds)
