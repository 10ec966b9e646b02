"""Agreements, applying, reviewing, gates, grants, institutional agreements and webhooks: the pages."""

from __future__ import annotations

from typing import Final

from tests.architecture.doors.door import Door, like
from tests.architecture.doors.groups import (
    ABSENT,
    ANY_STAFF,
    ANY_STAFF_MOVED,
    APPLICANT,
    HOLDER,
    HOLDER_MOVED,
    LAB,
    LAB_BAD,
    MANAGERS,
    MANAGERS_BAD,
    MANAGERS_NONE,
    MANAGERS_OF_LAB,
    MANAGERS_OF_LAB_BAD,
    MANAGING,
    NOBODYS,
    PERSON,
    PERSON_BAD,
    PUBLIC,
)
from tests.architecture.doors.places import GATE, GRANT, OWN_GATE

IN_REVIEW: Final = {"pk": "{application}"}
INSTITUTIONAL: Final = {"pk": "{institutional}"}
AGREEMENT: Final = {"lab": "{lab}", "slug": "{agreement}"}
RECEIPT: Final = {"receipt_id": "{receipt}"}

DOORS: Final = (
    # --- Agreements and receipts: public, so that anybody can check
    Door("agreements/<slug:lab>/<slug:slug>/<int:number>/", PUBLIC, at=AGREEMENT),
    Door("agreements/<slug:lab>/<slug:slug>/compare/", PUBLIC, at=AGREEMENT),
    Door("agreements/", ANY_STAFF),
    Door("agreements/<slug:lab>/new/", MANAGERS_OF_LAB, MANAGERS_OF_LAB_BAD, {"lab": "{lab}"}),
    Door("agreements/<slug:lab>/<slug:slug>/", LAB, at=AGREEMENT),
    Door("agreements/<slug:lab>/<slug:slug>/draft/", MANAGERS, MANAGERS_BAD, AGREEMENT),
    Door("agreements/<slug:lab>/<slug:slug>/draft/discard/", MANAGERS_NONE, MANAGERS_BAD, AGREEMENT),
    Door(
        "agreements/<slug:lab>/<slug:slug>/draft/publish/",
        MANAGERS_NONE,
        like(MANAGERS, manager="moved", administrator="moved"),
        AGREEMENT,
    ),
    Door("agreements/<slug:lab>/<slug:slug>/outstanding/", LAB, at=AGREEMENT),
    Door("agreements/<slug:lab>/<slug:slug>/outstanding.csv", LAB, at=AGREEMENT),
    Door("receipts/", PUBLIC),
    Door("receipts/key.json", PUBLIC),
    Door(".well-known/jwks.json", PUBLIC),
    Door("receipts/<uuid:receipt_id>/", PUBLIC, at=RECEIPT),
    Door("receipts/<uuid:receipt_id>/receipt.json", PUBLIC, at=RECEIPT),
    Door("receipts/<uuid:receipt_id>/receipt.pdf", PUBLIC, at=RECEIPT),
    Door("audit/roots.json", PUBLIC),
    # --- Applying
    Door("apply/<slug:gate>/", like(PERSON, applicant="moved"), like(PERSON_BAD, applicant="moved", holder="ok"), GATE),
    Door(
        "apply/<slug:gate>/<slug:section>/",
        like(PERSON, applicant="moved"),
        like(PERSON_BAD, applicant="moved", holder="ok"),
        GATE | {"section": "{section}"},
    ),
    Door("applications/", PERSON),
    Door("applications/<uuid:pk>/", APPLICANT, at=IN_REVIEW),
    Door("applications/<uuid:pk>/withdraw/", APPLICANT, like(NOBODYS, applicant="moved"), IN_REVIEW),
    Door("applications/<uuid:pk>/again/", None, like(NOBODYS, applicant="bad"), IN_REVIEW),
    Door("applications/<uuid:pk>/sign/", like(NOBODYS, applicant="moved"), like(NOBODYS, applicant="moved"), IN_REVIEW),
    Door(
        "applications/<uuid:pk>/appeal/", like(NOBODYS, applicant="moved"), like(NOBODYS, applicant="moved"), IN_REVIEW
    ),
    Door("applications/<uuid:pk>/team/", APPLICANT, like(NOBODYS, applicant="moved"), IN_REVIEW),
    Door("applications/<uuid:pk>/hand-over/", APPLICANT, like(NOBODYS, applicant="moved"), IN_REVIEW),
    Door("applications/offers/<uuid:pk>/", NOBODYS, NOBODYS, IN_REVIEW),
    Door("applications/<uuid:pk>/referees/", NOBODYS, NOBODYS, IN_REVIEW),
    Door("confirmations/<str:secret>/", ABSENT, ABSENT),
    Door("invitations/<str:secret>/", ABSENT, ABSENT),
    Door("invitations/<str:secret>/accept/", NOBODYS, NOBODYS),
    Door("applications/<uuid:pk>/files/<uuid:file>/", NOBODYS, at=IN_REVIEW),
    # --- Reviewing
    Door("review/", ANY_STAFF),
    Door("review/together/", ANY_STAFF_MOVED, ANY_STAFF_MOVED),
    Door("review/export.<slug:shape>", ANY_STAFF, at={"shape": "csv"}),
    Door("review/views/", None, like(NOBODYS, staff="bad", second_lab="bad")),
    Door("review/views/<int:pk>/remove/", None, ANY_STAFF_MOVED),
    Door("review/<uuid:pk>/", LAB, like(NOBODYS, reviewer="moved"), IN_REVIEW, {"verb": "approve"}),
    Door("review/<uuid:pk>/assign/", None, like(NOBODYS, reviewer="moved"), IN_REVIEW, {"to": "me"}),
    Door("review/<uuid:pk>/note/", None, like(NOBODYS, staff="moved"), IN_REVIEW, {"text": "I know the cluster."}),
    Door("review/absence/", ANY_STAFF, like(NOBODYS, staff="bad", second_lab="bad")),
    Door("review/absence/<int:pk>/end/", None, NOBODYS),
    Door("review/letters/", ANY_STAFF),
    Door(
        "review/letters/<slug:name>/",
        ANY_STAFF,
        like(ANY_STAFF_MOVED, reviewer="403"),
        {"name": "application_declined"},
    ),
    Door("review/letters/<slug:name>/page/", ANY_STAFF, at={"name": "application_declined"}),
    Door("review/reasons/", ANY_STAFF),
    Door("review/reasons/<slug:lab>/<slug:reason>/", NOBODYS, NOBODYS, {"lab": "{lab}"}),
    Door("review/rules/", ANY_STAFF),
    Door("review/rules/<slug:lab>/", LAB, LAB_BAD, {"lab": "{lab}"}),
    Door("review/rules/<slug:lab>/<slug:gate>/", LAB, LAB_BAD, {"lab": "{lab}", "gate": "{gate}"}),
    # --- Gates
    Door("gates/", ANY_STAFF),
    Door("gates/<slug:lab>/new/", MANAGERS_OF_LAB, MANAGERS_OF_LAB_BAD, {"lab": "{lab}"}),
    Door("gates/<slug:lab>/<slug:gate>/", LAB, MANAGERS_BAD, OWN_GATE),
    Door("gates/<slug:lab>/<slug:gate>/shut/", like(LAB, staff="moved"), MANAGERS_BAD, OWN_GATE),
    Door("gates/<slug:lab>/<slug:gate>/form/", LAB, MANAGERS_BAD, OWN_GATE),
    Door("gates/<slug:lab>/<slug:gate>/form/versions/", LAB, at=OWN_GATE),
    # --- Grants
    Door("grants/", ANY_STAFF),
    Door(
        "grants/<uuid:pk>/", LAB, like(NOBODYS, staff="moved", reviewer="403"), GRANT, {"verb": "revoke", "reason": "x"}
    ),
    Door("grants/export.csv", ANY_STAFF),
    Door("grants/<uuid:pk>/mine/", HOLDER, like(NOBODYS, holder="bad"), GRANT),
    Door("grants/<uuid:pk>/renew/", HOLDER, like(NOBODYS, holder="bad"), GRANT),
    Door("grants/<uuid:pk>/close-out/", HOLDER, like(NOBODYS, holder="bad"), GRANT),
    Door("grants/<uuid:pk>/sign/", like(NOBODYS, holder="moved"), like(NOBODYS, holder="moved"), GRANT),
    # --- Institutional agreements: the scene's official is the holder of its grant
    Door("institutional/", PERSON),
    Door("institutional/ask/<slug:gate>/", PERSON, PERSON_BAD, GATE),
    Door("institutional/lab/", MANAGING),
    Door("institutional/lab/offer/", MANAGING, like(MANAGING, manager="bad", administrator="bad", second_lab="bad")),
    Door("institutional/lab/<uuid:pk>/", like(LAB, reviewer="404"), like(LAB_BAD, reviewer="404"), INSTITUTIONAL),
    Door("institutional/invitations/<str:secret>/", NOBODYS, NOBODYS),
    Door("institutional/<uuid:pk>/", HOLDER, like(NOBODYS, holder="bad"), INSTITUTIONAL),
    Door("institutional/<uuid:pk>/sign/", HOLDER_MOVED, HOLDER_MOVED, INSTITUTIONAL),
    Door("institutional/<uuid:pk>/invite/", HOLDER, like(NOBODYS, holder="bad"), INSTITUTIONAL),
    Door("institutional/<uuid:pk>/roster.csv", HOLDER, at=INSTITUTIONAL),
    Door("institutional/<uuid:pk>/roster/<int:line>/", None, NOBODYS, INSTITUTIONAL),
    Door("institutional/<uuid:pk>/attest/", HOLDER_MOVED, HOLDER_MOVED, INSTITUTIONAL),
    Door("institutional/<uuid:pk>/end/", HOLDER, HOLDER_MOVED, INSTITUTIONAL),
    Door("institutional/<uuid:pk>/join/", PERSON, like(PERSON_BAD, holder="moved"), INSTITUTIONAL),
    # --- Webhooks of one's labs
    Door("webhooks/", MANAGING, like(MANAGING, manager="bad", administrator="bad", second_lab="bad")),
    Door("webhooks/<uuid:pk>/", NOBODYS, NOBODYS),
    Door("webhooks/<uuid:pk>/delete/", NOBODYS, NOBODYS),
)
