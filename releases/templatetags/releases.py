"""How releases are drawn: the size strip, access states, sizes of numbers."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from django import template
from django.utils.formats import number_format
from django.utils.html import format_html
from django.utils.safestring import SafeString, mark_safe
from django.utils.translation import gettext as _
from django.utils.translation import ngettext

from portal.people.templatetags import weighbridge
from releases import instead, strip
from releases.exports import citations
from releases.exports.facts import Facts
from releases.exports.shelf import CITATIONS, SHELF, Document
from releases.models import Family, Model, Revision
from releases.openness import found
from releases.openness.classes import CLASSES, ROMAN, Openness
from releases.spoken import spoken

register = template.Library()


@register.inclusion_tag("releases/_strip.html")
def size_strip(marks: Iterable[strip.Mark]) -> dict[str, Any]:
    """The sizes on the common scale, with the same as a list for readers without sight."""
    return {
        "marks": list(marks),
        "ticks": strip.ticks(),
        "words": {"open": _("open"), "gated": _("gated"), "reference": _("hosted elsewhere")},
    }


@register.inclusion_tag("releases/_scale.html")
def size_scale() -> dict[str, Any]:
    """The scale itself, labelled, once above a list of strips."""
    return {"ticks": strip.ticks()}


register.filter(spoken)


@register.filter
def short(number: int) -> str:
    """125M, 1.3B."""
    return strip.short(number)


@register.filter
def decimal(number: int, base: int = 1000) -> str:
    """A number of bytes in units of base³ (GB, or GiB with 1024) with three figures."""
    value = number / base**3
    figures = 2 if value < 10 else 1
    return number_format(round(value, figures), decimal_pos=figures)


@register.filter
def kilo(number: int) -> str:
    """A number of bytes in kB, whole."""
    return number_format(round(number / 1000), force_grouping=True)


@register.filter
def power(value: float) -> SafeString:
    """A small number as 1.2 × 10⁻⁴."""
    mantissa, _e, exponent = f"{value:.1e}".partition("e")
    raised = str(int(exponent)).translate(str.maketrans("-0123456789", "⁻⁰¹²³⁴⁵⁶⁷⁸⁹"))
    return mark_safe(f"{mantissa.removesuffix('.0')}\u00a0×\u00a010{raised}")  # noqa: S308 digits alone


@register.simple_tag
def access_state(model: Model) -> SafeString:
    """How one gets the model, as a state."""
    if model.stopped:
        return weighbridge.state("stop", _("stopped"))
    if model.withdrawn_at:
        return weighbridge.state("mute", _("withdrawn"), "cross")
    if model.opened_at is None:
        return weighbridge.state("wait", _("not open yet"))
    if model.main_id is None:
        return weighbridge.state("mute", _("nothing published now"), "cross")
    if model.gate_id:
        return weighbridge.state("gate", _("By application"))
    return weighbridge.state("ok", _("Open"), "open")


@register.filter
def instead_link(named: str) -> SafeString:
    """What to use instead, as a link to its page."""
    return format_html('<a href="{}"><code>{}</code></a>', instead.address(named), named)


@register.simple_tag
def access_words(count: int, gated: int) -> str:
    """`2 open, 1 by application`."""
    words = []
    if count - gated:
        words.append(ngettext("%(n)d open", "%(n)d open", count - gated) % {"n": count - gated})
    if gated:
        words.append(ngettext("%(n)d by application", "%(n)d by application", gated) % {"n": gated})
    return ", ".join(words)


@register.simple_tag
def cited(revision: Revision) -> dict[str, Any]:
    """How to cite a revision: one sentence, and (document, text) for each form of CITATIONS."""
    facts = Facts(revision)
    forms = [(SHELF[name], SHELF[name].write(facts).decode().strip()) for name in CITATIONS]
    return {"sentence": citations.sentence(facts), "weight_id": facts.weight_id, "forms": forms}


@register.simple_tag
def shelf() -> list[Document]:
    """Every document that is made of a revision."""
    return list(SHELF.values())


@register.inclusion_tag("releases/openness/_openness.html")
def openness(subject: Revision | Family) -> dict[str, Any]:
    """The class of a revision, or of a family that is hosted elsewhere, with the reasons; nothing where none are known."""
    told = found.of_revision(subject) if isinstance(subject, Revision) else found.of_reference(subject)
    return {"openness": told, "classes": _classes(told) if told else [], "hosted": isinstance(subject, Revision)}


@register.simple_tag
def openness_state(model: Model) -> SafeString:
    """The class that the check of a published revision found, as a state; a dash where none was made."""
    reached = model.main.facts.get("openness") if model.main else None
    return openness_class(reached)


@register.simple_tag
def openness_class(reached: int | str | None) -> SafeString:
    """A class as a state."""
    reached = None if reached is None else int(reached)
    if reached is None:
        return mark_safe("—")
    if reached == 0:
        return weighbridge.state("mute", _("no class"), "cross")
    return weighbridge.state("ok", _("class %(n)s") % {"n": ROMAN[reached]}, "open")


def _classes(told: Openness) -> list[dict[str, Any]]:
    """Each class with how many of its own components pass."""
    rows = []
    for wanted in CLASSES:
        met, asked = told.met(wanted)
        reached = 0 < told.reached <= wanted
        rows.append({"roman": ROMAN[wanted], "met": met, "asked": asked, "reached": reached})
    return rows
