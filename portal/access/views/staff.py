"""Who may see the reviewers' pages at all."""

from __future__ import annotations

from uuid import UUID

from django.db.models import QuerySet
from django.http import HttpRequest
from django.utils.translation import gettext as _

from portal.access.application_models import STAFF, Application
from portal.errors import NotFound
from portal.people.models import MANAGERS, Lab, Membership, Role, User
from portal.people.views import signed_in


def memberships(user: User) -> QuerySet[Membership]:
    """The roles that make somebody staff today."""
    return Membership.objects.active().filter(user=user, role__in=STAFF)


def managing(user: User) -> QuerySet[Membership]:
    """Those of them that let somebody decide for a lab: its gates, agreements, institutions."""
    return memberships(user).filter(role__in=MANAGERS)


def managed_labs(user: User) -> QuerySet[Lab]:
    """The labs of those roles."""
    return Lab.objects.filter(pk__in=managing(user).values("lab"))


def staff(request: HttpRequest) -> User:
    """The signed-in person, where a role in some lab is held; to all others these pages are not there."""
    user = signed_in(request)
    if user.roles.isdisjoint(STAFF):
        raise NotFound(_("There is nothing at this address."))
    return user


def colleagues(user: User) -> list[User]:
    """Reviewers of the labs where this person is staff, by name."""
    labs = memberships(user).values("lab")
    held = Membership.objects.active().filter(lab__in=labs, role=Role.REVIEWER).select_related("user")
    # From the few roles to their people: the other way round, a database whose statistics are old reads every person.
    return list({each.user_id: each.user for each in held.order_by("user__name", "user__email")}.values())


def reviewable(user: User, pk: UUID) -> Application:
    """An application of one's labs that somebody else sent. Raises NotFound for anything else."""
    rows = Application.objects.for_staff(user).exclude(applicant=user)
    found = rows.filter(pk=pk).select_related("gate__lab", "gate__agreement", "applicant", "assignee", "appeal").first()
    if found is None:
        raise NotFound(_("There is no such application, or it belongs to another lab."))
    return found
