"""Announcements in the operator's admin: written, changed, ended and added to by the actions."""

from typing import Any, Final, cast

from django import forms
from django.contrib import admin, messages
from django.db.models import QuerySet
from django.http import HttpRequest
from django.utils.translation import gettext_lazy as _

from portal.announcements import actions
from portal.announcements.models import REMARK, Announcement, Kind
from portal.errors import Conflict
from portal.people.models import User

SAID: Final = ("kind", "title", "text", "starts_at", "ends_at")
"""What an announcement is written of."""


class AnnouncementForm(forms.ModelForm[Announcement]):
    """A announcement, and what is to be added to it."""

    remark = forms.CharField(
        label=_("Add a remark"), required=False, max_length=REMARK, widget=forms.Textarea(attrs={"rows": 3}),
        help_text=_("What was learned since. It stands under the announcement with its hour, and stays."),
    )  # fmt: skip

    class Meta:
        model = Announcement
        fields = SAID

    def clean(self) -> dict[str, Any]:
        """The action's own rules, so that each is said beside its field."""
        said = super().clean() or self.cleaned_data
        if said.keys() >= set(SAID):
            for name, problem in actions.faults(**{name: said[name] for name in SAID}).items():
                self.add_error(name, problem)
        return said


@admin.register(Announcement)
class AnnouncementAdmin(admin.ModelAdmin[Announcement]):
    """What everybody is told. Times are UTC."""

    form = AnnouncementForm
    list_display = ("title", "kind", "starts_at", "ends_at")
    list_filter = ("kind",)
    search_fields = ("title", "text")
    ordering = ("-starts_at", "-pk")
    actions = ("end",)

    def save_model(self, request: HttpRequest, obj: Announcement, form: Any, change: bool) -> None:  # noqa: ANN401, FBT001 - Django's signature
        """Through the actions."""
        given = {name: form.cleaned_data[name] for name in SAID} | {"by": _by(request)}
        given["kind"] = Kind(given["kind"])
        if change:
            actions.change(announcement=obj, **given)
        else:
            obj.pk = actions.publish(**given).pk
        if form.cleaned_data["remark"]:
            actions.remark(announcement=obj, text=form.cleaned_data["remark"], by=_by(request))

    def delete_model(self, request: HttpRequest, obj: Announcement) -> None:
        """Through the action."""
        actions.delete(announcement=obj, by=_by(request))

    def delete_queryset(self, request: HttpRequest, queryset: QuerySet[Announcement]) -> None:
        """Each through the action."""
        for announcement in queryset:
            actions.delete(announcement=announcement, by=_by(request))

    @admin.action(description=_("End the chosen announcements now"), permissions=["change"])
    def end(self, request: HttpRequest, queryset: QuerySet[Announcement]) -> None:
        """Those that go on; why not the others is said."""
        for announcement in queryset:
            try:
                actions.end(announcement=announcement, by=_by(request))
            except Conflict as error:
                messages.warning(request, f"{announcement}: {error.message}")


def _by(request: HttpRequest) -> User:
    """The operator; these pages are open to nobody else."""
    return cast("User", request.user)
