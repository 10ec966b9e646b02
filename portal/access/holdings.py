"""What access holds about people. Decisions and dates stay under the pseudonym; what people wrote goes."""

from __future__ import annotations

from datetime import timedelta

from django.db.models import Case, Q, QuerySet, Value, When
from django.utils.translation import gettext_lazy as _

from portal.access import roster
from portal.access.handover_models import Handover
from portal.access.member_models import Member
from portal.access.referee_models import Referee
from portal.people.domains import mailbox_of
from portal.people.holdings import pseudonym
from portal.people.models import User
from portal.people.privacy import Holding, hold, impersonal

ERASED_WORDS = Case(When(message="", then=Value("")), default=Value("Erased."))
"""An appeal that was answered has words by constraint."""


def _places(user: User) -> QuerySet[Member]:
    """Places on teams that one gave, took, or was named for."""
    of_address = Q(mailbox=mailbox_of(user.email))
    return Member.objects.filter(Q(application__applicant=user) | Q(user=user) | of_address)


def _offers(user: User) -> QuerySet[Handover]:
    """Offers of a project that one made, or was made."""
    return Handover.objects.filter(Q(grant__user=user) | Q(member__user=user))


def _asked(user: User) -> QuerySet[Referee]:
    """Confirmations that one asked for, or was asked for."""
    return Referee.objects.filter(Q(application__applicant=user) | Q(mailbox=mailbox_of(user.email)))


hold(
    Holding(
        "access.Referee", why=_("whom an applicant asked to confirm, and what they answered"), of=_asked,
        kept=_("a year after the answer, the end of the link or its withdrawal"), secret=("digest",), plain=("status",),
        erased={"name": "", "email": "", "mailbox": "", "relation": "", "comment": ""},
        exported=False, purge="ended_at", age=timedelta(days=365),
    ),
    Holding(
        "access.Waiver", why=_("why a reviewer went on without confirmations"), of="application__applicant",
        kept=_("as long as the applicant's account"), erased={"reason": ""}, stays=("by",), exported=False,
    ),
    Holding(
        "access.Member", why=_("whom an applicant named, and what they answered"), of=_places,
        kept=_("the answer for good; name and address as long as the accounts of both, and a year after a no, a removal or silence"),
        erased={"name": "", "email": "", "mailbox": ""}, stays=("user",), secret=("digest",), plain=("status",),
        purge="ended_at", age=timedelta(days=365),
    ),
    Holding(
        "access.Handover", why=_("who offered a project to whom, and who leads it since"), of=_offers, kept=_("for good"),
        plain=("status",),
    ),
    Holding(
        "access.Application", why=_("to decide on access"), kept=_("the decision for good; answers as long as the account"),
        of="applicant", erased={"answers": {}, "message": ""}, stays=("applicant", "assignee", "decided_by"),
        plain=("status", "triage", "capabilities"),
    ),
    Holding(
        "access.Submission", why=_("what was decided on"), kept=_("as long as the account"), of="application__applicant",
        erased={"answers": {}}, plain=("form_spec",),
    ),
    Holding(
        "access.Step", why=_("the history of an application"), kept=_("for good; messages as long as the account"),
        of="application__applicant", erased={"message": ""}, stays=("by",), plain=("verb", "status"),
    ),
    Holding(
        "access.Review", why=_("the votes behind a decision"), kept=_("for good; notes as long as the applicant's account"),
        of="application__applicant", erased={"note": ""}, stays=("reviewer", "in_place_of"), exported=False,
    ),
    Holding(
        "access.Note", why=_("what reviewers tell one another"), kept=_("as long as the applicant's account"),
        of="application__applicant", erased={"text": ""}, stays=("by",), exported=False,
    ),
    Holding(
        "access.SpotCheck", why=_("to check what the rules approve"), of="application__applicant",
        kept=_("for good; notes as long as the applicant's account"), erased={"note": ""}, stays=("checked_by",),
        exported=False, plain=("found",),
    ),
    Holding(
        "access.SavedFilter", why=_("a reviewer's own views of the queue"), kept=_("as long as the account"), of="user",
        erased={"user": None, "name": "", "query": ""}, deletes=True,
    ),
    Holding(
        "access.Grant", why=_("the right itself"), kept=_("for good"), of="user",
        stays=("user", "suspended_by", "suspended_reason", "revoked_by", "revoked_reason", "closed_out_name",
        "closed_out_statement"), plain=("capabilities",),
    ),
    Holding(
        "access.Attachment", why=_("files that one attached"), kept=_("as long as the account"), of="application__applicant",
        erased={"name": ""}, plain=("field", "sha256"), deletes=True,
    ),
    Holding(
        "access.AttachedBytes", why=_("their bytes"), kept=_("as long as the account"), secret=("content",), exported=False,
        of="attachment__application__applicant", deletes=True,
    ),
    Holding(
        "access.Appeal", why=_("to look at a decline again"), kept=_("the outcome for good; the text as long as the account"),
        of="application__applicant", erased={"text": "", "message": ERASED_WORDS}, stays=("decided_by",),
    ),
    Holding(
        "access.Renewal", why=_("to decide whether access goes on"), of="grant__user",
        kept=_("the decision for good; the report as long as the account"),
        erased={"publications": "", "use_summary": "", "incidents": "", "changes": "", "message": ERASED_WORDS},
        stays=("decided_by",), plain=("status",),
    ),
    Holding(
        "access.GrantStep", why=_("the history of a grant"), kept=_("for good; messages as long as the account"),
        of="grant__user", erased={"message": ""}, stays=("by",), plain=("verb",),
    ),
    Holding(
        "access.Substitute", why=_("who acts for an absent reviewer"), kept=_("for good: votes name it"), of="reviewer",
        stays=("reviewer", "substitute"),
    ),
    Holding(
        "access.InstitutionalAgreement", why=_("an institution's right to seats, and who signed for it"), of="official",
        kept=_("for good; the purpose as long as the official's account"), erased={"purpose": ""},
        stays=("official", "office", "decided_by", "message"), plain=("status", "capabilities"),
    ),
    Holding(
        "access.RosterLine", why=_("who is invited to a seat, or holds one"), of=roster.lines_of, secret=("digest",),
        kept=_("a seat for good; the address as long as the account; an unanswered invitation for a year"),
        erased={"address": pseudonym, "mailbox": pseudonym}, stays=("user",), plain=("status",),
        purge="expires_at", age=timedelta(days=365),
    ),
    Holding(
        "access.RosterAttestation", why=_("who confirmed a roster, and when"), kept=_("for good"), of="by", stays=("by",),
    ),
    Holding(
        "access.RuleSet", why=_("who made a lab's rules"), kept=_("for good"), stays=("made_by",), exported=False,
        plain=("text", "reason"),
    ),
    Holding(
        "access.CallToSign", why=_("to ask each holder once"), kept=_("as long as the account"), of="user",
        erased={"user": None}, deletes=True,
    ),
)  # fmt: skip
hold(
    Holding(
        "access.FormVersion", why="who changed a gate's form", kept="for good", stays=("made_by",), exported=False,
        plain=("form_spec",),
    ),
)  # fmt: skip
impersonal("access.Gate", "access.Notice", "access.ReasonText", "access.AttestationNotice", "access.Turn")
