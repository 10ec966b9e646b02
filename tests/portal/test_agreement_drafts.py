"""Drafting and publishing an agreement's next version: who may, who is told, and what can never change again."""

from __future__ import annotations

from datetime import timedelta

import pytest
from django.db import DatabaseError, connection, transaction
from django.utils import timezone

from portal.agreements import actions
from portal.agreements.models import Agreement, ChangeClass, Version
from portal.audit.models import Entry
from portal.errors import Conflict, Invalid, NotAllowed, NotFound
from portal.people.actions import give_role
from portal.people.models import Role
from tests.portal import world

NEXT = world.TEXT + "3. Delete every copy.\n"


def saved(w, text=NEXT, **more):
    w.agreement.refresh_from_db()
    return actions.save_draft(by=w.manager, agreement=w.agreement, text=text, expected=w.agreement.edits, **more)


def published(w):
    w.agreement.refresh_from_db()
    return actions.publish_draft(by=w.manager, agreement=w.agreement, expected=w.agreement.edits)


def test_a_draft_is_nobodys_agreement_until_it_is_published(lyceum):
    draft = saved(lyceum)
    assert lyceum.agreement.current() == lyceum.version
    assert (draft.number, draft.published_at) == (2, None)
    assert published(lyceum) == lyceum.agreement.current()
    assert lyceum.agreement.draft() is None


def test_saving_again_changes_the_one_draft(lyceum):
    first, second = saved(lyceum), saved(lyceum, NEXT + "4. Cite us.")
    assert first.pk == second.pk
    assert lyceum.agreement.versions.count() == 2


def test_who_saves_over_a_newer_draft_is_told_and_nothing_is_overwritten(lyceum):
    seen = Agreement.objects.get(pk=lyceum.agreement.pk).edits
    saved(lyceum, "Mine.")
    with pytest.raises(Conflict) as caught:
        actions.save_draft(by=lyceum.manager, agreement=lyceum.agreement, text="Yours.", expected=seen)
    assert caught.value.code == "stale"
    assert lyceum.agreement.draft().text == "Mine.\n"


def test_nobody_publishes_a_draft_that_they_have_not_read(lyceum):
    saved(lyceum)
    lyceum.agreement.refresh_from_db()
    read = lyceum.agreement.edits
    published(lyceum)
    saved(lyceum, "Something else altogether.")
    with pytest.raises(Conflict):
        actions.publish_draft(by=lyceum.manager, agreement=lyceum.agreement, expected=read)
    assert lyceum.agreement.draft() is not None


def test_a_discarded_draft_leaves_its_number_to_the_next(lyceum):
    saved(lyceum)
    lyceum.agreement.refresh_from_db()
    actions.discard_draft(by=lyceum.manager, agreement=lyceum.agreement, expected=lyceum.agreement.edits)
    assert saved(lyceum).number == 2
    events = Entry.objects.filter(event__startswith="agreement_version.").values_list("event", flat=True)
    assert list(events.order_by("id"))[-3:] == [
        "agreement_version.drafted", "agreement_version.discarded", "agreement_version.drafted",
    ]  # fmt: skip


def test_commands_do_not_publish_past_somebodys_draft(lyceum):
    saved(lyceum)
    with pytest.raises(Conflict, match="draft"):
        actions.publish_version(by=lyceum.manager, agreement=lyceum.agreement, text="Other.")


@pytest.mark.parametrize(
    ("changes", "field"),
    [
        ({"text": "  \n"}, "text"),
        ({"text": "x" * 100_001}, "text"),
        ({"points": ["x"] * 13}, "points"),
        ({"points": ["x" * 301]}, "points"),
        ({"change_class": ChangeClass.NOTICE}, "grace_ends_at"),
        ({"grace_ends_at": timedelta(days=30)}, "grace_ends_at"),
        ({"change_class": ChangeClass.NOTICE, "grace_ends_at": timedelta(days=-1)}, "grace_ends_at"),
        ({"change_class": ChangeClass.NOTICE, "grace_ends_at": timedelta(days=4_000)}, "grace_ends_at"),
    ],
)
def test_a_wrong_draft_is_refused_beside_the_field(lyceum, changes, field):
    if "grace_ends_at" in changes:
        changes = {**changes, "grace_ends_at": timezone.now() + changes["grace_ends_at"]}
    with pytest.raises(Invalid) as caught:
        saved(lyceum, **{"text": NEXT, **changes})
    assert list(caught.value.fields) == [field]
    assert lyceum.agreement.draft() is None


def test_nobody_is_asked_to_sign_a_text_that_did_not_change(lyceum):
    saved(lyceum, world.TEXT, points=["Better said."])
    with pytest.raises(Invalid) as caught:
        published(lyceum)
    assert "change_class" in caught.value.fields
    saved(lyceum, world.TEXT, points=["Better said."], change_class=ChangeClass.EDITORIAL)
    assert published(lyceum).points == ["Better said."]


def test_a_reviewer_reads_and_a_stranger_does_not_know_of_it(lyceum, harbour):
    arguments = {"agreement": lyceum.agreement, "text": NEXT, "expected": lyceum.agreement.edits}
    with pytest.raises(NotAllowed):
        actions.save_draft(by=lyceum.reviewers[0], **arguments)
    with pytest.raises(NotFound):
        actions.save_draft(by=harbour.manager, **arguments)
    administrator = world.person("Ada Min")
    give_role(user=administrator, lab=lyceum.lab, role=Role.ADMINISTRATOR, by=None)
    lyceum.agreement.refresh_from_db()
    actions.save_draft(by=administrator, **{**arguments, "expected": lyceum.agreement.edits})


@pytest.mark.parametrize(
    "sql",
    [
        "UPDATE agreements_version SET text = 'Sell everything.' WHERE id = %s",
        "UPDATE agreements_version SET points = '[]' WHERE id = %s",
        "UPDATE agreements_version SET published_at = NULL, published_by_id = NULL WHERE id = %s",
        "UPDATE agreements_version SET number = 99 WHERE id = %s",
        "UPDATE agreements_version SET change_class = 'editorial' WHERE id = %s",
        "DELETE FROM agreements_version WHERE id = %s",
    ],
)
def test_not_even_sql_changes_a_published_version(lyceum, sql):
    with pytest.raises(DatabaseError, match="immutable"), transaction.atomic(), connection.cursor() as cursor:
        cursor.execute(sql, [lyceum.version.pk])
    assert Version.objects.get(pk=lyceum.version.pk).text == world.TEXT


@pytest.mark.parametrize(
    "sql",
    [
        "UPDATE agreements_version SET text = 'Sell everything.' WHERE id = %s",
        "UPDATE agreements_version SET published_at = now() WHERE id = %s",
        "INSERT INTO agreements_version (agreement_id, number, text, sha256, points, change_class, created_at)"
        " SELECT agreement_id, 9, text, sha256, points, change_class, now() FROM agreements_version WHERE id = %s",
    ],
)
def test_not_even_sql_gives_a_draft_a_false_digest_a_nameless_publisher_or_a_twin(lyceum, sql):
    draft = saved(lyceum)
    with pytest.raises(DatabaseError), transaction.atomic(), connection.cursor() as cursor:
        cursor.execute(sql, [draft.pk])
