"""Shape and wording of what release managers and others send about scores."""

from __future__ import annotations

from typing import Final

from django import forms
from django.utils.translation import gettext_lazy as _

from releases.evaluation_rows import LENGTHS
from releases.evaluations.reading import Said
from releases.forms import Told
from releases.models import Model, Revision

REVISIONS: Final = 50
"""The newest that are offered; scores of older ones are imported by command or by program."""
GIVEN_BACK: Final = 200_000
"""Characters of a refused file that are given back in the form: browsers forget files."""


class ImportForm(Told):
    """A harness's file, and what it does not say itself."""

    revision = forms.ChoiceField(label=_("Revision that was measured"))
    document = forms.FileField(
        label=_("File of results"),
        required=False,
        allow_empty_file=True,
        help_text=_(
            "JSON of lm-evaluation-harness or BigScience, or a card (README.md) with model-index; at most 5 MiB."
        ),
    )
    pasted = forms.CharField(
        label=_("Or its text"), required=False, widget=forms.Textarea(attrs={"rows": 5, "class": "mono"}), strip=False
    )
    ran_by = forms.CharField(
        label=_("Run by"), max_length=LENGTHS["ran_by"], help_text=_("The group or person who ran the harness. No score is kept without."),
    )  # fmt: skip
    ran_on = forms.DateField(
        label=_("On which day"), required=False, help_text=_("Where the file does not say."),
        widget=forms.DateInput(attrs={"type": "date", "class": "short"}),
    )  # fmt: skip
    harness = forms.CharField(
        label=_("Harness"), required=False, max_length=LENGTHS["harness"], help_text=_("Where the file does not name it."),
    )  # fmt: skip
    harness_version = forms.CharField(
        label=_("Version of the harness"), required=False, max_length=LENGTHS["harness_version"]
    )

    def __init__(self, *args: object, model: Model, **kwargs: object) -> None:
        super().__init__(*args, **kwargs)  # type: ignore[arg-type]
        revisions = model.revisions.exclude(state="withdrawn").order_by("-pk")[:REVISIONS]
        self._revisions = {revision.commit: revision for revision in revisions}
        self.fields["revision"].choices = [  # type: ignore[attr-defined]
            (
                commit,
                _("%(commit)s: %(message)s") % {"commit": commit[:12], "message": of.message.partition("\n")[0][:80]},
            )
            for commit, of in self._revisions.items()
        ]

    def chosen(self) -> Revision:
        """The revision."""
        return self._revisions[self.cleaned_data["revision"]]

    def said(self) -> Said:
        """What holds for the whole file."""
        told = self.cleaned_data
        return Said(told["harness"].strip(), told["harness_version"].strip(), told["ran_by"].strip(), told["ran_on"])

    def content(self) -> bytes:
        """The file's bytes, or the pasted text's; none where neither was sent."""
        sent = self.cleaned_data.get("document")
        found: bytes = sent.read() if sent and sent.size else self.cleaned_data["pasted"].encode()
        return found

    def give_back(self, content: bytes) -> None:
        """Put a refused file's text into the form, so that it can be put right there; nothing of what is no text."""
        try:
            text = content.decode("utf-8-sig")
        except UnicodeDecodeError:
            return
        if len(text) <= GIVEN_BACK:
            self.data = self.data.copy()  # type: ignore[attr-defined]
            self.data["pasted"] = text  # type: ignore[index]


class WithdrawForm(Told):
    """Why a score does not hold."""

    reason = forms.CharField(
        label=_("Reason"),
        max_length=2_000,
        help_text=_("Everybody reads it."),
        widget=forms.Textarea(attrs={"rows": 3}),
    )


class TakeBackForm(forms.Form):
    """Which import into which draft is taken back."""

    commit = forms.RegexField(r"^[0-9a-f]{40}$")
    at = forms.DateTimeField(input_formats=["%Y-%m-%dT%H:%M:%S.%f%z", "%Y-%m-%dT%H:%M:%S%z"])
