"""The form of an allowance."""

from __future__ import annotations

from datetime import date, datetime
from typing import Any, Final, Self

from django import forms
from django.utils.translation import gettext_lazy as _
from django_stubs_ext import StrOrPromise

from inference.allowances import end_of
from inference.contract import CLASSES, Limits
from inference.usage import Burn
from portal.errors import Invalid

FIGURES: Final = ("requests_per_minute", "tokens_per_minute", "concurrency", "tokens_per_day", "tokens_per_period")
_WRONG: Final = _("Give a whole number from 1 up, or leave it empty.")


def _figure(label: StrOrPromise, most: int, hint: StrOrPromise = "") -> forms.IntegerField:
    wrong = {"invalid": _WRONG, "min_value": _WRONG}
    return forms.IntegerField(
        label=label, min_value=1, max_value=most, required=False, help_text=hint, error_messages=wrong
    )


class AllowanceForm(forms.Form):
    """The five figures, of which an empty one does not limit, the class and the last day. The most that each figure takes
    is what its column holds, or sense."""

    ends_at: datetime | None = None
    """The moment after the last day, once it is valid."""

    requests_per_minute = _figure(_("Requests a minute"), 2**31 - 1)
    tokens_per_minute = _figure(_("Tokens a minute"), 2**31 - 1)
    concurrency = _figure(_("Requests at a time"), 10_000)
    tokens_per_day = _figure(_("Tokens a day"), 10**15)
    tokens_per_period = _figure(_("Tokens in all"), 10**15, _("Where you change it, they are counted anew from now."))
    until = forms.DateField(
        label=_("Last day"), required=False, widget=forms.DateInput(attrs={"type": "date"}, format="%Y-%m-%d"),
        help_text=_("In UTC. Empty: for good."), error_messages={"invalid": _("Write the day as 2026-11-30.")},
    )  # fmt: skip
    top_class = forms.ChoiceField(
        label=_("Highest class"), choices=list(zip(CLASSES, (_("interactive"), _("normal"), _("batch")), strict=True)),
        required=False, help_text=_("In which its requests may wait where a model’s servers are full: interactive goes first."),
    )  # fmt: skip

    @classmethod
    def of(cls, limits: Limits, **more: object) -> Self:
        """The form, filled with what holds now; `more`: `top_class` and `until`, where it has them."""
        return cls(initial={name: getattr(limits, name) for name in FIGURES} | more, auto_id="allowance_%s")

    @classmethod
    def of_burn(cls, burn: Burn) -> Self:
        """The form, filled with what holds for a project now."""
        return cls.of(burn.limits, top_class=burn.top_class, until=burn.last_day if burn.own else None)

    def clean_until(self) -> date | None:
        """A day that is to come, as everywhere."""
        day: date | None = self.cleaned_data["until"]
        try:
            self.ends_at = end_of(day) if day else None
        except Invalid as wrong:
            raise forms.ValidationError(wrong.message) from wrong
        return day

    def limits(self) -> Limits:
        """What was typed, once it is valid."""
        figures: dict[str, Any] = {name: self.cleaned_data[name] for name in FIGURES}
        return Limits(**figures)


class ModelAllowanceForm(AllowanceForm):
    """Of one model: its requests wait in the class of the project's others."""

    top_class = None  # type: ignore[assignment]


class LabAllowanceForm(AllowanceForm):
    """Of each project that has none of its own: for good, and counted by the month."""

    until = None  # type: ignore[assignment]
    tokens_per_period = _figure(_("Tokens a month"), 10**15, _("From the first day to the last, in UTC."))
