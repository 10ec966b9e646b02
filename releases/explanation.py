"""“Why?”: the policy's own conditions for one person, one model and one action, in words for a page or a program."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING, Any, Final
from uuid import UUID

from django.utils.functional import Promise
from django.utils.translation import gettext
from django.utils.translation import gettext_lazy as _

from portal.access import waiting
from portal.access.application_models import STAFF, Application
from portal.access.models import Grant
from portal.errors import Invalid, NotFound
from portal.people.models import Membership, User
from releases import egress
from releases.conditions import DOWNLOAD, QUERY, Condition, Question, Weighed, weigh

if TYPE_CHECKING:
    from releases.models import Model

ACTIONS: Final = ((DOWNLOAD, _("Download")), (QUERY, _("Query")))

TITLES: Final[dict[str, Promise]] = {
    "visible": _("The model has been published"),
    "switch": _("The operator has not paused it for everybody"),
    "stop": _("The lab has not stopped it for everybody"),
    "scope": _("The token has the scope for it"),
    "account": _("The account is active"),
    "model": _("The model has not been withdrawn"),
    "lab": _("The lab is open"),
    "revision": _("A revision is published"),
    "signed_in": _("A person is signed in"),
    "open": _("The model is open: no application is needed"),
    "staff": _("The lab’s release managers need no grant"),
    "approved": _("The lab has approved an application, and the agreement was signed"),
    "not_revoked": _("The grant has not been revoked"),
    "on_team": _("The holder is on the team whose lead was approved, or was approved alone"),
    "lead_runs": _("The grant of the team’s lead is running"),
    "not_ended": _("The grant has not ended"),
    "not_suspended": _("The grant is not suspended"),
    "begun": _("The grant has begun"),
    "project_open": _("The grant’s project is open"),
    "signed": _("The agreement’s present text is signed, or its grace date is still to come"),
    "institution_in_force": _("The agreement of the holder’s institution is signed and in force"),
    "institution_attested": _("The institution has confirmed this year who works there"),
    "capability": _("The grant allows this action"),
}
"""What each condition says, by its name."""

CHANGES: Final[dict[str, Promise]] = {
    "not_published": _("A release manager publishes a revision."),
    "switched_off": _("The operator opens it again; nobody else can."),
    "stopped": _("The lab lifts the stop; until then use what it names instead."),
    "insufficient_scope": _("Use a token that has the scope."),
    "account_suspended": _("The lab or the operator restores the account."),
    "withdrawn": _("Nothing: what was withdrawn does not come back. The model’s page says why."),
    "lab_closed": _("The operator opens the lab again."),
    "revision_withdrawn": _("Use another revision; the list says which one replaces it."),
    "sign_in": _("Sign in, or send a token."),
    "apply": _("Apply at the gate."),
    "draft": _("Finish the application and send it."),
    "pending": _("The lab’s reviewers decide; there is nothing to do until then."),
    "changes_requested": _("Change what the reviewers ask for, and send the application again."),
    "sign": _("Sign the agreement: access begins with the signature."),
    "declined": _("Read the reason; one may apply again."),
    "appealed": _("Other reviewers decide on the appeal; there is nothing to do until then."),
    "revoked": _("Apply again at the gate; a revocation cannot be taken back."),
    "invited": _("Accept the invitation: sign your own undertaking."),
    "lead_pending": _("The lead of the team is approved and signs; there is nothing to do until then."),
    "removed": _("The lead names you again, or you apply in your own name."),
    "lead_paused": _("The lab resumes the lead’s grant, or the lead renews it."),
    "expired": _("Apply again at the gate to renew it."),
    "suspended": _("A release manager of the lab resumes it."),
    "not_begun": _("Wait for the day."),
    "project_closed": _("Apply again at the gate: a new grant opens a new project."),
    "agreement_changed": _("Read the new version of the agreement and sign it."),
    "institution_not_in_force": _("The institution’s signing official signs its present text, or the lab resumes it."),
    "institution_not_attested": _("The institution’s signing official confirms its roster."),
    "not_granted": _("Apply for it, or ask the lab to widen the grant."),
}
"""What would change a condition that is not met, by the code of its reason."""


@dataclass(frozen=True, slots=True)
class Explanation:
    """The answer: who asked for what, and every condition with its state."""

    person: User
    model: Model
    action: str
    weighed: Weighed
    patience: waiting.Times | None
    """The gate's published times, where an application waits for its reviewers."""
    use: egress.Use | None = None
    """What the grant has used of its daily cap, where it may download. A limit beside the conditions, and none of them."""

    spoken = ("stop", "model", "revision")
    """Conditions whose reason is the lab's own words; a page shows those beside what would change it."""

    @property
    def lines(self) -> list[tuple[Condition, Promise, Promise | None]]:
        """(condition, what it says, what would change it) for a page."""
        return [(c, TITLES[c.name], CHANGES[c.reason.code] if c.reason else None) for c in self.weighed.conditions]

    def as_json(self) -> dict[str, Any]:
        """The same for a program."""
        grant = self.weighed.grant
        return {
            "person": str(self.person.pk),
            "model": self.model.full_name,
            "action": self.action,
            "allowed": self.weighed.allows,
            "grant": str(grant.pk) if grant else None,
            "until": grant.not_after if grant and self.weighed.allows else None,
            "conditions": [_line_json(*line) for line in self.lines],
            "daily_cap": {"bytes": self.use.bytes, "taken": self.use.taken} if self.use else None,
        }


def explain(*, person: User, scopes: frozenset[str] | None, model: Model, action: str, now: datetime) -> Explanation:
    """Judge every condition that the doors judge. Raises Invalid for an action that is not one of ACTIONS."""
    if action not in dict(ACTIONS):
        raise Invalid(
            gettext("There is no such action."), fields={"action": [gettext("Choose among: download, query.")]}
        )
    weighed = weigh(Question(person, scopes, model, None, action, now))
    waits = any(reason.code == "pending" for reason in weighed.unmet)
    patience = waiting.times(model.gate) if waits and model.gate else None
    use = egress.use_of(weighed.grant, now) if weighed.grant and weighed.allows and action == DOWNLOAD else None
    return Explanation(person, model, action, weighed, patience, use)


def subject(asker: User, model: Model, person: str) -> User:
    """Whom the question is about: oneself, or for the lab's staff whoever has applied or holds a grant there.

    `person` is a user's id, or "" for oneself. Raises NotFound for everybody else, existing or not.
    """
    if person in {"", str(asker.pk)}:
        return asker
    staff = Membership.objects.active().filter(user=asker, lab=model.lab_id, role__in=STAFF).exists()
    found = User.objects.filter(pk=person).first() if staff and _is_id(person) else None
    if found is None or not _known(found, model):
        raise NotFound(gettext("There is no such person among the applicants and grant holders of your labs."))
    return found


def _known(person: User, model: Model) -> bool:
    sent = Application.objects.filter(applicant=person, gate__lab=model.lab_id).exclude(submitted_at=None)
    return sent.exists() or Grant.objects.filter(user=person, gate__lab=model.lab_id).exists()


def _is_id(text: str) -> bool:
    try:
        UUID(text)
    except ValueError:
        return False
    return True


def _line_json(condition: Condition, title: Promise, change: Promise | None) -> dict[str, Any]:
    reason = condition.reason
    why = {"code": reason.code, "message": reason.message, "url": reason.url, "change": str(change)} if reason else None
    return {"rule": condition.name, "says": str(title), "met": condition.met, "missing": why}
