"""The forms of an allocation request: what a lead asks, and what somebody of the lab answers."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import timedelta
from typing import Self

from django import forms
from django.utils import timezone
from django.utils.translation import gettext_lazy as _

from inference.allocation_actions import MOST_A_MINUTE, MOST_TOKENS
from inference.allocation_models import GROUNDS, TEXT_LIMIT, AllocationRequest
from inference.contract import Limits

_WHOLE = {"invalid": _("Give a whole number from 1 up."), "min_value": _("Give a whole number from 1 up.")}
_USUAL = timedelta(days=180)


def _day() -> forms.DateField:
    return forms.DateField(
        label=_("Until"), help_text=_("The last day, UTC; at most two years ahead."),
        widget=forms.DateInput(attrs={"type": "date"}, format="%Y-%m-%d"),
        error_messages={"invalid": _("Write the day as 2026-11-30."), "required": _("Name the last day.")},
    )  # fmt: skip


class _Said(forms.Form):
    def take(self, problems: Mapping[str, Sequence[str]]) -> None:
        """Put what the action refused beside its fields."""
        for name, texts in problems.items():
            for text in texts:
                self.add_error(name, text)


class _Figures(_Said):
    tokens_per_period = forms.IntegerField(
        label=_("Tokens in all"), min_value=1, max_value=MOST_TOKENS,
        help_text=_("Prompt and completion, from the decision to the last day."),
        error_messages={**_WHOLE, "required": _("Say how many tokens.")},
    )  # fmt: skip
    tokens_per_minute = forms.IntegerField(
        label=_("Tokens a minute"), min_value=1, max_value=MOST_A_MINUTE, required=False, error_messages=_WHOLE
    )
    until = _day()


class AskForm(_Figures):
    """What a lead asks."""

    case = forms.CharField(
        label=_("What it is for"), max_length=TEXT_LIMIT, widget=forms.Textarea(attrs={"rows": 6}),
        help_text=_("A few sentences: which experiments, which models, how you come to the number."),
        error_messages={"required": _("Say in a few sentences what the tokens are for.")},
    )  # fmt: skip
    published = forms.CharField(
        label=_("What came of the use so far"), max_length=TEXT_LIMIT, required=False,
        widget=forms.Textarea(attrs={"rows": 4}),
        help_text=_("Titles and addresses of papers, code and data, one on a line."),
    )  # fmt: skip

    @classmethod
    def of(cls, limits: Limits) -> Self:
        """Filled with what holds now, for half a year."""
        until = timezone.now().date() + _USUAL
        return cls(initial={"tokens_per_minute": limits.tokens_per_minute, "until": until})


class GrantForm(_Figures):
    """What the lab gives: as asked, or otherwise. An empty figure does not limit."""

    tokens_per_day = forms.IntegerField(
        label=_("Tokens a day"), min_value=1, max_value=MOST_TOKENS, required=False, error_messages=_WHOLE
    )
    message = forms.CharField(
        label=_("Message to the lead"), max_length=TEXT_LIMIT, required=False, widget=forms.Textarea(attrs={"rows": 3})
    )
    field_order = ("tokens_per_period", "tokens_per_minute", "tokens_per_day", "until", "message")

    @classmethod
    def of(cls, request: AllocationRequest, limits: Limits) -> Self:
        """Filled with what was asked, and with what holds now where nothing was."""
        return cls(
            auto_id="grant_%s",
            initial={
                "tokens_per_period": request.tokens_per_period,
                "tokens_per_minute": request.tokens_per_minute or limits.tokens_per_minute,
                "tokens_per_day": limits.tokens_per_day,
                "until": request.until,
            },
        )


class DeclineForm(_Said):
    """Why not."""

    ground = forms.ChoiceField(
        label=_("Why"), choices=[("", "—"), *((ground.value, words) for ground, words in GROUNDS.items())],
        error_messages={"required": _("Choose why."), "invalid_choice": _("Choose why.")},
    )  # fmt: skip
    message = forms.CharField(
        label=_("Message to the lead"), max_length=TEXT_LIMIT, required=False, widget=forms.Textarea(attrs={"rows": 3})
    )
