"""Planned openings for a lab's programs: plan one, approve it, hold it, cancel it; the verbs of its page."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, Final
from uuid import UUID

from django.db.models import Prefetch
from django.utils import timezone
from django.utils.translation import gettext as _
from rest_framework import serializers
from rest_framework.request import Request

from portal.access.api.shapes import Person
from portal.api.fields import Choice, Taken
from portal.api.operations import MANAGE, STAFF, Listed, Operation, Scoped
from portal.errors import Invalid, NotFound
from portal.people.models import User
from releases import actions
from releases.actions.opening import parties_of
from releases.api_names import model_of_lab, revision_of
from releases.opening import LIVE, Rule, State, Verb, verbs
from releases.opening_models import Opening, OpeningApproval, OpeningStep

TAG: Final = "openings"
MOST_NAMED: Final = 20
LINKS: Final = {
    name: {"opening": "$response.body#/id"}
    for name in ("getOpening", "approveOpening", "takeBackApproval", "holdOpening", "resumeOpening", "cancelOpening")
}


class NamedShape(serializers.Serializer[Any]):
    """Somebody whom the plan names."""

    person = Person()
    approved_at = serializers.DateTimeField(allow_null=True)


class StepShape(serializers.Serializer[Any]):
    """One line of the history."""

    verb = serializers.CharField(
        help_text="`plan`, one of the verbs, `open`, or `late`: the date came and something was missing."
    )
    at = serializers.DateTimeField()
    by = Person(allow_null=True, help_text="null: it followed from the rules.")
    text = serializers.CharField(allow_blank=True)


class OpeningShape(serializers.Serializer[Any]):
    """One planned opening."""

    id = serializers.IntegerField(source="pk")
    model = serializers.CharField(source="model.full_name")
    revision = serializers.CharField(source="revision.commit")
    state = Choice(choices=[state.value for state in State])
    opens_at = serializers.DateTimeField(allow_null=True, help_text="Not before; null: the approvals alone decide.")
    approvals = serializers.IntegerField(help_text="How many of the named people must approve.")
    named = NamedShape(many=True, source="named.all")
    announced = serializers.BooleanField(help_text="Whether strangers may know of it.")
    held_reason = serializers.CharField(allow_blank=True)
    planned_at = serializers.DateTimeField()
    planned_by = Person(allow_null=True)
    opened_at = serializers.DateTimeField(allow_null=True)
    waits_for = serializers.ListField(child=Choice(choices=[rule.value for rule in Rule]), source="waits_for_now")
    verbs = serializers.ListField(child=Choice(choices=[verb.value for verb in Verb]), help_text="Open to the caller.")
    history = StepShape(many=True, source="steps.all")


class Planned(Taken):
    """Which revision opens, and by which rules: a date, approvals, or both."""

    revision = serializers.CharField(
        max_length=200, required=False, default="main", help_text="A commit, or the newest of a branch."
    )
    opens_at = serializers.DateTimeField(required=False, default=None, allow_null=True)
    approvers = serializers.ListField(
        child=serializers.UUIDField(), required=False, default=list, max_length=MOST_NAMED, help_text="Of the lab."
    )
    approvals = serializers.IntegerField(required=False, default=0, min_value=0, max_value=MOST_NAMED)
    announced = serializers.BooleanField(required=False, default=False)


class Held(Taken):
    """Why."""

    reason = serializers.CharField(max_length=2_000)


class Cancelled(Taken):
    """Why, if anything is to be said."""

    reason = serializers.CharField(required=False, allow_blank=True, default="", max_length=2_000)


class Openings(Scoped):
    """`/api/v1/models/<lab>/<name>/openings`."""

    @Operation(
        name="listOpenings", tag=TAG, scopes=STAFF, listed=True, gives=OpeningShape,
        links={"getOpening": {"opening": "$response.body#/results/0/id"}},
    )  # fmt: skip
    def get(self, request: Request, lab: str, name: str, asked: dict[str, Any]) -> Listed:
        """List the openings of a model that were planned, the newest first; at most one may still open."""
        user = self.person(request)
        return Listed(_rows().filter(model=model_of_lab(user, lab, name)), lambda row: _shown(row, user))

    @Operation(
        name="planOpening", tag=TAG, scopes=(MANAGE,), takes=Planned, gives=OpeningShape, status=201, recent=True,
        problems=(404,), links=LINKS, example={"revision": "main", "opens_at": "2027-01-15T09:00:00Z"},
    )  # fmt: skip
    def post(self, request: Request, lab: str, name: str, said: dict[str, Any]) -> Opening:
        """Have a revision published by itself, once its rules are met and its check has passed."""
        user = self.person(request)
        model = model_of_lab(user, lab, name)
        revision = revision_of(model, said.pop("revision"), person=user, drafts=True)
        people = _people(said.pop("approvers"))
        return _found(user, actions.plan_opening(revision=revision, by=user, approvers=people, **said).pk)


class OpeningDetail(Scoped):
    """`/api/v1/openings/<opening>`."""

    @Operation(name="getOpening", tag=TAG, scopes=STAFF, gives=OpeningShape, problems=(404,), links=LINKS)
    def get(self, request: Request, opening: int) -> Opening:
        """Read a planned opening: what it waits for, who has approved, what was done."""
        return _found(self.person(request), opening)


class Approve(Scoped):
    """`/api/v1/openings/<opening>/approve`."""

    @Operation(
        name="approveOpening", tag=TAG, scopes=STAFF, gives=OpeningShape, recent=True, problems=(404,), links=LINKS
    )
    def post(self, request: Request, opening: int) -> Opening:
        """Approve, as one whom the plan names; the last approval that is needed opens it in the same moment."""
        return _step(actions.approve_opening, self.person(request), opening)


class TakeBack(Scoped):
    """`/api/v1/openings/<opening>/take-back`."""

    @Operation(
        name="takeBackApproval", tag=TAG, scopes=STAFF, gives=OpeningShape, recent=True, problems=(404,), links=LINKS
    )
    def post(self, request: Request, opening: int) -> Opening:
        """Take one's approval back, as long as it has not opened."""
        return _step(actions.take_back_approval, self.person(request), opening)


class Hold(Scoped):
    """`/api/v1/openings/<opening>/hold`."""

    @Operation(
        name="holdOpening", tag=TAG, scopes=STAFF, takes=Held, gives=OpeningShape, recent=True, problems=(404,),
        links=LINKS, example={"reason": "A licence of the data is not settled."},
    )  # fmt: skip
    def post(self, request: Request, opening: int, said: dict[str, Any]) -> Opening:
        """Hold it, as a release manager or as one whom the plan names: it does not open before it is resumed."""
        return _step(actions.hold_opening, self.person(request), opening, reason=said["reason"])


class Resume(Scoped):
    """`/api/v1/openings/<opening>/resume`."""

    @Operation(
        name="resumeOpening", tag=TAG, scopes=(MANAGE,), gives=OpeningShape, recent=True, problems=(404,), links=LINKS
    )
    def post(self, request: Request, opening: int) -> Opening:
        """Let it go on; where everything is met by now, it opens."""
        return _step(actions.resume_opening, self.person(request), opening)


class Cancel(Scoped):
    """`/api/v1/openings/<opening>/cancel`."""

    @Operation(
        name="cancelOpening", tag=TAG, scopes=(MANAGE,), takes=Cancelled, gives=OpeningShape, recent=True,
        problems=(404,), links=LINKS, example={"reason": "It opens with the next one."},
    )  # fmt: skip
    def post(self, request: Request, opening: int, said: dict[str, Any]) -> Opening:
        """Cancel it; the revision stays as it is, and another plan may be made."""
        return _step(actions.cancel_opening, self.person(request), opening, reason=said["reason"])


def _step(action: Callable[..., Opening], user: User, pk: int, **told: str) -> Opening:
    action(opening=_found(user, pk), by=user, **told)
    return _found(user, pk)


def _found(user: User, pk: int) -> Opening:
    found = _rows().filter(pk=pk).first()
    if found is None or not user.roles_in(found.model.lab):
        raise NotFound(_("There is no such opening, or it belongs to another lab."))
    return _shown(found, user)


def _rows() -> Any:  # noqa: ANN401 a QuerySet of openings, whose stubs know no prefetched attribute
    named = Prefetch("named", OpeningApproval.objects.select_related("person"))
    steps = Prefetch("steps", OpeningStep.objects.select_related("by"))
    return Opening.objects.select_related("model__lab", "revision", "planned_by").prefetch_related(named, steps)


def _shown(opening: Opening, user: User) -> Opening:
    """With what it waits for and what this person may do: nothing, unless it may still open, as one of a model may."""
    live = opening.state in LIVE
    opening.waits_for_now = opening.waits_for(timezone.now()) if live else ()  # type: ignore[attr-defined]
    opening.verbs = verbs(opening.state, parties_of(opening, user)) if live else ()  # type: ignore[attr-defined]
    return opening


def _people(ids: Sequence[UUID]) -> list[User]:
    found = {person.pk: person for person in User.objects.filter(pk__in=ids)}
    if set(ids) - found.keys():
        wrong = _("Name people of this lab.")
        raise Invalid(wrong, fields={"approvers": [wrong]})
    return [found[pk] for pk in dict.fromkeys(ids)]
