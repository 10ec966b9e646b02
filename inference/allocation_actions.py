"""The writers of allocation requests: ask, withdraw, grant, decline."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from datetime import date
from typing import Any, Final
from uuid import UUID

from django.db import transaction
from django.utils import timezone
from django.utils.formats import number_format
from django.utils.translation import gettext as _

from inference import allocation
from inference.actions import set_allowance
from inference.allocation import Ground, Party, Status, Verb
from inference.allocation_models import TEXT_LIMIT, AllocationRequest
from inference.allowances import Budget, end_of
from portal import texts
from portal.access import conflicts
from portal.access.models import Grant
from portal.audit import trail
from portal.audit.events import Event
from portal.errors import Conflict, Invalid, NotAllowed, NotFound, Reason
from portal.mail import sending
from portal.people.models import Membership, Role, User
from portal.projects.models import Project, ProjectMember

MOST_TOKENS: Final = 10**15
MOST_A_MINUTE: Final = 2**31 - 1
_DECIDERS: Final = (Role.REVIEWER, Role.MANAGER, Role.ADMINISTRATOR)


def parties(project: Project, by: User) -> frozenset[Party]:
    """As what somebody may act on a project's requests today; empty for strangers."""
    if by.pk == project.owner_id:
        return frozenset({Party.LEAD})
    if ProjectMember.objects.filter(project=project, user=by, left_at=None).exists():
        return frozenset({Party.MEMBER})
    roles = by.roles_in(project.lab) if project.lab else frozenset()
    manages = {Party.MANAGER} if roles & {Role.MANAGER, Role.ADMINISTRATOR} else set()
    return frozenset(manages | ({Party.REVIEWER} if Role.REVIEWER in roles else set()))


def barred(by: User, request: AllocationRequest) -> tuple[Reason, ...]:
    """Why this person may not decide: a part in the project, a conflict with who leads it, or with who asked before them."""
    asked, leads = request.asked_by, request.project.owner
    found = conflicts.over(by, request.project, leads)
    return found or (conflicts.between(by, asked) if leads != asked else ())


def refusal(project: Project, by: User) -> NotAllowed | Conflict | None:
    """Why somebody may not ask for a project now; None where they may."""
    return _refusals([project], by)[0]


def askable(projects: Sequence[Project], by: User) -> set[Project]:
    """Those for which this person may ask now. Two queries for all of them."""
    return {project for project, why in zip(projects, _refusals(projects, by), strict=True) if why is None}


def _refusals(projects: Sequence[Project], by: User) -> list[NotAllowed | Conflict | None]:
    running = [project for project in projects if project.owner_id == by.pk and project.closed_at is None]
    standing = set(Grant.objects.standing().filter(project__in=running).values_list("project", flat=True))
    sent = AllocationRequest.objects.filter(project__in=running, status=Status.SUBMITTED)
    waiting = set(sent.values_list("project", flat=True))
    return [_refusal(project, by, standing, waiting) for project in projects]


def _refusal(project: Project, by: User, standing: set[UUID], waiting: set[UUID]) -> NotAllowed | Conflict | None:
    """`standing`: projects not all of whose grants are revoked or past, for a suspended one may run again; `waiting`: those
    of which a request waits."""
    if project.owner_id != by.pk:
        return NotAllowed(_("Only the project’s lead asks for it."), code="wrong_party")
    if project.closed_at is not None:
        return Conflict(_("This project is closed."), code="closed")
    if project.pk not in standing:
        return Conflict(_("Your grant for this project is over. Apply again to go on."), code="grant_over")
    if project.pk in waiting:
        return Conflict(_("A request of this project is with the lab already."), code="already_sent")
    return None


@transaction.atomic
def ask_for_allocation(
    *,
    by: User,
    project: Project,
    tokens_per_period: int,
    until: date,
    case: str,
    published: str = "",
    tokens_per_minute: int | None = None,
) -> AllocationRequest:
    """The lead asks for more query time. Raises Conflict while another request waits, Invalid field by field."""
    locked = _project(project, by)
    refused = refusal(locked, by)
    if refused is not None:
        raise refused
    said = _checked(tokens_per_period, tokens_per_minute, until) | texts.within(
        TEXT_LIMIT, {"case": case, "published": published}
    )
    if not said["case"]:
        missing = _("Say in a few sentences what the tokens are for.")
        raise Invalid(missing, fields={"case": [missing]})
    made = AllocationRequest.objects.create(project=locked, asked_by=by, **said)
    _record(Event.ALLOCATION_REQUESTED, made, by, tokens_per_period=tokens_per_period, until=until.isoformat())
    for reader in _deciders(made):
        _tell(made, reader, "allocation_to_review", lead=by.get_full_name())
    return made


@transaction.atomic
def withdraw_allocation(*, by: User, request: AllocationRequest) -> AllocationRequest:
    """Take a request back while it waits."""
    locked = _move(request, Verb.WITHDRAW, by)
    _close(locked)
    _record(Event.ALLOCATION_WITHDRAWN, locked, by)
    return locked


@transaction.atomic
def grant_allocation(
    *,
    by: User,
    request: AllocationRequest,
    tokens_per_period: int,
    until: date,
    tokens_per_minute: int | None = None,
    tokens_per_day: int | None = None,
    message: str = "",
) -> AllocationRequest:
    """Give the project an allowance, as asked or otherwise; figures that are not named here stay as they are.

    It holds from the next request on, and begins a new count. Raises Conflict once decided, or where every grant of the
    project is revoked or past, NotAllowed to whoever has a part in the project.
    """
    locked = _move(request, Verb.GRANT, by)
    if locked.project.closed_at is not None:
        raise Conflict(_("This project is closed. Decline its request."), code="closed")
    if not locked.project.grants.standing().exists():
        raise Conflict(_("Nobody’s grant in this project runs any more. Decline its request."), code="grant_over")
    figures = _checked(tokens_per_period, tokens_per_minute, until)
    if tokens_per_day is not None:
        _within("tokens_per_day", tokens_per_day, MOST_TOKENS)
    budget = Budget.of(locked.project, timezone.now())
    limits = replace(
        budget.whole(()),
        tokens_per_period=tokens_per_period,
        tokens_per_minute=tokens_per_minute,
        tokens_per_day=tokens_per_day,
    )
    locked.message = texts.within(TEXT_LIMIT, {"message": message})["message"]
    ends_at, top_class = end_of(figures["until"]), budget.top_class(())
    locked.allowance = set_allowance(
        by=by, project=locked.project, limits=limits, ends_at=ends_at, top_class=top_class, anew=True
    )
    _close(locked, by)
    _record(Event.ALLOCATION_GRANTED, locked, by, tokens_per_period=tokens_per_period, until=until.isoformat())
    _tell(locked, locked.project.owner, "allocation_granted", until=until.isoformat())
    return locked


@transaction.atomic
def decline_allocation(*, by: User, request: AllocationRequest, ground: str, message: str = "") -> AllocationRequest:
    """Leave the allowance as it is, with a ground and words for the lead, who may ask again at any time.

    Raises NotFound, NotAllowed or Conflict by the table, Invalid about `ground` or `message`.
    """
    locked = _move(request, Verb.DECLINE, by)
    if ground not in list(Ground):
        missing = _("Choose why.")
        raise Invalid(missing, fields={"ground": [missing]})
    locked.ground, locked.message = ground, texts.within(TEXT_LIMIT, {"message": message})["message"]
    if ground == Ground.OTHER and not locked.message:
        missing = _("Tell the lead why, in a sentence or two.")
        raise Invalid(missing, fields={"message": [missing]})
    _close(locked, by)
    _record(Event.ALLOCATION_DECLINED, locked, by, ground=ground)
    _tell(locked, locked.project.owner, "allocation_declined")
    return locked


def closed_by_now() -> Conflict:
    """What whoever comes second is told."""
    return Conflict(_("This request is closed by now. Reload the page."), code="wrong_state")


def leave(*, by: User) -> None:
    """Take back what somebody waits for who is being erased: nobody decides for a pseudonym."""
    waiting = AllocationRequest.objects.filter(project__owner=by, status=Status.SUBMITTED)
    for request in waiting.order_by("pk"):
        withdraw_allocation(by=by, request=request)


def _project(project: Project, by: User) -> Project:
    locked = Project.objects.select_for_update(of=("self",)).select_related("lab").get(pk=project.pk)
    if locked.lab is None or not parties(locked, by):
        raise NotFound(_("There is no such project."))
    return locked


def _move(request: AllocationRequest, verb: Verb, by: User) -> AllocationRequest:
    """The request, locked, in the status that follows. Raises NotFound, NotAllowed or Conflict."""
    rows = AllocationRequest.objects.select_for_update(of=("self",)).select_related(
        "project__lab", "project__owner", "asked_by"
    )
    locked = rows.get(pk=request.pk)
    acting = parties(locked.project, by)
    if not acting:
        raise NotFound(_("There is no such request."))
    if acting.isdisjoint(allocation.may(verb)):
        raise NotAllowed(_("This is not yours to do: who asks does not decide."), code="wrong_party")
    status = allocation.next_status(locked.status, verb, acting)
    if status is None:
        raise closed_by_now()
    found = barred(by, locked) if status in allocation.DECIDED else ()
    if found:
        raise NotAllowed(
            _("You may not decide on this request. %(why)s") % {"why": found[0].message},
            reasons=found,
            code="conflict_of_interest",
        )
    locked.status = status
    return locked


def _close(request: AllocationRequest, by: User | None = None) -> None:
    request.closed_at, request.decided_by = timezone.now(), by
    request.save(update_fields=["status", "closed_at", "decided_by", "ground", "message", "allowance"])


def _checked(tokens_per_period: int, tokens_per_minute: int | None, until: date) -> dict[str, Any]:
    _within("tokens_per_period", tokens_per_period, MOST_TOKENS)
    if tokens_per_minute is not None:
        _within("tokens_per_minute", tokens_per_minute, MOST_A_MINUTE)
    end_of(until)
    return {"tokens_per_period": tokens_per_period, "tokens_per_minute": tokens_per_minute, "until": until}


def _within(name: str, value: int, most: int) -> None:
    if not 1 <= value <= most:
        wrong = _("Give a whole number from 1 to %(most)s.") % {"most": number_format(most, force_grouping=True)}
        raise Invalid(wrong, fields={name: [wrong]})


def _deciders(request: AllocationRequest) -> list[User]:
    held = Membership.objects.active().filter(lab=request.project.lab, role__in=_DECIDERS)
    inside = ProjectMember.objects.filter(project=request.project, left_at=None).values("user")
    rows = held.exclude(user__in=inside).select_related("user")
    people = {row.user_id: row.user for row in rows}.values()
    return [person for person in people if not barred(person, request)]


def _record(event: Event, request: AllocationRequest, by: User, **facts: Any) -> None:
    project = request.project
    trail.record(event, by=by, target=request, lab=project.lab, project=str(project.pk), **facts)


def _tell(request: AllocationRequest, reader: User, template: str, **more: str) -> None:
    """Leave a mail; it never carries the case or the answer's words."""
    lab = request.project.lab
    context = {
        "name": reader.get_full_name(),
        "project": request.project.title,
        "lab": lab.name if lab else "",
        "path": request.get_absolute_url(),
        **more,
    }
    key = f"allocation:{request.pk}"
    sending.send(to=reader.email, template=template, context=context, key=key, language=reader.language)
