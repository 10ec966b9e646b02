"""What the database itself holds true of logbooks, runs and entries."""

from __future__ import annotations

from typing import Any

import pytest
from django.db import IntegrityError, connection, transaction
from django.utils import timezone

from releases import actions
from releases.logbook_models import Entry, Logbook, Run
from releases.models import Family
from tests.portal import world


@pytest.fixture
def book(lyceum: world.World) -> Logbook:
    family = actions.open_family(lab=lyceum.lab, slug="heron", title="Heron", by=lyceum.manager)
    return Logbook.objects.create(family=family, title="The logbook of Heron")


def entry(book: Logbook, order: int, **fields: Any) -> Entry:
    return Entry.objects.create(logbook=book, order=order, **({"title": f"Entry {order}"} | fields))


@pytest.mark.parametrize(
    "wrong",
    [
        {"kind": "weather"},
        {"severity": "loud"},
        {"confidence": "day"},
        {"at": timezone.now()},
        {"step": -1},
        {"title": ""},
        {"erratum": True},
        {"order": 1},
    ],
)
def test_an_entry_that_contradicts_itself_is_refused(book: Logbook, wrong: dict[str, Any]) -> None:
    entry(book, 1)
    with pytest.raises(IntegrityError), transaction.atomic():
        Entry.objects.create(**({"logbook": book, "order": 2, "title": "Entry"} | wrong))
    assert entry(book, 2, confidence="day", at=timezone.now()).headline == "Entry 2"


def test_an_entry_is_corrected_once_and_the_rest_stands(book: Logbook) -> None:
    first = entry(book, 1)
    second = entry(book, 2, supersedes=first)
    with pytest.raises(IntegrityError), transaction.atomic():
        entry(book, 3, supersedes=first)
    assert list(book.entries.standing()) == [second]


def test_a_run_from_scratch_has_no_parent_and_a_fork_has_one(book: Logbook) -> None:
    first = Run.objects.create(logbook=book, name="12.00")
    Run.objects.create(logbook=book, name="12.01", kind="fork", parent=first, parent_step=7629)
    with pytest.raises(IntegrityError), transaction.atomic():
        Run.objects.create(logbook=book, name="12.02", kind="start", parent=first)


def test_what_is_frozen_does_not_change_and_is_not_opened_again(book: Logbook) -> None:
    held = entry(book, 1)
    Logbook.objects.filter(pk=book.pk).update(state="frozen", frozen_at=timezone.now())
    for change in (
        lambda: Entry.objects.filter(pk=held.pk).update(title="Nothing happened"),
        lambda: Entry.objects.filter(pk=held.pk).delete(),
        lambda: Logbook.objects.filter(pk=book.pk).update(state="open", frozen_at=None),
    ):
        with pytest.raises(IntegrityError), transaction.atomic():
            change()
    assert entry(book, 2, supersedes=held, erratum=True).erratum


def test_words_are_found_in_any_form_by_the_index(book: Logbook) -> None:
    scale = entry(book, 1, kind="loss_scale", text="The minimum was reached; training stalls.")
    entry(book, 2, text="A host was replaced.")
    assert list(Entry.objects.saying("loss scale stalling")) == [scale]
    assert not Entry.objects.saying("loss of a host")
    with connection.cursor() as cursor:
        for other in ("seqscan", "indexscan", "indexonlyscan"):  # with two rows any plan is as good
            cursor.execute(f"SET LOCAL enable_{other} = off")
    assert "entry_words" in Entry.objects.order_by().saying("stall").explain()


def test_a_model_moves_to_another_family_with_its_logbook(lyceum: world.World, book: Logbook) -> None:
    model = actions.open_model(lab=lyceum.lab, name="heron-1m", by=lyceum.manager)
    own = Logbook.objects.create(model=model, title="Heron 1M")
    family = Family.objects.get(slug="heron")
    actions.describe_model(model=model, family=family, by=lyceum.manager)
    own.refresh_from_db()
    assert own.family == family
    assert set(family.logbooks.all()) == {book, own}
