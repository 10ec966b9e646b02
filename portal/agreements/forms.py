"""Shape and wording of an agreement's draft."""

from __future__ import annotations

from datetime import UTC, date, datetime, time, timedelta
from typing import Any, Final

from django import forms
from django.utils import timezone
from django.utils.translation import gettext_lazy as _

from portal.agreements.models import ChangeClass, Version

USUAL_GRACE: Final = timedelta(days=30)


class NewAgreementForm(forms.Form):
    """An agreement without a text."""

    title = forms.CharField(label=_("Title"), max_length=200, help_text=_("As it stands above the text."))
    slug = forms.SlugField(
        label=_("Name in addresses"),
        max_length=64,
        help_text=_("Letters, digits and hyphens. It never changes."),
        error_messages={"invalid": _("Use letters, digits and hyphens.")},
    )

    def take(self, problems: dict[str, list[str]]) -> None:
        """Show an action's refusal beside the fields."""
        for name, texts in problems.items():
            for text in texts:
                self.add_error(name, text)


class DraftForm(forms.Form):
    """The next version of an agreement, as somebody writes it."""

    text = forms.CharField(
        label=_("Text"),
        strip=False,
        help_text=_("Paragraphs are parted by an empty line; a line that begins with # is a heading."),
        error_messages={"required": _("An agreement needs a text. Write it.")},
        widget=forms.Textarea(attrs={"rows": 24, "spellcheck": "true"}),
    )
    points = forms.CharField(
        label=_("In short"),
        required=False,
        help_text=_("Our summary, one point a line, at most 12. The text governs."),
        widget=forms.Textarea(attrs={"rows": 5}),
    )
    content_logging = forms.BooleanField(
        label=_("Prompts and answers may be kept"),
        required=False,
        help_text=_("Content logging: whoever signs reads it beside the text. It needs this portal’s operator too."),
    )
    change_class = forms.ChoiceField(
        label=_("What it asks of those who signed before"),
        choices=ChangeClass.choices,
        widget=forms.RadioSelect,
        error_messages={"required": _("Choose what it asks of those who signed before.")},
    )
    grace_on = forms.DateField(
        label=_("Date of grace"),
        required=False,
        help_text=_("For the class “notice”: the last day on which earlier signatures still hold, UTC."),
        error_messages={"invalid": _("Write the date as year-month-day, for instance 2027-01-31.")},
        widget=forms.DateInput(attrs={"type": "date", "class": "short"}, format="%Y-%m-%d"),
    )

    def values(self) -> dict[str, Any]:
        """What the action takes. A date of grace ends with its day."""
        said = self.cleaned_data
        grace: date | None = said["grace_on"]
        if said["change_class"] != ChangeClass.NOTICE and "grace_on" not in self.changed_data:
            grace = None  # the form proposed the day, for the class that it proposed too
        return {
            "text": said["text"],
            "points": said["points"].splitlines(),
            "content_logging": said["content_logging"],
            "change_class": ChangeClass(said["change_class"]),
            "grace_ends_at": datetime.combine(grace, time(23, 59), UTC) if grace else None,
        }

    def take(self, problems: dict[str, list[str]]) -> None:
        """Show an action's refusal beside the fields."""
        for name, texts in problems.items():
            for text in texts:
                self.add_error({"grace_ends_at": "grace_on"}.get(name, name), text)


def initial(version: Version | None) -> dict[str, Any]:
    """What a draft begins with: itself, or the present version and a usual grace."""
    if version is None:
        return {"change_class": ChangeClass.BLOCKING}
    points = "\n".join(version.points)
    written = {"text": version.text, "points": points, "content_logging": version.content_logging}
    if version.published_at is None:
        grace = version.grace_ends_at
        return {**written, "change_class": version.change_class, "grace_on": grace.date() if grace else None}
    return {**written, "change_class": ChangeClass.NOTICE, "grace_on": (timezone.now() + USUAL_GRACE).date()}
