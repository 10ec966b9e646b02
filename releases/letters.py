"""The letters of releases."""

from __future__ import annotations

from typing import Final

from django.utils.translation import gettext_lazy as _

from portal.mail.registry import Letter, Topic, declare

STOP: Final = {
    "name": "Mara Lindqvist",
    "release": "lyceum/pico-opt-5m",
    "lab": "Lyceum Laboratory",
    "path": "/lyceum/pico-opt-5m",
}
OPENING: Final = {
    "name": "Noor Haddad",
    "model": "lyceum/pico-opt-5m",
    "commit": "0f3a9c11",
    "date": "2026-12-01 12:00 UTC",
    "path": "/lyceum/pico-opt-5m",
}
SCORE: Final = {
    "of": "lyceum/pico-opt-5m",
    "task": "openbookqa",
    "lab": "Lyceum Laboratory",
    "path": "/evaluations/reproductions/17/",
}
HARM: Final = {"number": "H-17", "lab": "Lyceum Laboratory", "path": "/harm/status/17:signed/"}
_CONCERNED: Final = _("those whom the plan names, and the lab’s managers")
_HOLDERS: Final = _("everybody who holds a grant for it")

declare(
    Letter(
        "release_stopped", Topic.LEGAL, _HOLDERS, _("the lab stops a family, a model or a revision for everybody"),
        STOP | {"instead": "lyceum/pico-opt-1m"},
    ),
    Letter(
        "opening_planned", Topic.REVIEW, _("those whom the plan names"), _("an opening is planned that needs approvals"),
        OPENING,
    ),
    Letter("opening_opened", Topic.LAB, _CONCERNED, _("a planned opening has happened"), OPENING),
    Letter(
        "opening_late", Topic.LAB, _CONCERNED, _("the date of an opening came, and something is missing"),
        OPENING | {"missing": ["approvals"]},
    ),
    Letter("release_resumed", Topic.LEGAL, _HOLDERS, _("the lab lifts that stop"), STOP),
    Letter(
        "surge", Topic.LAB, _("the lab’s managers"), _("a holder was given far more in a day than on their other days"),
        {
            "name": "Noor Haddad", "lab": "Lyceum Laboratory", "holder": "Mara Lindqvist", "day": "2026-11-25",
            "given_bytes": 812_400_000_000, "usual_bytes": 36_000_000_000, "path": "/downloads/",
        },
        later=("given_bytes", "usual_bytes"),
    ),
    Letter(
        "reproduction_reported", Topic.LAB, _("the lab’s managers"), _("somebody reports that they measured a score again"),
        SCORE | {"name": "Noor Haddad", "differs": True},
    ),
    Letter(
        "reproduction_reviewed", Topic.DECISIONS, _("who reported it"), _("the lab accepts or questions such a report"),
        SCORE | {"name": "Mara Lindqvist", "accepted": True},
    ),
    Letter(
        "harm_received", Topic.DECISIONS, _("who reported it, where they left an address"), _("a report of harm arrives"), HARM,
    ),
    Letter(
        "harm_ended", Topic.DECISIONS, _("who reported it, where they left an address"),
        _("the lab answers or closes a report of harm"), HARM,
    ),
    Letter(
        "harm_to_triage", Topic.LAB, _("the lab’s managers"), _("a report of harm arrives"),
        HARM | {"name": "Noor Haddad", "of": "lyceum/pico-opt-5m", "path": "/harm/reports/17/"},
    ),
    Letter(
        "erratum_raised", Topic.RELEASES, _("holders of a grant, and the lab’s managers"), _("an erratum of a model is published"),
        {
            "name": "Mara Lindqvist", "model": "lyceum/pico-opt-5m", "lab": "Lyceum Laboratory",
            "path": "/lyceum/pico-opt-5m/errata", "severity": "serious", "title": "The tokenizer lacks a token",
            "corrects": "The tokenizer has a token too many",
        },
        later=("severity", "title", "corrects"),
    ),
)  # fmt: skip
