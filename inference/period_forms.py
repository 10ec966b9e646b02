"""Which period a page of use shows: some whole days in UTC."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import date, timedelta
from typing import Any, Final

from django import forms
from django.utils.translation import gettext_lazy as _
from django.utils.translation import pgettext_lazy

from inference.figures import MOST_DAYS, Period
from portal.projects.models import Project

DEFAULT: Final = "30"
CHOICES: Final = (
    ("1", _("today")),
    ("7", pgettext_lazy("a period", "7 days")),
    ("30", pgettext_lazy("a period", "30 days")),
    ("month", _("this month")),
    ("last_month", _("last month")),
    ("dates", _("the dates beside")),
)


class PeriodForm(forms.Form):
    """A period by name or by its two days, and one of some projects or all of them."""

    period = forms.ChoiceField(
        label=_("Period"), choices=CHOICES, required=False, error_messages={"invalid_choice": _("Choose one of these.")}
    )
    first = forms.DateField(
        label=_("First day"), required=False, widget=forms.DateInput(attrs={"type": "date"}, format="%Y-%m-%d"),
        error_messages={"invalid": _("Write the day as 2026-11-30.")},
    )  # fmt: skip
    last = forms.DateField(
        label=_("Last day"), required=False, widget=forms.DateInput(attrs={"type": "date"}, format="%Y-%m-%d"),
        error_messages={"invalid": _("Write the day as 2026-11-30.")},
    )  # fmt: skip
    project = forms.ChoiceField(
        label=_("Project"), required=False, error_messages={"invalid_choice": _("Choose one of these.")}
    )

    def __init__(self, data: Any, *, projects: Iterable[Project], today: date) -> None:  # noqa: ANN401 a QueryDict
        said = {name: data[name] for name in ("period", "first", "last", "project") if data.get(name)}
        named = "dates" if "first" in said or "last" in said else DEFAULT
        super().__init__({"period": named} | said if said else None, auto_id="period_%s", initial={"period": DEFAULT})
        self.today = today
        self.projects = {str(project.pk): project for project in projects}
        choice = self.fields["project"]
        assert isinstance(choice, forms.ChoiceField)  # noqa: S101 for the type checker
        choice.choices = [("", _("all")), *((pk, project.title) for pk, project in self.projects.items())]

    def clean(self) -> dict[str, Any]:
        """Both days where the dates are asked for, in order, and not too many."""
        said = super().clean() or {}
        first, last = said.get("first"), said.get("last")
        if said.get("period") != "dates":
            return said
        for name in ("first", "last"):
            if not said.get(name) and name not in self.errors:
                self.add_error(name, _("Name the day, or choose another period."))
        if first and last and last < first:
            self.add_error("last", _("The last day comes before the first."))
        elif first and last and (last - first).days >= MOST_DAYS:
            self.add_error("last", _("Ask for %(most)s days at most.") % {"most": MOST_DAYS})
        return said

    @property
    def asked(self) -> Period:
        """The period; the usual one where none was asked for, or what was asked is wrong."""
        said = self.cleaned_data if self.is_bound and self.is_valid() else {}
        named = said.get("period") or DEFAULT
        if named == "dates":
            return Period(said["first"], said["last"])
        month = self.today.replace(day=1)
        if named == "month":
            return Period(month, self.today)
        if named == "last_month":
            end = month - timedelta(days=1)
            return Period(end.replace(day=1), end)
        return Period.of_days(int(named), self.today)

    @property
    def project_asked(self) -> Project | None:
        """The one project, where one was chosen."""
        said = self.cleaned_data if self.is_bound and self.is_valid() else {}
        return self.projects.get(said.get("project", ""))
