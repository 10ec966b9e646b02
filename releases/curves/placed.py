"""The entries of a logbook on one picture: which stand, where on its axis, and what of each is told beside it."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Final

from django.db.models.functions import Left

from releases.curves import marks
from releases.curves.marks import Brief, Mark
from releases.curves.picture import Picture
from releases.logbook_models import Entry, Logbook

EXCERPT: Final = 700
"""Characters of an entry's text beside the picture; its own page has all."""


@dataclass(frozen=True, slots=True)
class Placed:
    """What a logbook tells of a picture."""

    entries: list[Brief]
    """Those that stand, in their order."""
    marks: list[Mark]
    """Of those that have a place on the axis, in its order."""
    here: list[Mark]
    """Of those within the window."""


def on(picture: Picture, logbook: Logbook) -> Placed:
    """All entries that stand on the picture's axis, without their words. One query, however long the logbook is."""
    standing = logbook.entries.standing().order_by("order").values_list(*Brief._fields)
    entries = [Brief(*row) for row in standing]
    found = marks.place(entries, picture.window.axis, picture.tracks)
    here = [each for each in found if picture.window.low <= each.place <= picture.window.high]
    return Placed(entries, found, here)


def tell(logbook: Logbook, shown: Iterable[Mark]) -> None:
    """Read the entries of those marks that are shown, and the beginning of what each says. One query."""
    wanted: dict[int, list[Mark]] = {}
    for mark in shown:
        wanted.setdefault(mark.order, []).append(mark)
    found = logbook.entries.filter(order__in=wanted).select_related("run").defer("text", "words")
    for entry in found.annotate(begins=Left("text", EXCERPT)):
        entry.logbook = logbook
        for mark in wanted[entry.order]:
            mark.entry = entry


def headline(entry: Entry) -> str:
    """An entry's title; without one, the first sentence of its text."""
    return entry.title or excerpt(entry).partition("\n")[0].partition(". ")[0][:160]


def excerpt(entry: Entry) -> str:
    """The beginning of an entry's text."""
    text = str(getattr(entry, "begins", ""))
    return text + "…" if len(text) == EXCERPT else text
