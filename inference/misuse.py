"""The rules that say which day of whose queries stands out. Plain data; what they ask the ledger is in watching.py.

What a rule finds is a notice for the lab's managers. No rule cuts anybody off, and most of what they find is honest work:
a benchmark asks for prompts of one length all night long.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

from django.utils.translation import gettext_lazy as _
from django_stubs_ext import StrPromise


@dataclass(frozen=True, slots=True)
class Rule:
    """`looks_for` takes the bounds, `found` the figures of what was found."""

    title: StrPromise
    looks_for: StrPromise
    found: StrPromise
    bounds: Mapping[str, int]


RULES: Final[dict[str, Rule]] = {
    "burst": Rule(
        _("Far more than usual"),
        _("At least %(least)s tokens in a day, and %(times)s times the median of the project’s own days with use in the four weeks before, if there are at least %(days)s such days."),
        _("%(tokens)s tokens; usual for this project are %(usual)s a day."),
        {"least": 100_000, "times": 10, "days": 5},
    ),
    "saturation": Rule(
        _("Day and night"),
        _("Queries in at least %(minutes)s of a day’s 1,440 minutes."),
        _("Queries in %(minutes)s minutes of the day."),
        {"minutes": 1200},
    ),
    "same_length": Rule(
        _("Prompts of one length"),
        _("At least %(least)s queries in a day, %(percent)s percent of them with prompts of the same number of tokens."),
        _("%(requests)s of %(all)s prompts had %(length)s tokens."),
        {"least": 1000, "percent": 90},
    ),
    "many_tokens": Rule(
        _("Many tokens"),
        _("One person’s queries by at least %(tokens)s tokens in a day."),
        _("%(tokens)s tokens of one person."),
        {"tokens": 8},
    ),
    "refusals": Rule(
        _("Refused again and again"),
        _("One person’s queries of a model refused by the gateway at least %(least)s times in a day, for whatever was theirs to do otherwise."),
        _("%(refusals)s refused queries of one person."),
        {"least": 2000},
    ),
    "many_networks": Rule(
        _("From many networks"),
        _("One token used from at least %(networks)s networks in a day. No address is kept: its network is counted as a keyed digest."),
        _("%(networks)s networks by one token."),
        {"networks": 8},
    ),
}  # fmt: skip
"""Name → rule. A name is kept in the database: take none away without a migration of its signals."""
