"""Shape and wording of what officials and managers fill in about institutional agreements."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any, Final

from django import forms
from django.utils.translation import gettext_lazy as _

from portal.access.gate_models import Gate
from portal.access.institutional import MOST_SEATS

PERIODS: Final = ((365, _("1 year")), (730, _("2 years")), (1_095, _("3 years")), (1_825, _("5 years")))


class RefusedForm(forms.Form):
    """A form that shows what its action refuses."""

    def take(self, problems: Mapping[str, Iterable[str]]) -> None:
        """Show an action's refusal beside the fields."""
        for name, texts in problems.items():
            for text in texts:
                self.add_error(name if name in self.fields else None, text)


class TermsForm(RefusedForm):
    """How many seats, and for how long."""

    seats = forms.IntegerField(
        label=_("Seats"),
        help_text=_("How many people can hold access at one time."),
        min_value=1,
        max_value=MOST_SEATS,
        error_messages={"required": _("Write a number."), "invalid": _("Write a whole number, for instance 25.")},
        widget=forms.NumberInput(attrs={"class": "short", "inputmode": "numeric"}),
    )
    days = forms.TypedChoiceField(
        label=_("Period"),
        help_text=_("From the official’s signature on."),
        choices=PERIODS,
        coerce=int,
        widget=forms.Select(attrs={"class": "short"}),
    )


class AskForm(TermsForm):
    """An official's short application."""

    office = forms.CharField(
        label=_("What you are there"),
        max_length=120,
        help_text=_("The office that lets you sign for the institution, for instance: vice-rector for research."),
        error_messages={"required": _("Say what lets you sign for the institution.")},
    )
    purpose = forms.CharField(
        label=_("What it is for"),
        help_text=_("Who would use it and for what, in a few sentences. The lab’s release managers read it."),
        error_messages={"required": _("Say in a few sentences what it is for.")},
        widget=forms.Textarea(attrs={"rows": 5}),
    )
    field_order = ("office", "purpose", "seats", "days")


class OfficialForm(RefusedForm):
    """Who signs for an institution, and as what."""

    address = forms.EmailField(
        label=_("Account address of the signing official"),
        help_text=_("Somebody who has shown, by an address there, that they work at the institution."),
        error_messages={"required": _("Write the address that the official signs in with.")},
    )
    office = forms.CharField(
        label=_("What the official is there"),
        max_length=120,
        help_text=_("As the signature says it, for instance: vice-rector for research."),
        error_messages={"required": _("Say what lets the official sign for the institution.")},
    )


class OfferForm(OfficialForm, TermsForm):
    """What a manager offers, of which gate, to whom."""

    gate = forms.ChoiceField(label=_("Gate"), error_messages={"required": _("Choose a gate.")})
    field_order = ("gate", "address", "office", "seats", "days")

    def __init__(self, *args: Any, gates: Iterable[Gate], **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.gates = {gate.slug: gate for gate in gates}
        field: Any = self.fields["gate"]
        field.choices = [("", _("Choose…")), *((gate.slug, gate.title) for gate in self.gates.values())]

    def values(self) -> dict[str, Any]:
        """What the action takes."""
        return {**self.cleaned_data, "gate": self.gates[self.cleaned_data["gate"]]}


class PeopleForm(forms.Form):
    """Whom to invite, one a line."""

    people = forms.CharField(
        label=_("Addresses"),
        help_text=_("One a line, or parted by commas; “Name <address>” works too. At most 500 at once."),
        error_messages={"required": _("Write at least one address.")},
        widget=forms.Textarea(attrs={"rows": 8, "spellcheck": "false", "autocapitalize": "off"}),
    )
