"""Applications as the lab's reviewers see them: the queue, one of them, and every verb of a review."""

from __future__ import annotations

from typing import Any, Final
from uuid import UUID

from django.db.models import QuerySet
from django.utils import timezone
from django.utils.translation import gettext as _
from rest_framework.request import Request

from portal import errors
from portal.access import actions, conflicts, forms
from portal.access.actions import desk, judging
from portal.access.api import shapes
from portal.access.application_models import Application, ApplicationQuerySet, Change, Decline
from portal.access.desk_models import Found, Note
from portal.access.queue import Chosen, rows_of
from portal.access.review_models import Vote
from portal.access.views.queue import gates_of
from portal.access.views.staff import colleagues
from portal.api.operations import REVIEW, Operation, Scoped, Shape
from portal.audit import trail
from portal.people.models import User

TAG: Final = "applications"
LINKS: Final = {
    verb: {"application": "$response.body#/id"}
    for verb in ("getApplication", "approveApplication", "recuseFromApplication", "declineApplication")
}


class Applications(Scoped):
    """`/api/v1/applications`."""

    @Operation(
        name="listApplications", tag=TAG, scopes=(REVIEW,), listed=True, asks=shapes.QueueFilters,
        gives=shapes.ApplicationRow, links={"getApplication": {"application": "$response.body#/results/0/id"}},
    )  # fmt: skip
    def get(self, request: Request, asked: dict[str, Any]) -> ApplicationQuerySet:
        """List the applications of one's labs, oldest first.

        The filters are those of the queue's page; without any, every state is shown.
        """
        user = self.person(request)
        return Chosen.read(asked).apply(rows_of(user), user, gates_of(user), timezone.now())


class ApplicationDetail(Scoped):
    """`/api/v1/applications/<application>`."""

    @Operation(
        name="getApplication", tag=TAG, scopes=(REVIEW,), gives=shapes.ApplicationWhole, problems=(404,), links=LINKS
    )
    def get(self, request: Request, application: UUID) -> Application:
        """Read one application, with what was answered.

        `answers` is null for whoever may not judge it. That they were read is in the audit trail. By session one's own
        application is found too, drafts included.
        """
        user = self.person(request)
        own = Application.objects.filter(pk=application, applicant=user) if request.auth is None else None
        found = own.select_related("gate__lab", "applicant", "assignee").first() if own is not None else None
        if found is not None:
            found.shown_answers = found.answers  # type: ignore[attr-defined]
            return found
        found = reviewable(user, application)
        found.shown_answers = _answers(found, user)  # type: ignore[attr-defined]
        return found


def reviewable(user: User, pk: UUID) -> Application:
    """An application of one's labs that somebody else sent. Raises NotFound for every other."""
    rows = Application.objects.for_staff(user).exclude(applicant=user)
    found = rows.filter(pk=pk).select_related("gate__lab", "gate__agreement", "applicant", "assignee").first()
    if found is None:
        raise errors.NotFound(_("There is no such application, or it belongs to another lab."))
    return found


def _answers(found: Application, user: User) -> dict[str, Any] | None:
    sent = found.submissions.order_by("-round").first()
    recused = found.reviews.filter(reviewer=user, vote=Vote.RECUSE).exists()
    if sent is None or recused or conflicts.known(user, found):
        return None
    trail.record_read(by=user, target=found, lab=found.gate.lab, what="answers")
    return forms.clean_draft(sent.form_spec, sent.answers)


def _deciding(name: str, takes: Shape | None, example: dict[str, Any]) -> Operation:
    """What every verb of a review has in common."""
    return Operation(
        name=name, tag=TAG, scopes=(REVIEW,), takes=takes, gives=shapes.ApplicationBrief, problems=(404,), recent=True,
        example=example, links=LINKS,
    )  # fmt: skip


class Start(Scoped):
    """`/api/v1/applications/<application>/start`."""

    @_deciding("startReview", None, {})
    def post(self, request: Request, application: UUID) -> Application:
        """Take an application up. The applicant sees that a person reads it."""
        user = self.person(request)
        return actions.start_review(by=user, application=reviewable(user, application))


class Approve(Scoped):
    """`/api/v1/applications/<application>/approve`."""

    @_deciding("approveApplication", shapes.Approved, {"version": 3, "note": "Sound plan, known group."})
    def post(self, request: Request, application: UUID, said: dict[str, Any]) -> Application:
        """Vote to approve.

        The vote that completes the quorum approves the application; for an appeal it overturns the decline. Where
        confirmations are missing that the gate asks for, `without_confirmation` says why to go on; without it: 400
        `confirmations_missing`.
        """
        return self._vote(request, application, Vote.APPROVE, said)

    def _vote(self, request: Request, pk: UUID, vote: Vote, said: dict[str, Any]) -> Application:
        user, expected = self.person(request), said.get("version")
        found, without = reviewable(user, pk), said.get("without_confirmation", "")
        return actions.cast_vote(
            by=user, application=found, vote=vote, note=said["note"], expected=expected, without_confirmation=without
        )


class Recuse(Approve):
    """`/api/v1/applications/<application>/recuse`."""

    @_deciding("recuseFromApplication", shapes.Voted, {"note": "We publish together."})
    def post(self, request: Request, application: UUID, said: dict[str, Any]) -> Application:
        """Step back from an application, for good."""
        return self._vote(request, application, Vote.RECUSE, said)


class RequestChanges(Scoped):
    """`/api/v1/applications/<application>/request-changes`."""

    @_deciding("requestChanges", shapes.Asked, {"message": "Where will the weights be kept?", "change": "custody"})
    def post(self, request: Request, application: UUID, said: dict[str, Any]) -> Application:
        """Hand an application back with words that say what to change."""
        user, expected = self.person(request), said.get("version")
        found, kind = reviewable(user, application), Change(said["change"])
        return actions.request_changes(
            by=user, application=found, message=said["message"], reason=kind, expected=expected
        )


class DeclineApplication(Scoped):
    """`/api/v1/applications/<application>/decline`."""

    @_deciding("declineApplication", shapes.Declined, {"reason": "purpose", "message": "The agreement excludes it."})
    def post(self, request: Request, application: UUID, said: dict[str, Any]) -> Application:
        """Decline an application, with a typed reason and words for the applicant, who may apply again."""
        user, expected = self.person(request), said.get("version")
        words = {"reason": Decline(said["reason"]), "message": said["message"], "note": said["note"]}
        return actions.decline(by=user, application=reviewable(user, application), expected=expected, **words)


class Uphold(Scoped):
    """`/api/v1/applications/<application>/uphold`."""

    @_deciding("upholdDecline", shapes.Upheld, {"message": "The purpose is still excluded."})
    def post(self, request: Request, application: UUID, said: dict[str, Any]) -> Application:
        """Let a decline stand that was appealed. One had no part in it."""
        user, expected = self.person(request), said.get("version")
        found = reviewable(user, application)
        return actions.uphold(
            by=user, application=found, message=said["message"], note=said["note"], expected=expected
        ).application


class SpotCheck(Scoped):
    """`/api/v1/applications/<application>/spot-check`."""

    @_deciding("makeSpotCheck", shapes.SpotChecked, {"found": "right"})
    def post(self, request: Request, application: UUID, said: dict[str, Any]) -> Application:
        """Say what a look at an approval by rules found.

        The approval stands; what was found wrong switches automatic approval off at the gate.
        """
        user = self.person(request)
        return actions.make_spot_check(
            by=user, application=reviewable(user, application), found=Found(said["found"]), note=said["note"]
        ).application


class Assign(Scoped):
    """`/api/v1/applications/<application>/assign`."""

    @Operation(
        name="assignApplication", tag=TAG, scopes=(REVIEW,), takes=shapes.Assigned, gives=shapes.ApplicationBrief,
        problems=(404,), example={"to": None}, links=LINKS,
    )  # fmt: skip
    def post(self, request: Request, application: UUID, said: dict[str, Any]) -> Application:
        """Give an application to a reviewer, oneself or a colleague; null releases it."""
        user = self.person(request)
        to = _colleague(user, said["to"])
        return actions.assign(by=user, application=reviewable(user, application), to=to)


def _colleague(user: User, pk: UUID | None) -> User | None:
    found = next((each for each in colleagues(user) if each.pk == pk), None)
    if pk is not None and found is None:
        wrong = _("Choose a reviewer of this lab.")
        raise errors.Invalid(wrong, fields={"to": [wrong]})
    return found


class AssignTogether(Scoped):
    """`/api/v1/applications/assign`."""

    @Operation(
        name="assignTogether", tag=TAG, scopes=(REVIEW,), takes=shapes.AssignedTogether, gives=shapes.Outcomes,
        example={"applications": ["00000000-0000-4000-8000-000000000000"], "to": None},
    )  # fmt: skip
    def post(self, request: Request, said: dict[str, Any]) -> dict[str, Any]:
        """Give several applications to one reviewer. A refusal of one stops none of the others."""
        user = self.person(request)
        return _together(user, said["applications"], desk.assigning(user, _colleague(user, said["to"])))


class RequestChangesTogether(Scoped):
    """`/api/v1/applications/request-changes`."""

    @Operation(
        name="requestChangesTogether", tag=TAG, scopes=(REVIEW,), takes=shapes.AskedTogether, gives=shapes.Outcomes,
        recent=True,
        example={"applications": ["00000000-0000-4000-8000-000000000000"], "message": "Who has the keys?"},
    )  # fmt: skip
    def post(self, request: Request, said: dict[str, Any]) -> dict[str, Any]:
        """Hand several applications back with the same words. A refusal of one stops none of the others."""
        user = self.person(request)
        deed = desk.asking(user, said["message"], Change(said["change"]), {})
        return _together(user, said["applications"], deed)


def _together(user: User, picked: list[UUID], deed: desk.Deed) -> dict[str, Any]:
    rows = rows_of(user).filter(pk__in=picked).exclude(applicant=user)
    return {"outcomes": desk.together(list(rows), deed) if rows else []}


class Notes(Scoped):
    """`/api/v1/applications/<application>/notes`."""

    @Operation(name="listNotes", tag=TAG, scopes=(REVIEW,), listed=True, gives=shapes.NoteShape, problems=(404,))
    def get(self, request: Request, application: UUID, asked: dict[str, Any]) -> QuerySet[Note]:
        """List what reviewers said to one another beside an application, oldest first.

        Whoever may not judge it may not read them: 403.
        """
        user = self.person(request)
        found = reviewable(user, application)
        judging.require_unbiased(found, user)
        return found.notes.select_related("by").order_by("at", "pk")

    @Operation(
        name="addNote", tag=TAG, scopes=(REVIEW,), takes=shapes.Noted, gives=shapes.NoteShape, status=201,
        problems=(404,), example={"text": "I know the cluster: two administrators."},
    )  # fmt: skip
    def post(self, request: Request, application: UUID, said: dict[str, Any]) -> Note:
        """Say something to the other reviewers. The applicant never reads it."""
        user = self.person(request)
        return actions.add_note(by=user, application=reviewable(user, application), text=said["text"])
