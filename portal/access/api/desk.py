"""What reviewers and managers keep beside the queue: saved filters, substitutes, the words of reasons, triage rules."""

from __future__ import annotations

from typing import Any, Final

from django.db.models import QuerySet
from django.utils.translation import gettext as _
from rest_framework.request import Request

from portal import errors
from portal.access import actions, reasons, sorting, triage
from portal.access.actions.rules import checked
from portal.access.api import desk_shapes as shapes
from portal.access.desk_models import ReasonText, SavedFilter, Substitute
from portal.access.gate_models import Gate
from portal.access.queue import Chosen
from portal.access.rule_models import RuleSet
from portal.access.views.staff import memberships
from portal.api.operations import MANAGE, REVIEW, STAFF, Operation, Scoped
from portal.people.models import Lab, User

FILTERS: Final = "filters"
SUBSTITUTES: Final = "substitutes"
REASONS: Final = "reasons"
RULES: Final = "rules"


def staffed(user: User, slug: str) -> Lab:
    """A lab where this person is staff today. Raises NotFound for every other."""
    found = Lab.objects.filter(pk__in=memberships(user).values("lab"), slug=slug).first()
    if found is None:
        raise errors.NotFound(_("There is no such lab, or you are not of its staff."))
    return found


class Filters(Scoped):
    """`/api/v1/filters`."""

    @Operation(
        name="listFilters", tag=FILTERS, scopes=(REVIEW,), listed=True, gives=shapes.FilterShape,
        links={"removeFilter": {"filter": "$response.body#/results/0/id"}},
    )  # fmt: skip
    def get(self, request: Request, asked: dict[str, Any]) -> QuerySet[SavedFilter]:
        """List one's saved filters."""
        return SavedFilter.objects.filter(user=self.person(request))

    @Operation(
        name="saveFilter", tag=FILTERS, scopes=(REVIEW,), takes=shapes.FilterSaved, gives=shapes.FilterShape,
        status=201, example={"name": "Red and mine", "lane": "red", "assignee": "me"},
        links={"removeFilter": {"filter": "$response.body#/id"}},
    )  # fmt: skip
    def post(self, request: Request, said: dict[str, Any]) -> SavedFilter:
        """Keep a way to look at the queue under a name; the same name again replaces it."""
        user = self.person(request)
        staff_only(user)
        return actions.save_filter(by=user, name=said["name"], query=Chosen.read(said))


def staff_only(user: User) -> None:
    """Raise NotFound for whoever is staff of no lab, as the pages do."""
    if not memberships(user).exists():
        raise errors.NotFound(_("There is nothing here for people without a role in a lab."))


class FilterDetail(Scoped):
    """`/api/v1/filters/<filter>`."""

    @Operation(name="removeFilter", tag=FILTERS, scopes=(REVIEW,), status=204, problems=(404,))
    def delete(self, request: Request, filter: int) -> None:  # noqa: A002 the address names it so
        """Remove one of one's saved filters."""
        user = self.person(request)
        if not SavedFilter.objects.filter(user=user, pk=filter).exists():
            raise errors.NotFound(_("There is no such filter, or it is not yours."))
        actions.forget_filter(by=user, pk=filter)


class Substitutes(Scoped):
    """`/api/v1/substitutes`."""

    @Operation(name="listSubstitutes", tag=SUBSTITUTES, scopes=(REVIEW,), listed=True, gives=shapes.SubstituteShape)
    def get(self, request: Request, asked: dict[str, Any]) -> QuerySet[Substitute]:
        """List who acts, or acted, in one's place; the newest first."""
        rows = Substitute.objects.filter(reviewer=self.person(request))
        return rows.select_related("lab", "reviewer", "substitute")

    @Operation(
        name="nameSubstitute", tag=SUBSTITUTES, scopes=(REVIEW,), takes=shapes.SubstituteNamed,
        gives=shapes.SubstituteShape, status=201, problems=(404,),
        example={
            "lab": "lyceum", "substitute": "00000000-0000-4000-8000-000000000000",
            "starts_on": "2026-12-21", "ends_on": "2027-01-04",
        },
        links={"endSubstitute": {"substitute": "$response.body#/id"}},
    )  # fmt: skip
    def post(self, request: Request, said: dict[str, Any]) -> Substitute:
        """Name a colleague who acts on what is assigned to oneself, from one day through another."""
        user = self.person(request)
        lab = staffed(user, said.pop("lab"))
        colleague = User.objects.filter(pk=said.pop("substitute")).first()
        if colleague is None:
            wrong = _("Choose somebody else of this lab.")
            raise errors.Invalid(wrong, fields={"substitute": [wrong]})
        return actions.name_substitute(by=user, lab=lab, substitute=colleague, **said)


class SubstituteEnd(Scoped):
    """`/api/v1/substitutes/<substitute>/end`."""

    @Operation(name="endSubstitute", tag=SUBSTITUTES, scopes=(REVIEW,), gives=shapes.SubstituteShape, problems=(404,))
    def post(self, request: Request, substitute: int) -> Substitute:
        """Take a substitution back from this moment. What was done in one's place stays."""
        return actions.end_substitute(by=self.person(request), pk=substitute)


class Reasons(Scoped):
    """`/api/v1/labs/<lab>/reasons`."""

    @Operation(name="listReasons", tag=REASONS, scopes=STAFF, listed=True, gives=shapes.ReasonShape)
    def get(self, request: Request, lab: str, asked: dict[str, Any]) -> list[dict[str, Any]]:
        """List the typed reasons with the words that the lab's mails say."""
        found = staffed(self.person(request), lab)
        own = dict(ReasonText.objects.filter(lab=found).values_list("reason", "text"))
        return [reason_json(name, own.get(name, "")) for name in reasons.LABELS]


def reason_json(name: str, own: str) -> dict[str, Any]:
    """One reason: its name, what it is called, the default words and the lab's own."""
    return {"reason": name, "label": str(reasons.LABELS[name]), "default": reasons.default(name), "own": own}


class ReasonDetail(Scoped):
    """`/api/v1/labs/<lab>/reasons/<reason>`."""

    @Operation(
        name="wordReason", tag=REASONS, scopes=(MANAGE,), takes=shapes.Worded, gives=shapes.ReasonShape,
        problems=(404,), example={"text": "The description is too short for us to judge."},
    )  # fmt: skip
    def put(self, request: Request, lab: str, reason: str, said: dict[str, Any]) -> dict[str, Any]:
        """Give a reason the lab's own words; an empty text brings the default back."""
        user = self.person(request)
        return reason_json(
            reason, actions.word_reason(by=user, lab=staffed(user, lab), reason=reason, text=said["text"])
        )


class Rules(Scoped):
    """`/api/v1/labs/<lab>/rules`."""

    @Operation(
        name="listRuleSets", tag=RULES, scopes=STAFF, listed=True, gives=shapes.RuleSetShape,
        links={"getRuleSet": {"lab": "$request.path.lab", "version": "$response.body#/results/0/version"}},
    )  # fmt: skip
    def get(self, request: Request, lab: str, asked: dict[str, Any]) -> list[RuleSet]:
        """List the versions of a lab's triage rules, the newest first.

        Version 1 is what every lab begins with. The newest of a gate is in force there, else the newest of the lab.
        """
        found = staffed(self.person(request), lab)
        made = RuleSet.objects.filter(lab=found).select_related("lab", "gate", "made_by")
        return [*made, _first(found)]

    @Operation(
        name="publishRules", tag=RULES, scopes=(MANAGE,), takes=shapes.RulesPublished, gives=shapes.RuleSetShape,
        status=201, problems=(404,),
        example={"text": "amber student when answer role is student, phd: A student\n", "reason": "Students need a supervisor."},
        links={"getRuleSet": {"lab": "$request.path.lab", "version": "$response.body#/version"}},
    )  # fmt: skip
    def post(self, request: Request, lab: str, said: dict[str, Any]) -> RuleSet:
        """Put a new version of the rules in force. Sent applications keep their lane."""
        user = self.person(request)
        found = staffed(user, lab)
        gate = _gate(found, said["gate"])
        return actions.make_rules(by=user, lab=found, gate=gate, text=said["text"], reason=said["reason"])


def _first(lab: Lab) -> RuleSet:
    """Version 1, which no row holds."""
    return RuleSet(lab=lab, version=1, text=triage.FIRST)


def _gate(lab: Lab, slug: str) -> Gate | None:
    found = Gate.objects.filter(lab=lab, slug=slug).select_related("lab").first() if slug else None
    if slug and found is None:
        wrong = _("This lab has no such gate.")
        raise errors.Invalid(wrong, fields={"gate": [wrong]})
    return found


class RuleSetDetail(Scoped):
    """`/api/v1/labs/<lab>/rules/<version>`."""

    @Operation(name="getRuleSet", tag=RULES, scopes=STAFF, gives=shapes.RuleSetShape, problems=(404,))
    def get(self, request: Request, lab: str, version: int) -> RuleSet:
        """Read one version of a lab's rules."""
        found = staffed(self.person(request), lab)
        if version == 1:
            return _first(found)
        rows = RuleSet.objects.filter(lab=found, version=version).select_related("lab", "gate", "made_by")
        one = rows.first()
        if one is None:
            raise errors.NotFound(_("There is no such version of the rules."))
        return one


class RulesDryRun(Scoped):
    """`/api/v1/labs/<lab>/rules/dry-run`."""

    @Operation(
        name="tryRules", tag=RULES, scopes=STAFF, takes=shapes.RulesTried, gives=shapes.DryRunShape, problems=(404,),
        example={"text": "amber student when answer role is student, phd: A student\n"},
    )  # fmt: skip
    def post(self, request: Request, lab: str, said: dict[str, Any]) -> dict[str, Any]:
        """Say which of the newest 500 applications would lie in another lane under these rules. Nothing changes."""
        found = staffed(self.person(request), lab)
        gate = _gate(found, said["gate"])
        run = sorting.dry_run(checked(found, gate, said["text"]), sorting.sorted_by(found, gate))
        lanes = [{"lane": lane, "before": before, "after": after} for lane, before, after in run.lanes]
        return {"looked_at": run.looked_at, "lanes": lanes, "moves": run.moves}
