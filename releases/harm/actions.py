"""The writers of reports of harm: received from anybody, then triaged, answered or closed by the lab."""

from __future__ import annotations

from typing import Any, Final

from django.db import transaction
from django.utils import timezone
from django.utils.formats import number_format
from django.utils.translation import get_language
from django.utils.translation import gettext as _

from portal.audit import trail
from portal.audit.events import Event
from portal.errors import Conflict, Invalid
from portal.mail import sending
from portal.people.models import Membership, User
from releases import lifecycle as releases
from releases.actions.rights import require_staff
from releases.harm_lifecycle import State, Verb, next_state
from releases.harm_models import About, Gravity, HarmReport, Publish
from releases.models import Family, Model

LEAST: Final = 20
MOST: Final = 8_000
_EVENTS: Final = {
    Verb.TRIAGE: Event.HARM_TRIAGED, Verb.ANSWER: Event.HARM_ANSWERED, Verb.CLOSE: Event.HARM_CLOSED,
}  # fmt: skip


@transaction.atomic
def receive(
    *, subject: Model | Family, about: str, text: str, email: str = "", publish: str = Publish.NOTHING
) -> HarmReport:
    """Keep a report of anybody. Raises Invalid, field by field.

    Whoever sent it is not known and not asked for; with an address they get the number and the status by mail.
    """
    text = text.replace("\0", "").strip()
    fields: dict[str, list[str]] = {}
    if not LEAST <= len(text) <= MOST:
        said = {"least": LEAST, "most": number_format(MOST, force_grouping=True)}
        fields["text"] = [_("Say it in at least %(least)s and at most %(most)s characters.") % said]
    if about not in About.values:
        fields["about"] = [_("Choose what it is about.")]
    if publish not in Publish.values:
        fields["publish"] = [_("Choose what may be published.")]
    if fields:
        raise Invalid(_("The report was not kept."), fields=fields)
    report = HarmReport.objects.create(
        lab=subject.lab, model=subject if isinstance(subject, Model) else None,
        family=subject if isinstance(subject, Family) else None, about=about, text=text, email=email, publish=publish,
        language=(get_language() or "")[:12],
    )  # fmt: skip
    trail.record(Event.HARM_REPORTED, by=None, target=report, lab=report.lab, number=report.number, about=about)
    if email:
        _write_reporter(report, "harm_received")
    _tell_lab(report)
    return report


@transaction.atomic
def triage(*, report: HarmReport, gravity: str, by: User) -> HarmReport:
    """Say that it is being looked into, and how much it weighs. Raises Invalid, Conflict."""
    locked = _step(report, Verb.TRIAGE, by)
    if gravity not in Gravity.values:
        wrong = _("Choose how serious it is.")
        raise Invalid(wrong, fields={"gravity": [wrong]})
    locked.gravity, locked.triaged_at = gravity, locked.triaged_at or timezone.now()
    return _note(locked, Verb.TRIAGE, by, gravity=gravity)


@transaction.atomic
def end(*, report: HarmReport, verb: Verb, answer: str, by: User) -> HarmReport:
    """Answer it, or close it with a reason that its reporter alone reads; their address is forgotten with the mail.

    Raises Invalid without words, Conflict where it ended before.
    """
    locked = _step(report, verb, by)
    answer = answer.replace("\0", "").strip()
    if not answer or len(answer) > MOST:
        wrong = _("Write at most %(n)s characters: the reporter reads it.") % {
            "n": number_format(MOST, force_grouping=True)
        }
        raise Invalid(wrong, fields={"answer": [wrong]})
    locked.answer, locked.ended_at = answer, timezone.now()
    if locked.email:
        _write_reporter(locked, "harm_ended")
    locked.email = ""
    return _note(locked, verb, by, publish=locked.publish)


def _step(report: HarmReport, verb: Verb, by: User) -> HarmReport:
    """The locked report in the state that `verb` leads to, not saved yet."""
    locked = (
        HarmReport.objects.select_for_update(of=("self",)).select_related("lab", "model", "family").get(pk=report.pk)
    )
    require_staff(by, locked.lab)
    reached: State | None = next_state(locked.state, verb)
    if reached is None:
        raise Conflict(_("%(number)s has ended: nothing more can be done to it.") % {"number": locked.number})
    locked.state = reached.value
    return locked


def _note(report: HarmReport, verb: Verb, by: User, **data: Any) -> HarmReport:
    report.handled_by = by
    report.save()
    trail.record(_EVENTS[verb], by=by, target=report, lab=report.lab, number=report.number, **data)
    return report


def _write_reporter(report: HarmReport, letter: str) -> None:
    context = {"number": report.number, "lab": report.lab.name, "path": report.status_path()}
    sending.send(to=report.email, template=letter, context=context, key=f"harm:{report.pk}", language=report.language)


def _tell_lab(report: HarmReport) -> None:
    staff = Membership.objects.active().filter(lab=report.lab, role__in=releases.STAFF).values("user")
    for reader in User.objects.filter(pk__in=staff, is_active=True).order_by("pk"):
        context = {
            "name": reader.get_full_name(), "number": report.number, "of": report.subject, "lab": report.lab.name,
            "path": report.get_absolute_url(),
        }  # fmt: skip
        sending.send(
            to=reader.email,
            template="harm_to_triage",
            context=context,
            key=f"harm:{report.pk}",
            language=reader.language,
        )
