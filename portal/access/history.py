"""The history of an application and of a grant in words: what happened, where it stands, what is still to come."""

from __future__ import annotations

from datetime import datetime
from typing import Any, Final

from django.utils import timezone
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from portal.access.application_models import Application, Step
from portal.access.lifetime import STANDING, State, renewal_opens
from portal.access.lifetime_models import GrantStep
from portal.access.models import Grant
from portal.access.workflow import Status, Verb

TITLES: Final = {
    Verb.SUBMIT: gettext_lazy("You sent the application"),
    Verb.START_REVIEW: gettext_lazy("A reviewer began reading"),
    Verb.REQUEST_CHANGES: gettext_lazy("A reviewer asked for changes"),
    Verb.PASS: gettext_lazy("Approved by the lab’s rules"),
    Verb.APPROVE: gettext_lazy("Approved"),
    Verb.DECLINE: gettext_lazy("Declined"),
    Verb.APPEAL: gettext_lazy("You appealed"),
    Verb.UPHOLD: gettext_lazy("Other reviewers looked again. The decline stands"),
    Verb.OVERTURN: gettext_lazy("Other reviewers looked again. Approved"),
    Verb.WITHDRAW: gettext_lazy("You withdrew the application"),
    Verb.LAPSE: gettext_lazy("The application lapsed"),
    Verb.SIGN: gettext_lazy("You signed the agreement. Access began"),
}
"""Said to the applicant."""

STAFF_TITLES: Final = {
    **TITLES,
    Verb.SUBMIT: gettext_lazy("The applicant sent the application"),
    Verb.APPEAL: gettext_lazy("The applicant appealed"),
    Verb.UPHOLD: gettext_lazy("The decline stands"),
    Verb.OVERTURN: gettext_lazy("The appeal overturned the decline. Approved"),
    Verb.WITHDRAW: gettext_lazy("The applicant withdrew"),
    Verb.SIGN: gettext_lazy("The applicant signed the agreement"),
}

_AHEAD: Final = {
    Status.SUBMITTED: ("review", "decision", "signature"),
    Status.IN_REVIEW: ("decision", "signature"),
    Status.CHANGES_REQUESTED: ("answer", "decision", "signature"),
    Status.APPROVED: ("signature",),
    Status.APPEALED: ("appeal",),
}


def timeline(application: Application, *, for_staff: bool = False) -> list[dict[str, Any]]:
    """Entries for the timeline: `when`, `title`, `note`, `quote`, `state` (done, now, todo). One query.

    The applicant does not read who reviewed; staff do.
    """
    steps = list(application.steps.select_related("by"))
    entries = [_entry(step, for_staff=for_staff, again=_sent_before(steps, step)) for step in steps]
    ahead = _AHEAD.get(Status(application.status), ())
    if entries and ahead:
        entries[-1]["state"] = "now"
    return entries + [_coming(name, first=index == 0, for_staff=for_staff) for index, name in enumerate(ahead)]


def _sent_before(steps: list[Step], step: Step) -> bool:
    return step.verb == Verb.SUBMIT and any(each.verb == Verb.SUBMIT and each.pk < step.pk for each in steps)


def _entry(step: Step, *, for_staff: bool, again: bool) -> dict[str, Any]:
    titles = STAFF_TITLES if for_staff else TITLES
    title = str(titles[Verb(step.verb)])
    if again:
        title = _("The applicant sent it again") if for_staff else _("You sent it again. In review once more")
    note = step.by.get_full_name() if for_staff and step.by else ""
    return {"when": step.at, "title": title, "note": note, "quote": step.message, "state": "done"}


def _coming(name: str, *, first: bool, for_staff: bool) -> dict[str, Any]:
    staff = {
        "review": _("A reviewer reads it"),
        "answer": _("The applicant answers and sends it again"),
        "decision": _("Decision"),
        "appeal": _("Reviewers who had no part in the decline judge the appeal"),
        "signature": _("The applicant signs the agreement"),
    }
    words = {
        "review": (_("A reviewer reads it"), ""),
        "answer": (_("You answer and send it again"), _("Nobody else can go on until you do.")),
        "decision": (_("Decision"), _("By e-mail, with the reason if it is a no. You may then apply again.")),
        "appeal": (_("Other reviewers decide"), _("Nobody who had a part in the decline.")),
        "signature": (_("You sign the agreement"), _("Access begins the same minute.")),
    }
    title, note = (staff[name], "") if for_staff else words[name]
    return {"when": _("next") if first else _("then"), "title": title, "note": note, "quote": "", "state": "todo"}


GRANT_TITLES: Final = {
    "suspend": gettext_lazy("Suspended by the lab"),
    "resume": gettext_lazy("Resumed by the lab"),
    "revoke": gettext_lazy("Revoked by the lab"),
    "renew": gettext_lazy("Renewal sent"),
    "approve": gettext_lazy("Renewal approved; the end moved"),
    "pass": gettext_lazy("Renewed without review: nothing had changed"),
    "decline_renewal": gettext_lazy("Renewal declined"),
    "withdraw_renewal": gettext_lazy("Renewal taken back"),
    "sign_again": gettext_lazy("New text of the agreement signed"),
    "close_out": gettext_lazy("Closed out: deletion attested"),
    "leave_team": gettext_lazy("Taken off the team by its lead"),
    "handed_over": gettext_lazy("The project was handed over to a member of the team; this access ended with it"),
    "took_over": gettext_lazy("The project was taken over from the lead before, by signature"),
    "end_with_lead": gettext_lazy("Ended with the lead’s grant"),
    "extend_with_lead": gettext_lazy("The lead renewed; the end moved"),
    "seat_removed": gettext_lazy("Taken off the institution’s roster"),
    "institution_ended": gettext_lazy("The institution’s agreement ended"),
    "holder_left": gettext_lazy("Ended with its holder’s account"),
}


def grant_timeline(grant: Grant, *, for_staff: bool = False) -> list[dict[str, Any]]:
    """Entries for the timeline of a grant, from its first day to what is still to come. One query.

    The holder reads what was said to them, and not who said it; staff read both.
    """
    begun = {"when": grant.starts_at, "title": _("Agreement signed. Access began"), "state": "done"}
    past = [begun, *(_grant_entry(step, for_staff=for_staff) for step in grant.steps.select_related("by"))]
    state = grant.state()
    if state == State.ENDED:
        past.append({"when": grant.ends_at, "title": _("The grant ended"), "state": "done"})
        past.sort(key=lambda entry: entry["when"])
    past[-1]["state"] = "done" if state == State.CLOSED_OUT else "now"
    return past + [{"when": when, "title": title, "state": "todo"} for when, title in _grant_ahead(grant, state)]


def _grant_entry(step: GrantStep, *, for_staff: bool) -> dict[str, Any]:
    note = step.by.get_full_name() if for_staff and step.by else ""
    return {
        "when": step.at,
        "title": str(GRANT_TITLES[step.verb]),
        "note": note,
        "quote": step.message,
        "state": "done",
    }


def _grant_ahead(grant: Grant, state: State) -> list[tuple[datetime, str]]:
    ahead = []
    if state == State.ACTIVE and not grant.institutional_id and renewal_opens(grant.ends_at) > timezone.now():
        ahead.append((renewal_opens(grant.ends_at), _("Can be renewed from here on")))
    if state in STANDING:
        ahead.append((grant.ends_at, _("The grant ends")))
    if grant.deletion_due_at and state != State.CLOSED_OUT:
        ahead.append((grant.deletion_due_at, _("Deletion to be attested")))
    return ahead
