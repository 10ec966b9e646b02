"""A planned opening in words: what it still waits for, and its history."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, Final

from django.utils import timezone
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy, ngettext

from releases.opening import Facts, Rule, State, Verb, unmet
from releases.opening_models import Opening, OpeningStep

TITLES: Final = {
    "plan": gettext_lazy("Planned"),
    "late": gettext_lazy("Its date came, and something was missing"),
    Verb.APPROVE: gettext_lazy("Approved"),
    Verb.TAKE_BACK: gettext_lazy("Approval taken back"),
    Verb.HOLD: gettext_lazy("Held"),
    Verb.RESUME: gettext_lazy("Resumed"),
    Verb.CANCEL: gettext_lazy("Cancelled"),
    Verb.OPEN: gettext_lazy("Opened: everything that was set was met"),
}


def standing(opening: Opening) -> dict[str, Any]:
    """What its pages show: the opening, whether it is held, and each rule that was set, met or not."""
    facts = opening.facts(timezone.now())
    waits = unmet(opening.opens_at, opening.approvals, facts)
    return {
        "opening": opening,
        "model": opening.model,
        "held": opening.state == State.HELD,
        "rules": [(rule not in waits, words) for rule, words in _rules(opening, facts, waits)],
        "counts": Rule.DATE in waits,
    }


def _rules(opening: Opening, facts: Facts, waits: tuple[Rule, ...]) -> Iterable[tuple[Rule, str]]:
    if opening.opens_at:
        yield Rule.DATE, _("The date is still to come") if Rule.DATE in waits else _("The date has come")
    if opening.approvals:
        text = ngettext("%(has)d of %(n)d approval is given", "%(has)d of %(n)d approvals are given", opening.approvals)
        yield Rule.APPROVALS, text % {"has": min(facts.approvals, opening.approvals), "n": opening.approvals}
    yield Rule.CHECKS, _("The check has not passed yet") if Rule.CHECKS in waits else _("Every file is checked")
    if Rule.SWITCH in waits:
        yield Rule.SWITCH, _("The operator has paused publishing")


def history(steps: Iterable[OpeningStep]) -> list[dict[str, Any]]:
    """Entries for the timeline."""
    return [
        {
            "when": step.at,
            "title": TITLES[step.verb],
            "note": step.by.get_full_name() if step.by else "",
            "quote": step.text,
            "state": "done",
        }
        for step in steps
    ]
