"""What a test begins with may be a copy: it is as what it was copied from, and nothing of an earlier test is in it."""

from __future__ import annotations

from collections.abc import Callable

import pytest
import time_machine
from django.core.cache import cache
from django.db import DatabaseError, IntegrityError, connection, transaction

from portal.audit.models import Entry
from portal.people.models import Lab, Membership, User
from tests import copies, snapshot
from tests.portal import world


@pytest.fixture(autouse=True)
def _none_kept(monkeypatch):
    monkeypatch.setattr(copies, "_copies", {})


@pytest.fixture
def staffed() -> Callable[[str], world.World]:
    """Builds a lab through a copy, and notes when it was really built."""

    def build(slug: str) -> world.World:
        staffed.times += 1
        return world._build(slug, quorum=2, gate="")

    def staffed(slug: str = "lyceum") -> world.World:
        return copies.of(build, slug)

    staffed.times = 0
    return staffed


def used_up(staffed: Callable[[str], world.World]) -> world.World:
    """As it was for an earlier test, whose transaction has been rolled back."""
    with transaction.atomic():
        made = staffed()
        transaction.set_rollback(True)
    return made


def rows_of_all() -> dict[str, set[bytes]]:
    return {table: set(rows.splitlines()) for table, rows in snapshot.take().items()}


@pytest.mark.django_db
def test_a_copy_has_the_same_rows_and_objects(staffed):
    with transaction.atomic():
        built, rows = staffed(), rows_of_all()
        transaction.set_rollback(True)
    copied = staffed()
    assert staffed.times == 1
    assert (copied, rows_of_all()) == (built, rows)
    assert copied.lab is not built.lab
    assert copied.gate.lab == Lab.objects.get()
    assert not copied.lab._state.adding


@pytest.mark.django_db
def test_what_a_test_does_to_a_lab_the_next_one_does_not_see(staffed):
    with transaction.atomic():
        spoilt = staffed()
        spoilt.lab.name = spoilt.manager.name = "Spoilt"
        spoilt.manager.save()
        spoilt.reviewers.clear()
        Membership.objects.all().delete()
        cache.set("counted", 1)
        transaction.set_rollback(True)
    fresh = staffed()
    assert (fresh.lab.name, fresh.manager.name, len(fresh.reviewers)) == ("Lyceum Laboratory", "Noor Haddad", 3)
    assert User.objects.get(pk=fresh.manager.pk).name == "Noor Haddad"
    assert Membership.objects.count() == 4
    assert cache.get("counted") is None, "keys are the same each time"


@pytest.mark.django_db
def test_what_a_test_has_counted_itself_stays_when_it_asks_for_another_lab(staffed):
    with transaction.atomic():
        staffed("lyceum"), staffed("harbour")
        transaction.set_rollback(True)
    staffed("lyceum")
    cache.set("counted", 1)
    staffed("harbour")
    assert staffed.times == 2
    assert cache.get("counted") == 1


@pytest.mark.django_db
def test_two_labs_are_copied_beside_each_other_and_beside_a_person(staffed):
    with transaction.atomic():
        world.person("Ida Fremd")
        staffed("lyceum"), staffed("harbour")
        transaction.set_rollback(True)
    mara = world.person("Mara Lindqvist")
    for slug in ("harbour", "lyceum"):
        assert staffed(slug).granted(mara).gate.lab.slug == slug
    assert staffed.times == 2
    assert set(User.objects.values_list("name", flat=True)) == {
        "Mara Lindqvist",
        "Noor Haddad",
        *(f"Reviewer {n}" for n in (1, 2, 3)),
    }


@pytest.mark.django_db
def test_what_follows_a_copy_is_asked_by_keys_and_triggers(staffed):
    used_up(staffed)
    staffed()
    assert staffed.times == 1
    with pytest.raises(DatabaseError, match="append"), transaction.atomic():
        Entry.objects.all().update(event="other")
    Membership.objects.update(lab="00000000-0000-4000-8000-000000000000")
    with pytest.raises(IntegrityError), transaction.atomic():
        connection.check_constraints()
    transaction.set_rollback(True)


@pytest.mark.django_db
def test_what_is_older_than_a_slow_test_is_built_anew(staffed, monkeypatch):
    used_up(staffed)
    monkeypatch.setattr(copies, "AGE_S", 0.0)
    used_up(staffed)
    assert staffed.times == 2


@pytest.mark.django_db
def test_a_test_with_a_clock_of_its_own_has_a_lab_of_that_time(staffed):
    used_up(staffed)
    with time_machine.travel("2031-05-05T12:00:00Z"):
        assert staffed().version.published_at.year == 2031
    assert staffed.times == 2


@pytest.mark.django_db
def test_a_test_with_settings_of_its_own_has_a_lab_built_under_them(staffed, settings):
    used_up(staffed)
    settings.BASE_URL = "https://other.example"
    staffed()
    assert staffed.times == 2


@pytest.mark.django_db(transaction=True)
def test_a_test_that_commits_has_a_lab_that_was_committed(staffed):
    with transaction.atomic():
        staffed()
        transaction.set_rollback(True)
    staffed()
    assert staffed.times == 2


@pytest.mark.django_db
def test_what_changes_a_row_that_it_found_is_not_copied(mara):
    def rename() -> None:
        User.objects.update(name="Other")

    with pytest.raises(ValueError, match="people_user"):
        copies.of(rename)
