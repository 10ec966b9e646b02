"""Families, models, their scores, logbooks and costs, and reports of harm: the pages."""

from __future__ import annotations

from typing import Final

from releases.exports.shelf import SHELF
from tests.architecture.doors.door import Door, answers, like
from tests.architecture.doors.groups import (
    ABSENT,
    ANY_STAFF,
    LAB,
    LAB_BAD,
    MANAGERS,
    MANAGERS_MOVED,
    MANAGERS_OF_LAB,
    MANAGING,
    MANAGING_ONE,
    MANAGING_ONE_BAD,
    NOBODYS,
    PERSON,
    PERSON_MOVED,
    PUBLIC,
    PUBLIC_MOVED,
    RECKONED,
)
from tests.architecture.doors.places import GATED, GRANT, MODEL_ROUTE, OWN_GATE

CONVERSION: Final = GATED | {"conversion": "{conversion}"}
"""One that waits, so its receipt is not there for anybody."""

DOORS: Final = (
    # --- Families
    Door("families/<slug:lab>/<slug:slug>/", ABSENT),
    Door("families/<slug:lab>/<slug:slug>/releases.atom", ABSENT),
    Door("families/<slug:lab>/<slug:slug>/errata.atom", ABSENT),
    *(
        Door(f"families/<slug:lab>/<slug:slug>/logbook{end}", ABSENT)
        for end in ("/", ".json", ".md", ".csv", ".atom", "/<int:number>/")
    ),
    *(
        Door(f"families/<slug:lab>/<slug:slug>/logbook/{end}", NOBODYS, NOBODYS)
        for end in ("edit/", "<int:number>/edit/")
    ),
    Door("families/<slug:lab>/<slug:slug>/curves/take-back", None, NOBODYS),
    *(Door(f"families/<slug:lab>/<slug:slug>/curves{form}", ABSENT) for form in ("", ".json", ".csv", ".svg")),
    # --- Scores: public; the scene has none
    Door("evaluations/", PUBLIC),
    Door("evaluations/scores.<slug:shape>", PUBLIC, at={"shape": "csv"}),
    Door("evaluations/<int:pk>/", ABSENT, ABSENT),
    Door("evaluations/<int:pk>/reproduce/", NOBODYS, NOBODYS),
    Door("evaluations/reproductions/", MANAGING),
    Door("evaluations/reproductions/<int:pk>/", ABSENT, ABSENT),
    # --- Reports of harm: anybody sends one, its lab reads it
    Door("harm/", PUBLIC, answers("bad")),
    Door("harm/answered/", PUBLIC),
    Door("harm/status/<str:token>/", ABSENT),
    Door("harm/reports/", MANAGING),
    Door("harm/reports/<int:pk>/", NOBODYS, NOBODYS),
    # --- What models cost
    Door("families/compare/", PUBLIC),
    Door("families/<slug:lab>/<slug:slug>/cost/<segment:size>", ABSENT),
    Door("families/<slug:lab>/<slug:slug>/cost/<segment:size>/training", ABSENT),
    Door("<segment:namespace>/<segment:name>/cost", RECKONED, at=GATED),
    Door("<segment:namespace>/<segment:name>/cost/training", RECKONED, at=GATED),
    Door("me/hardware/", PERSON),
    Door("me/hardware/save/", None, PERSON_MOVED, send={"name": "cluster", "accelerator": "a100-80", "gpus": "8"}),
    Door("me/hardware/<int:pk>/remove/", None, NOBODYS),
    # --- Signing keys. The portal of the tests has none.
    Door("search/", PUBLIC),
    Door("keys/", PUBLIC),
    Door("keys/portal.pem", ABSENT),
    Door("keys/vouches.json", PUBLIC),
    Door("keys/<slug:fingerprint>.pem", ABSENT, at={"fingerprint": "abc"}),
    Door(
        "keys/<slug:lab>/",
        MANAGERS_OF_LAB,
        like(NOBODYS, manager="bad", administrator="bad"),
        {"lab": "{lab}"},
        {"verb": "nothing"},
    ),
    # --- Models
    Door(f"{MODEL_ROUTE}/errata", PUBLIC, at=GATED),
    Door(f"{MODEL_ROUTE}/revisions.atom", PUBLIC, at=GATED),
    Door(f"{MODEL_ROUTE}/errata.atom", PUBLIC, at=GATED),
    Door(f"{MODEL_ROUTE}/evaluations", PUBLIC, at=GATED),
    Door(f"{MODEL_ROUTE}/evaluations/import", like(LAB, reviewer="404"), like(LAB_BAD, reviewer="404"), GATED),
    *(
        Door(f"{MODEL_ROUTE}/logbook{end}", PUBLIC, at=GATED)
        for end in ("", ".json", ".md", ".csv", ".atom", "/<int:number>")
    ),
    Door(f"{MODEL_ROUTE}/logbook/edit", MANAGING_ONE, MANAGING_ONE_BAD, GATED, {"verb": "nothing"}),
    Door(f"{MODEL_ROUTE}/logbook/<int:number>/edit", MANAGING_ONE, MANAGING_ONE_BAD, GATED, {"verb": "edit"}),
    Door(f"{MODEL_ROUTE}/curves/take-back", None, NOBODYS, GATED),
    *(Door(f"{MODEL_ROUTE}/curves{form}", PUBLIC, at=GATED) for form in ("", ".json", ".csv", ".svg")),
    Door(MODEL_ROUTE, PUBLIC, at=GATED),
    Door(f"{MODEL_ROUTE}/tree/<segment:revision>", PUBLIC, at=GATED),
    Door("downloads/", ANY_STAFF),
    Door("me/downloads/", PERSON),
    Door("me/downloads.csv", PERSON),
    Door("grants/<uuid:pk>/cap/", MANAGERS, MANAGERS_MOVED, GRANT),
    Door("gates/<slug:lab>/<slug:gate>/cap/", MANAGERS, MANAGERS_MOVED, OWN_GATE),
    Door(f"{MODEL_ROUTE}/downloads", LAB, at=GATED),
    Door(f"{MODEL_ROUTE}/downloads.csv", LAB, at=GATED),
    Door(f"{MODEL_ROUTE}/revisions", PUBLIC, at=GATED),
    Door(f"{MODEL_ROUTE}/revisions/<segment:revision>", MANAGING_ONE, MANAGING_ONE_BAD, GATED, {"verb": "nothing"}),
    *(
        # Of a commit; `main` leads there.
        Door(f"{MODEL_ROUTE}/revisions/<segment:revision>/{document}", PUBLIC_MOVED, at=GATED)
        for document in ("release.json", "tensors.json", "model.sig", "bom.cdx.json", *SHELF)
    ),
    Door(f"{MODEL_ROUTE}/revisions/<segment:revision>/opening", LAB, LAB_BAD, GATED, {"verb": "nothing"}),
    Door("publish/", MANAGING, like(MANAGING, manager="bad", administrator="bad", second_lab="bad")),
    Door(f"{MODEL_ROUTE}/upload", MANAGING_ONE, at=GATED),
    *(Door(f"{MODEL_ROUTE}/upload/{step}", None, MANAGING_ONE_BAD, GATED) for step in ("plan", "begin", "commit")),
    Door(f"{MODEL_ROUTE}/stops", MANAGING_ONE, MANAGING_ONE_BAD, GATED, {"verb": "nothing"}),
    Door(f"{MODEL_ROUTE}/settings", MANAGING_ONE, MANAGING_ONE_BAD, GATED, {"verb": "nothing"}),
    Door(
        f"{MODEL_ROUTE}/revisions/<segment:revision>/convert",
        MANAGING_ONE,
        MANAGING_ONE_BAD,
        GATED,
        {"operation": "nothing"},
    ),
    Door(
        f"{MODEL_ROUTE}/conversions/<uuid:conversion>", MANAGING_ONE, MANAGING_ONE_BAD, CONVERSION, {"verb": "nothing"}
    ),
    Door(f"{MODEL_ROUTE}/conversions/<uuid:conversion>/receipt.json", ABSENT, at=CONVERSION),
    Door(f"{MODEL_ROUTE}/licence", PUBLIC, at=GATED),
    Door(
        f"{MODEL_ROUTE}/cards/<slug:which>", MANAGING_ONE, MANAGING_ONE, GATED | {"which": "model"}, {"verb": "nothing"}
    ),
    Door(f"{MODEL_ROUTE}/compare", PUBLIC_MOVED, at=GATED),
    Door(f"{MODEL_ROUTE}/compare/<segment:pair>", PUBLIC, at=GATED | {"pair": "main...main"}),
    Door(f"{MODEL_ROUTE}/manifest/<segment:revision>", PUBLIC, at=GATED),
    Door(f"{MODEL_ROUTE}/sha256sums/<segment:revision>", PUBLIC, at=GATED),
    Door(f"{MODEL_ROUTE}/why", PERSON, at=GATED),
    Door(
        f"{MODEL_ROUTE}/download/<segment:revision>/<tail:path>",
        answers("401", anonymous="login", people="403", holder="moved", manager="moved", administrator="moved"),
        at=GATED,
    ),
)
