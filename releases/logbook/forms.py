"""Forms of the logbook's editor."""

from __future__ import annotations

import json
from datetime import UTC
from typing import Any, Final

from django import forms
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from releases import chronicles
from releases.chronicles import stamps, values
from releases.chronicles.drafts import RAW_MAX, RUN_MAX, TEXT_MAX, TITLE_MAX, Parsed
from releases.forms import Told
from releases.logbook.actions import PROBLEMS_MAX
from releases.logbook_lifecycle import Verb
from releases.logbook_models import Confidence, Entry, Kind, Severity
from releases.spoken import spoken

UPLOAD_MAX: Final = 4 << 20
"""Bytes of a file: sixty times the longest public chronicle, and some hundred megabytes while it is read (bench chronicle)."""
PASTE_MAX: Final = 2_000_000
"""Characters that are shown again when a line is wrong."""


class EntryForm(Told):
    """One entry."""

    title = forms.CharField(label=gettext_lazy("Title"), max_length=TITLE_MAX, required=False)
    raw_stamp = forms.CharField(
        label=gettext_lazy("When, as written"), max_length=RAW_MAX, required=False,
        help_text=gettext_lazy("With its zone, as in 2022-01-06 12:46 PST. It is kept as you write it, and read as far as it can be."),
    )  # fmt: skip
    at = forms.DateTimeField(
        label=gettext_lazy("The same in UTC"), required=False,
        help_text=gettext_lazy("Only where the text above cannot be read."),
        widget=forms.DateTimeInput(attrs={"type": "datetime-local", "step": "1"}, format="%Y-%m-%dT%H:%M:%S"),
    )  # fmt: skip
    confidence = forms.ChoiceField(
        label=gettext_lazy("How exactly it is known"), required=False,
        choices=[("", gettext_lazy("as it is written")), *Confidence.choices],
    )  # fmt: skip
    kind = forms.ChoiceField(label=gettext_lazy("Kind"), choices=Kind.choices, initial=Kind.NOTE)
    severity = forms.ChoiceField(label=gettext_lazy("Severity"), choices=Severity.choices, initial=Severity.INFO)
    run = forms.CharField(label=gettext_lazy("Run"), max_length=RUN_MAX, required=False)
    step = forms.IntegerField(label=gettext_lazy("Step"), min_value=0, max_value=2**63 - 1, required=False)
    text = forms.CharField(
        label=gettext_lazy("Text"), max_length=TEXT_MAX, required=False, widget=forms.Textarea(attrs={"rows": 6}),
        help_text=gettext_lazy("Markdown: lists, tables, code."),
    )  # fmt: skip
    before = forms.CharField(
        label=gettext_lazy("Parameters before"), required=False, widget=forms.Textarea(attrs={"rows": 3}),
        help_text=gettext_lazy("One a line, as in lr = 0.0003."),
    )  # fmt: skip
    after = forms.CharField(
        label=gettext_lazy("Parameters after"), required=False, widget=forms.Textarea(attrs={"rows": 3}),
        help_text=gettext_lazy("One a line, as in lr = 0.0003."),
    )  # fmt: skip
    source = forms.CharField(
        label=gettext_lazy("Source"), max_length=2_000, required=False,
        help_text=gettext_lazy("Where it is taken from, or who saw it."),
    )  # fmt: skip

    @staticmethod
    def of(entry: Entry, verb: Verb) -> dict[str, Any]:
        """What the form begins with: the entry itself, or its kind and place where something is written beside it."""
        run = entry.run.name if entry.run else ""
        told: dict[str, Any] = {"kind": entry.kind, "severity": entry.severity, "run": run, "step": entry.step}
        if verb == Verb.ANNOTATE:
            return told
        read = stamps.read(entry.raw_stamp)
        if (read.at, read.confidence) != (entry.at, entry.confidence):
            told |= {"at": entry.at, "confidence": entry.confidence}
        return told | {
            "title": entry.title, "raw_stamp": entry.raw_stamp,
            "text": entry.text, "before": _lines(entry.before), "after": _lines(entry.after), "source": entry.source,
        }  # fmt: skip

    def clean_before(self) -> dict[str, Any]:
        """By name."""
        return _values(self.cleaned_data["before"])

    def clean_after(self) -> dict[str, Any]:
        """By name."""
        return _values(self.cleaned_data["after"])

    def said(self) -> dict[str, Any]:
        """What was said, in its types."""
        said = dict(self.cleaned_data)
        if said["at"]:
            said["at"] = said["at"].replace(tzinfo=UTC)
        return said


class ImportForm(Told):
    """A file or a pasted text, and what one must know to read its times."""

    file = forms.FileField(
        label=gettext_lazy("File"), required=False,
        help_text=gettext_lazy("A Markdown chronicle whose headings are dates, JSON, or JSON lines; at most 4 MiB."),
    )  # fmt: skip
    text = forms.CharField(
        label=gettext_lazy("Or its text"), required=False, widget=forms.Textarea(attrs={"rows": 8}), strip=False,
    )  # fmt: skip
    name = forms.CharField(
        label=gettext_lazy("Name of the source"), max_length=100, required=False,
        help_text=gettext_lazy("The same name again finds what was imported before. Left empty: the file’s."),
    )  # fmt: skip
    year = forms.IntegerField(
        label=gettext_lazy("Year of dates without one"), min_value=1990, max_value=2100, required=False
    )
    zone = forms.CharField(
        label=gettext_lazy("Zone of times without one"), max_length=6, required=False,
        help_text=gettext_lazy("UTC, ET, PT, CET or +01:00. Left empty: read as UTC, and marked as inferred."),
    )  # fmt: skip
    parsed: Parsed

    def clean_zone(self) -> str:
        """A zone that we know."""
        zone: str = self.cleaned_data["zone"]
        if not stamps.known_zone(zone):
            raise forms.ValidationError(_("Choose UTC, ET, PT, CET, or an offset like +01:00."))
        return zone

    def clean(self) -> dict[str, Any]:
        """Read the source, from the file first. A file's text is shown again where a line is wrong."""
        said = super().clean() or self.cleaned_data
        if self.errors:
            return said
        text, name = said["text"], said["name"]
        if file := said["file"]:
            text, name = self._read(file), name or file.name[:100]
        if not text.strip():
            if "file" not in self.errors:
                self.add_error("file", _("Choose a file, or paste its text."))
            return said
        said["name"] = name or "pasted"
        self.parsed = chronicles.read(text, name=said["name"], year=said["year"], zone=said["zone"])
        for problem in self.parsed.problems[:PROBLEMS_MAX]:
            self.add_error("text", spoken(problem.placed))
        if not self.parsed.entries and not self.parsed.problems:
            self.add_error("file", _("There is no entry in it."))
        return said

    def _read(self, file: Any) -> str:  # noqa: ANN401 Django's uploaded file
        if file.size > UPLOAD_MAX:
            self.add_error("file", _("The file is larger than 4 MiB. Split it, or ask the operator to import it."))
            return ""
        try:
            text = str(file.read().decode("utf-8"))
        except UnicodeDecodeError:
            self.add_error("file", _("The file is not UTF-8 text. Save it as UTF-8, and choose it again."))
            return ""
        if len(text) <= PASTE_MAX:
            shown = {"text": text, "name": self.cleaned_data["name"] or file.name[:100]}
            self.data = {**self.data.dict(), **shown}  # type: ignore[attr-defined]  # a QueryDict
        return text


def _lines(told: dict[str, Any]) -> str:
    return "\n".join(
        f"{name} = {value if isinstance(value, str) else json.dumps(value)}" for name, value in told.items()
    )


def _values(text: str) -> dict[str, Any]:
    """Names and values, numbers as numbers. Raises ValidationError with the line that is neither."""
    told: dict[str, Any] = {}
    for number, line in enumerate(text.splitlines(), 1):
        if not line.strip():
            continue
        name, equals, value = line.partition("=")
        if not equals or not name.strip() or not value.strip():
            raise forms.ValidationError(_("Line %(n)s is not of the form name = value.") % {"n": number})
        try:
            told[name.strip()] = values.loads(value)
        except (ValueError, RecursionError):
            told[name.strip()] = value.strip()
    return told


class TakeBackForm(forms.Form):
    """Which import is taken back: the moment that names it."""

    at = forms.DateTimeField(input_formats=["%Y-%m-%dT%H:%M:%S.%f%z", "%Y-%m-%dT%H:%M:%S%z"])
