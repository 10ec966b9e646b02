"""How curves and what follows from them are written: axes, places on them, spans of time, shares."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import UTC, datetime

from django import template
from django.urls import reverse
from django.utils.formats import number_format
from django.utils.safestring import SafeString
from django.utils.translation import gettext as _
from django.utils.translation import ngettext

from portal.written import stamp
from releases.curve_models import Recording
from releases.curves import placed, scales
from releases.logbook_models import Entry, Kind, Logbook
from releases.models import Model

register = template.Library()


@register.simple_tag
def axis_title(axis: str) -> str:
    """What stands under the common axis."""
    return {"step": _("training steps"), "tokens": _("tokens seen"), "at": _("wall clock, UTC")}[axis]


@register.simple_tag
def curves_of(model: Model) -> str:
    """The address of a model's curves; empty where it has none. One query."""
    if not Recording.objects.filter(logbook__model=model).exists():
        return ""
    return reverse("releases:curves_of_model", args=[model.lab.slug, model.name])


@register.simple_tag
def with_curves(books: Iterable[Logbook]) -> list[Logbook]:
    """Those of the logbooks that have curves. One query."""
    found = set(Recording.objects.filter(logbook__in=[book.pk for book in books]).values_list("logbook", flat=True))
    return [book for book in books if book.pk in found]


@register.filter
def axis_word(axis: str) -> str:
    """The axis as a choice."""
    return {"step": _("steps"), "tokens": _("tokens"), "at": _("wall clock")}[axis]


@register.filter
def at_place(value: float, axis: str) -> SafeString | str:
    """A place on an axis: a whole number, or a moment."""
    if axis == "at":
        return stamp(datetime.fromtimestamp(value, UTC))
    return number_format(round(value), force_grouping=True)


@register.filter
def for_field(value: float, axis: str) -> str:
    """A place as a field of a form takes it: a moment without its zone, which is UTC."""
    return datetime.fromtimestamp(value, UTC).strftime("%Y-%m-%dT%H:%M:%S") if axis == "at" else f"{value:.15g}"


@register.filter
def value(number: float | str | None) -> str:
    """A measured value with four figures; a dash for none."""
    return scales.short(number) if isinstance(number, int | float) else "—"


@register.filter
def span(seconds: float | None) -> str:
    """How long something took; “not measured” where nobody knows."""
    if seconds is None:
        return _("not measured")
    if seconds < 100:
        return _("%(n)s s") % {"n": number_format(round(seconds, 1 if seconds < 10 else 0))}
    if seconds < 100 * 60:
        return _("%(n)s min") % {"n": number_format(round(seconds / 60, 1))}
    return _("%(n)s h") % {"n": number_format(round(seconds / 3600, 1), force_grouping=True)}


@register.filter
def share(number: float | None) -> str:
    """A share in percent; “not measured” where there is none."""
    return _("not measured") if number is None else _("%(n)s %%") % {"n": number_format(round(100 * number, 1))}


@register.filter
def steps(number: float) -> str:
    """A number of steps, whole."""
    rounded = round(number)
    return ngettext("%(n)s step", "%(n)s steps", rounded) % {"n": number_format(rounded, force_grouping=True)}


@register.filter
def cause(kind: str) -> str:
    """The kind of entry that caused a restart."""
    return str(Kind(kind).label) if kind else _("not told by the log")


@register.simple_tag
def headline(entry: Entry) -> str:
    """An entry in one line."""
    return placed.headline(entry)


@register.simple_tag
def excerpt(entry: Entry) -> str:
    """The beginning of its text."""
    return placed.excerpt(entry)
