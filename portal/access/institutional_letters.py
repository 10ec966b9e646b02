"""The letters of institutional agreements and their rosters."""

from __future__ import annotations

from typing import Final

from django.utils.translation import gettext_lazy as _

from portal.mail.registry import Letter, Topic, declare

ABOUT: Final = {
    "name": "Ingrid Solberg",
    "institution": "Northfield University",
    "reference": "I-2026-1f0c9a7e",
    "gate": "Lyceum large",
    "lab": "Lyceum Laboratory",
    "official": "Ingrid Solberg",
    "path": "/institutional/",
}
_MANAGERS: Final = _("the lab’s managers")
_OFFICIAL: Final = _("the signing official")

declare(
    Letter("institutional_asked", Topic.LAB, _MANAGERS, _("an institution asks for an agreement"), ABOUT | {"name": "Noor Haddad"}),
    Letter(
        "institutional_in_force", Topic.LAB, _MANAGERS, _("an official signs for an institution"),
        ABOUT | {"name": "Noor Haddad", "until": "2027-11-25 14:20 UTC"},
    ),
    Letter("institutional_ended", Topic.LAB, _MANAGERS, _("an institution ends its agreement"), ABOUT | {"name": "Noor Haddad"}),
    Letter(
        "institutional_unattended", Topic.LAB, _MANAGERS, _("the official of a running agreement cannot sign in any more"),
        ABOUT | {"name": "Noor Haddad"},
    ),
    Letter(
        "institutional_named", Topic.DECISIONS, _("the new official and the one before"),
        _("the lab names another official for an institution"), ABOUT,
    ),
    Letter("institutional_offered", Topic.DECISIONS, _OFFICIAL, _("the lab offers an institution an agreement"), ABOUT),
    Letter("institutional_declined", Topic.DECISIONS, _OFFICIAL, _("the lab declines an institution’s agreement"), ABOUT),
    Letter("institutional_suspended", Topic.DECISIONS, _OFFICIAL, _("the lab pauses an institution’s agreement"), ABOUT),
    Letter("institutional_resumed", Topic.DECISIONS, _OFFICIAL, _("the lab lets an institution’s agreement go on"), ABOUT),
    Letter("institutional_revoked", Topic.DECISIONS, _OFFICIAL, _("the lab revokes an institution’s agreement"), ABOUT),
    Letter(
        "institutional_signed", Topic.LEGAL, _OFFICIAL, _("an official signs for an institution"),
        ABOUT | {"until": "2027-11-25 14:20 UTC", "receipt": "R-2026-0311"},
    ),
    Letter(
        "institutional_to_sign", Topic.LEGAL, _OFFICIAL, _("a version is published that an official must sign"),
        ABOUT | {"until": "2026-12-24 14:20 UTC"},
    ),
    Letter(
        "attestation_due", Topic.LEGAL, _OFFICIAL, _("a roster is to be confirmed in 60, 30 or 7 days, or is overdue"),
        ABOUT | {"due": "2027-11-25 14:20 UTC", "lapses": "2027-12-25 14:20 UTC", "seats": 40, "overdue": False},
    ),
    Letter(
        "attestation_lapsed", Topic.LEGAL, _OFFICIAL, _("a roster was not confirmed in time, and its seats have stopped"),
        ABOUT | {"due": "2027-11-25 14:20 UTC", "lapses": "2027-12-25 14:20 UTC", "seats": 40},
    ),
    Letter(
        "seat_stopped", Topic.LEGAL, _("everybody with a seat"), _("a roster was not confirmed in time, and its seats have stopped"),
        ABOUT | {"name": "Mara Lindqvist", "path": "/grants/"},
    ),
    Letter(
        "seat_resumed", Topic.LEGAL, _("everybody whose seat had stopped"),
        _("the official confirms the roster after its seats had stopped"), ABOUT | {"name": "Mara Lindqvist", "path": "/grants/"},
    ),
    Letter(
        "roster_invited", Topic.LEGAL, _("the person invited"), _("an official invites somebody to a seat"),
        ABOUT | {"name": "", "until": "2026-12-09 14:20 UTC"},
    ),
    Letter("roster_asked", Topic.DECISIONS, _OFFICIAL, _("somebody asks for a seat"), ABOUT | {"person": "Mara Lindqvist"}),
    Letter("roster_refused", Topic.DECISIONS, _("who asked"), _("an official refuses a seat"), ABOUT | {"name": "Mara Lindqvist"}),
)  # fmt: skip
