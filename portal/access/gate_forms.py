"""Shape and wording of what a manager writes about a gate."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from django import forms
from django.http import QueryDict
from django.utils.translation import gettext_lazy as _

from portal.access import duo
from portal.access.gate_models import Capability, Gate
from portal.access.referee_models import Confirmer
from portal.agreements.models import Agreement
from portal.people.models import Lab

if TYPE_CHECKING:
    from django.utils.functional import _StrPromise

SETTINGS: Final = (
    *("title", "summary", "contact", "capabilities", "grant_days", "deletion_days", "quorum", "target_days"),
    *("renew_unchanged", "auto_approve_green", "spot_check_percent", "team_limit", "confirmations", "confirmer"),
    "duo",
)


def _number(label: _StrPromise, low: int, high: int, help_text: _StrPromise | str = "") -> forms.IntegerField:
    widget = forms.NumberInput(attrs={"class": "short"})
    return forms.IntegerField(label=label, min_value=low, max_value=high, help_text=help_text, widget=widget)


class GateForm(forms.Form):
    """The settings of a gate, all but its form."""

    title = forms.CharField(label=_("Title"), max_length=200)
    summary = forms.CharField(
        label=_("Summary"),
        required=False,
        max_length=2_000,
        help_text=_("What one applies for, in two or three sentences. Everybody reads it."),
        widget=forms.Textarea(attrs={"rows": 3}),
    )
    contact = forms.EmailField(
        label=_("Address for questions"), required=False, help_text=_("Without one, the lab’s own is shown.")
    )
    capabilities = forms.MultipleChoiceField(
        label=_("What a grant opens"),
        choices=Capability.choices,
        widget=forms.CheckboxSelectMultiple,
        error_messages={"required": _("Choose at least one.")},
    )
    grant_days = _number(_("Days of a grant"), 1, 1_830, _("From the signature on. A renewal adds as many."))
    deletion_days = _number(
        _("Days to attest deletion"), 1, 365, _("After access ended, for whoever could download the weights.")
    )
    quorum = _number(
        _("Approvals needed"),
        1,
        5,
        _("By different reviewers. What is sent already keeps the number it was sent under."),
    )
    target_days = _number(
        _("Business days to a decision"), 1, 90, _("What the lab means to keep; the queue counts against it.")
    )
    renew_unchanged = forms.BooleanField(
        label=_("A renewal with nothing to report, of what was green, needs no review"), required=False
    )
    auto_approve_green = forms.BooleanField(
        label=_("The rules approve what is green"),
        required=False,
        help_text=_("Without a vote, and never against anything known of the applicant. Rules never decline."),
    )
    spot_check_percent = _number(
        _("Spot checks, in a hundred"), 0, 100, _("How many of what the rules approve a person looks at afterwards.")
    )
    team_limit = _number(
        _("Members of a team"),
        0,
        50,
        _("How many people an applicant may name to work under the same grant; 0 for none."),
    )
    confirmations = _number(
        _("Confirmations from outside"), 0, 3, _("How many people must confirm an application by mail; 0 for none.")
    )
    confirmer = forms.ChoiceField(label=_("Who confirms is called"), choices=Confirmer.choices)
    duo = forms.MultipleChoiceField(
        label=_("Terms of use, in the words of the Data Use Ontology"),
        required=False,
        choices=[(name, f"{label} ({name})") for name, label in duo.TERMS.items()],
        help_text=_(
            "Shown to people and programs. An answer against one is marked for the reviewer; nothing is decided."
        ),
        widget=forms.CheckboxSelectMultiple,
    )

    def take(self, problems: dict[str, list[str]]) -> None:
        """Show an action's refusal beside the fields."""
        for name, texts in problems.items():
            for text in texts:
                self.add_error(name if name in self.fields else None, text)


def settings_of(gate: Gate) -> dict[str, Any]:
    """What the form begins with."""
    return {name: getattr(gate, name) for name in SETTINGS}


class NewGateForm(forms.Form):
    """A gate to be made: everything else is set on its own page."""

    title = forms.CharField(label=_("Title"), max_length=200, help_text=_("As applicants read it."))
    slug = forms.SlugField(
        label=_("Name in addresses"),
        max_length=96,
        help_text=_("Letters, digits and hyphens. It never changes."),
        error_messages={"invalid": _("Use letters, digits and hyphens.")},
    )
    agreement = forms.ModelChoiceField(
        label=_("Agreement"),
        queryset=Agreement.objects.none(),
        empty_label=_("Choose…"),
        help_text=_("What holders sign. It never changes."),
    )
    like = forms.ModelChoiceField(
        label=_("Begin with"),
        queryset=Gate.objects.none(),
        required=False,
        empty_label=_("the form for research access"),
        help_text=_("The form and the settings of another gate, or what the portal brings along."),
    )

    def __init__(self, data: QueryDict | None = None, *, lab: Lab) -> None:
        super().__init__(data)
        self.fields["agreement"].queryset = Agreement.objects.filter(lab=lab)  # type: ignore[attr-defined]
        self.fields["like"].queryset = Gate.objects.filter(lab=lab)  # type: ignore[attr-defined]

    def take(self, problems: dict[str, list[str]]) -> None:
        """Show an action's refusal beside the fields."""
        for name, texts in problems.items():
            for text in texts:
                self.add_error(name if name in self.fields else None, text)
