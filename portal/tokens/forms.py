"""The form that makes a token."""

from __future__ import annotations

from collections.abc import Collection
from datetime import timedelta
from typing import Any

from django import forms
from django.utils import timezone
from django.utils.translation import gettext_lazy as _
from django.utils.translation import pgettext_lazy

from portal.people.models import Membership, Role, User
from portal.projects.models import Project
from portal.tokens import devices
from portal.tokens.scopes import LIFETIMES, Kind, Scope

KINDS = {
    Kind.DOWNLOAD: _("download weights"),
    Kind.QUERY: _("query models"),
    Kind.CI: _("download in a job, for one hour"),
    Kind.PUBLISH: _("publish and download models of my lab"),
    Kind.REVIEW: _("review applications of my lab"),
    Kind.SERVICE: _("manage my lab through the API"),
}
"""Kinds that a person makes on the page."""

ROLES = {
    Kind.PUBLISH: {Role.MANAGER, Role.ADMINISTRATOR},
    Kind.REVIEW: {Role.REVIEWER},
    Kind.SERVICE: {Role.MANAGER, Role.ADMINISTRATOR},
}
SCOPES = {Kind.SERVICE: frozenset({Scope.MANAGE})}
"""What is asked for of a kind that carries no scopes by itself."""


class TokenForm(forms.Form):
    """Where it is used, what it may do, until when."""

    label = forms.CharField(label=_("Name"), max_length=80, help_text=_("Where it will be used."))
    kind = forms.ChoiceField(
        label=pgettext_lazy("of a token", "May"),
        widget=forms.RadioSelect,
        initial=Kind.DOWNLOAD.value,
        help_text=_("Within your grants."),
    )
    project = forms.ModelChoiceField(
        label=_("Charged to"),
        queryset=Project.objects.none(),
        required=False,
        empty_label=_("your personal project"),
        help_text=_(
            "For queries: whose allowance they use. A gated model is queried from the project of its grant alone."
        ),
    )
    days = forms.TypedChoiceField(
        label=_("Ends after"),
        coerce=int,
        initial=30,
        choices=[(7, _("7 days")), (30, _("30 days")), (90, _("90 days"))],
        help_text=_("Gated models end with your grant, if that is sooner."),
    )

    def __init__(self, *args: Any, user: User, besides: Collection[Kind] = (), **kwargs: Any) -> None:
        """`besides`: kinds that are not offered here."""
        super().__init__(*args, **kwargs)
        held = set(Membership.objects.active().filter(user=user).values_list("role", flat=True))
        mine = {kind for kind in KINDS if kind not in ROLES or ROLES[kind] & held} - set(besides)
        shown = [(kind.value, words) for kind, words in KINDS.items() if kind in mine]
        self.fields["kind"].choices = shown  # type: ignore[attr-defined]
        projects = Project.objects.filter(members__user=user, members__left_at=None, closed_at=None, lab__isnull=False)
        self.fields["project"].queryset = projects  # type: ignore[attr-defined]
        self.fields["project"].initial = projects.last()  # it queries open models too; the personal one no gated model
        if not projects:
            del self.fields["project"]

    def asked(self) -> dict[str, Any]:
        """Arguments of the action."""
        kind = Kind(self.cleaned_data["kind"])
        life = min(timedelta(days=self.cleaned_data["days"]), LIFETIMES[kind][1])
        project = self.cleaned_data.get("project") if kind == Kind.QUERY else None
        return {
            "kind": kind,
            "label": self.cleaned_data["label"],
            "project": project,
            "expires_at": timezone.now() + life,
            **({"scopes": SCOPES[kind]} if kind in SCOPES else {}),
        }


class UserCodeForm(forms.Form):
    """The code that a program shows to whoever sits before it."""

    code = forms.CharField(
        label=_("Code"),
        max_length=20,
        help_text=_("Eight letters that your program shows, such as BCDF-GHJK."),
        widget=forms.TextInput(attrs={"autocomplete": "off", "autocapitalize": "characters", "spellcheck": "false"}),
    )

    def clean_code(self) -> str:
        """The code in capitals, without its hyphen."""
        code = devices.typed(self.cleaned_data["code"])
        if not code:
            raise forms.ValidationError(_("A code has eight letters, without vowels. Copy it as the program shows it."))
        return code
