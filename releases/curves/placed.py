"""The entries of a logbook on one picture: which stand, where on its axis, and what of each is told beside it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from django.db.models.functions import Left

from releases.curves import marks
from releases.curves.marks import Mark
from releases.curves.picture import Picture
from releases.logbook_models import Entry, Logbook

ENTRIES: Final = 5000
"""Entries of one logbook that are placed on the picture."""
EXCERPT: Final = 700
"""Characters of an entry's text beside the picture; its own page has all."""


@dataclass(frozen=True, slots=True)
class Placed:
    """What a logbook tells of a picture."""

    entries: list[Entry]
    """Those that stand, in their order, without their whole texts."""
    marks: list[Mark]
    """Of those that have a place on the axis, in its order."""
    here: list[Mark]
    """Of those within the window."""
    beyond: int
    """Entries that stand too, and were written after the first ENTRIES."""


def on(picture: Picture, logbook: Logbook) -> Placed:
    """The logbook's entries on the picture's axis. One query, two where there are more than are placed."""
    entries = _entries(logbook)
    found = marks.place(entries, picture.window.axis, picture.tracks)
    here = [each for each in found if picture.window.low <= each.place <= picture.window.high]
    beyond = logbook.entries.standing().count() - ENTRIES if len(entries) == ENTRIES else 0
    return Placed(entries, found, here, beyond)


def _entries(logbook: Logbook) -> list[Entry]:
    standing = logbook.entries.standing().select_related("run").defer("text", "words")
    found = list(standing.annotate(begins=Left("text", EXCERPT)).order_by("order")[:ENTRIES])
    for entry in found:
        entry.logbook = logbook
    return found


def headline(entry: Entry) -> str:
    """An entry's title; without one, the first sentence of its text."""
    return entry.title or excerpt(entry).partition("\n")[0].partition(". ")[0][:160]


def excerpt(entry: Entry) -> str:
    """The beginning of an entry's text."""
    text = str(getattr(entry, "begins", ""))
    return text + "…" if len(text) == EXCERPT else text
