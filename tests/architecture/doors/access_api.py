"""The same rooms by program: agreements, applications, reviewing, gates, grants, institutional agreements, webhooks."""

from __future__ import annotations

from typing import Final

from tests.architecture.doors.door import Door, answers, like
from tests.architecture.doors.groups import (
    ABSENT,
    API,
    API_APPLICANT,
    API_IN_PERSON,
    API_IN_PERSON_BAD,
    API_MANAGE,
    API_MANAGE_BAD,
    API_MANAGERS,
    API_MANAGERS_BAD,
    API_NO_WEBHOOK,
    API_NOBODYS,
    API_OFFICIAL,
    API_REVIEW,
    API_REVIEWERS,
    API_STAFF,
    PUBLIC,
)
from tests.architecture.doors.places import API_GRANT, API_GRANT_ROUTE, GATE, OWN_GATE

NAMED: Final = {"name": "Jonas Weber", "email": "jonas@northfield.example"}
SIGNED: Final = {"typed_name": "Mara Lindqvist", "text_sha256": "0" * 64}
API_IN_REVIEW: Final = {"application": "{application}"}
API_AGREEMENT: Final = {"lab": "{lab}", "agreement": "{agreement}"}
API_INSTITUTIONAL: Final = {"institutional": "{institutional}"}
_API_APPLICATION: Final = "api/v1/applications/<uuid:application>"
_API_AGREEMENT: Final = "api/v1/agreements/<slug:lab>/<slug:agreement>"
_API_GATE: Final = "api/v1/labs/<slug:lab>/gates/<slug:gate>"
_API_INSTITUTIONAL: Final = "api/v1/institutional/<uuid:institutional>"
_API_WEBHOOK: Final = "api/v1/webhooks/<uuid:webhook>"

DOORS: Final = (
    # --- Gates and applications
    Door("api/v1/gates", PUBLIC),
    Door("api/v1/gates/<slug:gate>", PUBLIC, at=GATE),
    Door("api/v1/gates/<slug:gate>/draft", None, None, GATE),
    *(Door(f"api/v1/me/{what}", API_IN_PERSON) for what in ("applications", "grants", "receipts")),
    # The portal of the tests has no signing key, so whoever may ask is told that nothing is signed here.
    Door("api/v1/me/passport", answers("401", people="503", tokens="403", download_token="503", publish_token="503")),
    Door("api/v1/applications", API_REVIEWERS),
    Door("api/v1/applications/assign", None, like(API_REVIEWERS, people="bad", review_token="bad")),
    Door("api/v1/applications/request-changes", None, like(API_REVIEWERS, people="bad", review_token="bad")),
    Door(f"{_API_APPLICATION}", like(API_REVIEW, applicant="ok"), at=API_IN_REVIEW),
    *(
        Door(f"{_API_APPLICATION}/{verb}", None, like(API, reviewer="ok", review_token="ok"), API_IN_REVIEW, send)
        for verb, send in {"start": {}, "approve": {}, "recuse": {}, "assign": {"to": None}}.items()
    ),
    *(
        Door(
            f"{_API_APPLICATION}/{verb}",
            None,
            like(API, people="bad", review_token="bad"),
            API_IN_REVIEW,
        )
        for verb in ("request-changes", "decline", "uphold", "spot-check")
    ),
    Door(
        f"{_API_APPLICATION}/notes",
        API_REVIEW,
        like(API_REVIEW, staff="ok"),
        API_IN_REVIEW,
        {"text": "I know the cluster."},
    ),
    Door(f"{_API_APPLICATION}/withdraw", None, like(API_IN_PERSON, people="404", applicant="ok"), API_IN_REVIEW),
    Door(f"{_API_APPLICATION}/submit", None, like(API_IN_PERSON, people="404", applicant="bad"), API_IN_REVIEW),
    Door(f"{_API_APPLICATION}/again", None, like(API_IN_PERSON, people="404", applicant="bad"), API_IN_REVIEW),
    Door(f"{_API_APPLICATION}/appeal", None, API_IN_PERSON_BAD, API_IN_REVIEW),
    Door(f"{_API_APPLICATION}/sign", None, API_IN_PERSON_BAD, API_IN_REVIEW),
    Door(f"{_API_APPLICATION}/team", API_APPLICANT, API_APPLICANT, API_IN_REVIEW, NAMED),
    Door(f"{_API_APPLICATION}/handover", None, API_NOBODYS, API_IN_REVIEW, {"member": 7}),
    Door(f"{_API_APPLICATION}/handover/withdraw", None, like(API_NOBODYS, applicant="bad"), API_IN_REVIEW),
    Door("api/v1/handovers/<uuid:handover>", API_NOBODYS, at={"handover": "{application}"}),
    Door(
        "api/v1/handovers/<uuid:handover>/accept",
        None,
        API_NOBODYS,
        {"handover": "{application}"},
        SIGNED | {"capacity": "for myself"},
    ),
    Door("api/v1/handovers/<uuid:handover>/decline", None, API_NOBODYS, {"handover": "{application}"}),
    *(
        Door(f"{_API_APPLICATION}/{one}/{verb}", None, API_NOBODYS, API_IN_REVIEW)
        for one, verbs in {
            "team/<int:member>": ("remind", "remove"),
            "referees/<int:referee>": ("remind", "replace"),
        }.items()
        for verb in verbs
    ),
    Door(
        f"{_API_APPLICATION}/referees",
        API_APPLICANT,
        like(API_APPLICANT, applicant="bad"),
        API_IN_REVIEW,
        NAMED | {"relation": "supervisor"},
    ),
    Door(f"{_API_APPLICATION}/confirmations", API_REVIEW, at=API_IN_REVIEW),
    Door("api/v1/confirmations/<str:secret>", ABSENT, ABSENT, send={"answer": "confirm"}),
    Door("api/v1/invitations/<str:secret>", ABSENT),
    Door("api/v1/invitations/<str:secret>/accept", None, API_NOBODYS, send=SIGNED | {"capacity": "for myself"}),
    Door("api/v1/invitations/<str:secret>/decline", None, ABSENT),
    Door("api/v1/filters", API_REVIEWERS, like(API, people="bad", review_token="bad")),
    Door("api/v1/filters/<int:filter>", None, None),
    Door("api/v1/substitutes", API_REVIEWERS, like(API, people="bad", review_token="bad")),
    Door("api/v1/substitutes/<int:substitute>/end", None, like(API, review_token="404")),
    Door("api/v1/labs/<slug:lab>/reasons", API_STAFF, at={"lab": "{lab}"}),
    Door("api/v1/labs/<slug:lab>/reasons/<slug:reason>", None, None, {"lab": "{lab}"}),
    Door("api/v1/labs/<slug:lab>/rules", API_STAFF, like(API, people="bad", manage_token="bad"), {"lab": "{lab}"}),
    Door(
        "api/v1/labs/<slug:lab>/rules/dry-run",
        None,
        like(API, people="bad", review_token="bad", manage_token="bad"),
        {"lab": "{lab}"},
    ),
    Door("api/v1/labs/<slug:lab>/rules/<int:version>", API_STAFF, at={"lab": "{lab}"}),
    Door("api/v1/labs/<slug:lab>/gates", API_STAFF, API_MANAGE_BAD, {"lab": "{lab}"}),
    Door(_API_GATE, API_STAFF, at=OWN_GATE),
    Door(f"{_API_GATE}/close", None, like(API_MANAGERS, reviewer="403"), OWN_GATE, {"closed_reason": "We move."}),
    Door(f"{_API_GATE}/open", None, like(API_MANAGERS_BAD, reviewer="403"), OWN_GATE),
    Door(f"{_API_GATE}/form", API_STAFF, at=OWN_GATE),
    Door(f"{_API_GATE}/form/versions", API_STAFF, at=OWN_GATE),
    Door(f"{_API_GATE}/form/versions/<int:version>", API_STAFF, at=OWN_GATE),
    # --- Institutional agreements
    Door(
        "api/v1/gates/<slug:gate>/institutional",
        None,
        API_IN_PERSON_BAD,
        GATE,
        {"office": "rector", "purpose": "Dissertations.", "seats": 3, "days": 365},
    ),
    Door("api/v1/me/institutional", API_IN_PERSON),
    Door("api/v1/institutional", like(API_MANAGE, people="ok"), API_MANAGE_BAD),
    Door(_API_INSTITUTIONAL, like(API_MANAGERS, holder="ok"), at=API_INSTITUTIONAL),
    Door(f"{_API_INSTITUTIONAL}/withdraw", None, like(API_MANAGERS_BAD, holder="bad"), API_INSTITUTIONAL),
    *(
        Door(f"{_API_INSTITUTIONAL}/{verb}", None, told, API_INSTITUTIONAL, send)
        for verb, told, send in (
            ("approve", API_MANAGERS_BAD, {"seats": 3, "days": 365}),
            ("decline", API_MANAGERS_BAD, {"message": "Not now."}),
            ("suspend", API_MANAGERS, {"reason": "A report."}),
            ("resume", API_MANAGERS_BAD, {}),
            ("revoke", API_MANAGERS, {"reason": "A report."}),
            ("official", API_MANAGERS_BAD, {"address": "nobody@northfield.example", "office": "dean"}),
            ("sign", like(API_OFFICIAL, holder="bad"), SIGNED),
            ("attest", like(API_OFFICIAL, holder="bad"), {"version": 1}),
            ("end", API_OFFICIAL, {}),
            ("join", like(API_IN_PERSON_BAD, holder="ok"), {}),
        )
    ),
    Door(
        f"{_API_INSTITUTIONAL}/roster",
        API_OFFICIAL,
        API_OFFICIAL,
        API_INSTITUTIONAL,
        {"addresses": ["jonas@northfield.example"]},
    ),
    *(
        Door(f"{_API_INSTITUTIONAL}/roster/<int:line>/{verb}", None, API_NOBODYS, API_INSTITUTIONAL)
        for verb in ("admit", "refuse", "invite-again", "remove")
    ),
    Door("api/v1/institutional/invitations/<str:secret>", API_NOBODYS),
    Door("api/v1/institutional/invitations/<str:secret>/accept", None, API_NOBODYS, send=SIGNED),
    Door("api/v1/institutional/invitations/<str:secret>/decline", None, API_NOBODYS),
    # --- Grants
    Door("api/v1/grants", like(API_MANAGE, people="ok")),
    Door(f"{API_GRANT_ROUTE}", like(API_MANAGE, holder="ok"), at=API_GRANT),
    *(
        Door(f"{API_GRANT_ROUTE}/{verb}", None, like(API_MANAGE, reviewer="403"), API_GRANT, {"reason": "x"})
        for verb in ("revoke", "suspend")
    ),
    Door(
        f"{API_GRANT_ROUTE}/resume", None, like(API_MANAGE, staff="bad", reviewer="403", manage_token="bad"), API_GRANT
    ),
    Door(
        f"{API_GRANT_ROUTE}/approve-renewal",
        None,
        like(API, staff="403", reviewer="bad", review_token="bad"),
        API_GRANT,
    ),
    Door(
        f"{API_GRANT_ROUTE}/decline-renewal",
        None,
        like(API, people="bad", review_token="bad"),
        API_GRANT,
    ),
    Door(f"{API_GRANT_ROUTE}/renew", None, like(API_IN_PERSON, people="404", staff="403", holder="bad"), API_GRANT),
    Door(
        f"{API_GRANT_ROUTE}/withdraw-renewal",
        None,
        like(API_IN_PERSON, people="404", staff="403", holder="bad"),
        API_GRANT,
    ),
    Door(f"{API_GRANT_ROUTE}/close-out", None, API_IN_PERSON_BAD, API_GRANT),
    Door(f"{API_GRANT_ROUTE}/sign", None, API_IN_PERSON_BAD, API_GRANT),
    # --- Agreements
    Door("api/v1/agreements", like(API_MANAGE, people="ok"), API_MANAGE_BAD),
    Door(_API_AGREEMENT, API_MANAGE, at=API_AGREEMENT),
    Door(f"{_API_AGREEMENT}/draft", None, None, API_AGREEMENT),
    Door(f"{_API_AGREEMENT}/publish", None, like(API, people="bad", manage_token="bad"), API_AGREEMENT),
    Door(f"{_API_AGREEMENT}/redline", like(API, people="bad", manage_token="bad"), at=API_AGREEMENT),
    Door(f"{_API_AGREEMENT}/outstanding", API_MANAGE, at=API_AGREEMENT),
    # --- Webhooks
    Door("api/v1/webhooks", like(API_MANAGE, people="ok"), like(API_MANAGE, people="bad", manage_token="bad")),
    Door(_API_WEBHOOK, API_NO_WEBHOOK),
    Door(f"{_API_WEBHOOK}/deliveries", API_NO_WEBHOOK),
    *(
        Door(f"{_API_WEBHOOK}/{verb}", None, API_NO_WEBHOOK)
        for verb in ("rotate-secret", "stop", "start", "deliveries/<uuid:delivery>/replay")
    ),
)
