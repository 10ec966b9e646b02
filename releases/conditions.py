"""Every condition of a right by its name: the one list from which the policy decides and explains.

A condition is met, not met (and then says what is missing), or cannot be judged before an earlier one is met: nobody
can say whether a grant has ended that was never given. Whoever meets all of them may.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime
from functools import cache
from typing import TYPE_CHECKING, Any, Final
from uuid import UUID

from django.conf import settings
from django.contrib.postgres.expressions import ArraySubquery
from django.db.models import Exists, OuterRef, Q, QuerySet
from django.db.models.expressions import BaseExpression
from django.urls import reverse
from django.utils.formats import date_format
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from portal.access.application_models import Application
from portal.access.gate_models import Gate
from portal.access.mailed_links import verified_addresses
from portal.access.member_models import Member
from portal.access.members import MemberStatus
from portal.access.models import GRANT_CONDITIONS, Grant
from portal.access.workflow import OPEN, Status
from portal.errors import Reason
from portal.people.models import Membership, User
from portal.prepared import Prepared
from portal.switches.models import Switch, closed, is_on
from releases import instead, next_steps
from releases.lifecycle import STAFF, State
from releases.stop_models import Stop, stop_over

if TYPE_CHECKING:
    from releases.models import Model, Revision

VIEW: Final = "view"
DOWNLOAD: Final = "download"
QUERY: Final = "query"
SWITCHES: Final = {DOWNLOAD: Switch.DOWNLOAD, QUERY: Switch.QUERY}

ALWAYS: Final = ("switch", "stop", "scope", "account", "model", "lab", "revision", "signed_in")
SAME: Final = {"holder_active": "account", "lab_active": "lab"}
"""Conditions of the portal's rule that are asked above already: one fact is one condition."""
OF_INSTITUTION: Final = frozenset({"institution_in_force", "institution_attested"})
"""Conditions that are asked only where a grant is a seat of an institutional agreement."""
BEHIND_GATE: Final = ("approved", *(name for name in GRANT_CONDITIONS if name not in SAME), "capability")
NAMES: Final = ("visible", *ALWAYS, "open", "staff", *BEHIND_GATE)
"""Every name that a condition can have."""


@dataclass(frozen=True, slots=True)
class Condition:
    """One condition. `met` None: not to be judged before an earlier one is met; `reason` says what is missing."""

    name: str
    met: bool | None
    reason: Reason | None = None


@dataclass(frozen=True, slots=True)
class Facts:
    """What the conditions ask beside the rows that they are asked about, where it came with those in one question.

    The roles of the person in the model's lab; whether downloads are paused; whether a stop is in force.
    """

    roles: frozenset[str]
    paused: bool
    stopped: bool

    @staticmethod
    def beside_file(person: Any, now: Any) -> dict[str, BaseExpression]:  # noqa: ANN401 values, or what stands for them
        """The annotations of a QuerySet of files from which of_file() reads."""
        model = "revision__model"
        stops = Stop.objects.over(
            model=OuterRef(model), family=OuterRef(f"{model}__family"), lab=OuterRef(f"{model}__lab"),
            revision=OuterRef("revision"),
        )  # fmt: skip
        return {
            "fact_roles": ArraySubquery(_roles_in(person, OuterRef(f"{model}__lab"), now)),
            "fact_paused": Exists(closed(SWITCHES[DOWNLOAD])),
            "fact_stopped": Exists(stops),
        }

    @classmethod
    def of_file(cls, file: Any) -> Facts:  # noqa: ANN401 a File with annotations
        """What came with the file."""
        return cls(frozenset(file.fact_roles), file.fact_paused, file.fact_stopped)


@dataclass(frozen=True, slots=True)
class Question:
    """May `person` use `capability` on `model`?

    `scopes` are the token's, or None in a browser session. `revision` None means what `main` names. `facts` are those of
    this person, `revision` and `now`; what they do not tell is asked.
    """

    person: User | None
    scopes: frozenset[str] | None
    model: Model
    revision: Revision | None
    capability: str
    now: datetime
    facts: Facts | None = None


@dataclass(frozen=True, slots=True)
class Weighed:
    """The conditions in their order, and the grant that they were read from, if there is one."""

    conditions: tuple[Condition, ...]
    grant: Grant | None = None

    @property
    def unmet(self) -> tuple[Reason, ...]:
        """What is missing, the most useful first."""
        return tuple(c.reason for c in self.conditions if c.met is False and c.reason)

    @property
    def allows(self) -> bool:
        """Whether every condition is met."""
        return all(c.met for c in self.conditions)


def weigh(asked: Question) -> Weighed:
    """Every condition of the question, judged. At most six queries, however much there is."""
    if asked.capability == VIEW and _public(asked):
        return Weighed((_met("visible"),))
    roles = asked.facts.roles if asked.facts else roles_of(asked.person, asked.model, asked.now)
    if asked.capability == VIEW:
        hidden = Reason("not_published", _("There is no model %(name)s.") % {"name": asked.model.full_name})
        return Weighed((_judged("visible", None if roles else hidden),))
    listed = {c.name: c for c in _always(asked, roles)}
    if asked.model.gate is None:
        return Weighed((*listed.values(), _met("open")))
    if asked.capability == DOWNLOAD and roles & STAFF:
        return Weighed((*listed.values(), _met("staff")))
    if asked.person is None:
        later = (name for name in BEHIND_GATE if name not in OF_INSTITUTION)
        return Weighed((*listed.values(), *(Condition(name, met=None) for name in later)))
    grant, behind = _behind_gate(asked, asked.person, asked.model.gate)
    for condition in behind:
        name = SAME.get(condition.name, condition.name)
        if name not in listed or listed[name].met:
            listed[name] = condition if name == condition.name else Condition(name, condition.met, condition.reason)
    return Weighed(tuple(listed.values()), grant)


def roles_of(person: User | None, model: Model, now: datetime) -> frozenset[str]:
    """The roles that the person holds in the model's lab."""
    if person is None:
        return frozenset()
    return frozenset(_roles.all(person=person.pk, lab=model.lab_id, now=now))


@Prepared
def _roles(person: UUID, lab: UUID, now: datetime) -> QuerySet[Membership, str]:
    return _roles_in(person, lab, now)


def _roles_in(person: Any, lab: Any, now: Any) -> QuerySet[Membership, str]:  # noqa: ANN401 values, or what stands for them
    return Membership.objects.active(now).filter(user=person, lab=lab).values_list("role", flat=True)


def apply_url(gate: Gate) -> str:
    """Where one applies, absolute."""
    return f"{settings.BASE_URL}{gate.get_absolute_url()}"


def sign_url(grant: Grant) -> str:
    """Where its holder signs the agreement's present text, absolute."""
    return f"{settings.BASE_URL}{reverse('access:sign_again', args=[grant.pk])}"


def _judged(name: str, missing: Reason | None) -> Condition:
    return Condition(name, met=False, reason=missing) if missing else _met(name)


@cache
def _met(name: str) -> Condition:
    return Condition(name, met=True)


def _public(asked: Question) -> bool:
    return asked.revision.is_public if asked.revision else asked.model.opened_at is not None


def _always(asked: Question, roles: frozenset[str]) -> Iterator[Condition]:
    """What is asked of everybody, gate or none."""
    model, person, capability = asked.model, asked.person, asked.capability
    yield _judged("switch", _paused(asked))
    yield _judged("stop", _stopped(asked))
    if asked.scopes is not None:
        yield _judged("scope", None if capability in asked.scopes else _scope(capability))
    if person is not None:
        yield _judged("account", None if person.is_active else _suspended())
    yield _judged("model", _taken_back(model) if model.withdrawn_at else None)
    yield _judged("lab", None if model.lab.is_active else _closed(model.lab.slug))
    yield _judged("revision", _unpublished(model, asked.revision, roles))
    if capability == QUERY or model.gate is not None:
        yield _judged("signed_in", _sign_in(asked) if person is None else None)


def _paused(asked: Question) -> Reason | None:
    if not asked.facts.paused if asked.facts else is_on(SWITCHES[asked.capability]):
        return None
    text = _("The operator has paused every %(capability)s here. Try again later.")
    return Reason("switched_off", text % {"capability": asked.capability}, closed=True)


def _suspended() -> Reason:
    return Reason("account_suspended", _("This account is suspended. Write to the lab."))


def _taken_back(model: Model) -> Reason:
    told = {"name": model.full_name, "withdrawn_reason": model.withdrawn_reason}
    return Reason("withdrawn", _("%(name)s was withdrawn: %(withdrawn_reason)s") % told, closed=True)


def _stopped(asked: Question) -> Reason | None:
    if asked.facts and not asked.facts.stopped:
        return None
    stop = stop_over(asked.model, asked.revision)
    if stop is None:
        return None
    told = {"name": asked.model.full_name, "stop_reason": stop.reason, "instead": stop.instead}
    text = _("%(name)s is stopped. The reason: %(stop_reason)s") % told
    if stop.instead:
        text = _("%(name)s is stopped. Use %(instead)s instead. The reason: %(stop_reason)s") % told
    return Reason("stopped", text, instead.url(stop.instead), step=_use(stop.instead), closed=True)


def _use(named: str) -> str:
    """What the button says that leads to what is to be used instead."""
    return _("Use %(instead)s instead") % {"instead": named} if named else ""


def _scope(capability: str) -> Reason:
    tokens = f"{settings.BASE_URL}{reverse('tokens:list')}"
    return Reason(
        "insufficient_scope",
        _("This token does not have the scope %(capability)s. Use one that has: %(tokens)s")
        % {"capability": capability, "tokens": tokens},
        tokens,
    )


def _closed(lab: str) -> Reason:
    text = _("The lab %(lab)s is closed, and its models are not given out.") % {"lab": lab}
    return Reason("lab_closed", text, closed=True)


def _unpublished(model: Model, revision: Revision | None, roles: frozenset[str]) -> Reason | None:
    if revision is None:
        text = _("%(name)s has no published revision.") % {"name": model.full_name}
        return None if model.main_id else Reason("not_published", text, closed=True)
    if revision.state == State.PUBLISHED or (roles and revision.state != State.WITHDRAWN):
        return None
    named = _("Revision %(commit)s of %(name)s") % {"commit": revision.commit[:8], "name": model.full_name}
    if revision.state == State.WITHDRAWN:
        return _withdrawn(named, revision)
    return Reason("not_published", _("%(named)s is not published.") % {"named": named}, closed=True)


def _withdrawn(named: str, revision: Revision) -> Reason:
    told = {"named": named, "withdrawn_reason": revision.withdrawn_reason, "instead": revision.withdrawn_instead}
    text = _("%(named)s was withdrawn: %(withdrawn_reason)s") % told
    if revision.withdrawn_instead:
        text = _("%(named)s was withdrawn. Use %(instead)s instead. The reason: %(withdrawn_reason)s") % told
    url, step = instead.url(revision.withdrawn_instead), _use(revision.withdrawn_instead)
    if not url:
        names = [revision.model.lab.slug, revision.model.name]
        url, step = f"{settings.BASE_URL}{reverse('releases:revisions', args=names)}", _("See the revisions")
    return Reason("revision_withdrawn", text, url, step=step, closed=True)


def _sign_in(asked: Question) -> Reason:
    model = asked.model
    if model.gate is None:
        tokens = f"{settings.BASE_URL}{reverse('tokens:list')}"
        return Reason(
            "sign_in",
            _("Sign in, or send a token, to query %(name)s. Tokens: %(tokens)s")
            % {"name": model.full_name, "tokens": tokens},
        )
    url = apply_url(model.gate)
    text = _(
        "Access to %(name)s is by application. Sign in, or send a token with the scope %(capability)s. Apply at %(url)s"
    )
    return Reason("sign_in", text % {"name": model.full_name, "capability": asked.capability, "url": url}, url)


def _behind_gate(asked: Question, person: User, gate: Gate) -> tuple[Grant | None, list[Condition]]:
    """The conditions of the gate: an approval, the portal's rule on the grant that it became, and what that allows."""
    held = _held.all(person=person.pk, gate=gate.pk, now=asked.now)
    grant = max(
        held, key=lambda g: (not g.unmet and asked.capability in g.capabilities, not g.unmet, g.ends_at), default=None
    )
    if grant is None or grant.unmet:
        newest = Application.objects.filter(gate=gate, applicant=person).order_by("-created_at").first()
        if grant is None or (newest and newest.created_at > grant.starts_at):
            rest = [Condition(name, met=None) for name in BEHIND_GATE[1:] if name not in OF_INSTITUTION]
            named = _named(person, gate) if newest is None or newest.status not in OPEN else None
            return None, [_judged("approved", named or _standing(asked.model, gate, newest)), *rest]
    unmet = grant.unmet
    asks = (name for name in GRANT_CONDITIONS if grant.institutional_id or name not in OF_INSTITUTION)
    rule = [_judged(name, _failed(name, asked, gate, grant) if name in unmet else None) for name in asks]
    narrow = None if asked.capability in grant.capabilities else _narrow(asked, gate)
    return grant, [_met("approved"), *rule, _judged("capability", narrow)]


def _narrow(asked: Question, gate: Gate) -> Reason:
    text = _("Your grant for %(name)s does not allow %(capability)s. Ask the lab.")
    told = {"name": asked.model.full_name, "capability": asked.capability}
    return Reason("not_granted", text % told, apply_url(gate))


@Prepared
def _held(person: UUID, gate: int, now: datetime) -> QuerySet[Grant]:
    """The rule of access, condition by condition, on the grants of one person behind one gate."""
    rows = Grant.objects.only(*_OF_GRANT).filter(user=person, gate=gate)
    return rows.with_conditions(now).with_not_after(now)


_OF_GRANT: Final = ("user", "gate", "institutional", "capabilities", "starts_at", "ends_at")
"""What an answer is read from; a refusal asks for the rest where it tells it."""


def _standing(model: Model, gate: Gate, application: Application | None) -> Reason:
    """Where a person stands who holds no grant, or has applied again since it ended."""
    url = apply_url(gate)
    code, text = _STANDING.get(Status(application.status), _APPLY) if application else _APPLY
    if application and code != "apply":
        url = f"{settings.BASE_URL}{application.get_absolute_url()}"
    return next_steps.reason(code, text, url, name=model.full_name)


def _named(person: User, gate: Gate) -> Reason | None:
    """Where a person stands who has not applied, but was named for somebody's team."""
    own = Q(email__in=verified_addresses(person), status__in=[MemberStatus.INVITED, MemberStatus.LAPSED])
    rows = Member.objects.filter(Q(user=person) | own, grant=None, application__gate=gate).order_by("-invited_at")
    member = rows.select_related("application__applicant").first()
    if member is None or MemberStatus(member.status) not in _ON_TEAM:
        return None
    code, text = _ON_TEAM[MemberStatus(member.status)]
    return Reason(code, text.format(lead=member.application.lead.get_full_name(), gate=gate.title))


def _failed(name: str, asked: Question, gate: Gate, grant: Grant) -> Reason:
    """What a condition of the portal's rule says when it does not hold."""
    url = sign_url(grant) if name == "signed" else apply_url(gate)
    url = f"{settings.BASE_URL}{grant.get_absolute_url()}" if name in OF_INSTITUTION else url
    code, text = _FAILED[name]
    official = grant.institutional.official.get_full_name() if grant.institutional else ""
    facts = {"name": asked.model.full_name, "lab": gate.lab.slug, "official": official}
    days = {"day": date_format(grant.ends_at), "begin": date_format(grant.starts_at)}
    return next_steps.reason(code, text, url, **facts, **days)


_APPLY: Final = ("apply", gettext_lazy("Access to {name} is by application. Apply at {url}"))
_STANDING: Final = {
    Status.DRAFT: ("draft", gettext_lazy("Your application for {name} is not sent yet. Finish it at {url}")),
    Status.SUBMITTED: (
        "pending",
        gettext_lazy("Your application for {name} is waiting for review. Follow it at {url}"),
    ),
    Status.IN_REVIEW: ("pending", gettext_lazy("Your application for {name} is being reviewed. Follow it at {url}")),
    Status.CHANGES_REQUESTED: (
        "changes_requested",
        gettext_lazy("The reviewers of your application for {name} asked for changes. Make them at {url}"),
    ),
    Status.APPROVED: ("sign", gettext_lazy("Your application for {name} is approved. Sign the agreement at {url}")),
    Status.APPEALED: (
        "appealed",
        gettext_lazy("Your appeal for {name} is read by other reviewers. Follow it at {url}"),
    ),
    Status.DECLINED: (
        "declined",
        gettext_lazy("Your application for {name} was declined. The reason, and what you can do: {url}"),
    ),
}
_INVITED: Final = (
    "invited",
    gettext_lazy(
        "{lead} has named you for their team at {gate}. Accept with the link in the mail, or ask them to send it again."
    ),
)
_ON_TEAM: Final = {
    MemberStatus.INVITED: _INVITED,
    MemberStatus.LAPSED: _INVITED,
    MemberStatus.ACCEPTED: (
        "lead_pending",
        gettext_lazy(
            "You have signed for the team of {lead} at {gate}. Access begins when they are approved and have signed."
        ),
    ),
    MemberStatus.REMOVED: (
        "removed",
        gettext_lazy("{lead} has taken you off their team at {gate}. You may apply in your own name."),
    ),
}
_FAILED: Final = {
    "holder_active": ("account_suspended", gettext_lazy("This account is suspended. Write to the lab.")),
    "lab_active": ("lab_closed", gettext_lazy("The lab {lab} is closed, and its models are not given out.")),
    "not_revoked": (
        "revoked",
        gettext_lazy("Your access to {name} was revoked. The reason, and how to apply again: {url}"),
    ),
    "on_team": (
        "removed",
        gettext_lazy("You are no longer on the team of your grant for {name}. Apply in your own name at {url}"),
    ),
    "lead_runs": (
        "lead_paused",
        gettext_lazy("The grant of your team’s lead for {name} is suspended or over. Ask the lead."),
    ),
    "not_ended": ("expired", gettext_lazy("Your grant for {name} ended on {day}. Renew it at {url}")),
    "not_suspended": ("suspended", gettext_lazy("Your access to {name} is suspended. See {url}")),
    "begun": ("not_begun", gettext_lazy("Your grant for {name} begins on {begin}.")),
    "project_open": (
        "project_closed",
        gettext_lazy("The project of your grant for {name} is closed. Apply again at {url}"),
    ),
    "signed": ("agreement_changed", gettext_lazy("The agreement of {name} has a new version. Sign it to go on: {url}")),
    "institution_in_force": (
        "institution_not_in_force",
        gettext_lazy(
            "The agreement of your institution for {name} is not in force. Ask {official}, who signs for it. See {url}"
        ),
    ),
    "institution_attested": (
        "institution_not_attested",
        gettext_lazy(
            "{official} has not confirmed who works at your institution, so its seats for {name} are paused. See {url}"
        ),
    ),
}
CODES: Final = frozenset(
    {"not_published", "switched_off", "stopped", "insufficient_scope", "account_suspended", "withdrawn", "lab_closed"}
    | {"revision_withdrawn", "sign_in", "apply", "not_granted"}
    | {code for code, _ in (*_STANDING.values(), *_FAILED.values(), *_ON_TEAM.values())}
)
"""Every code that a reason can have."""
