"""Named members: the lead invites, each accepts an undertaking of their own or declines, and is admitted to the project."""

from __future__ import annotations

from datetime import timedelta
from typing import Any, Final

from django.db import transaction
from django.db.models import Q
from django.urls import reverse
from django.utils import timezone
from django.utils.translation import gettext as _

from portal.access import form_spec, leading, mailed_links
from portal.access.actions import admitting, grant_moves, moves, offers
from portal.access.application_models import Application
from portal.access.lifetime import STANDING
from portal.access.member_models import Member
from portal.access.members import LINK_LIFE, ON_TEAM, MemberStatus, MemberVerb, Party, next_status
from portal.access.workflow import OPEN, Status
from portal.agreements import actions as agreements
from portal.audit import trail
from portal.audit.events import Event
from portal.errors import Conflict, Invalid, NotAllowed, NotFound
from portal.mail import sending
from portal.people.domains import domain_of, mailbox_of
from portal.people.models import User

OPEN_TO_TEAMS: Final = (OPEN - {Status.DRAFT}) | {Status.GRANTED}
"""While an application is one of these, its team can change and invitations can be answered."""


@transaction.atomic
def invite(*, by: User, application: Application, name: str, email: str) -> Member:
    """Name a member; they are asked by mail. Only the lead can.

    Raises Invalid, field by field, for oneself, somebody named already or who declined, and past the gate's limit.
    """
    return _invite(led(application, by), by, name, email)


def invite_listed(application: Application, by: User, answers: dict[str, Any]) -> None:
    """Invite whoever the form's lists of people name and the team does not; inside the submission's transaction.

    Raises Invalid about the field of the list, with the address that cannot be invited.
    """
    spec = application.gate.form_spec
    known = set(Member.objects.filter(application=application).values_list("mailbox", flat=True))
    for entry in form_spec.fields(spec):
        listed = answers.get(entry["name"]) or [] if entry["type"] == "person_list" else []
        for row in (row for row in listed if mailbox_of(row["email"]) not in known):
            try:
                known.add(_invite(application, by, row["name"], row["email"]).mailbox)
            except Invalid as error:
                said = [f"{row['email']}: {text}" for texts in error.fields.values() for text in texts]
                raise Invalid(error.message, fields={entry["name"]: said}) from error


def led(application: Application, by: User) -> Application:
    """The application, locked. To everybody but who leads its team it is not there."""
    locked = moves.lock(application)
    if locked.lead != by:
        raise NotFound(_("There is no such application."))
    if locked.status == Status.DRAFT:
        raise Conflict(_("Send the application first. Invitations leave with it."), code="wrong_status")
    if locked.decided_rules is not None:
        raise Conflict(
            _("Rules approved this application, and rules cannot judge a team. Write to the lab."),
            code="passed_by_rules",
        )
    if not is_open(locked):
        raise Conflict(_("This application is closed, and so is its team."), code="wrong_status")
    return locked


def is_open(application: Application) -> bool:
    """Whether a team can still come together here. Where rules approved, nobody has looked at any of its people."""
    if application.decided_rules is not None:
        return False
    if application.status != Status.GRANTED:
        return application.status in OPEN_TO_TEAMS
    grant = leading.grant_of(application)
    return grant is not None and grant.state() in STANDING


def _invite(application: Application, by: User, name: str, email: str) -> Member:
    name, email = mailed_links.named(name, email)
    _require_new(application, email)
    if mailed_links.is_own(by, email):
        raise Invalid(_("That is you."), fields={"email": [_("This is your own address. You are on the team.")]})
    now = timezone.now()
    mailed_links.require_budget(
        Member.objects.filter(
            Q(application__applicant=by) | Q(application=application), invited_at__gt=now - timedelta(days=1)
        ).count()
    )
    secret, digest = mailed_links.fresh()
    member = Member.objects.create(
        application=application, name=name, email=email, mailbox=mailbox_of(email), digest=digest,
        invited_at=now, sent_at=now,
    )  # fmt: skip
    _record(Event.MEMBER_INVITED, member, by, domain=domain_of(email))
    _ask(member, secret, again=False)
    return member


def _require_new(application: Application, email: str) -> None:
    before = Member.objects.filter(application=application)
    same = set(before.filter(mailbox=mailbox_of(email)).values_list("status", flat=True))
    limit, problem = application.gate.team_limit, ""
    if same & ON_TEAM:
        problem = _("This address is on the team already.")
    elif MemberStatus.DECLINED in same:
        problem = _("They declined. We do not ask a person twice.")
    elif before.filter(status__in=ON_TEAM).count() >= limit:
        problem = _("This gate admits %(limit)s members beside you. Remove somebody first.") % {"limit": limit}
    if problem:
        raise Invalid(problem, fields={"email": [problem]})


@transaction.atomic
def remind_member(*, by: User, member: Member) -> Member:
    """Mail a new link; the one before stops working. Raises Conflict after three reminders, or within a day."""
    led(member.application, by)
    locked = _locked(member, MemberVerb.REMIND, Party.LEAD)
    mailed_links.require_rest(locked, timezone.now())
    secret, locked.digest = mailed_links.fresh()
    locked.status, locked.ended_at = MemberStatus.INVITED, None
    locked.sent_at, locked.reminders = timezone.now(), locked.reminders + 1
    locked.save(update_fields=["status", "digest", "sent_at", "reminders", "ended_at"])
    _record(Event.MEMBER_REMINDED, locked, by)
    _ask(locked, secret, again=True)
    return locked


@transaction.atomic
def remove_member(*, by: User, member: Member) -> Member:
    """Take somebody off the team: the link stops working, and access ends with the next request."""
    led(member.application, by)
    locked = _off(_locked(member, MemberVerb.REMOVE, Party.LEAD), by)
    if locked.grant is not None:
        admitting.end(locked.grant, by, "leave_team")
    elif locked.user is not None:
        moves.write(locked.user, "member_removed", locked.application, "/me/", lead=_lead(locked))
    return locked


@transaction.atomic
def leave_team(*, by: User, member: Member) -> Member:
    """Take somebody off the team whose account is erased; their grant is not this function's to end."""
    moves.lock(member.application)
    return _off(_locked(member, MemberVerb.LEAVE, Party.CLOCK), by)


@transaction.atomic
def close_place(*, by: User, member: Member, told: bool) -> None:
    """Free the place of a member who has closed out their grant, where they still have it; the lead is `told`, or not.

    The caller holds the lock of the application.
    """
    rows = Member.objects.select_for_update(of=("self",)).select_related("application__gate__lab")
    locked = rows.get(pk=member.pk)
    if next_status(locked.status, MemberVerb.LEAVE, Party.CLOCK) is None:
        return
    application = _off(locked, by).application
    if told:
        path = reverse("access:team", args=[application.pk])
        moves.write(application.lead, "member_left", application, path, member=by.get_full_name())


def take_over(*, by: User, member: Member) -> None:
    """Their place is free: they lead. Inside the transaction that hands the project over, under its locks."""
    locked = _locked(member, MemberVerb.TAKE_OVER, Party.MEMBER)
    locked.status, locked.ended_at = MemberStatus.TOOK_OVER, timezone.now()
    locked.save(update_fields=["status", "ended_at"])


def _off(member: Member, by: User) -> Member:
    had = member.status
    member.status, member.digest, member.ended_at = MemberStatus.REMOVED, "", timezone.now()
    member.save(update_fields=["status", "digest", "ended_at"])
    _record(Event.MEMBER_REMOVED, member, by, had=str(had))
    if member.grant is not None:
        offers.lapse_with(member.grant, by)
    return member


def of_secret(secret: str) -> Member:
    """The invitation behind a link that can still be answered. Raises NotFound, the same for every other link."""
    rows = Member.objects.select_related(
        "application__gate__lab", "application__gate__agreement", "application__applicant"
    )
    found = rows.filter(digest=mailed_links.digest(secret), status=MemberStatus.INVITED).first()
    if found is None or found.sent_at < timezone.now() - LINK_LIFE or not is_open(found.application):
        raise NotFound(
            _(
                "This invitation was answered, taken back or has run out, or a newer mail replaced it. "
                "Use the link of the newest mail, or ask the person who invited you."
            )
        )
    return found


def require_addressee(by: User, member: Member) -> None:
    """Raise NotAllowed unless this account has verified the address that the invitation was sent to."""
    if not mailed_links.has_shown(by, member.email):
        message = _(
            "The invitation was sent to another address. Sign in to the account that has it, "
            "or add and verify that address under “Addresses”, and follow the link again."
        )
        raise NotAllowed(message, code="other_address")


@transaction.atomic
def accept_invitation(*, by: User, secret: str, typed_name: str, capacity: str, text_sha256: str) -> Member:
    """Accept one's own undertaking: sign the agreement's present text. Access begins now, or with the lead's signature.

    Raises NotFound for a link that is not good any more, NotAllowed to any account but that of the address, Conflict
    for who is on the team under another one or where there is no text, and what `agreements.sign` raises.
    """
    found = of_secret(secret)
    application = moves.lock(found.application)
    member = _locked(of_secret(secret), MemberVerb.ACCEPT, Party.INVITED)
    require_addressee(by, member)
    if Member.objects.filter(application=application, user=by, status=MemberStatus.ACCEPTED).exists():
        raise Conflict(_("You are on this team already, under another address."), code="already_on_team")
    version = application.gate.agreement.current()
    if version is None or by == application.lead:
        raise Conflict(_("There is nothing for you to sign here."), code="nothing_to_sign")
    lead = leading.grant_of(application)
    if lead is not None:
        grant_moves.lock(lead)
        grant_moves.hold_for_new(by, application.gate)
    grant_moves.require_not_taken(by, application.gate)
    particulars = {
        "gate": application.gate.title, "application": application.reference, "lead": _lead(member),
    }  # fmt: skip
    member.signature = agreements.sign(
        by=by, version=version, typed_name=typed_name, capacity=capacity, text_sha256=text_sha256,
        application=str(application.pk), particulars=particulars,
    )  # fmt: skip
    member.status, member.digest, member.user, member.accepted_at = MemberStatus.ACCEPTED, "", by, timezone.now()
    member.save(update_fields=["status", "digest", "user", "signature", "accepted_at"])
    _record(Event.MEMBER_ACCEPTED, member, by, receipt=str(member.signature.receipt_id))
    _tell_lead(member, accepted=True)
    if lead is not None:
        admitting.admit(member, lead)
    return member


@transaction.atomic
def decline_invitation(*, secret: str) -> Member:
    """Say no. Whoever has the link can, without an account: it gives nothing away."""
    found = of_secret(secret)
    moves.lock(found.application)
    member = _locked(of_secret(secret), MemberVerb.DECLINE, Party.INVITED)
    member.status, member.digest, member.ended_at = MemberStatus.DECLINED, "", timezone.now()
    member.save(update_fields=["status", "digest", "ended_at"])
    _record(Event.MEMBER_DECLINED, member, None)
    _tell_lead(member, accepted=False)
    return member


@transaction.atomic
def lapse_invitation(*, member: Member) -> bool:
    """Close an invitation that nobody answered in its time; whether it was still open. The schedule calls it."""
    moves.lock(member.application)
    locked = Member.objects.select_for_update().get(pk=member.pk)
    if next_status(locked.status, MemberVerb.LAPSE, Party.CLOCK) is None or locked.sent_at > timezone.now() - LINK_LIFE:
        return False
    locked.status, locked.digest, locked.ended_at = MemberStatus.LAPSED, "", timezone.now()
    locked.save(update_fields=["status", "digest", "ended_at"])
    _record(Event.MEMBER_LAPSED, locked, None)
    return True


def _locked(member: Member, verb: MemberVerb, party: Party) -> Member:
    """The row as it is now. Raises Conflict where the table has no such move; the application is locked before it."""
    rows = Member.objects.select_for_update(of=("self",)).select_related(
        "application__gate__lab", "application__applicant"
    )
    locked = rows.get(pk=member.pk)
    if next_status(locked.status, verb, party) is None:
        raise Conflict(_("This has changed meanwhile. Reload the page."), code="wrong_status")
    return locked


def _record(event: Event, member: Member, by: User | None, **facts: str) -> None:
    application = member.application
    known = {"member": member.pk, "gate": application.gate.slug, **facts}
    trail.record(event, by=by, target=application, lab=application.gate.lab, **known)


def _lead(member: Member) -> str:
    return member.application.lead.get_full_name()


def _ask(member: Member, secret: str, *, again: bool) -> None:
    """The mail to the invited. It names who asks and for what: not the project, and nothing that was answered."""
    application = member.application
    context = {
        "name": member.name,
        "lead": _lead(member),
        "gate": application.gate.title,
        "lab": application.gate.lab.name,
        "until": sending.moment(member.sent_at + LINK_LIFE),
        "again": again,
        "granted": application.status == Status.GRANTED,
        "path": reverse("access:invitation", args=[secret]),
    }
    language = application.lead.language
    sending.send(
        to=member.email, template="member_invited", context=context, key=f"member:{member.pk}", language=language
    )


def _tell_lead(member: Member, *, accepted: bool) -> None:
    application = member.application
    path = reverse("access:team", args=[application.pk])
    moves.write(application.lead, "member_answered", application, path, member=member.name, accepted=accepted)
