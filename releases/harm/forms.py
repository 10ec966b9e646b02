"""Shape and wording of a report of harm, and of the lab's answer."""

from __future__ import annotations

from django import forms
from django.utils import timezone
from django.utils.translation import gettext_lazy as _

from releases import lookup
from releases.forms import Told
from releases.harm import guarding
from releases.harm.actions import LEAST, MOST
from releases.harm_models import About, Gravity, Publish
from releases.models import Family, Model


class ReportForm(Told):
    """What anybody says that a model does, or that is done with it. `website` is the trap: people do not see it."""

    subject = forms.CharField(
        label=_("Model or family"), max_length=200,
        help_text=_("As lab/name: it stands above every page of a model, and in its address."),
        widget=forms.TextInput(attrs={"autocomplete": "off", "spellcheck": "false"}),
    )  # fmt: skip
    about = forms.ChoiceField(
        label=_("What it is about"), choices=About.choices, widget=forms.RadioSelect,
        error_messages={"required": _("Choose what it is about.")},
    )  # fmt: skip
    text = forms.CharField(
        label=_("What happened"), min_length=LEAST, max_length=MOST, widget=forms.Textarea(attrs={"rows": 8}),
        error_messages={"required": _("Write it.")},
        help_text=_(
            "What you asked and what it wrote, or who does what with it, where and since when. Leave out what must not "
            "be known of others."
        ),
    )  # fmt: skip
    email = forms.EmailField(
        label=_("E-mail address"), required=False, max_length=254, widget=forms.EmailInput(attrs={"autocomplete": "email"}),
        help_text=_("For the answer alone. It is forgotten as soon as that has been sent, and never published."),
    )  # fmt: skip
    publish = forms.ChoiceField(
        label=_("What may the public log show, once it is answered?"), choices=Publish.choices,
        widget=forms.RadioSelect, initial=Publish.NOTHING,
    )  # fmt: skip
    sealed = forms.CharField(widget=forms.HiddenInput, required=False)
    website = forms.CharField(required=False)

    def found(self) -> Model | Family:
        """What the report is about. Raises forms.ValidationError where there is no such published model or family."""
        named = self.cleaned_data["subject"].strip().strip("/")
        namespace, _slash, own = named.partition("/")
        subject = lookup.model_ever(namespace, own, person=None, now=timezone.now())
        family = lookup.family(namespace, own)
        if subject is None and family is None:
            raise forms.ValidationError(
                _("There is no model or family of this name here. Copy it from its page, as lab/name.")
            )
        return subject or family  # type: ignore[return-value]

    def refresh(self) -> None:
        """Give the form a new moment, and keep all that was typed."""
        if self.is_bound:
            self.data = self.data.copy()  # type: ignore[attr-defined]
            self.data["sealed"] = guarding.seal()  # type: ignore[index]
        self.initial["sealed"] = guarding.seal()


class TriageForm(Told):
    """How much a report weighs."""

    gravity = forms.ChoiceField(label=_("How serious it is"), choices=Gravity.choices, widget=forms.RadioSelect)


class EndForm(Told):
    """The lab's words at the end."""

    answer = forms.CharField(label=_("Answer"), max_length=MOST, widget=forms.Textarea(attrs={"rows": 6}))
