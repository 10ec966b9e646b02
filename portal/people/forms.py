"""Shape and wording of what people say about themselves."""

from __future__ import annotations

import zoneinfo
from collections.abc import Sequence
from dataclasses import fields
from typing import Any

from django import forms
from django.http import HttpRequest
from django.utils.translation import gettext_lazy as _

from portal.mail.models import Pace
from portal.mail.registry import CHOOSABLE, Topic
from portal.people.affiliation_actions import Place
from portal.people.countries import countries
from portal.people.models import AffiliationClass, Position, User


class NameField(forms.CharField):
    """A person's name, as it shall stand on an agreement."""

    def __init__(self) -> None:
        super().__init__(
            label=_("Name"),
            max_length=120,
            help_text=_("As you sign: it stands on agreements and receipts."),
            error_messages={"required": _("Write your name.")},
            widget=forms.TextInput(attrs={"autocomplete": "name"}),
        )


class SignupForm(forms.Form):
    """What we ask beside e-mail address and password; allauth builds its own form on top of this one."""

    name = NameField()

    def signup(self, request: HttpRequest, user: User) -> None:
        """Called by allauth after the account exists; the adapter has stored the name already."""


class ProfileForm(forms.Form):
    """Name and present place of work. `ror` comes from the register's list, `pick` from the search without script."""

    name = NameField()
    page = forms.URLField(
        label=_("A page about your work"),
        required=False,
        max_length=200,
        assume_scheme="https",
        help_text=_("An institutional page or a publication list. Reviewers read it."),
        widget=forms.URLInput(attrs={"autocomplete": "url"}),
    )
    organisation = forms.CharField(
        label=_("Institution"),
        required=False,
        max_length=254,
        help_text=_("Where you work or study now. Start typing: the register knows most of them."),
    )
    ror = forms.CharField(required=False, max_length=40)
    pick = forms.CharField(required=False, max_length=40)
    site = forms.CharField(
        label=_("Its site"), required=False, max_length=254, help_text=_("Of an institution that is not listed.")
    )
    country = forms.ChoiceField(
        label=_("Its country"), required=False, choices=lambda: [("", _("Choose…")), *countries()]
    )
    position = forms.ChoiceField(label=_("Position"), required=False, choices=[("", _("Choose…")), *Position.choices])
    klass = forms.ChoiceField(
        label=_("Kind of institution"),
        required=False,
        help_text=_("For a listed one the register knows."),
        choices=[("", _("As the register says")), *AffiliationClass.choices],
    )
    contested = forms.CharField(
        label=_("Why the register is wrong"),
        required=False,
        max_length=400,
        help_text=_("If you choose another kind than the register says. A reviewer reads it."),
        widget=forms.Textarea(attrs={"rows": 2}),
    )

    def place(self) -> Place | None:
        """Where one says to work; None where nothing was said."""
        said = {each.name: self.cleaned_data[each.name] for each in fields(Place)}
        said["ror"] = self.cleaned_data["pick"] or said["ror"]
        return Place(**said) if said["organisation"] or said["ror"] else None


class AddressForm(forms.Form):
    """The address at one's institution."""

    address = forms.CharField(
        label=_("Address at your institution"),
        max_length=254,
        error_messages={"required": _("Write the address that your institution gave you.")},
        widget=forms.EmailInput(attrs={"autocomplete": "email"}),
    )


class MailForm(forms.Form):
    """How often mail about each topic comes, and from which hour the digest does."""

    hour = forms.TypedChoiceField(
        label=_("Hour"),
        coerce=int,
        choices=[(hour, f"{hour:02}:00") for hour in range(24)],
    )

    def __init__(self, *args: Any, about: Sequence[Topic] = CHOOSABLE, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.about = about
        zones = sorted(name for name in zoneinfo.available_timezones() if "/" in name and not name.startswith("Etc/"))
        self.fields["zone"] = forms.ChoiceField(
            label=_("Time zone"), choices=[(name, name.replace("_", " ")) for name in ["UTC", *zones]]
        )
        for topic in about:
            label = topic.label[:1].upper() + topic.label[1:]
            self.fields[topic.value] = forms.ChoiceField(label=label, choices=Pace.choices)
        self.order_fields([topic.value for topic in about])

    @property
    def topics(self) -> list[forms.BoundField]:
        """The fields of the topics."""
        return [self[topic.value] for topic in self.about]

    def paces(self) -> dict[str, str]:
        """The chosen pace of each topic."""
        return {topic.value: self.cleaned_data[topic.value] for topic in self.about}
