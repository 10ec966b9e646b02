"""Conflicts of interest that can be known: no one decides on their own application or on a colleague's."""

from __future__ import annotations

from datetime import timedelta
from typing import Final

from django.db.models import F, Q, QuerySet
from django.utils import timezone
from django.utils.formats import date_format
from django.utils.translation import gettext as _

from portal.access import roster
from portal.access.application_models import Application
from portal.access.member_models import Member
from portal.access.members import ON_TEAM
from portal.access.referee_models import Referee
from portal.access.referees import RefereeStatus
from portal.access.review_models import Vote
from portal.errors import Reason
from portal.people.domains import FREE_MAIL
from portal.people.models import Affiliation, Membership, Role, User
from portal.projects.models import Project, ProjectMember

WORKED_TOGETHER: Final = timedelta(days=3 * 365)
"""How long after their last day in a project somebody judges nothing of it. Funders bar who worked with an applicant for
two to five years, the DFG for three (its form 10.201); for ever would leave a small lab without reviewers."""


def between(reviewer: User, applicant: User) -> tuple[Reason, ...]:
    """Why this reviewer may not judge this applicant; empty when nothing is known against it. Two queries at most."""
    if reviewer.pk == applicant.pk:
        return (Reason("own_application", _("This is your own application.")),)
    found = []
    shared = _shared_institution(reviewer, applicant)
    if shared:
        found.append(
            Reason("same_institution", _("You and the applicant are both at %(shared)s.") % {"shared": shared})
        )
    domain = _domain(reviewer)
    if domain not in FREE_MAIL and domain == _domain(applicant):
        found.append(
            Reason("same_domain", _("Your address and the applicant’s are both at %(domain)s.") % {"domain": domain})
        )
    return tuple(found)


def over(reviewer: User, project: Project, lead: User) -> tuple[Reason, ...]:
    """Why this reviewer may not judge what a project asks for once it has begun: a conflict with who leads it now, or a
    part in it of their own, which counts for WORKED_TOGETHER after it is over. Three queries at most."""
    found = between(reviewer, lead)
    if reviewer.pk == lead.pk:
        return found
    stays = ProjectMember.objects.filter(project=project, user=reviewer)
    last = stays.order_by(F("left_at").desc(nulls_first=True)).first()
    if last is None or (last.left_at and last.left_at <= timezone.now() - WORKED_TOGETHER):
        return found
    return (Reason("on_project", _part(last)), *found)


def _part(stay: ProjectMember) -> str:
    if stay.left_at is None:
        return _("You belong to this project.")
    free = timezone.localtime(stay.left_at + WORKED_TOGETHER)
    said = _(
        "You belonged to this project. Whoever leaves one judges nothing of it for three years: you may again after %(day)s."
    )
    return said % {"day": date_format(free, "j F Y")}


def reviewers(application: Application) -> list[User]:
    """The lab's reviewers whom neither a known conflict nor one that they declared keeps from judging it."""
    held = Membership.objects.active().filter(lab=application.gate.lab, role=Role.REVIEWER).select_related("user")
    recused = application.reviews.filter(vote=Vote.RECUSE).values("reviewer")
    return [row.user for row in held.exclude(user__in=recused) if not known(row.user, application)]


def _refers(theirs: set[str], application: Application) -> bool:
    asked = Referee.objects.filter(application=application).exclude(status=RefereeStatus.REPLACED)
    return application.confirmations > 0 and asked.filter(mailbox__in=theirs).exists()


def known(reviewer: User, application: Application) -> tuple[Reason, ...]:
    """Why this reviewer may not judge this application: the conflicts with who applied, and being named in it oneself,
    by whichever address they have shown to be theirs."""
    theirs = roster.mailboxes(reviewer)
    named = Member.objects.filter(application=application, status__in=ON_TEAM)
    if named.filter(Q(user=reviewer) | Q(mailbox__in=theirs)).exists():
        own = Reason("on_team", _("You are named as a member of its team."))
        return (own, *between(reviewer, application.applicant))
    if _refers(theirs, application):
        own = Reason("referee", _("You are asked to confirm it. Who confirms does not decide."))
        return (own, *between(reviewer, application.applicant))
    return between(reviewer, application.applicant)


def _shared_institution(reviewer: User, applicant: User) -> str:
    current = Affiliation.objects.filter(user__in=[reviewer, applicant], ends_at=None)
    keys: dict[object, set[object]] = {reviewer.pk: set(), applicant.pk: set()}
    names: dict[object, str] = {}
    for row in current:
        for key in {row.institution_id, row.organisation.casefold().strip()} - {None, ""}:
            keys[row.user_id].add(key)
            names[key] = row.organisation
    shared = keys[reviewer.pk] & keys[applicant.pk]
    return names[next(iter(shared))] if shared else ""


def with_any(people: QuerySet[User], applicant: User) -> bool:
    """Whether the applicant is one of these people, or shares a place of work or a mail domain with one. Three queries."""
    domain = _domain(applicant)
    near = Q(pk=applicant.pk)
    if domain not in FREE_MAIL:
        near |= Q(email__iendswith=f"@{domain}")
    current = Affiliation.objects.filter(ends_at=None)
    same = Q(pk=None)
    for place in current.filter(user=applicant):
        same |= Q(organisation__iexact=place.organisation.strip())
        same |= Q(institution=place.institution_id) if place.institution_id else Q(pk=None)
    return people.filter(near).exists() or current.filter(same, user__in=people).exists()


def _domain(user: User) -> str:
    return user.email.rpartition("@")[2].lower()
