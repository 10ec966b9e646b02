"""Agreements: the versions, the draft, its publication, and who has yet to sign.

A write names `edits`, the agreement's state that was read, and is 409 past it.
"""

from __future__ import annotations

from typing import Any, Final

from django.db.models import QuerySet
from django.utils import timezone
from django.utils.translation import gettext as _
from rest_framework.request import Request

from portal import errors
from portal.access import outstanding
from portal.access.api import agreement_shapes as shapes
from portal.access.api.desk import staffed
from portal.access.views.agreements import found, readable
from portal.agreements import actions
from portal.agreements.models import Agreement, ChangeClass, Version
from portal.agreements.redline import redline
from portal.api.operations import MANAGE, Listed, Operation, Scoped

TAG: Final = "agreements"
_THIS: Final = {"lab": "$response.body#/lab", "agreement": "$response.body#/slug"}
LINKS: Final = dict.fromkeys(("getAgreement", "listOutstanding"), _THIS)


def _whole(agreement: Agreement) -> dict[str, Any]:
    """One agreement with its versions, newest first; the draft with its text."""
    versions = list(agreement.versions.all())
    return {
        "lab": agreement.lab,
        "slug": agreement.slug,
        "title": agreement.title,
        "edits": agreement.edits,
        "versions": [version for version in versions if version.published_at],
        "draft": next((version for version in versions if version.published_at is None), None),
        "outstanding": outstanding.counts(agreement, timezone.now()),
    }


class AgreementList(Scoped):
    """`/api/v1/agreements`."""

    @Operation(
        name="listAgreements", tag=TAG, scopes=(MANAGE,), listed=True, gives=shapes.AgreementRow,
        links={"getAgreement": {
            "lab": "$response.body#/results/0/lab", "agreement": "$response.body#/results/0/slug",
        }},
    )  # fmt: skip
    def get(self, request: Request, asked: dict[str, Any]) -> QuerySet[Agreement]:
        """List the agreements of one's labs."""
        return readable(self.person(request)).order_by("lab__slug", "slug")

    @Operation(
        name="createAgreement", tag=TAG, scopes=(MANAGE,), takes=shapes.AgreementMade, gives=shapes.AgreementRow,
        status=201, problems=(404,), recent=True, links=LINKS,
        example={"lab": "lyceum", "slug": "evaluation", "title": "Evaluation Agreement"},
    )  # fmt: skip
    def post(self, request: Request, said: dict[str, Any]) -> Agreement:
        """Make an agreement of one's lab. Its first text is written as a draft."""
        user = self.person(request)
        return actions.create_agreement(by=user, lab=staffed(user, said.pop("lab")), **said)


class AgreementDetail(Scoped):
    """`/api/v1/agreements/<lab>/<agreement>`."""

    @Operation(
        name="getAgreement", tag=TAG, scopes=(MANAGE,), gives=shapes.AgreementWhole, problems=(404,), links=LINKS
    )
    def get(self, request: Request, lab: str, agreement: str) -> dict[str, Any]:
        """Read one agreement: its versions, the draft, and how many have yet to sign."""
        return _whole(found(self.person(request), lab, agreement))


class AgreementDraft(Scoped):
    """`/api/v1/agreements/<lab>/<agreement>/draft`."""

    @Operation(
        name="saveAgreementDraft", tag=TAG, scopes=(MANAGE,), takes=shapes.Draft, gives=shapes.AgreementWhole,
        problems=(404,), links=LINKS,
        example={"text": "1. Research only.", "points": [], "change_class": "blocking", "edits": 2},
    )  # fmt: skip
    def put(self, request: Request, lab: str, agreement: str, said: dict[str, Any]) -> dict[str, Any]:
        """Write the next version. Only the lab's staff sees it."""
        user = self.person(request)
        said["change_class"] = ChangeClass(said["change_class"])
        actions.save_draft(by=user, agreement=found(user, lab, agreement), expected=said.pop("edits"), **said)
        return _whole(found(user, lab, agreement))

    @Operation(
        name="discardAgreementDraft", tag=TAG, scopes=(MANAGE,), asks=shapes.Seen, gives=shapes.AgreementWhole,
        problems=(404,), links=LINKS,
    )  # fmt: skip
    def delete(self, request: Request, lab: str, agreement: str, asked: dict[str, Any]) -> dict[str, Any]:
        """Throw the draft away."""
        user = self.person(request)
        actions.discard_draft(by=user, agreement=found(user, lab, agreement), expected=asked["edits"])
        return _whole(found(user, lab, agreement))


class AgreementPublication(Scoped):
    """`/api/v1/agreements/<lab>/<agreement>/publish`."""

    @Operation(
        name="publishAgreement", tag=TAG, scopes=(MANAGE,), takes=shapes.Seen, gives=shapes.AgreementWhole,
        problems=(404,), example={"edits": 3}, links=LINKS,
    )  # fmt: skip
    def post(self, request: Request, lab: str, agreement: str, said: dict[str, Any]) -> dict[str, Any]:
        """Publish the draft that was read. From then on it never changes."""
        user = self.person(request)
        actions.publish_draft(by=user, agreement=found(user, lab, agreement), expected=said["edits"])
        return _whole(found(user, lab, agreement))


class AgreementRedline(Scoped):
    """`/api/v1/agreements/<lab>/<agreement>/redline`."""

    @Operation(
        name="compareVersions", tag=TAG, scopes=(MANAGE,), asks=shapes.Compared, gives=shapes.Redline, problems=(404,)
    )
    def get(self, request: Request, lab: str, agreement: str, asked: dict[str, Any]) -> dict[str, Any]:
        """Compare two versions, word by word; the draft is one."""
        shown = found(self.person(request), lab, agreement)
        old, new = (_version(shown, asked[name]) for name in ("from", "to"))
        return {"from": old.number, "to": new.number, "paragraphs": [b.runs for b in redline(old.text, new.text)]}


class AgreementOutstanding(Scoped):
    """`/api/v1/agreements/<lab>/<agreement>/outstanding`."""

    @Operation(
        name="listOutstanding", tag=TAG, scopes=(MANAGE,), listed=True, asks=shapes.OutstandingFilters,
        gives=shapes.StandingRow,
    )  # fmt: skip
    def get(self, request: Request, lab: str, agreement: str, asked: dict[str, Any]) -> Listed:
        """List the holders and until when they may sign."""
        shown, now = found(self.person(request), lab, agreement), timezone.now()
        people = outstanding.matching(outstanding.chosen(shown, show=asked["show"], now=now), asked["q"])
        demands = outstanding.demands(shown, now)
        rows = outstanding.with_standing(people, shown)
        return Listed(rows, lambda row: outstanding.standing_of(row, demands, now))


def _version(agreement: Agreement, number: int) -> Version:
    version = agreement.versions.filter(number=number).first()
    if version is None:
        raise errors.NotFound(_("There is no such version of this agreement."))
    return version
