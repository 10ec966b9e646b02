"""The form of a daily cap, in gigabytes."""

from __future__ import annotations

from decimal import Decimal
from typing import Final, Self

from django import forms
from django.utils.translation import gettext_lazy as _

GB: Final = 1_000_000_000
_WRONG: Final = _("Give a number of gigabytes above 0, or leave it empty.")


class CapForm(forms.Form):
    """Gigabytes (10⁹ bytes) in 24 hours; empty: no cap."""

    gigabytes = forms.DecimalField(
        label=_("Gigabytes in 24 hours"), min_value=Decimal("0.001"), max_value=1_000_000, decimal_places=3, required=False,
        help_text=_("10⁹ bytes each. Empty: no cap."), error_messages={
            "invalid": _WRONG, "min_value": _WRONG, "max_value": _("At most a million."),
            "max_decimal_places": _("At most three digits after the point."),
        },
    )  # fmt: skip

    @classmethod
    def of(cls, limit: int | None) -> Self:
        """The form, filled with what holds now."""
        return cls(initial={"gigabytes": None if limit is None else Decimal(limit) / GB}, auto_id="cap_%s")

    def limit(self) -> int | None:
        """What was typed, in bytes, once it is valid."""
        said = self.cleaned_data["gigabytes"]
        return None if said is None else int(said * GB)
