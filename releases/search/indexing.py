"""Keeps what search knows of a family or a model: written with the change that it tells of, healed at night."""

from __future__ import annotations

import html
from typing import Final

import nh3
from django.db.models import F, Q

from releases import cards
from releases.models import Family, Model
from releases.search_models import Findable

CARD_MAX: Final = 100_000
"""Characters of a card that are searched; PostgreSQL bounds a row's words at a megabyte."""


def index_model(model: Model) -> None:
    """Read the model's names and its published card again."""
    known = Model.objects.select_related("lab", "main").get(pk=model.pk)
    names = (known.name, known.lab.slug, known.lab.name, known.licence, known.summary)
    card = cards.card(known.main) if known.main else None
    Findable.objects.update_or_create(
        model=known,
        defaults={
            "names": _one(*names),
            "card": _words(card.html) if card else "",
            "commit": known.main.commit if known.main else "",
        },
    )


def index_family(family: Family) -> None:
    """Read the family's names again, and what its entry says where it is held elsewhere."""
    known = Family.objects.select_related("lab").get(pk=family.pk)
    notes = [str(row.get("text", "")) for section in ("notes", "licence") for row in known.facts.get(section, [])]
    Findable.objects.update_or_create(
        family=known,
        defaults={
            "names": _one(known.title, known.slug, known.lab.slug, known.lab.name, known.summary),
            "card": _one(*notes),
        },
    )


def heal() -> int:
    """Index what no row tells of, or one that is behind its model's `main`; how many there were."""
    behind = Q(findable=None) | Q(main=None) & ~Q(findable__commit="") | ~Q(findable__commit=F("main__commit"))
    late = list(Model.objects.filter(behind, opened_at__isnull=False))
    unknown = list(Family.objects.filter(findable=None))
    for model in late:
        index_model(model)
    for family in unknown:
        index_family(family)
    return len(late) + len(unknown)


def _one(*texts: str) -> str:
    return " · ".join(filter(None, texts)).replace("\0", "")[:CARD_MAX]


def _words(markup: str) -> str:
    """The text of safe HTML; a tag's end stands between words."""
    return html.unescape(nh3.clean(markup.replace("<", " <"), tags=set())).replace("\0", "")[:CARD_MAX]
