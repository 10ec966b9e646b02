"""Shape and wording of what a release manager asks for when a revision is to be measured."""

from __future__ import annotations

from typing import Any, Final

from django import forms
from django.core.files.uploadedfile import UploadedFile
from django.utils.translation import gettext_lazy as _

from inference.evaluating import choosing
from portal.people.models import User
from portal.tokens.models import AccessToken
from releases.forms import Told
from releases.models import Model, Revision

PAGE_MAX: Final = 5 << 20
"""Bytes of a task set on a page; the command takes more."""


class RunForm(Told):
    """A served revision, a task set, and with whose right it is asked."""

    revision = forms.ChoiceField(label=_("Revision"), help_text=_("Those that a pool serves now."))
    tasks = forms.FileField(
        label=_("Task set"),
        allow_empty_file=True,
        help_text=_("JSON Lines, at most 5 MiB: the first line says what it is, every further one is an item."),
    )
    token = forms.ChoiceField(
        label=_("Query token"),
        required=False,
        help_text=_("Its project is charged, and the receipts are yours. Revoking it ends the run."),
    )
    directly = forms.BooleanField(
        label=_("Attach the scores without asking me again"),
        required=False,
        help_text=_("Only where every item was answered; otherwise they wait for you."),
    )
    again = forms.BooleanField(label=_("Measure again what is attached already"), required=False)

    def __init__(self, *args: object, model: Model, user: User, **kwargs: object) -> None:
        super().__init__(*args, **kwargs)  # type: ignore[arg-type]
        commits = [pool.commit for pool in choosing.served(model)]
        self._revisions = {found.commit: found for found in model.revisions.filter(commit__in=commits)}
        self._tokens = {str(token.pk): token for token in choosing.tokens_of(user)}
        fields: dict[str, Any] = self.fields
        fields["revision"].choices = [(commit, commit[:12]) for commit in commits if commit in self._revisions]
        fields["token"].choices = [
            ("", _("The newest that may query the model")),
            *((pk, _label(token)) for pk, token in self._tokens.items()),
        ]

    def clean_tasks(self) -> UploadedFile[bytes]:
        """The file, if a page takes one of its size."""
        found: UploadedFile[bytes] = self.cleaned_data["tasks"]
        if (found.size or 0) > PAGE_MAX:
            raise forms.ValidationError(_("Send at most %(n)s MiB."), params={"n": PAGE_MAX >> 20})
        return found

    @property
    def possible(self) -> bool:
        """Whether any revision is served."""
        return bool(self._revisions)

    def revision_chosen(self) -> Revision:
        """The revision."""
        return self._revisions[self.cleaned_data["revision"]]

    def token_chosen(self) -> AccessToken | None:
        """The token that was named, if one was."""
        return self._tokens.get(self.cleaned_data["token"])

    def content(self) -> bytes:
        """The file's bytes."""
        found: bytes = self.cleaned_data["tasks"].read()
        return found


def _label(token: AccessToken) -> str:
    return f"{token.label} – {token.project.title}" if token.project else token.label
