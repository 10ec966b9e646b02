"""Queries: usage, query time, batches, the page to try a model, signals and kept content; by page and by program."""

from __future__ import annotations

from typing import Final

from tests.architecture.doors.door import Door, answers, like
from tests.architecture.doors.groups import (
    ABSENT,
    ANY_STAFF,
    API,
    API_IN_PERSON,
    API_IN_PERSON_BAD,
    API_LOOKED_AFTER,
    API_LOOKED_AFTER_BAD,
    API_MANAGE,
    API_MANAGERS,
    API_NONE_KEPT,
    API_STAFF,
    LAB,
    LAB_BAD,
    MANAGERS,
    MANAGING,
    NOBODYS,
    PERSON,
    PERSON_MOVED,
    PUBLIC,
)
from tests.architecture.doors.places import GATED

QUERYING: Final = answers("401", tokens="403", query_token="ok")
"""OpenAI's files and batches: query tokens alone, and no session."""
QUERYING_BAD: Final = like(QUERYING, query_token="bad")
QUERYING_NONE: Final = like(QUERYING, query_token="404")
API_NO_QUERY: Final = like(API, query_token="404")
TASKS: Final = {"tasks": '{"task": "t", "type": "texts", "licence": "CC0-1.0"}\n{"text": "a"}\n'}
"""The scene serves no model, so whoever may ask is told so."""
_API_ALLOCATION: Final = "api/v1/allocation-requests/<uuid:pk>"

DOORS: Final = (
    # --- Usage and query time
    Door("me/usage/", PERSON),
    Door("me/usage/sums.csv", PERSON),
    Door("me/usage/requests.csv", PERSON),
    Door("me/usage/receipts/<slug:request_id>.json", NOBODYS),
    Door("projects/usage/", ANY_STAFF),
    Door("projects/usage.csv", ANY_STAFF),
    Door("projects/requests/", ANY_STAFF),
    Door("projects/requests/<uuid:pk>/", like(LAB, holder="ok"), like(LAB_BAD, holder="bad"), {"pk": "{allocation}"}),
    Door(
        "projects/<uuid:pk>/requests/",
        like(LAB, holder="ok"),
        like(LAB, staff="403", holder="bad"),
        {"pk": "{project}"},
    ),
    Door(
        "projects/<uuid:pk>/allowance/",
        LAB,
        like(MANAGERS, manager="moved", administrator="moved"),
        {"pk": "{project}"},
    ),
    Door(
        "projects/<uuid:pk>/allowance/<str:namespace>/<str:name>/",
        LAB,
        like(MANAGERS, manager="moved", administrator="moved"),
        {"pk": "{project}", **GATED},
    ),
    Door("projects/default/<slug:lab>/", LAB, like(MANAGERS, manager="moved", administrator="moved"), {"lab": "{lab}"}),
    # --- Batches
    Door("me/batches/", PERSON),
    Door("me/batches/<uuid:pk>/", NOBODYS, NOBODYS),
    Door("me/batches/<uuid:pk>/<slug:field>.jsonl", NOBODYS),
    # --- Files and batches, as OpenAI has them
    Door("v1/files", QUERYING, QUERYING_BAD, bearer_alone=True),
    Door("v1/files/<str:file>", QUERYING_NONE, bearer_alone=True),
    Door("v1/files/<str:file>/content", QUERYING_NONE, bearer_alone=True),
    Door("v1/batches", QUERYING, QUERYING_BAD, bearer_alone=True),
    Door("v1/batches/<str:batch>", QUERYING_NONE, bearer_alone=True),
    Door("v1/batches/<str:batch>/cancel", None, QUERYING_NONE, bearer_alone=True),
    Door("v1/<path:rest>", ABSENT, ABSENT, bearer_alone=True),
    *(Door(path, ABSENT, ABSENT) for path in ("completions", "chat/completions", "embeddings", "models")),
    # --- Signals and kept content
    Door("review/signals/", MANAGING),
    Door("review/signals/<uuid:pk>/", NOBODYS, NOBODYS),
    Door("review/content/", MANAGING, PERSON_MOVED),
    Door("review/content/<uuid:pk>/", NOBODYS, PERSON_MOVED),
    Door("review/content/<uuid:pk>/<slug:request_id>/", None, PERSON_MOVED, {"request_id": "req-1"}),
    # --- Measuring on a pool, and trying
    Door("evaluations/runs/<uuid:pk>/", ABSENT, ABSENT),
    Door("evaluations/runs/<uuid:pk>/<slug:file>.jsonl", ABSENT),
    Door(
        "<str:namespace>/<str:name>/evaluations/runs", like(LAB, reviewer="404"), like(LAB_BAD, reviewer="404"), GATED
    ),
    Door("<str:namespace>/<str:name>/query", PUBLIC, at=GATED),
    Door("<str:namespace>/<str:name>/try", PUBLIC, at=GATED),
    Door("<str:namespace>/<str:name>/try/token", None, answers("login", people="404"), at=GATED),
    # --- By program
    Door("api/v1/projects/<uuid:project>/allowance", API_MANAGE, at={"project": "{project}"}),
    Door(
        "api/v1/projects/<uuid:project>/allowance/<slug:lab>/<str:name>",
        API_MANAGE,
        at={"project": "{project}", "lab": "{lab}", "name": "gated-5m"},
    ),
    Door("api/v1/labs/<slug:lab>/allowance", API_MANAGE, at={"lab": "{lab}"}),
    Door(
        "api/v1/projects/<uuid:project>/allocation-requests",
        like(API_STAFF, holder="ok"),
        API_IN_PERSON_BAD,
        {"project": "{project}"},
    ),
    Door("api/v1/allocation-requests", like(API_STAFF, second_lab="ok")),
    Door(_API_ALLOCATION, like(API_STAFF, holder="ok"), at={"pk": "{allocation}"}),
    *(
        Door(
            f"{_API_ALLOCATION}/{verb}",
            None,
            like(API, people="bad", review_token="bad", manage_token="bad"),
            {"pk": "{allocation}"},
        )
        for verb in ("grant", "decline")
    ),
    Door(
        f"{_API_ALLOCATION}/withdraw",
        None,
        like(API_IN_PERSON, people="404", staff="403", holder="ok"),
        {"pk": "{allocation}"},
    ),
    Door("api/v1/signals", like(API_MANAGERS, second_lab="ok")),
    Door("api/v1/signals/<uuid:pk>", like(API, manage_token="404"), like(API, people="bad", manage_token="bad")),
    Door("api/v1/usage", like(API, people="ok", query_token="ok")),
    Door("api/v1/usage/energy", like(API, people="ok", query_token="ok")),
    Door("api/v1/labs/<slug:lab>/usage", API_STAFF, at={"lab": "{lab}"}),
    Door("api/v1/receipts/<slug:request_id>", API_NO_QUERY),
    Door("api/v1/models/<slug:lab>/<str:name>/evaluation-runs", API_LOOKED_AFTER, API_LOOKED_AFTER_BAD, GATED, TASKS),
    Door("api/v1/evaluation-runs/<uuid:run>", API_NONE_KEPT),
    Door("api/v1/evaluation-runs/<uuid:run>/attach", None, API_NONE_KEPT),
    Door("api/v1/evaluation-runs/<uuid:run>/discard", None, API_NONE_KEPT),
    Door("api/v1/evaluation-runs/<uuid:run>/cancel", None, API_NONE_KEPT),
)
