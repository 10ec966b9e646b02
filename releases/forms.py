"""Shape and wording of what the lab's release managers write about a release."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Final

from django import forms
from django.utils.translation import gettext_lazy as _

from portal.access.gate_models import Gate
from portal.agreements.models import Agreement
from portal.people.models import Lab, Membership, User
from releases import actions
from releases.models import Family, Model

REVISIONS: Final = 20
"""How many revisions are offered to be stopped; an older one is withdrawn on its own page."""


class Told(forms.Form):
    """A form whose action may say what is wrong with a field."""

    def take(self, problems: Mapping[str, Sequence[str]]) -> None:
        """Show the action's refusals beside the fields that they are about."""
        for name, messages in problems.items():
            for message in messages:
                self.add_error(name if name in self.fields else None, message)


class StopForm(Told):
    """What is stopped, why, and what to use instead."""

    what = forms.ChoiceField(label=_("What is stopped"), widget=forms.RadioSelect)
    reason = forms.CharField(
        label=_("Reason"),
        max_length=2_000,
        help_text=_("Everybody reads it, programs too: what is wrong, and what to do with copies."),
        widget=forms.Textarea(attrs={"rows": 3}),
    )
    instead = forms.CharField(
        label=_("Use instead"),
        required=False,
        max_length=300,
        help_text=_("A published model as lab/name, or one revision of it as lab/name@commit."),
    )

    def __init__(self, *args: object, model: Model, **kwargs: object) -> None:
        super().__init__(*args, **kwargs)  # type: ignore[arg-type]
        self.fields["what"].choices = list(subjects(model))  # type: ignore[attr-defined]
        self.fields["what"].initial = "model"


def subjects(model: Model) -> list[tuple[str, object]]:
    """(value, words) of what can be stopped on a model's page: itself, its newest public revisions, its family."""
    found: list[tuple[str, object]] = [
        ("model", _("The model: every revision of %(name)s") % {"name": model.full_name})
    ]
    if model.family and model.family.lab_id == model.lab_id:
        found.append(("family", _("The family: every model of %(name)s") % {"name": model.family.full_name}))
    for revision in model.revisions.published().order_by("-pk")[:REVISIONS]:
        words = {"commit": revision.commit[:12], "message": revision.message.partition("\n")[0][:80]}
        found.append((revision.commit, _("Only revision %(commit)s: %(message)s") % words))
    return found


class OpeningForm(Told):
    """By which rules a revision opens."""

    opens_at = forms.DateTimeField(
        label=_("Not before, in UTC"),
        required=False,
        help_text=_("Readers see it in their own time as well. Empty: the approvals alone decide."),
        widget=forms.DateTimeInput(attrs={"type": "datetime-local"}, format="%Y-%m-%dT%H:%M"),
    )
    approvers = forms.MultipleChoiceField(
        label=_("Who is asked to approve"),
        required=False,
        help_text=_("Each is written to, approves once, and may take it back until it opens."),
        widget=forms.CheckboxSelectMultiple,
    )
    approvals = forms.IntegerField(
        label=_("Approvals needed"),
        required=False,
        min_value=0,
        max_value=20,
        help_text=_("Of those named. With two or more, nobody opens it alone."),
        widget=forms.NumberInput(attrs={"class": "short"}),
    )
    announced = forms.BooleanField(
        label=_("Announce it"),
        required=False,
        help_text=_("Everybody may see the name, the summary, the date and what is still missing; no files."),
    )

    def __init__(self, *args: object, lab: Lab, **kwargs: object) -> None:
        super().__init__(*args, **kwargs)  # type: ignore[arg-type]
        staff = Membership.objects.active().filter(lab=lab).values("user")
        self.people = {str(person.pk): person for person in User.objects.filter(pk__in=staff).order_by("name", "pk")}
        self.fields["approvers"].choices = [(pk, person.get_full_name()) for pk, person in self.people.items()]  # type: ignore[attr-defined]

    def rules(self) -> dict[str, Any]:
        """What the action takes."""
        told = self.cleaned_data
        return {
            "opens_at": told["opens_at"],
            "approvers": [self.people[pk] for pk in told["approvers"]],
            "approvals": told["approvals"] or 0,
            "announced": told["announced"],
        }


class _Behind(Told):
    """What lists say of a model, and who gets in."""

    summary = forms.CharField(
        label=_("Summary"), max_length=300, required=False, help_text=_("One sentence, for lists.")
    )
    gate = forms.ModelChoiceField(
        label=_("Gate"),
        queryset=Gate.objects.none(),
        required=False,
        empty_label=_("none: everybody may download it"),
        help_text=_("Whom people ask for access. It holds from the next request on, for what is published too."),
    )


class NewModelForm(_Behind):
    """A model without files yet."""

    field_order = ("lab_slug", "name", "summary", "gate")
    lab_slug = forms.ChoiceField(label=_("Laboratory"))
    name = forms.CharField(
        label=_("Name"),
        max_length=96,
        help_text=_("Letters, digits, “-”, “_” and “.”. It is never given to another model."),
    )

    def __init__(self, *args: object, labs: Sequence[Lab], **kwargs: object) -> None:
        super().__init__(*args, **kwargs)  # type: ignore[arg-type]
        self._labs = {lab.slug: lab for lab in labs}
        self.fields["lab_slug"].choices = [(lab.slug, lab.name) for lab in labs]  # type: ignore[attr-defined]
        gates = Gate.objects.filter(lab__in=labs).select_related("lab").order_by("title")
        self.fields["gate"].queryset = gates  # type: ignore[attr-defined]

    def lab(self) -> Lab:
        """The chosen one."""
        return self._labs[self.cleaned_data["lab_slug"]]


class DescribeForm(_Behind):
    """The same of a model that is there, with its terms and its family."""

    everybody = forms.BooleanField(
        label=_("Give it to everybody"), required=False, help_text=_("What was downloaded cannot be called back.")
    )
    agreement = forms.ModelChoiceField(
        label=_("Terms that are shown"),
        queryset=Agreement.objects.none(),
        required=False,
        empty_label=_("none"),
        help_text=_("For a model without a gate, whose readers sign nothing."),
    )
    family = forms.ModelChoiceField(
        label=_("Family"), queryset=Family.objects.none(), required=False, empty_label=_("none")
    )

    def __init__(self, *args: object, model: Model, **kwargs: object) -> None:
        kwargs["initial"] = {name: getattr(model, name) for name in actions.DESCRIBED}
        super().__init__(*args, **kwargs)  # type: ignore[arg-type]
        offered = {
            "gate": model.lab.gates.order_by("title"),
            "agreement": actions.shown_terms(model.lab),
            "family": model.lab.families.filter(hosted=True).order_by("title"),
        }
        for name, rows in offered.items():
            self.fields[name].queryset = rows  # type: ignore[attr-defined]
        if not actions.gives_away(model, None):
            del self.fields["everybody"]

    def clean(self) -> dict[str, Any]:
        """A published model loses its gate by two answers, not by one slip in a list."""
        told: dict[str, Any] = super().clean() or {}
        if told.get("everybody") is False and told.get("gate") is None and "gate" not in self.errors:
            self.add_error("everybody", _("Say so here too: from then on nobody is asked, and nothing comes back."))
        return told

    def wanted(self) -> dict[str, Any]:
        """What the action takes."""
        return {name: self.cleaned_data[name] for name in actions.DESCRIBED}


class NewFamilyForm(Told):
    """A family that begins with one model."""

    slug = forms.SlugField(label=_("Name in its address"), max_length=96, help_text=_("Letters, digits, “-” and “_”."))
    title = forms.CharField(label=_("Title"), max_length=160)
    about = forms.CharField(
        label=_("In two or three sentences"), required=False, widget=forms.Textarea(attrs={"rows": 3}), max_length=2_000
    )
