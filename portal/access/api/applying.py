"""What applicants do, by session alone: gates and their forms, drafts, sending, appealing, signing."""

from __future__ import annotations

from typing import Any, Final
from uuid import UUID

from django.db.models import QuerySet
from django.utils.translation import gettext as _
from rest_framework.request import Request

from portal import errors
from portal.access import actions, leading
from portal.access.api import grant_shapes, shapes
from portal.access.application_models import Application
from portal.access.gate_models import Gate
from portal.access.models import Grant
from portal.agreements.models import Signature
from portal.api.operations import IN_PERSON, Operation, Scoped, Shape
from portal.people.models import User

TAG: Final = "applying"
LINKS: Final = {
    verb: {"application": "$response.body#/id"}
    for verb in ("getApplication", "submitApplication", "withdrawApplication")
}


class Gates(Scoped):
    """`/api/v1/gates`."""

    @Operation(
        name="listGates", tag=TAG, scopes=None, listed=True, gives=shapes.GateRow,
        links={"getGate": {"gate": "$response.body#/results/0/slug"}},
    )  # fmt: skip
    def get(self, request: Request, asked: dict[str, Any]) -> QuerySet[Gate]:
        """List what one can apply for."""
        return Gate.objects.filter(lab__is_active=True).select_related("lab", "agreement__lab").order_by("slug")


class GateDetail(Scoped):
    """`/api/v1/gates/<gate>`."""

    @Operation(name="getGate", tag=TAG, scopes=None, gives=shapes.GateWhole, problems=(404,))
    def get(self, request: Request, gate: str) -> Gate:
        """Read one gate with the questions of its form."""
        return gate_of(gate)


def gate_of(slug: str) -> Gate:
    """What one can apply for. Raises NotFound for everything else."""
    rows = Gate.objects.filter(lab__is_active=True).select_related("lab", "agreement__lab")
    found = rows.filter(slug=slug).first()
    if found is None:
        raise errors.NotFound(_("There is no such gate."))
    return found


class GateDraft(Scoped):
    """`/api/v1/gates/<gate>/draft`."""

    @Operation(
        name="saveApplicationDraft", tag=TAG, scopes=IN_PERSON, takes=shapes.Answered, gives=shapes.ApplicationWhole,
        problems=(404,), example={"answers": {"title": "How small models forget"}}, links=LINKS,
    )  # fmt: skip
    def put(self, request: Request, gate: str, said: dict[str, Any]) -> Application:
        """Keep answers, complete or not. The first save makes the application.

        What is left out stays as it was; files are attached on the page.
        """
        user = self.person(request)
        expected = said.get("version")
        return _whole(actions.save_draft(by=user, gate=gate_of(gate), answers=said["answers"], expected=expected))


class MyApplications(Scoped):
    """`/api/v1/me/applications`."""

    @Operation(
        name="listMyApplications", tag=TAG, scopes=IN_PERSON, listed=True, gives=shapes.ApplicationRow,
        links={"getApplication": {"application": "$response.body#/results/0/id"}},
    )  # fmt: skip
    def get(self, request: Request, asked: dict[str, Any]) -> QuerySet[Application]:
        """List one's own applications, newest first."""
        rows = Application.objects.filter(applicant=self.person(request))
        return rows.select_related("gate__lab", "applicant", "assignee").order_by("-created_at", "pk")


class MyGrants(Scoped):
    """`/api/v1/me/grants`."""

    @Operation(
        name="listMyGrants", tag=TAG, scopes=IN_PERSON, listed=True, gives=grant_shapes.GrantRow,
        links={"getGrant": {"grant": "$response.body#/results/0/id"}},
    )  # fmt: skip
    def get(self, request: Request, asked: dict[str, Any]) -> QuerySet[Grant]:
        """List the grants that one holds or held, newest first."""
        rows = Grant.objects.filter(user=self.person(request)).select_related("gate__lab", "user", "project")
        return rows.order_by("-starts_at", "pk")


def own(user: User, pk: UUID) -> Application:
    """One's own application. Raises NotFound for every other."""
    rows = Application.objects.select_related("gate__lab", "gate__agreement", "applicant", "assignee")
    found = rows.filter(pk=pk, applicant=user).first()
    if found is None:
        raise errors.NotFound(_("There is no such application, or it is not yours."))
    return found


def led(user: User, pk: UUID) -> Application:
    """The application whose team one leads. Raises NotFound for every other."""
    found = leading.led_by(user, pk)
    if found is None:
        raise errors.NotFound(_("There is no such application, or it is not yours."))
    return found


def _whole(application: Application) -> Application:
    application.shown_answers = application.answers  # type: ignore[attr-defined]
    return application


def _doing(name: str, takes: Shape | None, example: dict[str, Any] | None = None) -> Operation:
    """What every verb of an applicant has in common."""
    return Operation(
        name=name, tag=TAG, scopes=IN_PERSON, takes=takes, gives=shapes.ApplicationWhole, problems=(404,),
        example=example, links=LINKS,
    )  # fmt: skip


class Submit(Scoped):
    """`/api/v1/applications/<application>/submit`."""

    @_doing("submitApplication", shapes.Version, {"version": 4})
    def post(self, request: Request, application: UUID, said: dict[str, Any]) -> Application:
        """Send one's application. Whatever is missing is named, answer by answer."""
        user = self.person(request)
        return _whole(actions.submit(by=user, application=own(user, application), expected=said.get("version")))


class Withdraw(Scoped):
    """`/api/v1/applications/<application>/withdraw`."""

    @_doing("withdrawApplication", shapes.Version, {"version": 4})
    def post(self, request: Request, application: UUID, said: dict[str, Any]) -> Application:
        """Take one's application back, at any time before signing."""
        user = self.person(request)
        return _whole(actions.withdraw(by=user, application=own(user, application), expected=said.get("version")))


class ApplyAgain(Scoped):
    """`/api/v1/applications/<application>/again`."""

    @_doing("applyAgain", None)
    def post(self, request: Request, application: UUID) -> Application:
        """Begin a new draft with the answers of a closed application."""
        user = self.person(request)
        return _whole(actions.apply_again(by=user, application=own(user, application)))


class MakeAppeal(Scoped):
    """`/api/v1/applications/<application>/appeal`."""

    @_doing("appealDecline", shapes.Appealed, {"text": "The second reviewer read an older draft."})
    def post(self, request: Request, application: UUID, said: dict[str, Any]) -> Application:
        """Ask, once, for reviewers who had no part in the decline."""
        user = self.person(request)
        found = own(user, application)
        actions.appeal(by=user, application=found, text=said["text"], expected=said.get("version"))
        return _whole(own(user, application))


class Sign(Scoped):
    """`/api/v1/applications/<application>/sign`."""

    @Operation(
        name="signAgreement", tag=TAG, scopes=IN_PERSON, takes=shapes.Signed, gives=grant_shapes.GrantWhole, status=201,
        problems=(404,), recent=True,
        example={"typed_name": "Mara Lindqvist", "capacity": "for myself", "text_sha256": "0" * 64},
    )  # fmt: skip
    def post(self, request: Request, application: UUID, said: dict[str, Any]) -> Grant:
        """Sign the agreement of an approved application. Access begins with the signature."""
        user = self.person(request)
        return actions.sign(by=user, application=own(user, application), **said)


class MyReceipts(Scoped):
    """`/api/v1/me/receipts`."""

    @Operation(name="listMyReceipts", tag=TAG, scopes=IN_PERSON, listed=True, gives=shapes.Receipt)
    def get(self, request: Request, asked: dict[str, Any]) -> QuerySet[Signature]:
        """List one's signatures, newest first. Each receipt has a public page: `/receipts/<receipt>/`."""
        rows = Signature.objects.filter(user=self.person(request)).select_related("version")
        return rows.order_by("-signed_at", "pk")
