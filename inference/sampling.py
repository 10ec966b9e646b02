"""The sampling controls of the try-it page: a form for its labels, hints and bounds; the page's script reads the fields."""

from __future__ import annotations

from typing import Any, Final, Self

from django import forms
from django.utils.translation import gettext_lazy as _

from inference.gateway.fields import LOGPROBS, STOP_CHARACTERS, STOP_STRINGS
from inference.models import Pool

LONGEST: Final = 128
"""Tokens that an answer may have at most, unless the reader says otherwise: a look, not a job."""
ALTERNATIVES: Final = 5


class SamplingForm(forms.Form):
    """What the gateway's allowlist takes of these fields, within its bounds."""

    temperature = forms.FloatField(label=_("Temperature"), min_value=0, max_value=2)
    top_p = forms.FloatField(label=_("Top p"), min_value=0, max_value=1)
    max_tokens = forms.IntegerField(label=_("Longest, in tokens"), min_value=1)
    seed = forms.IntegerField(label=_("Seed"), required=False)
    logprobs = forms.IntegerField(label=_("Alternatives per token"), min_value=0, max_value=LOGPROBS)
    stop = forms.CharField(
        label=_("Stop at"),
        required=False,
        widget=forms.Textarea(attrs={"rows": 2, "spellcheck": "false"}),
        help_text=_("One text a line, at most %(lines)s, of %(characters)s characters each.")
        % {"lines": STOP_STRINGS, "characters": STOP_CHARACTERS},
    )

    @classmethod
    def of(cls, pool: Pool) -> Self:
        """The controls for this pool's model, with values to begin with."""
        begin: dict[str, Any] = {
            "temperature": 0.8,
            "top_p": 0.95,
            "max_tokens": min(LONGEST, pool.context // 2),
            "logprobs": ALTERNATIVES,
        }
        form = cls(initial=begin, auto_id="try_%s")
        form.fields["max_tokens"].widget.attrs["max"] = pool.context
        for name in ("temperature", "top_p"):
            form.fields[name].widget.attrs["step"] = "0.05"
        return form
