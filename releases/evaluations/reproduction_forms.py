"""Shape and wording of a reported reproduction, and of the lab's word on it."""

from __future__ import annotations

from typing import Any

from django import forms
from django.utils.translation import gettext_lazy as _

from releases.evaluation_metrics import Unit
from releases.evaluation_models import Score
from releases.evaluation_rows import LENGTHS, NORMAL_95
from releases.forms import Told

_LONG = 4_000


def _long(rows: int) -> forms.Textarea:
    return forms.Textarea(attrs={"rows": rows, "class": "mono"})


class ReproductionForm(Told):
    """What came out, with what, and how close is close enough. Shares are typed in per cent, as they are shown."""

    value = forms.FloatField(
        label=_("Value that you measured"), widget=forms.NumberInput(attrs={"class": "short", "step": "any"})
    )
    stderr = forms.FloatField(
        label=_("Its standard error"), required=False, min_value=0,
        widget=forms.NumberInput(attrs={"class": "short", "step": "any"}),
    )  # fmt: skip
    n = forms.IntegerField(
        label=_("Items that you measured (n)"), required=False, min_value=1,
        widget=forms.NumberInput(attrs={"class": "short"}),
    )  # fmt: skip
    tolerance = forms.FloatField(
        label=_("Tolerance"), min_value=0, help_text=_("The largest difference that you take for the same value. Readers see it."),
        widget=forms.NumberInput(attrs={"class": "short", "step": "any"}),
    )  # fmt: skip
    harness = forms.CharField(
        label=_("Harness"), max_length=LENGTHS["harness"],
        help_text=_("With another harness it is a measurement of its own, and counts for neither side."),
    )  # fmt: skip
    harness_version = forms.CharField(
        label=_("Version of the harness"), required=False, max_length=LENGTHS["harness_version"]
    )
    weights = forms.RegexField(
        r"^[0-9a-fA-F]{64}$", label=_("Weight id of what you measured"), required=False,
        help_text=_("64 digits, from tensors.json or “weighbridge verify”."),
        error_messages={"invalid": _("A weight id has 64 digits from 0 to 9 and a to f.")},
    )  # fmt: skip
    environment = forms.CharField(
        label=_("Environment"), max_length=_LONG, widget=_long(4),
        help_text=_("Libraries and their versions, device, number type, threads, seed."),
    )  # fmt: skip
    command = forms.CharField(
        label=_("Command"), max_length=_LONG, widget=_long(3), help_text=_("So that others can run it.")
    )
    note = forms.CharField(
        label=_("Note"), max_length=_LONG, required=False, widget=forms.Textarea(attrs={"rows": 3}),
        help_text=_("What you did otherwise, what you think the difference comes from."),
    )  # fmt: skip

    def __init__(self, *args: object, score: Score, **kwargs: object) -> None:
        super().__init__(*args, **kwargs)  # type: ignore[arg-type]
        self._share = score.unit == Unit.SHARE
        if self._share:
            for name in ("value", "stderr", "tolerance"):
                self.fields[name].label = _("%(label)s, in per cent") % {"label": self.fields[name].label}
        self.fields["harness"].initial = score.harness
        self.fields["harness_version"].initial = score.harness_version
        self.fields["weights"].initial = score.weights
        if score.stderr is not None:
            # Two runs of equal error differ by less than this in 95 of 100 repetitions.
            likely = NORMAL_95 * 2**0.5 * score.stderr * (100 if self._share else 1)
            self.fields["tolerance"].initial = float(f"{likely:.3g}")

    def report(self) -> dict[str, Any]:
        """What the action takes, in the score's unit."""
        told = dict(self.cleaned_data)
        if self._share:
            for name in ("value", "stderr", "tolerance"):
                told[name] = round(told[name] / 100, 12) if told[name] is not None else None
        return told


class ReviewForm(Told):
    """The lab's word on a reproduction."""

    note = forms.CharField(
        label=_("Note"), required=False, max_length=2_000, widget=forms.Textarea(attrs={"rows": 3}),
        help_text=_("Everybody reads it. To question a report you must say what is in doubt."),
    )  # fmt: skip
