"""The one-screen review: everything that is known, the reviewers' notes, and the decision."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Final
from uuid import UUID

from allauth.account.models import EmailAddress
from django.contrib import messages
from django.contrib.auth.decorators import login_required
from django.db.models import Q
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.utils import timezone
from django.utils.translation import gettext as _
from django.views.decorators.http import require_http_methods, require_POST

from portal.access import (
    actions,
    appeals,
    behind,
    confirmations,
    conflicts,
    duo,
    forms,
    passes,
    sorting,
    substitutes,
    waiting,
)
from portal.access.actions import lacking, moves
from portal.access.application_models import Application, Change, Decline
from portal.access.desk_models import Found, SpotCheck
from portal.access.history import timeline
from portal.access.models import Grant
from portal.access.review_models import Review, Vote
from portal.access.views.staff import colleagues, reviewable, staff
from portal.access.workflow import QUEUED, Party, Status, Verb, verbs
from portal.audit import trail
from portal.errors import Invalid, NotAllowed, Reason
from portal.people import identity
from portal.people.models import Affiliation, Role, User
from portal.people.second_factor import step_up

MATES: Final = 10
"""Others of the same institution that a review lists."""


@login_required
@require_http_methods(["GET", "HEAD", "POST"])
@step_up
def review(request: HttpRequest, pk: UUID) -> HttpResponse:
    """One application on one screen, and the decision."""
    user = staff(request)
    found = reviewable(user, pk)
    if request.method != "POST":
        evidence = _evidence(found, user)
        if evidence.get("sections"):
            trail.record_read(by=user, target=found, lab=found.gate.lab, what="answers")
        return render(request, "access/review.html", evidence)
    try:
        done = _decide(request, found, user)
    except Invalid as error:
        return _again(request, found, user, error)
    messages.success(request, done)
    return redirect("access:review", found.pk)


def _again(request: HttpRequest, application: Application, user: User, error: Invalid) -> HttpResponse:
    shown = forms.marked(error.fields, _labels())
    context = {**_evidence(application, user), **shown, "typed": request.POST}
    return render(request, "access/review.html", context, status=422)


@login_required
@require_POST
def assign(request: HttpRequest, pk: UUID) -> HttpResponse:
    """Take it, give it to a colleague, or release it."""
    user = staff(request)
    found = reviewable(user, pk)
    try:
        to = _recipient(request.POST.get("to", ""), user)
        _assign(found, user, to)
    except Invalid as error:
        return _again(request, found, user, error)
    messages.success(request, _("It is %(name)s’s now.") % {"name": to.get_full_name()} if to else _("Released."))
    return redirect("access:review", found.pk)


def _assign(application: Application, user: User, to: User | None) -> None:
    """Give it to them. A colleague who may not judge it is a wrong answer of the form; oneself is refused as anywhere."""
    try:
        actions.assign(by=user, application=application, to=to)
    except NotAllowed as refusal:
        if to in {None, user} or refusal.code != "conflict_of_interest":
            raise
        raise Invalid(refusal.message, fields={"to": [refusal.message]}) from refusal


def _recipient(asked: str, user: User) -> User | None:
    """`me`, a colleague by id, or nobody."""
    if asked == "me":
        return user
    found = next((each for each in colleagues(user) if str(each.pk) == asked), None)
    if asked and found is None:
        raise Invalid(_("Choose a reviewer."), fields={"to": [_("Choose a reviewer of this lab.")]})
    return found


@login_required
@require_POST
def note(request: HttpRequest, pk: UUID) -> HttpResponse:
    """Add a line to the reviewers' thread."""
    user = staff(request)
    found = reviewable(user, pk)
    try:
        made = actions.add_note(by=user, application=found, text=request.POST.get("text", ""))
    except Invalid as error:
        return _again(request, found, user, error)
    return redirect(f"{request.path.removesuffix('note/')}#note-{made.pk}")


def _decide(request: HttpRequest, application: Application, user: User) -> str:
    verb, note = request.POST.get("verb", ""), request.POST.get("note", "")
    message = request.POST.get("message", "")
    expected = _number(request.POST.get("version", ""))
    if verb == "start":
        actions.start_review(by=user, application=application)
        return _("It is yours. The applicant sees that a person is reading.")
    if verb == "approve":
        without = request.POST.get("without_confirmation", "")
        vote = actions.cast_vote(
            by=user, application=application, vote=Vote.APPROVE, note=note, expected=expected,
            without_confirmation=without,
        )  # fmt: skip
        if vote.status == Status.APPROVED:
            return _("Approved. The applicant can sign now.")
        return _("Your approval is recorded. It waits for another reviewer.")
    if verb == "recuse":
        actions.cast_vote(by=user, application=application, vote=Vote.RECUSE, note=note, expected=expected)
        return _("You are off this application.")
    if verb == "changes":
        asked = request.POST.get("change")
        kind = Change(asked) if asked in Change.values else Change.OTHER
        actions.request_changes(by=user, application=application, message=message, reason=kind, expected=expected)
        return _("Handed back to the applicant with your message.")
    if verb == "uphold":
        actions.uphold(by=user, application=application, message=message, note=note, expected=expected)
        return _("The decline stands. The applicant has your words and may apply again.")
    if verb == "decline":
        reason = Decline(request.POST["reason"]) if request.POST.get("reason") in Decline.values else None
        if reason is None:
            raise Invalid(_("Choose a reason."), fields={"reason": [_("Choose a reason.")]})
        actions.decline(by=user, application=application, reason=reason, message=message, note=note, expected=expected)
        return _("Declined. The applicant has the reason and may apply again.")
    if verb in Found.values:
        actions.make_spot_check(
            by=user, application=application, found=Found(verb), note=request.POST.get("finding", "")
        )
        return _("Your spot check is recorded.")
    raise Invalid(_("Choose what to do."), fields={"verb": [_("Choose what to do.")]})


def _labels() -> dict[str, str]:
    return {
        "message": _("Message to the applicant"),
        "reason": _("Reason for declining"),
        "note": _("Note with your vote"),
        "without_confirmation": _("Why go on without confirmation"),
        "finding": _("Note"),
        "text": _("Note to the reviewers"),
        "to": _("Reviewer"),
    }


def _number(text: str) -> int | None:
    return int(text) if text.isascii() and text.isdigit() and len(text) < 10 else None


@dataclass(frozen=True, slots=True)
class Reader:
    """What one person of the lab has to do with one application, and so may see and do."""

    mine: Review | None
    """Their vote of this round, or the one in their place."""
    recused: bool
    conflicts: tuple[Reason, ...]
    involved: bool
    """In the decline that is appealed."""
    is_party: bool

    @classmethod
    def of(cls, application: Application, user: User, votes: list[Review]) -> Reader:
        """`votes` are those of every round."""
        now = (vote for vote in votes if vote.round == application.rounds)
        return cls(
            mine=next((vote for vote in now if user.pk in {vote.reviewer_id, vote.in_place_of_id}), None),
            recused=any(vote.reviewer_id == user.pk and vote.vote == Vote.RECUSE for vote in votes),
            conflicts=conflicts.known(user, application),
            involved=application.status == Status.APPEALED and user.pk in appeals.involved(application),
            is_party=Party.REVIEWER in moves.parties(application, user),
        )

    @property
    def private(self) -> bool:
        """Whether they read what was written in confidence."""
        return not (self.recused or self.conflicts)

    @property
    def may_judge(self) -> bool:
        """Whether they may vote, as far as they have not."""
        return self.is_party and self.private and not self.involved


def _evidence(application: Application, user: User) -> dict[str, Any]:
    votes = list(application.reviews.select_related("reviewer", "in_place_of"))
    reader, since = Reader.of(application, user, votes), application.waits_since
    mine, is_waiting = reader.mine, Status(application.status) in QUEUED
    sent = list(application.submissions.order_by("-round")[:2])
    standing = confirmations.standing(application)
    may_assign = reader.may_judge and Verb.ASSIGN in verbs(application.status, {Party.REVIEWER})
    free = lacking.free(application) if is_waiting or may_assign else []
    return {
        "application": application,
        "gate": application.gate,
        **_applicant(application, user),
        **(_confided(application, sent, standing) if reader.private else {}),
        "private": reader.private,
        "submission": sent[0] if sent else None,
        "rules": sorting.explain(application),
        "held": [passes.WORDS[code] for code in application.triage.get("held", ())],
        **_spot_check(application, may_judge=reader.may_judge),
        "standing": standing,
        "may_assign": may_assign,
        "may_take": Role.REVIEWER in user.roles_in(application.gate.lab),
        "colleagues": sorted(free, key=User.get_full_name) if may_assign else [],
        "free": len(free),
        "too_few": is_waiting and len(free) < application.quorum,
        "votes": _visible(votes, mine, application, is_waiting=is_waiting),
        "hidden_votes": sum(vote.round == application.rounds for vote in votes) if is_waiting and mine is None else 0,
        "mine": mine,
        "recused": reader.recused,
        "is_waiting": is_waiting,
        "appeal": getattr(application, "appeal", None),
        "involved": reader.involved,
        "chair": substitutes.chair_of(user, application),
        "conflicts": reader.conflicts,
        "may_decide": reader.may_judge and is_waiting and mine is None,
        "reasons": Decline.choices,
        "changes": Change.choices,
        "timeline": timeline(application, for_staff=True),
        "waited": waiting.business_days(since, timezone.now()) if since else 0,
        "due": waiting.add_business_days(since, application.gate.target_days) if since else None,
        **_neighbours(application, user),
    }


def _applicant(application: Application, user: User) -> dict[str, Any]:
    """Who asks, and what else these labs have of them."""
    applicant = application.applicant
    own = EmailAddress.objects.filter(user=applicant, email__iexact=applicant.email, verified=True)
    others = Application.objects.for_staff(user).filter(applicant=applicant).exclude(pk=application.pk)
    return {
        "address_verified": own.exists(),
        "identities": identity.identities(applicant),
        "behind": behind.links(application.gate, applicant),
        "affiliation": Affiliation.objects.filter(user=applicant, ends_at=None).select_related("institution").first(),
        "earlier": others.select_related("gate")[:10],
        "grants": Grant.objects.for_staff(user).filter(user=applicant).select_related("gate")[:10],
        "mates": _mates(application, user),
    }


def _confided(application: Application, sent: list[Any], standing: confirmations.Standing) -> dict[str, Any]:
    """What is only for whoever has neither a conflict with the applicant nor stepped aside."""
    return {
        "sections": _answers(sent),
        "doubts": list(duo.doubts(application.gate.duo, sent[0].answers)) if sent else [],
        "referees": confirmations.with_evidence(application, standing.referees),
        "members": application.members.all(),
        "notes": application.notes.select_related("by"),
        "may_note": True,
    }


def _spot_check(application: Application, *, may_judge: bool) -> dict[str, Any]:
    check = SpotCheck.objects.filter(application=application).select_related("checked_by").first()
    return {"spot_check": check, "may_check": may_judge and check is not None and check.checked_at is None}


def _mates(application: Application, user: User) -> list[Application]:
    """Newest applications, to one's labs, of other people who are at the applicant's institution now."""
    place = Affiliation.objects.filter(user=application.applicant, ends_at=None).first()
    if place is None:
        return []
    same = Q(organisation__iexact=place.organisation)
    same |= Q(institution=place.institution_id) if place.institution_id else Q()
    people = Affiliation.objects.filter(same, ends_at=None).exclude(user=application.applicant).values("user")
    rows = Application.objects.for_staff(user).filter(applicant__in=people).exclude(applicant=user)
    return list(rows.select_related("gate", "applicant").order_by("-submitted_at")[:MATES])


def _answers(sent: list[Any]) -> list[tuple[str, list[forms.Answer]]]:
    if not sent:
        return []
    return forms.read_back(sent[0].form_spec, sent[0].answers, sent[1].answers if len(sent) > 1 else None)


def _visible(votes: list[Review], mine: Review | None, application: Application, *, is_waiting: bool) -> list[Review]:
    """Votes of this round stay hidden until one's own is cast; earlier rounds and closed ones are open."""
    if mine is not None or not is_waiting:
        return votes
    return [vote for vote in votes if vote.round < application.rounds]


def _neighbours(application: Application, user: User) -> dict[str, Any]:
    line = Application.objects.for_staff(user).queued().exclude(pk=application.pk).exclude(applicant=user)
    here = application.submitted_at
    return {
        "previous": line.filter(submitted_at__lte=here)
        .order_by("-submitted_at", "-pk")
        .values_list("pk", flat=True)
        .first(),
        "next": line.filter(submitted_at__gt=here).order_by("submitted_at", "pk").values_list("pk", flat=True).first(),
    }
