"""What `/me/` says about use, and what the lab's page of a grant says about its project: what is left of it."""

from __future__ import annotations

from typing import Any, Final

from django.conf import settings
from django.utils import timezone

from inference import allocation_actions, content, usage
from inference.allocation import Party, Status
from inference.allocation_models import AllocationRequest
from inference.allocation_views import of_labs
from inference.content_models import Disclosure
from inference.disclosure import State as DisclosureState
from inference.forms import AllowanceForm
from inference.signal_models import Signal
from inference.signal_states import MANAGERS, State
from portal.access import sections
from portal.access.models import Grant
from portal.counting import counts
from portal.people.models import Membership, Role, User
from portal.people.panels import panel
from portal.projects.models import Project
from portal.projects.panels import project_panel

PROJECTS: Final = 10
"""Projects that `/me/` shows; the page of usage has all."""


@panel("inference/_panel.html", order=40)
def left(user: User) -> dict[str, Any]:
    """The first projects that the person can use, with what is left of each, how many more there are, and whether any is over."""
    now, mine = timezone.now(), usage.usable_by(user)
    burns = usage.burns_of(list(mine[:PROJECTS]), now)
    more = mine.count() - len(burns) if len(burns) == PROJECTS else 0
    return {"burns": burns, "more": more, "over": not burns and usage.projects_of(user).exists()}


@sections.of_queue.register("inference/_waiting.html")
def waiting(person: User, _viewer: User) -> dict[str, int]:
    """How many misuse signals of labs that the person manages are open, disclosures asked for, and requests for query
    time. One query."""
    managed = Membership.objects.active().filter(user=person, role__in=MANAGERS).values("lab")
    return counts(
        {
            "signals": Signal.objects.filter(lab__in=managed, state=State.OPEN),
            "disclosures": Disclosure.objects.filter(lab__in=managed, state=DisclosureState.ASKED),
            "requests": of_labs(person).filter(status=Status.SUBMITTED),
        }
    )


@project_panel("inference/_allowance.html", order=10)
def allowance(project: Project, user: User) -> dict[str, Any]:
    """What the project may use and has used; managers of its lab may set it there."""
    burn = usage.burn_of(project, timezone.now())
    roles = user.roles_in(project.lab) if project.lab else frozenset()
    may_set = not roles.isdisjoint({Role.MANAGER, Role.ADMINISTRATOR}) and project.closed_at is None
    return {"burn": burn, "allowance_form": AllowanceForm.of_burn(burn) if may_set else None}


@sections.of_grant.register("inference/_content.html")
def kept_content(grant: Grant, _viewer: User) -> dict[str, Any]:
    """Whether content of this grant is kept, and what of its project was opened, once its members are told."""
    told = Disclosure.objects.filter(project_id=str(grant.project_id), lab=grant.gate.lab_id, told_at__isnull=False)
    return {
        "logged": bool(content.key_of(str(grant.pk))),
        "days": settings.CONTENT_DAYS,
        "disclosures": told.prefetch_related("requests")[:20],
    }


@sections.of_grant.register("inference/_allocations.html")
def allocations(grant: Grant, viewer: User) -> dict[str, Any]:
    """What the grant's project asked for and was given, for the project and its lab."""
    rows = AllocationRequest.objects.filter(project=grant.project).select_related("allowance", "asked_by", "decided_by")
    lead = Party.LEAD in allocation_actions.parties(grant.project, viewer)
    may_ask = lead and allocation_actions.refusal(grant.project, viewer) is None
    return {"project": grant.project, "rows": rows[:10], "may_ask": may_ask}
