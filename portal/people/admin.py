"""People in the operator's admin. What has an action is done by it, and so is on the audit trail; all else is to be read."""

from collections.abc import Callable
from typing import Any, TypeVar, cast

from allauth.account.admin import EmailAddress
from allauth.mfa.admin import Authenticator
from allauth.socialaccount.admin import SocialAccount, SocialApp, SocialToken
from django import forms
from django.contrib import admin, messages
from django.contrib.auth.admin import GroupAdmin
from django.contrib.auth.models import Group
from django.core.exceptions import ValidationError
from django.db.models import Model, QuerySet
from django.http import HttpRequest

from portal.errors import Conflict, Invalid
from portal.people.actions import (
    change_lab,
    close_lab,
    create_lab,
    end_role,
    give_role,
    reopen_lab,
    restore,
    set_operator,
    suspend,
)
from portal.people.group_actions import delete_group, set_group
from portal.people.institution_actions import accept_domain, checked_domain, withdraw_domain
from portal.people.models import Affiliation, Institution, Lab, Membership, ReviewedDomain, Role, User
from portal.people.reserved import is_reserved
from portal.people.second_factor import take_away
from portal.read_only import ReadOnly

WHERE = "in the operator's admin"
"""The reason on the trail: a list has no place to write one."""
Row = TypeVar("Row", bound=Model)


def _by(request: HttpRequest) -> User:
    """The operator; these pages are open to nobody else."""
    return cast("User", request.user)


def _each(request: HttpRequest, rows: QuerySet[Row], act: Callable[[Row], object]) -> None:
    """Do it to each of the rows, and say how many it was done to and why not to the others."""
    done = 0
    for row in rows:
        try:
            act(row)
        except Conflict as error:
            messages.warning(request, f"Not done for {row}: {error.message}")
        else:
            done += 1
    messages.add_message(request, messages.SUCCESS if done else messages.WARNING, f"Done: {done}.")


@admin.register(User)
class UserAdmin(admin.ModelAdmin[User]):
    """Accounts. People make their own; what can be written here is who else is an operator."""

    list_display = ("email", "name", "is_active", "joined_at")
    ordering = ("email",)
    search_fields = ("email", "name")
    readonly_fields = ("email", "name", "page", "language", "is_active", "joined_at", "last_login")
    fields = (*readonly_fields, "is_staff", "is_superuser", "groups", "user_permissions")
    actions = ("suspend", "restore")

    def save_related(self, request: HttpRequest, form: Any, formsets: Any, change: bool) -> None:  # noqa: ANN401, FBT001 - Django's signature
        """With the rest, by the action."""

    def save_model(self, request: HttpRequest, obj: User, form: Any, change: bool) -> None:  # noqa: ANN401, FBT001 - Django's signature
        """Through the action."""
        said = form.cleaned_data
        set_operator(
            user=obj, by=_by(request), is_staff=said["is_staff"], is_superuser=said["is_superuser"],
            groups=said["groups"], permissions=said["user_permissions"],
        )  # fmt: skip

    def has_add_permission(self, request: HttpRequest) -> bool:
        """Nobody makes an account for another."""
        return False

    def has_change_permission(self, request: HttpRequest, obj: User | None = None) -> bool:
        """Who has some rights here gives neither themselves nor others all of them."""
        return _by(request).is_superuser and super().has_change_permission(request, obj)

    def has_delete_permission(self, request: HttpRequest, obj: User | None = None) -> bool:
        """Erasure removes a person's data, and leaves what must stay."""
        return False

    @admin.action(description="Suspend the chosen accounts", permissions=["change"])
    def suspend(self, request: HttpRequest, queryset: QuerySet[User]) -> None:
        """All but the operator's own, who could not undo it."""
        others = queryset.exclude(pk=_by(request).pk)
        _each(request, others, lambda user: suspend(user=user, by=_by(request), reason=WHERE))

    @admin.action(description="Restore the chosen accounts", permissions=["change"])
    def restore(self, request: HttpRequest, queryset: QuerySet[User]) -> None:
        """All but those of people who were erased."""
        there = queryset.exclude(erasure_requests__done=True)
        _each(request, there, lambda user: restore(user=user, by=_by(request), reason=WHERE))


admin.site.unregister(Group)


@admin.register(Group)
class OperatorGroupAdmin(GroupAdmin):
    """Rights in this admin that several people share."""

    def save_related(self, request: HttpRequest, form: Any, formsets: Any, change: bool) -> None:  # noqa: ANN401, FBT001 - Django's signature
        """With the rest, by the action."""

    def save_model(self, request: HttpRequest, obj: Group, form: Any, change: bool) -> None:  # noqa: ANN401, FBT001 - Django's signature
        """Through the action."""
        said = form.cleaned_data
        group = obj if change else None
        obj.pk = set_group(by=_by(request), group=group, name=said["name"], permissions=said["permissions"]).pk

    def has_add_permission(self, request: HttpRequest) -> bool:
        """Who has some rights here makes no others, as with people."""
        return _by(request).is_superuser and super().has_add_permission(request)

    def has_change_permission(self, request: HttpRequest, obj: Group | None = None) -> bool:
        """Who has some rights here gives their own group no others."""
        return _by(request).is_superuser and super().has_change_permission(request, obj)

    def has_delete_permission(self, request: HttpRequest, obj: Group | None = None) -> bool:
        """Nor takes them from others."""
        return _by(request).is_superuser and super().has_delete_permission(request, obj)

    def delete_model(self, request: HttpRequest, obj: Group) -> None:
        """Through the action."""
        delete_group(by=_by(request), group=obj)

    def delete_queryset(self, request: HttpRequest, queryset: QuerySet[Group]) -> None:
        """Each through the action."""
        for group in queryset:
            delete_group(by=_by(request), group=group)


class LabForm(forms.ModelForm[Lab]):
    """A lab; its slug is checked as the action does, which says it beside the field."""

    site = forms.URLField(required=False, assume_scheme="https")

    class Meta:
        model = Lab
        fields = ["slug", "name", "summary", "site", "contact"]

    def clean_slug(self) -> str:
        """One that hides no address of the portal's."""
        slug: str = self.cleaned_data["slug"]
        if is_reserved(slug):
            raise ValidationError("This name is an address of the portal. Choose another.")
        return slug


@admin.register(Lab)
class LabAdmin(admin.ModelAdmin[Lab]):
    """Labs. A slug is given once and for good; a lab is closed, and never deleted."""

    form = LabForm
    list_display = ("slug", "name", "is_active")
    actions = ("close", "reopen")

    def get_readonly_fields(self, request: HttpRequest, obj: Lab | None = None) -> tuple[str, ...]:
        """One that is there keeps its slug."""
        return () if obj is None else ("slug",)

    def has_delete_permission(self, request: HttpRequest, obj: Lab | None = None) -> bool:
        """Its slug would be free for another."""
        return False

    def save_model(self, request: HttpRequest, obj: Lab, form: Any, change: bool) -> None:  # noqa: ANN401, FBT001 - Django's signature
        """Through the actions."""
        facts = {name: getattr(obj, name) for name in ("name", "summary", "site", "contact")}
        if change:
            change_lab(lab=obj, by=_by(request), **facts)
        else:
            obj.pk = create_lab(slug=obj.slug, by=_by(request), **facts).pk

    @admin.action(description="Close the chosen labs, with all that they released")
    def close(self, request: HttpRequest, queryset: QuerySet[Lab]) -> None:
        """Until they are opened again."""
        _each(request, queryset, lambda lab: close_lab(lab=lab, by=_by(request)))

    @admin.action(description="Open the chosen labs again")
    def reopen(self, request: HttpRequest, queryset: QuerySet[Lab]) -> None:
        """As they were."""
        _each(request, queryset, lambda lab: reopen_lab(lab=lab, by=_by(request)))


@admin.register(Membership)
class MembershipAdmin(admin.ModelAdmin[Membership]):
    """Roles in labs: given and ended, never turned into others."""

    list_display = ("user", "lab", "role", "starts_at", "ends_at")
    list_filter = ("lab", "role", ("ends_at", admin.EmptyFieldListFilter))
    list_select_related = ("user", "lab")
    search_fields = ("user__email", "user__name")
    autocomplete_fields = ("user",)
    fields = ("user", "lab", "role")
    actions = ("end",)

    def has_change_permission(self, request: HttpRequest, obj: Membership | None = None) -> bool:
        """The list is there to choose from; a row is there to be read."""
        return obj is None and super().has_change_permission(request)

    def has_delete_permission(self, request: HttpRequest, obj: Membership | None = None) -> bool:
        """A role ends, and who held it is still known."""
        return False

    def save_model(self, request: HttpRequest, obj: Membership, form: Any, change: bool) -> None:  # noqa: ANN401, FBT001 - Django's signature
        """Through the action."""
        obj.pk = give_role(user=obj.user, lab=obj.lab, role=Role(obj.role), by=_by(request)).pk

    @admin.action(description="End the chosen roles now", permissions=["change"])
    def end(self, request: HttpRequest, queryset: QuerySet[Membership]) -> None:
        """With every right that came from them."""
        _each(request, queryset, lambda membership: end_role(membership=membership, by=_by(request)))


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
        obj.pk = accept_domain(institution=obj.institution, domain=obj.domain, by=_by(request)).pk

    def delete_model(self, request: HttpRequest, obj: ReviewedDomain) -> None:
        """Through the action."""
        withdraw_domain(reviewed=obj, by=_by(request))

    def delete_queryset(self, request: HttpRequest, queryset: QuerySet[ReviewedDomain]) -> None:
        """Each through the action."""
        for reviewed in queryset:
            withdraw_domain(reviewed=reviewed, by=_by(request))


@admin.register(Institution)
class InstitutionAdmin(ReadOnly[Institution]):
    """The register, as it was imported; the import writes it."""

    list_display = ("name", "country", "status", "ror")
    search_fields = ("search", "ror")


@admin.register(Affiliation)
class AffiliationAdmin(ReadOnly[Affiliation]):
    """Where people work, with the evidence for it."""

    list_display = ("user", "organisation", "klass", "verified_at", "ends_at")
    list_select_related = ("user",)
    search_fields = ("user__email", "organisation")


# allauth's own pages write addresses as verified, and show secrets of second factors.
admin.site.unregister([EmailAddress, Authenticator, SocialAccount, SocialApp, SocialToken])


@admin.register(EmailAddress)
class AddressAdmin(ReadOnly[Any]):
    """Addresses of accounts."""

    list_display = ("email", "user", "verified", "primary")
    list_select_related = ("user",)
    search_fields = ("email",)


@admin.register(SocialAccount)
class LinkedAccountAdmin(ReadOnly[Any]):
    """Accounts elsewhere by which people sign in."""

    list_display = ("provider", "uid", "user", "last_login")
    list_select_related = ("user",)
    exclude = ("extra_data",)


@admin.register(Authenticator)
class SecondFactorAdmin(ReadOnly[Any]):
    """Second factors, without their secrets: to take one away from somebody who lost it."""

    list_display = ("user", "type", "created_at", "last_used_at")
    list_select_related = ("user",)
    search_fields = ("user__email",)
    exclude = ("data",)

    def has_delete_permission(self, request: HttpRequest, obj: Any = None) -> bool:  # noqa: ANN401 allauth's row
        """Whoever has no other way in asks the operator."""
        return admin.ModelAdmin.has_delete_permission(self, request, obj)

    def delete_model(self, request: HttpRequest, obj: Any) -> None:  # noqa: ANN401 allauth's row
        """Through the action."""
        take_away(authenticator=obj, by=_by(request))

    def delete_queryset(self, request: HttpRequest, queryset: QuerySet[Any]) -> None:
        """Each through the action."""
        for authenticator in queryset:
            take_away(authenticator=authenticator, by=_by(request))
