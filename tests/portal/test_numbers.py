"""The public numbers: true, the same as on status pages, and silent about the few."""

from __future__ import annotations

from datetime import timedelta

import pytest
from django.core.cache import caches
from django.db import connection
from django.template.loader import render_to_string
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.utils import timezone, translation
from hypothesis import given
from hypothesis import strategies as st

from portal.access import numbers, waiting
from portal.access.application_models import Application, Decline
from portal.access.suppression import LEAST, hidden
from portal.access.workflow import Status
from portal.people.models import User
from tests.portal import world

NOW = timezone.now


def decided(w: world.World, count: int, *, klass: str = "academia", days: int = 7, declined: int = 0) -> None:
    """Applications that were decided `days` after they were sent, straight into the tables."""
    base = Application.objects.count()
    people = User.objects.bulk_create(
        [User(email=f"n{base + n}@{w.lab.slug}-many.example", name="N") for n in range(count)]
    )
    sent = NOW() - timedelta(days=60)
    Application.objects.bulk_create(
        Application(
            number=2_000_000 + base + n, gate=w.gate, applicant=person, rounds=1, quorum=2, submitted_at=sent,
            answers={"affiliation_class": klass}, decided_at=sent + timedelta(days=days), decided_by=w.manager,
            status=Status.DECLINED if n < declined else Status.APPROVED, reason=Decline.OTHER if n < declined else "",
        )
        for n, person in enumerate(people)
    )  # fmt: skip


@pytest.mark.django_db
def test_the_numbers_are_those_of_the_status_pages(lyceum, harbour):
    decided(lyceum, 12, days=7, declined=6)
    decided(lyceum, 8, days=28)
    decided(harbour, 9, days=1, klass="government")
    told = numbers.collect(NOW())
    by_gate = {row.key: row for row in told.gates}
    for w in (lyceum, harbour):
        assert by_gate[w.gate.full_name].times == waiting.times(w.gate)
    assert [(row.sent, row.decided) for row in (told.total, by_gate[lyceum.gate.full_name])] == [(29, 29), (20, 20)]
    assert (told.approved, told.declined) == (23, 6)
    assert {row.key: row.decided for row in told.classes if row.decided} == {"academia": 20, "government": 9}
    assert by_gate[lyceum.gate.full_name].times.half == 5
    assert by_gate[lyceum.gate.full_name].times.nine_in_ten == 20


@pytest.mark.django_db
def test_a_few_people_cannot_be_told_from_the_totals(lyceum, harbour):
    decided(lyceum, 20, declined=3)
    decided(harbour, 2, klass="government")
    told = numbers.collect(NOW())
    by_gate = {row.key: row for row in told.gates}
    assert by_gate[harbour.gate.full_name].decided is None
    assert by_gate[lyceum.gate.full_name].decided is None, "22 in all, less 20, would tell the 2"
    assert (told.total.decided, told.approved, told.declined) == (22, None, None)
    page = Client().get("/numbers/").content.decode()
    assert "not shown" in page


@pytest.mark.django_db
def test_active_grants_are_counted_and_a_draft_is_nothing(lyceum, mara):
    for n in range(5):
        lyceum.granted(world.person(f"Holder {n}"))
    from portal.access import actions

    actions.save_draft(by=mara, gate=lyceum.gate, answers=world.ANSWERS)
    assert (numbers.collect(NOW()).total.grants, numbers.collect(NOW()).total.sent) == (5, 5)
    assert Client().get("/api/v1/numbers").json()["total"]["grants_active"] == 5


@pytest.mark.django_db
def test_everybody_may_read_it_and_an_empty_portal_has_a_page(lyceum):
    assert "No applications in this year" in Client().get("/numbers/").content.decode()
    assert Client().get("/api/v1/numbers").json()["total"]["sent"] == 0
    assert Client().post("/numbers/").status_code == 405


@pytest.mark.django_db
def test_it_costs_the_same_for_few_and_for_many(lyceum, harbour):
    counted = []
    for w, n in ((lyceum, 6), (harbour, 600)):
        decided(w, n)
        caches["process"].clear()
        with CaptureQueriesContext(connection) as seen:
            assert Client().get("/numbers/").status_code == 200
        counted.append(len(seen))
    assert counted[0] == counted[1] <= 12
    with CaptureQueriesContext(connection) as again:
        assert Client().get("/api/v1/numbers").json()["total"]["sent"] == 606
    assert len(again) == 0, "they are kept for five minutes: the next reader costs nothing"


@pytest.mark.django_db
def test_numbers_that_are_kept_are_kept_for_each_language():
    labels = []
    for language in ("en", "de", "en"):
        with translation.override(language):
            labels.append([row.label for row in numbers.recent().classes])
    assert labels[0] == labels[2] != labels[1]


@given(
    gates=st.lists(st.integers(0, 12), min_size=1, max_size=5), cut=st.lists(st.integers(0, 12), min_size=4, max_size=4)
)
def test_no_small_count_can_be_computed(gates, cut):
    """Two ways to divide one total, as on the page: an attacker who adds and subtracts learns no small count."""
    total, classes = sum(gates), []
    for share in cut:
        classes.append(min(share, total - sum(classes)))
    classes.append(total - sum(classes))
    cells = {"all": total, **{f"g{n}": v for n, v in enumerate(gates)}, **{f"c{n}": v for n, v in enumerate(classes)}}
    relations = [("all", [f"g{n}" for n in range(len(gates))]), ("all", [f"c{n}" for n in range(len(classes))])]
    gone = hidden(cells, relations)
    assert all(name in gone for name, count in cells.items() if 0 < count < LEAST)
    for sum_of, parts in relations:
        missing = [name for name in parts if name in gone]
        if sum_of in gone:
            assert missing or not any(cells[name] for name in parts), "shown parts would add up to a hidden total"
        else:
            assert len(missing) != 1, "total less the others"
            assert not missing or sum(cells[name] for name in missing) >= LEAST, "1 + 1 = 2 tells both"


@pytest.mark.parametrize(("days", "said"), [(1, "1 business day"), (2, "2 business days")])
def test_who_waits_reads_of_one_day_as_of_one(days, said):
    context = {"waited": days, "times": waiting.Times(days, 4, 9), "ruler": {"days": days}}
    page = render_to_string("access/_wait.html", context)
    assert f"You have waited {said}. Half are decided in {days}, nine in ten in 4." in page
    assert f">{said}</text>" in page
