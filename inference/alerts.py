"""Who is written to when a project has used most of its tokens: its lead, and the managers of its lab, once each."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any, Final

from django.db import transaction
from django.urls import reverse

from inference import figures, queryable, usage
from inference.alert_models import AllowanceAlert
from inference.allowances import Budget
from inference.models import DailyUsage
from portal.audit import trail
from portal.audit.events import Event
from portal.mail import sending
from portal.people.models import Membership, Role, User
from portal.projects.models import Project
from portal.sweeps import sweep

SHARES: Final = (80, 100)
"""Percent of a period's tokens at which somebody is told."""
LOOK_BACK: Final = timedelta(days=1)
"""Projects that used something since the day before are looked at; a longer pause ends with the next query."""


def tell_due(now: datetime) -> int:
    """Tell of every project that has come to a share of which nobody was told; returns of how many."""
    since = now.astimezone(UTC).date() - LOOK_BACK
    keys = DailyUsage.objects.filter(day__gte=since).order_by().values_list("project_id", flat=True).distinct()
    known = [key for key in keys if figures.is_id(key)]
    projects = Project.objects.filter(pk__in=known, closed_at=None).select_related("lab", "owner")
    return sweep(projects, lambda project: _tell(project, now))


@transaction.atomic
def _tell(project: Project, now: datetime) -> bool:
    """Keep each share that is reached, and write about the highest of those that are new."""
    budget = Budget.of(project, now)
    limit = budget.whole(queryable.labs(project, now)).tokens_per_period
    if not limit:
        return False
    period, since, until = budget.period()
    used = usage.tokens_since(since, project_id=str(project.pk))
    facts = {"used": used, "limit": limit}
    rows = AllowanceAlert.objects
    new = [
        share
        for share in SHARES
        if used * 100 >= share * limit
        and rows.get_or_create(project=project, period=period, share=share, defaults={**facts, "at": now})[1]
    ]
    if new:
        trail.record(Event.ALLOWANCE_REACHED, by=None, target=project, lab=project.lab, share=new[-1], **facts)
        _write(project, new[-1], until)
    return bool(new)


def _write(project: Project, share: int, until: datetime | None) -> None:
    own = reverse("inference:usage")
    _mail(
        project,
        project.owner,
        "allowance_reached",
        path=own,
        share=share,
        all=share >= 100,
        until=sending.moment(until),
    )
    if project.lab is None:
        return
    roles = (Role.MANAGER, Role.ADMINISTRATOR)
    held = Membership.objects.active().filter(lab=project.lab, role__in=roles).exclude(user=project.owner_id)
    path = f"{reverse('inference:lab_usage')}?project={project.pk}"
    for reader in {row.user_id: row.user for row in held.select_related("user")}.values():
        lead = project.owner.get_full_name()
        _mail(project, reader, "project_allowance_reached", path=path, share=share, lead=lead)


def _mail(project: Project, reader: User, template: str, **more: Any) -> None:
    lab = project.lab.name if project.lab else ""
    context = {"name": reader.get_full_name(), "project": project.title, "lab": lab, **more}
    sending.send(
        to=reader.email, template=template, context=context, key=f"project:{project.pk}", language=reader.language
    )
