"""The same rooms by program: models, their scores, logbooks, costs and conversions, and reports of harm."""

from __future__ import annotations

from typing import Final

from tests.architecture.doors.door import Door, answers, like
from tests.architecture.doors.groups import (
    ABSENT,
    API,
    API_LOOKED_AFTER,
    API_LOOKED_AFTER_BAD,
    API_MANAGE,
    API_MANAGE_BAD,
    API_NO_OPENING,
    API_NOBODYS,
    API_NONE_IMPORTED,
    API_NONE_KEPT,
    API_OWN,
    API_RELEASING,
    API_RELEASING_BAD,
    API_STAFF,
    PUBLIC,
)
from tests.architecture.doors.places import API_GRANT, API_GRANT_ROUTE, GATED, OWN_GATE

ERRATUM: Final = {"severity": "serious", "title": "The tokenizer lacks a token", "text": "Take revision two."}
LOGBOOK: Final = {"logbook": "{logbook}"}
CHRONICLE: Final = {"name": "chronicles.md", "text": "### 2022-03-11\n\nLaunch\n"}
IMPORTED_THEN: Final = {"at": "2022-03-11T00:00:00Z"}
RESULTS: Final = {"document": {"results": {"copa": {"acc": 0.84}}}, "ran_by": "Us", "harness": "h"}
MEASURED: Final = {"value": 0.3, "tolerance": 0.1, "harness": "h", "environment": "torch", "command": "run"}
_API_CONVERSION: Final = "api/v1/conversions/<uuid:conversion>"
_API_OWN_MODEL: Final = "api/v1/models/<slug:lab>/<segment:name>"


DOORS: Final = (
    # --- What models cost
    Door("api/v1/models/<slug:lab>/<segment:name>/cost", answers("bad"), at=GATED),
    Door("api/v1/models/<slug:lab>/<segment:name>/training-cost", answers("bad"), at=GATED),
    Door("api/v1/families/<slug:lab>/<slug:slug>/sizes/<segment:size>/cost", ABSENT),
    Door("api/v1/families/<slug:lab>/<slug:slug>/sizes/<segment:size>/training-cost", ABSENT),
    # --- Downloads
    Door("api/v1/downloads", API_OWN),
    Door("api/v1/models/<slug:lab>/<segment:name>/downloads", like(API_MANAGE, reviewer="403"), at=GATED),
    Door(f"{API_GRANT_ROUTE}/cap", like(API_MANAGE, holder="ok"), at=API_GRANT),
    Door("api/v1/gates/<slug:lab>/<slug:gate>/cap", API_MANAGE, at=OWN_GATE),
    # --- Models and their revisions
    Door("api/v1/conversions", None, API_RELEASING_BAD, send={"model": "lyceum/gated-5m", "operation": "cast"}),
    Door(_API_CONVERSION, API_RELEASING, at={"conversion": "{conversion}"}),
    Door(
        f"{_API_CONVERSION}/cancel",
        None,
        like(API, manage_token="404"),
        at={"conversion": "00000000-0000-4000-8000-000000000000"},
    ),
    Door(f"{_API_CONVERSION}/retry", None, API_RELEASING_BAD, at={"conversion": "{conversion}"}),
    Door(f"{_API_OWN_MODEL}/openings", API_STAFF, API_LOOKED_AFTER_BAD, GATED),
    Door("api/v1/openings/<int:opening>", like(API_NO_OPENING, review_token="404")),
    *(
        Door(f"api/v1/openings/<int:opening>/{verb}", None, like(API_NO_OPENING, review_token="404"), {}, send)
        for verb, send in {"approve": {}, "take-back": {}, "hold": {"reason": "Not yet."}}.items()
    ),
    *(Door(f"api/v1/openings/<int:opening>/{verb}", None, API_NO_OPENING) for verb in ("resume", "cancel")),
    Door(f"{_API_OWN_MODEL}/settings", API_LOOKED_AFTER, at=GATED),
    Door(f"{_API_OWN_MODEL}/stops", API_LOOKED_AFTER, API_LOOKED_AFTER, GATED, {"reason": "It leaks."}),
    Door("api/v1/stops/<int:stop>/lift", None, API_NO_OPENING),
    Door(f"{_API_OWN_MODEL}/errata", PUBLIC, API_LOOKED_AFTER, GATED, ERRATUM),
    Door(f"{_API_OWN_MODEL}/compare", answers("bad"), at=GATED),
    Door("api/v1/search", answers("bad")),
    Door("api/v1/why", like(API_OWN, people="bad", tokens="bad")),
    # --- Logbooks
    Door("api/v1/logbooks", PUBLIC, API_LOOKED_AFTER, send={"subject": "lyceum/open-1m"}),
    Door("api/v1/logbooks/<int:logbook>/entries", PUBLIC, API_LOOKED_AFTER, LOGBOOK, {"title": "Restart"}),
    Door("api/v1/logbooks/<int:logbook>/entries/<int:number>", PUBLIC, at=LOGBOOK),
    Door("api/v1/logbooks/<int:logbook>/import", None, API_LOOKED_AFTER, LOGBOOK, CHRONICLE),
    Door("api/v1/logbooks/<int:logbook>/import/take-back", None, API_NONE_IMPORTED, LOGBOOK, IMPORTED_THEN),
    Door("api/v1/logbooks/<int:logbook>/curves", None, API_MANAGE_BAD, LOGBOOK),
    Door("api/v1/logbooks/<int:logbook>/curves/take-back", None, API_NONE_IMPORTED, LOGBOOK, {"sha256": "0" * 64}),
    Door("api/v1/logbooks/<int:logbook>/freeze", None, API_LOOKED_AFTER, LOGBOOK),
    # --- Scores, reproductions, reports of harm: the scene has none
    Door("api/v1/evaluations", PUBLIC),
    Door("api/v1/evaluations/<int:score>/withdraw", None, API_NONE_KEPT, send={"reason": "Wrong split."}),
    Door("api/v1/evaluations/<int:score>/reproductions", ABSENT, API_NOBODYS, send=MEASURED),
    *(
        Door(f"api/v1/reproductions/<int:reproduction>/{verb}", None, API_NONE_KEPT, send={"note": "Another split."})
        for verb in ("accept", "question")
    ),
    Door(f"{_API_OWN_MODEL}/evaluations", None, API_LOOKED_AFTER, GATED, RESULTS),
    Door(
        f"{_API_OWN_MODEL}/evaluations/take-back",
        None,
        API_LOOKED_AFTER_BAD,
        GATED,
        IMPORTED_THEN | {"revision": "main"},
    ),
    Door("api/v1/harm-reports", like(API_MANAGE, people="ok")),
    Door("api/v1/harm-reports/answered", PUBLIC),
    *(
        Door(f"api/v1/harm-reports/<int:report>/{verb}", None, API_NONE_KEPT, send=send)
        for verb, send in {
            "triage": {"gravity": "minor"},
            "answer": {"answer": "Done."},
            "close": {"answer": "Twice."},
        }.items()
    ),
)
