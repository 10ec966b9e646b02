"""The writers of projects."""

from __future__ import annotations

from collections.abc import Iterable

from django.db import transaction
from django.db.models import F
from django.utils import timezone
from django.utils.translation import gettext as _

from portal.audit import trail
from portal.audit.events import Event
from portal.errors import Conflict
from portal.outbox import delivery
from portal.people.models import Lab, User
from portal.projects.models import Kind, Project, ProjectMember


def bump(project: Project) -> int:
    """Raise the project's generation and announce it; returns the new one. Call inside the action's transaction."""
    Project.objects.filter(pk=project.pk).update(generation=F("generation") + 1)
    project.refresh_from_db(fields=["generation"])
    identity = str(project.pk)
    delivery.enqueue(
        "rights.changed", key=f"project:{identity}", kind="project", id=identity, generation=project.generation
    )
    return project.generation


@transaction.atomic
def personal(user: User) -> Project:
    """The person's own project for open models; made at first need."""
    User.objects.select_for_update().get(pk=user.pk)
    project = Project.objects.filter(owner=user, kind=Kind.PERSONAL).first()
    return project or _open(by=user, owner=user, title="Personal", kind=Kind.PERSONAL, lab=None, members=[user])


@transaction.atomic
def open_project(*, by: User, owner: User, title: str, lab: Lab, members: Iterable[User] = ()) -> Project:
    """A granted project of a lab; its owner is always a member."""
    return _open(by=by, owner=owner, title=title, kind=Kind.GRANTED, lab=lab, members=[owner, *members])


@transaction.atomic
def join(*, project: Project, user: User) -> ProjectMember:
    """Make somebody a member of a project from now on; a member stays one."""
    return ProjectMember.objects.get_or_create(project=project, user=user, left_at=None)[0]


@transaction.atomic
def leave(*, project: Project, user: User) -> None:
    """End somebody's time in a project: their tokens for it query nothing from the next request on."""
    ProjectMember.objects.filter(project=project, user=user, left_at=None).update(left_at=timezone.now())
    bump(project)


@transaction.atomic
def hand_over(*, project: Project, to: User, by: User) -> Project:
    """Make a member the owner of a granted project. The one before stays a member until they `leave`.

    Raises Conflict for a personal or closed project, and for whoever is no member of it.
    """
    locked = Project.objects.select_for_update().get(pk=project.pk)
    inside = ProjectMember.objects.filter(project=locked, user=to, left_at=None).exists()
    if locked.kind == Kind.PERSONAL or locked.closed_at is not None or not inside:
        raise Conflict(_("Only an open project of a lab can be handed over, and only to a member of it."))
    before, locked.owner = locked.owner_id, to
    locked.save(update_fields=["owner"])
    facts = {"before": str(before), "owner": str(to.pk)}
    trail.record(Event.PROJECT_HANDED_OVER, by=by, target=locked, lab=locked.lab, **facts)
    bump(locked)
    return locked


@transaction.atomic
def close(*, project: Project, by: User, reason: str) -> Project:
    """Close a project: its tokens query nothing from the next request on."""
    locked = Project.objects.select_for_update().get(pk=project.pk)
    if locked.closed_at is not None:
        raise Conflict(_("This project is closed already."))
    locked.closed_at = timezone.now()
    locked.save(update_fields=["closed_at"])
    trail.record(Event.PROJECT_CLOSED, by=by, target=locked, lab=locked.lab, reason=reason)
    bump(locked)
    return locked


def _open(*, by: User, owner: User, title: str, kind: Kind, lab: Lab | None, members: list[User]) -> Project:
    project = Project.objects.create(owner=owner, title=title, kind=kind, lab=lab)
    unique = {member.pk: member for member in members}
    ProjectMember.objects.bulk_create(ProjectMember(project=project, user=member) for member in unique.values())
    trail.record(Event.PROJECT_OPENED, by=by, target=project, lab=lab, kind=kind)
    return project
