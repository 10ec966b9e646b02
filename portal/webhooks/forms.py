"""The shape of a new webhook."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Final

from django import forms
from django.utils.translation import gettext_lazy as _

from portal.audit.events import Event
from portal.people.models import Lab

SUBJECTS: Final = (
    *("application", "appeal", "grant", "agreement_version", "agreement", "gate", "membership"),
    *("model", "revision", "conversion", "webhook"),
)
"""What happens in a lab, by the first half of an event's name."""


class WebhookForm(forms.Form):
    """An address, and what it wants to hear. Whether the address may be used is the action's decision."""

    lab = forms.ModelChoiceField(Lab.objects.none(), label=_("Lab"), empty_label=None)
    url = forms.CharField(label=_("Address"), max_length=500, help_text=_("https://… of a server of yours."))
    events = forms.MultipleChoiceField(
        label=_("Events"),
        choices=[(e.value, e.value) for subject in SUBJECTS for e in Event if e.startswith(f"{subject}.")],
        widget=forms.CheckboxSelectMultiple,
        help_text=_("The names are those of the audit trail."),
    )

    def __init__(self, *args: object, labs: Iterable[Lab], **kwargs: object) -> None:
        super().__init__(*args, **kwargs)  # type: ignore[arg-type]
        chosen = self.fields["lab"]
        assert isinstance(chosen, forms.ModelChoiceField)  # noqa: S101 declared above
        chosen.queryset = Lab.objects.filter(pk__in=[lab.pk for lab in labs])
