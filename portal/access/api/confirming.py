"""Confirmations: the applicant's referees, what reviewers read of them, and the referee's own answer."""

from __future__ import annotations

from typing import Any, Final
from uuid import UUID

from django.db.models import QuerySet
from django.utils.translation import gettext as _
from rest_framework.request import Request

from portal import errors
from portal.access import actions, confirmations
from portal.access.actions import judging, refereeing
from portal.access.api import named_shapes as shapes
from portal.access.api.applications import reviewable
from portal.access.api.applying import own
from portal.access.referee_models import Referee
from portal.access.referees import RefereeVerb
from portal.api.operations import IN_PERSON, REVIEW, Operation, Scoped
from portal.people.models import User

TAG: Final = "confirmations"
_REFEREE: Final = {"application": "$request.path.application", "referee": "$response.body#/id"}
LINKS: Final = dict.fromkeys(("remindReferee", "replaceReferee"), _REFEREE)


class Referees(Scoped):
    """`/api/v1/applications/<application>/referees`."""

    @Operation(name="listReferees", tag=TAG, scopes=IN_PERSON, listed=True, gives=shapes.RefereeShape)
    def get(self, request: Request, application: UUID, asked: dict[str, Any]) -> QuerySet[Referee]:
        """List whom one has asked to confirm, and who answered: not what they said."""
        return own(self.person(request), application).referees.order_by("asked_at", "id")

    @Operation(
        name="askReferee", tag=TAG, scopes=IN_PERSON, takes=shapes.RefereeNamed, gives=shapes.RefereeShape,
        status=201, problems=(404,), links=LINKS,
        example={"name": "Vera Olsen", "email": "vera@southmoor.example", "relation": "doctoral supervisor"},
    )  # fmt: skip
    def post(self, request: Request, application: UUID, said: dict[str, Any]) -> Referee:
        """Name somebody who confirms. They are asked by mail."""
        user = self.person(request)
        return actions.ask_referee(by=user, application=own(user, application), **said)


def _referee(user: User, application: UUID, pk: int) -> Referee:
    found = own(user, application).referees.filter(pk=pk).first()
    if found is None:
        raise errors.NotFound(_("There is no referee of that number here."))
    return found


def _verb(name: str) -> Operation:
    return Operation(name=name, tag=TAG, scopes=IN_PERSON, gives=shapes.RefereeShape, problems=(404,))


class RemindReferee(Scoped):
    """`/api/v1/applications/<application>/referees/<referee>/remind`."""

    @_verb("remindReferee")
    def post(self, request: Request, application: UUID, referee: int) -> Referee:
        """Mail a new link with a new time. Three times at most, a day apart."""
        user = self.person(request)
        return actions.remind_referee(by=user, referee=_referee(user, application, referee))


class ReplaceReferee(Scoped):
    """`/api/v1/applications/<application>/referees/<referee>/replace`."""

    @_verb("replaceReferee")
    def post(self, request: Request, application: UUID, referee: int) -> Referee:
        """Take a request back, so that somebody else can be named."""
        user = self.person(request)
        return actions.replace_referee(by=user, referee=_referee(user, application, referee))


class Confirmations(Scoped):
    """`/api/v1/applications/<application>/confirmations`."""

    @Operation(
        name="getConfirmations", tag=TAG, scopes=(REVIEW,), gives=shapes.ConfirmationsShape, problems=(404,),
        links={"approveApplication": {"application": "$request.path.application"}},
    )  # fmt: skip
    def get(self, request: Request, application: UUID) -> dict[str, Any]:
        """Read how far an application is confirmed, with the referees' words.

        To go on without, approve with `without_confirmation`. Whoever may not judge it may not read them: 403.
        """
        user = self.person(request)
        found = reviewable(user, application)
        judging.require_unbiased(found, user)
        standing = confirmations.standing(found)
        for referee, evidence in confirmations.with_evidence(found, standing.referees):
            referee.evidence = evidence  # type: ignore[attr-defined]
        names = ("needed", "given", "complete", "referees", "waiver")
        return {name: getattr(standing, name) for name in names}


class Confirmation(Scoped):
    """`/api/v1/confirmations/<secret>`."""

    @Operation(name="getConfirmation", tag=TAG, scopes=None, gives=shapes.RequestShape, problems=(404,))
    def get(self, request: Request, secret: str) -> Referee:
        """Read who asks one to confirm, and for what. The secret is in the mailed link; reading answers nothing."""
        return refereeing.of_secret(secret)

    @Operation(
        name="answerConfirmation", tag=TAG, scopes=None, takes=shapes.Answer, status=204, problems=(404,),
        example={"answer": "confirm", "comment": "We share an office."},
    )  # fmt: skip
    def post(self, request: Request, secret: str, said: dict[str, Any]) -> None:
        """Confirm, decline, or say that one does not know the applicant. Once."""
        actions.answer_referee(secret=secret, answer=RefereeVerb(said["answer"]), comment=said["comment"])
