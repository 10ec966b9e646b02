"""A question that is put together once answers as the QuerySet would, for whatever values, in every thread."""

from __future__ import annotations

import gc
import threading
import weakref
from datetime import datetime, timedelta
from uuid import UUID

import pytest
from django.db import IntegrityError, connection, connections, transaction
from django.db.models import QuerySet
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from portal.access.models import Grant
from portal.people.models import Membership, User
from portal.prepared import Prepared, Rows
from releases import egress
from releases.models import Download
from tests.portal import world

pytestmark = pytest.mark.django_db


def test_it_answers_as_the_rule_does_while_time_goes_by() -> None:
    w = world.build(quorum=1, grant_days=60)
    grant = w.granted(world.person("Mara Lindqvist"))

    @Prepared
    def held(person: UUID, now: datetime) -> QuerySet[Grant]:
        return Grant.objects.select_related("user").filter(user=person).with_conditions(now).with_not_after(now)

    for days in (-1, 0, 59, 61):
        now = timezone.now() + timedelta(days=days)
        fresh = Grant.objects.filter(user=grant.user).with_conditions(now).with_not_after(now).get()
        with CaptureQueriesContext(connection) as asked:
            (kept,) = held.all(person=grant.user_id, now=now)
            assert kept.user.name == "Mara Lindqvist"
        assert len(asked) == 1, "and who was selected beside it is there"
        assert (kept, kept.unmet, kept.not_after) == (fresh, fresh.unmet, fresh.not_after)
    assert held.all(person=world.person("Sam Stranger").pk, now=timezone.now()) == []


def test_values_of_one_field_come_as_they_are() -> None:
    w = world.build()

    @Prepared
    def roles(lab: UUID) -> QuerySet[Membership, str]:
        return Membership.objects.filter(lab=lab).order_by("role").values_list("role", flat=True)

    assert roles.all(lab=w.lab.pk) == list(roles._build(lab=w.lab.pk)) != []


def test_nothing_is_equal_to_null() -> None:
    @Prepared
    def unreachable(since: datetime | None) -> QuerySet[User]:
        return User.objects.filter(unreachable_since=since)

    assert world.person("Mara Lindqvist").unreachable_since is None
    assert unreachable.all(since=None) == []


def test_a_value_that_is_missing_or_too_many_is_told() -> None:
    with pytest.raises(TypeError, match="takes grant, gate"):
        egress._caps.all(grant="x")
    with pytest.raises(TypeError, match="takes grant, gate"):
        egress._caps.all(grant="x", gate=1, lab=2)


@pytest.mark.parametrize("name", ["Mara O'Brien", 'a\\" --', "50 %s of %%", "Zoë \N{SNOWMAN}", ""])
def test_what_is_given_is_a_value_and_never_a_part_of_the_statement(name: str) -> None:
    person = world.person("Somebody")
    User.objects.filter(pk=person.pk).update(name=name)

    @Prepared
    def named(name: str) -> QuerySet[User]:
        return User.objects.filter(name=name).exclude(email="%s of %%'s")

    assert named.all(name=name) == [person]
    assert named.all(name=f"{name}'") == []


def test_what_was_not_selected_is_asked_for_where_it_is_read() -> None:
    grant = world.build(quorum=1).granted(world.person("Mara Lindqvist"))

    @Prepared
    def held(pk: UUID) -> QuerySet[Grant]:
        return Grant.objects.select_related("lead", "user").only("starts_at", "lead", "user__name").filter(pk=pk)

    found = held.first(pk=grant.pk)
    assert found is not None
    with CaptureQueriesContext(connection) as asked:
        assert (found.starts_at, found.user.name, found.lead) == (grant.starts_at, "Mara Lindqvist", None)
        assert not found._state.adding
    assert len(asked) == 0
    assert found.ends_at == grant.ends_at
    assert found.user.email == grant.user.email


def test_other_kinds_of_rows_are_refused() -> None:
    @Prepared
    def pairs(name: str) -> QuerySet[User, tuple[str, str]]:
        return User.objects.filter(name=name).values_list("name", "email")

    with pytest.raises(TypeError, match="models, or the values of one field"):
        pairs.all(name="x")


def test_a_row_is_written_with_what_is_given_and_the_models_own_for_the_rest() -> None:
    now, rows = timezone.now(), Rows(Download)
    given = {"lab": "lyceum", "model": "lyceum/open", "commit": "a" * 40, "sha256": "b" * 64, "size": 7}
    for path in ("a.txt", "b'%s %%.txt"):
        rows.insert(at=now, link_ends_at=now, path=path, **given)
    kept = list(Download.objects.order_by("path"))
    assert [(row.path, row.at, row.size, row.client, row.grant_id) for row in kept] == [
        ("a.txt", now, 7, "", ""),
        ("b'%s %%.txt", now, 7, "", ""),
    ]
    assert kept[0].pk != kept[1].pk
    with pytest.raises(IntegrityError), transaction.atomic():
        rows.insert(at=now, link_ends_at=None, path="c.txt", **given)


@pytest.mark.django_db(transaction=True)
def test_each_thread_asks_over_its_own_connection() -> None:
    mara = world.person("Mara Lindqvist")

    @Prepared
    def named(name: str) -> QuerySet[User]:
        return User.objects.filter(name=name)

    seen: list[User | None] = []

    def ask() -> None:
        with CaptureQueriesContext(connection) as asked:
            seen.append(named.first(name="Mara Lindqvist"))
        connection.close()
        assert len(asked) == 1, "the thread's own connection saw it"

    ask()
    other = threading.Thread(target=ask)
    other.start()
    other.join()
    assert seen == [mara, mara]


@pytest.mark.django_db(transaction=True)
def test_a_thread_that_asked_first_takes_its_connection_with_it() -> None:
    w = world.build(quorum=1)
    w.granted(world.person("Mara Lindqvist"))

    @Prepared
    def grants(gate: int, now: datetime) -> QuerySet[Grant]:
        return Grant.objects.select_related("user").filter(gate=gate).with_conditions(now)

    def ask() -> None:
        assert len(grants.all(gate=w.gate.pk, now=timezone.now())) == 1
        held.append(weakref.ref(connections["default"].connection))

    held: list[weakref.ref[object]] = []
    first = threading.Thread(target=ask)
    first.start()
    first.join()
    del first
    gc.collect()
    assert held[0]() is None, "a server that ends idle threads does not gather their connections"
    ask()
