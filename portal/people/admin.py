"""People in the operator's admin: state is read only, actions write it."""

from typing import Any

from django import forms
from django.contrib import admin
from django.core.exceptions import ValidationError
from django.http import HttpRequest

from portal.errors import Invalid
from portal.people.institution_actions import accept_domain, checked_domain
from portal.people.models import Affiliation, Institution, Lab, Membership, ReviewedDomain, User


@admin.register(User)
class UserAdmin(admin.ModelAdmin[User]):
    """Accounts."""

    list_display = ("email", "name", "is_active", "joined_at")
    search_fields = ("email", "name")
    readonly_fields = ("email", "generation", "is_active", "joined_at", "last_login", "password")


@admin.register(Lab)
class LabAdmin(admin.ModelAdmin[Lab]):
    """Labs."""

    list_display = ("slug", "name", "is_active")
    readonly_fields = ("slug",)


class DomainForm(forms.ModelForm[ReviewedDomain]):
    """A mail domain, checked before the action sees it."""

    class Meta:
        model = ReviewedDomain
        fields = ["institution", "domain"]

    def clean_domain(self) -> str:
        """The domain in its one spelling."""
        try:
            return checked_domain(self.cleaned_data["domain"])
        except Invalid as error:
            raise ValidationError(error.message) from error


@admin.register(ReviewedDomain)
class ReviewedDomainAdmin(admin.ModelAdmin[ReviewedDomain]):
    """Mail domains that the operator accepts for an institution; the register's own need no review."""

    form = DomainForm
    list_display = ("domain", "institution", "at")
    autocomplete_fields = ("institution",)
    search_fields = ("domain",)

    def has_change_permission(self, request: HttpRequest, obj: ReviewedDomain | None = None) -> bool:
        """A domain is accepted or taken away, never turned into another."""
        return obj is None and super().has_change_permission(request)

    def save_model(self, request: HttpRequest, obj: ReviewedDomain, form: Any, change: bool) -> None:  # noqa: ANN401, FBT001 - Django's signature
        """Through the action, so that it is on the audit trail."""
        by = request.user if isinstance(request.user, User) else None
        obj.pk = accept_domain(institution=obj.institution, domain=obj.domain, by=by).pk


@admin.register(Institution)
class InstitutionAdmin(admin.ModelAdmin[Institution]):
    """The register, as it was imported."""

    list_display = ("name", "country", "status", "ror")
    search_fields = ("search", "ror")

    def has_change_permission(self, request: HttpRequest, obj: Institution | None = None) -> bool:
        """The import writes it, nobody else."""
        return False


admin.site.register([Membership, Affiliation])
