"""The letters of applications, appeals, agreements and grants."""

from __future__ import annotations

from typing import Final

from django.utils.translation import gettext_lazy as _

from portal.mail.registry import Letter, Topic, declare

APPLICATION: Final = {
    "name": "Mara Lindqvist",
    "reference": "A-2026-0417",
    "gate": "Lyceum large",
    "lab": "Lyceum Laboratory",
    "path": "/applications/",
}
LAB: Final = {"name": "Mara Lindqvist", "lab": "Lyceum Laboratory", "path": "/me/"}
CLOSES: Final = {"until": "2026-12-25 14:20 UTC"}
TO_REVIEW: Final = APPLICATION | {"name": "Noor Haddad", "path": "/review/"}
GRANT: Final = APPLICATION | {"reference": "G-2026-0102", "holder": "Mara Lindqvist"}
OF_GRANT: Final = GRANT | {"name": "Noor Haddad", "path": "/grants/"}
MEMBER: Final = APPLICATION | {"name": "Ana Duarte", "lead": "Mara Lindqvist"}
CALL: Final = {
    "name": "Mara Lindqvist",
    "agreement": "Research Agreement",
    "lab": "Lyceum Laboratory",
    "number": 3,
    "until": "2026-12-24 23:59 UTC",
    "days": 7,
    "path": "/applications/",
}

_APPLICANT: Final = _("the applicant")
_REVIEWERS: Final = _("the lab’s reviewers")
_HOLDER: Final = _("the holder")
_LATER: Final = ("until",)
_CONCERNED: Final = _("everybody who holds something of it, waits for it or works there")

declare(
    # --- Applications
    Letter("application_submitted", Topic.APPLICATIONS, _APPLICANT, _("an application is sent"), APPLICATION),
    Letter("application_withdrawn", Topic.APPLICATIONS, _APPLICANT, _("the applicant withdraws"), APPLICATION),
    Letter("application_lapsed", Topic.APPLICATIONS, _APPLICANT, _("nobody answered for 30 days"), APPLICATION | {"days": 30}, later=("days",)),
    Letter("appeal_made", Topic.APPLICATIONS, _APPLICANT, _("an appeal is made"), APPLICATION),
    Letter("application_approved", Topic.DECISIONS, _APPLICANT, _("the quorum approves"), APPLICATION | CLOSES, later=_LATER),
    Letter(
        "application_passed", Topic.DECISIONS, _APPLICANT, _("the gate’s rules approve"), APPLICATION | CLOSES | {"rule_set": 3}, later=_LATER,
    ),
    Letter(
        "application_declined", Topic.DECISIONS, _APPLICANT, _("a reviewer declines"),
        APPLICATION | CLOSES | {"reason_name": "declined_detail", "reason": "Not enough detail", "words": ""}, later=_LATER,
    ),
    Letter(
        "changes_requested", Topic.DECISIONS, _APPLICANT, _("a reviewer asks for changes"),
        APPLICATION | CLOSES | {"reason_name": "changes_purpose", "reason": "The purpose", "words": ""}, later=_LATER,
    ),
    Letter("appeal_upheld", Topic.DECISIONS, _APPLICANT, _("an appeal lets the decline stand"), APPLICATION),
    Letter("appeal_overturned", Topic.DECISIONS, _APPLICANT, _("an appeal succeeds"), APPLICATION | CLOSES, later=_LATER),
    # --- Teams
    Letter(
        "member_invited", Topic.DECISIONS, _("whoever an applicant named"), _("a member is named, or reminded"),
        {
            "name": "Ana Duarte", "lead": "Mara Lindqvist", "gate": "Lyceum large", "lab": "Lyceum Laboratory", "until": "2026-12-09 14:20 UTC",
            "again": False, "granted": False, "path": "/invitations/",
        },
        later=("until", "granted"),
    ),
    Letter(
        "member_answered", Topic.APPLICATIONS, _APPLICANT, _("a named member accepts or declines"),
        APPLICATION | {"member": "Ana Duarte", "accepted": True},
    ),
    Letter(
        "member_left", Topic.APPLICATIONS, _("the lead"), _("a member closes out their access, and so leaves the team"),
        APPLICATION | {"member": "Ana Duarte"},
    ),
    Letter("member_removed", Topic.DECISIONS, _("the member"), _("the lead takes a member off the team"), MEMBER),
    Letter(
        "member_admitted", Topic.LEGAL, _("the member"), _("a member's access begins"),
        MEMBER | {"reference": "G-2026-0102", "holder": "Ana Duarte"} | {"until": "2027-11-25 14:20 UTC"},
    ),
    Letter(
        "member_grant_ended", Topic.LEGAL, _("the member"), _("a member is removed, or the lead's grant is over"),
        GRANT | {"name": "Ana Duarte", "deletion_due": "2026-12-25 14:20 UTC"},
    ),
    # --- Projects handed over
    Letter(
        "handover_offered", Topic.DECISIONS, _("the member"), _("a lead offers their project to a member of the team"),
        MEMBER | {"until": "2026-12-09 14:20 UTC", "path": "/applications/offers/"}, later=_LATER,
    ),
    Letter("handover_withdrawn", Topic.DECISIONS, _("the member"), _("the lead takes the offer back"), MEMBER),
    Letter(
        "handover_answered", Topic.DECISIONS, _("the lead"), _("the member accepts or declines, or does not answer in 14 days"),
        APPLICATION | {"member": "Ana Duarte", "outcome": "accepted", "deletion_due": "2026-12-25 14:20 UTC"},
        later=("deletion_due",),
    ),
    Letter(
        "project_taken_over", Topic.LEGAL, _("the new lead"), _("a member takes a project over"),
        MEMBER | {"lead": "Ana Duarte", "before": "Mara Lindqvist", "receipt": "R-2026-0311"},
    ),
    Letter(
        "project_handed_over", Topic.DECISIONS, _("the team, and the lab’s managers"), _("a member takes a project over"),
        APPLICATION | {"lead": "Ana Duarte", "before": "Mara Lindqvist"},
    ),
    # --- Confirmations
    Letter(
        "referee_asked", Topic.DECISIONS, _("a referee or sponsor"), _("an applicant names them, and when they are reminded"),
        {
            "name": "Ada Weiss", "applicant": "Mara Lindqvist", "gate": "Lyceum large", "lab": "Lyceum Laboratory",
            "until": "2026-12-24 14:20 UTC", "again": False, "path": "/confirmations/",
        },
    ),
    Letter(
        "referee_answered", Topic.APPLICATIONS, _APPLICANT, _("a referee answers"),
        APPLICATION | {"referee": "Ada Weiss", "confirmed": True},
    ),
    Letter(
        "referee_silent", Topic.APPLICATIONS, _APPLICANT, _("no referee answered in three weeks"),
        APPLICATION | {"referee": "Ada Weiss"},
    ),
    # --- Reviewing
    Letter(
        "application_to_review", Topic.REVIEW, _REVIEWERS, _("an application is sent, or sent again"),
        TO_REVIEW | {"again": False, "lane": "amber"},
    ),
    Letter("application_assigned", Topic.REVIEW, _("the reviewer"), _("an application is assigned to a reviewer"), TO_REVIEW),
    Letter("appeal_to_review", Topic.REVIEW, _("reviewers who had no part in the decline"), _("an appeal is made"), TO_REVIEW),
    Letter("renewal_to_review", Topic.REVIEW, _REVIEWERS, _("a holder asks to renew"), OF_GRANT),
    Letter(
        "substitute_named", Topic.REVIEW, _("the substitute"), _("a reviewer names who acts in their place"),
        {
            "name": "Noor Haddad", "reviewer": "Ada Weiss", "lab": "Lyceum Laboratory", "path": "/review/?assignee=me",
            "first": "2026-12-01", "last": "2026-12-12",
        },
    ),
    Letter(
        "substitute_ended", Topic.REVIEW, _("the substitute"), _("the reviewer takes it back before its last day is over"),
        {"name": "Noor Haddad", "reviewer": "Ada Weiss", "lab": "Lyceum Laboratory", "path": "/review/absence/"},
    ),
    Letter(
        "application_lacks_reviewers", Topic.LAB, _("the lab’s administrators"), _("too few reviewers are free of a conflict with an application"),
        TO_REVIEW | {"needed": 2, "has": 1},
    ),
    Letter(
        "appeal_lacks_reviewers", Topic.LAB, _("the lab’s administrators"), _("too few reviewers had no part in a decline that is appealed"),
        TO_REVIEW | {"needed": 2, "has": 1},
    ),
    Letter("grant_closed_out", Topic.LAB, _("the lab’s managers"), _("a holder attests that every copy is deleted"), OF_GRANT),
    # --- Agreements
    Letter("agreement_to_sign", Topic.LEGAL, _("every holder"), _("a version of an agreement is published that must be signed"), CALL),
    Letter("agreement_reminder", Topic.LEGAL, _("holders who have not signed"), _("the date of grace comes near"), CALL),
    Letter("agreement_signed_again", Topic.LEGAL, _HOLDER, _("a holder signs a new version"), GRANT | {"receipt": "R-2026-0311"}),
    # --- Labs
    Letter("lab_closed", Topic.LEGAL, _CONCERNED, _("the operator closes a lab"), LAB),
    Letter("lab_reopened", Topic.LEGAL, _CONCERNED, _("the operator opens it again"), LAB),
    # --- Grants
    Letter(
        "grant_active", Topic.LEGAL, _HOLDER, _("an applicant signs"), APPLICATION | {"until": "2027-11-25 14:20 UTC", "receipt": "R-2026-0311"},
    ),
    Letter(
        "grant_expiring", Topic.LEGAL, _HOLDER, _("a grant ends in 60, 30 or 7 days"),
        GRANT | {"until": "2026-12-24 14:20 UTC", "waits": False, "suspended": False, "institution": ""},
    ),
    Letter(
        "grant_ended", Topic.LEGAL, _HOLDER, _("a grant ends"),
        GRANT
        | {"until": "2026-11-25 14:20 UTC", "waits": False, "suspended": False, "deletion_due": "2026-12-25 14:20 UTC", "institution": ""},
    ),
    Letter(
        "deletion_reminder", Topic.LEGAL, _HOLDER, _("a deletion is due in 7 days or 1, or overdue"),
        GRANT | {"due": "2026-12-25 14:20 UTC", "overdue": False},
    ),
    Letter("grant_suspended", Topic.DECISIONS, _HOLDER, _("the lab pauses a grant"), GRANT),
    Letter("grant_resumed", Topic.DECISIONS, _HOLDER, _("the lab lets a grant go on"), GRANT),
    Letter("grant_revoked", Topic.DECISIONS, _HOLDER, _("the lab revokes a grant"), GRANT | {"deletion_due": "2026-12-25 14:20 UTC"}),
    Letter("renewal_granted", Topic.DECISIONS, _HOLDER, _("a renewal is granted"), GRANT | {"until": "2027-11-25 14:20 UTC"}),
    Letter(
        "renewal_declined", Topic.DECISIONS, _HOLDER, _("a renewal is declined"),
        GRANT | {"until": "2026-12-24 14:20 UTC", "over": False, "deletion_due": ""}, later=("over", "deletion_due"),
    ),
)  # fmt: skip
