"""How scores are written: values with their errors, in the unit in which people read them."""

from __future__ import annotations

from typing import Any, Final

from django import template
from django.utils.formats import number_format
from django.utils.safestring import SafeString
from django.utils.translation import gettext as _

from portal.people.templatetags import weighbridge
from releases import ladder
from releases.evaluation_metrics import Direction, Unit
from releases.evaluation_models import KINDS, Score
from releases.evaluations import listing
from releases.models import Family, Model

register = template.Library()
OF_A_MODEL: Final = 12
OF_A_FAMILY: Final = 100
"""Scores that a page shows of its model or family; the page of evaluations has all."""


@register.filter
def measured(value: float | None, unit: str) -> str:
    """A value in its unit: a share as 58.6 %, a number with four figures."""
    if value is None:
        return ""
    if unit == Unit.SHARE:
        return f"{_number(value * 100, 1)}\u00a0%"
    return _number(value, _decimals(value))


@register.filter
def error(score: Score) -> str:
    """What stands beside a value: ± its standard error, or its interval; empty where neither is known."""
    if score.stderr is not None:
        share = score.unit == Unit.SHARE
        said = _number(score.stderr * 100, 1) if share else _number(score.stderr, _decimals(score.stderr))
        return f"±\u00a0{said}"
    if score.interval:
        low, high = (measured(bound, score.unit) for bound in score.interval)
        return _("%(low)s to %(high)s") % {"low": low, "high": high}
    return ""


@register.filter
def signed(value: float, unit: str) -> str:
    """A difference in its unit, with its sign."""
    return f"{'+' if value > 0 else ''}{measured(value, unit)}"


@register.filter
def kind_words(kind: str) -> str:
    """A kind in the reader's language."""
    return str(KINDS[kind])


@register.simple_tag
def direction(score: Score) -> SafeString | str:
    """Which values are better; that lower is, stands out."""
    words = score.get_direction_display()
    return weighbridge.state("wait", words, "info") if score.direction == Direction.LOWER else words


@register.inclusion_tag("releases/evaluations/_panel.html")
def evaluations_of(owner: Model | Family) -> dict[str, Any]:
    """The section about scores on a model's or a family's page. Three queries at most."""
    is_model, name = isinstance(owner, Model), owner.full_name
    asked = listing.Asked(model=name) if is_model else listing.Asked(family=name)
    most = OF_A_MODEL if is_model else OF_A_FAMILY
    scores = listing.with_again(listing.by_kind(listing.finished(listing.find(asked)))[: most + 1])
    sections = listing.sections(scores[:most])
    return {
        "owner": owner,
        "is_model": is_model,
        "scores": scores[:most],
        "sections": sections if is_model else [(kind, listing.pivot(members)) for kind, members in sections],
        "more": len(scores) > most,
        "rungs": len(ladder.rungs(owner)) if isinstance(owner, Model) else 0,
        "notes": owner.facts.get("evaluations", []) if isinstance(owner, Family) else [],
    }


def _number(value: float, decimals: int) -> str:
    """Rounded first: what Django formats it cuts."""
    return number_format(round(value, decimals), decimal_pos=decimals, force_grouping=True)


def _decimals(value: float) -> int:
    """Decimals that leave four figures of a number."""
    size = abs(value)
    return next((places for places, bound in enumerate((1000, 100, 10, 1, 0.1, 0.01)) if size >= bound), 6)
