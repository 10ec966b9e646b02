"""The Hub's wire, which the clients of Hugging Face speak: reading, asking for access, publishing."""

from __future__ import annotations

from typing import Final

from tests.architecture.doors.door import Door, answers, like
from tests.architecture.doors.groups import ABSENT, PUBLIC
from tests.architecture.doors.places import GATED, MODEL_ROUTE

HUB: Final = like(PUBLIC, dead="401")
HUB_ABSENT: Final = like(ABSENT, dead="401")
HUB_ELSEWHERE: Final = answers("401", tokens="404")
HUB_UNSUPPORTED: Final = like(answers("501"), dead="401")
HUB_STAFF: Final = answers("401", tokens="403", review_token="ok", manage_token="ok")
HUB_STAFF_BAD: Final = like(HUB_STAFF, review_token="bad", manage_token="bad")
HUB_ASK: Final = answers("401", tokens="403", download_token="bad", publish_token="bad")
"""For whoever may download: the holder has access already, the manager sends no answers."""
HUB_CANCEL: Final = like(HUB_ASK, publish_token="404")
HUB_WRITE: Final = answers("401", tokens="403", publish_token="ok")
HUB_WRITE_BAD: Final = like(HUB_WRITE, publish_token="bad")
HUB_GATED: Final = answers("401", tokens="403", download_token="ok", publish_token="ok")
_OF_A_REVISION: Final = (
    "revision", "tree", "commits", "paths-info", "preupload", "commit", "branch", "tag", "super-squash",
)  # fmt: skip
_API_MODEL: Final = f"api/models/{MODEL_ROUTE}"


DOORS: Final = (
    # --- The Hub's wire
    Door("api/agent-harnesses", PUBLIC, PUBLIC, any_method=True),
    Door("api/telemetry/<tail:topic>", PUBLIC, PUBLIC, any_method=True),
    Door("api/whoami-v2", answers("401", tokens="ok")),
    Door("api/models", HUB),
    Door("api/datasets", HUB),
    Door("api/spaces", HUB),
    Door(_API_MODEL, HUB, at=GATED),
    Door(f"{_API_MODEL}/revision/<segment:revision>", HUB, at=GATED),
    Door(f"{_API_MODEL}/tree/<segment:revision>", HUB, at=GATED),
    Door(f"{_API_MODEL}/tree/<segment:revision>/<tail:path>", HUB, at=GATED | {"path": "eval"}),
    Door(
        f"{_API_MODEL}/paths-info/<segment:revision>", None, HUB, GATED, {"paths": ["config.json"]}, bearer_alone=True
    ),
    Door(f"{_API_MODEL}/refs", HUB, at=GATED),
    Door(f"{_API_MODEL}/commits/<segment:revision>", HUB, at=GATED),
    Door(f"{_API_MODEL}/auth-check", HUB_GATED, at=GATED),
    Door(f"{_API_MODEL}/user-access-request/<segment:stage>", HUB_STAFF, at=GATED | {"stage": "pending"}),
    *(
        Door(f"{_API_MODEL}/user-access-request/{verb}", None, HUB_STAFF_BAD, GATED, bearer_alone=True)
        for verb in ("handle", "batch", "grant")
    ),
    Door(f"{_API_MODEL}/user-access-request/cancel", None, HUB_CANCEL, GATED, bearer_alone=True),
    Door(f"{MODEL_ROUTE}/ask-access", None, HUB_ASK, GATED, bearer_alone=True),
    Door(
        f"{MODEL_ROUTE}/resolve/<segment:revision>/<tail:path>",
        like(HUB_GATED, download_token="moved", publish_token="moved"),
        at=GATED,
    ),
    Door(f"{MODEL_ROUTE}/raw/<segment:revision>/<tail:path>", HUB_GATED, at=GATED),
    *(
        Door(route, HUB_ABSENT, HUB_ABSENT, GATED)
        for route in (
            f"{_API_MODEL}/discussions",
            f"{_API_MODEL}/safetensors-metadata/<tail:path>",
            f"{_API_MODEL}/xet-read-token/<tail:path>",
            f"{_API_MODEL}/xet-write-token/<tail:path>",
            "api/<tail:rest>",
        )
    ),
    *(
        Door(route, HUB_ELSEWHERE, HUB_ELSEWHERE, GATED)
        for route in (
            "api/models/<segment:name>",
            *(f"api/models/<segment:name>/{part}/<tail:rest>" for part in _OF_A_REVISION),
            "api/datasets/<tail:rest>",
            "api/spaces/<tail:rest>",
            "datasets/<tail:rest>",
            "spaces/<tail:rest>",
            "<segment:name>/resolve/<segment:revision>/<tail:path>",
            "<tail:before>/api/<tail:rest>",
            f"<tail:before>/{MODEL_ROUTE}/resolve/<segment:revision>/<tail:path>",
        )
    ),
    # --- Publishing
    Door("api/repos/create", None, HUB_WRITE, send={"name": "new", "organization": "lyceum"}, bearer_alone=True),
    Door("api/repos/move", None, HUB_WRITE_BAD, send={"fromRepo": "lyceum/gated-5m", "toRepo": "x"}, bearer_alone=True),
    Door("api/repos/delete", None),
    Door("api/validate-yaml", None, HUB, send={"content": "---\nlicense: mit\n---\n"}, bearer_alone=True),
    Door(f"{_API_MODEL}/preupload/<segment:revision>", None, HUB_WRITE, GATED, {"files": []}, bearer_alone=True),
    Door(f"{_API_MODEL}/commit/<segment:revision>", None, HUB_WRITE_BAD, GATED, {"no": "commit"}, bearer_alone=True),
    Door(f"{_API_MODEL}/branch/<segment:revision>", None, HUB_WRITE, GATED | {"revision": "new"}, bearer_alone=True),
    Door(f"{_API_MODEL}/tag/<segment:revision>", None, HUB_WRITE, GATED, {"tag": "v1"}, bearer_alone=True),
    Door(f"{_API_MODEL}/super-squash/<segment:revision>", None, HUB_WRITE, GATED, bearer_alone=True),
    Door(f"{_API_MODEL}/settings", None, at=GATED),
    Door(f"{_API_MODEL}/lfs-files", HUB_WRITE, at=GATED, bearer_alone=True),
    Door(f"{_API_MODEL}/lfs-files/batch", None, HUB_WRITE_BAD, GATED, bearer_alone=True),
    *(Door(f"{MODEL_ROUTE}{end}/info/refs", HUB_GATED, at=GATED) for end in (".git", "")),
    *(Door(f"{MODEL_ROUTE}{end}/git-upload-pack", None, HUB_GATED, GATED, bearer_alone=True) for end in (".git", "")),
    Door(
        f"{MODEL_ROUTE}.git/info/lfs/objects/batch",
        None,
        HUB_GATED,
        GATED,
        {"operation": "download", "objects": []},
        bearer_alone=True,
    ),
    Door("api/uploads/<segment:ticket>/complete", None, answers("403", dead="401"), {"ticket": "x"}, bearer_alone=True),
    Door("api/uploads/<segment:ticket>/verify", None, answers("403", dead="401"), {"ticket": "x"}, bearer_alone=True),
    Door(f"{MODEL_ROUTE}/commit/<segment:revision>", answers("moved"), at=GATED),
    *(
        Door(route, HUB_UNSUPPORTED, HUB_UNSUPPORTED, GATED)
        for route in (
            "api/repos/<tail:rest>",
            "oauth/<tail:rest>",
            f"{MODEL_ROUTE}/info/lfs/<tail:rest>",
        )
    ),
)
