"""How logbooks are drawn: the panel on a family's page, times, kinds, texts."""

from __future__ import annotations

import json
import re
from typing import Any, Final

from django import template
from django.utils.safestring import SafeString, mark_safe

from releases import cards, entries
from releases.logbook import shelves
from releases.logbook_models import Entry
from releases.models import Family

register = template.Library()
SHORT: Final = 1_500
"""Characters of a text that a list shows whole."""
_IMAGE: Final = re.compile(r"!\[([^\]\n]*)\]\([^)\n]*\)")


@register.inclusion_tag("releases/logbook/_panel.html", takes_context=True)
def logbook_panel(context: dict[str, Any], family: Family) -> dict[str, Any]:
    """What a family's page shows of its logbooks: how much there is of what, and how its sources disagree."""
    user = context.get("user")
    shelf = shelves.of_family(family, user if getattr(user, "is_authenticated", False) else None)
    kinds = shelf.kinds() if shelf.books else []
    told = {name: entries.sourced(family, name) for name in ("restarts", "logbook_remarks")}
    return {"shelf": shelf, "family": family, "kinds": kinds, "count": sum(n for *_rest, n in kinds), **told}


@register.simple_tag
def logbook_url(shelf: shelves.Shelf, page: str, *more: object) -> str:
    """Address of one of a logbook's pages."""
    return shelf.url(page, *more)


@register.filter
def rendered(entry: Entry) -> SafeString:
    """Its text as safe HTML; an image of the source is named, and not loaded."""
    return mark_safe(cards.render(_IMAGE.sub(r"*\1*", entry.body)))  # noqa: S308 cleaned there


@register.filter
def is_short(entry: Entry) -> bool:
    """Whether a list shows it whole."""
    return len(entry.body) <= SHORT


@register.filter
def excerpt(entry: Entry) -> str:
    """The first lines of a long text, as they were written."""
    return entry.body[:400].rpartition(" ")[0] + " …"


@register.filter
def changes(entry: Entry) -> list[tuple[str, str, str]]:
    """(name, before, after) of every parameter or measurement that it names."""
    names = dict.fromkeys([*entry.before, *entry.after])
    return [(name, _shown(entry.before, name), _shown(entry.after, name)) for name in names]


def _shown(values: dict[str, Any], name: str) -> str:
    if name not in values:
        return "—"
    value = values[name]
    if isinstance(value, float):
        return f"{value:.6g}"
    return value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)
