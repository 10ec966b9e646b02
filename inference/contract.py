"""What the control plane and the gateway say to each other: frozen dataclasses, their JSON, and Redis key names.

Neither side may assume anything of the other that is not written here. The module imports nothing of the project
and no framework, so that the gateway can load it without Django. Times are milliseconds since the epoch (UTC,
Redis clock); token counts are model tokens.
"""

from __future__ import annotations

import hashlib
import json
from dataclasses import asdict, dataclass, field
from typing import Any, Final, Self, cast

VERSION: Final = 5
"""Raised when a shape below changes; a reader that meets another version treats the value as a miss."""

PRINCIPAL_TTL_MS: Final = 60_000
"""How long a principal may be served from Redis before the control plane must be asked again."""

TOMBSTONE_TTL_MS: Final = 3_600_000
"""How long a revoked token's digest is refused outright: far above PRINCIPAL_TTL_MS, so no stale fill survives it."""

WHEN_FULL: Final = "#!lua flags=allow-oom\n"
"""First line of a script that the store runs beyond its `maxmemory` too: those that end requests, and that take rights."""

USAGE_STREAM: Final = "wb:usage"
USAGE_GROUP: Final = "ledger"
ROUTES: Final = "wb:routes"
"""Hash: public model name, or one that the model once had → Route JSON. The control plane owns it; the gateway only reads."""
LEASES: Final = "wb:leases"
"""Sorted set: request id → lease end. A member past its end belongs to a dead gateway and is settled by the sweeper."""

REAPED: Final = "wb:reaped"
"""When leases were last looked through, in ms: a long pause says that the store, or everybody, was away."""

REPORTS: Final = "wb:reports"
"""Hash: gateway process → Report JSON, written with every heartbeat. Who reads one that is older than REPORT_MS passes
over it; the processes' clocks must agree to a second or two."""
REPORT_MS: Final = 10_000
ROW_PREFIX: Final = "batch-"
"""Begins the request id of every row of a batch, and of nothing else."""
ROW_HEADER: Final = "weighbridge-line"
"""Header by which a batch's worker names the row: its line in the file, from 1."""
ANSWER_TTL_MS: Final = 172_800_000
"""How long a row's answer is kept for a worker that died: longer than any batch lives."""

_LIMITS_OF_A_PRINCIPAL: Final = ("token_limits", "user_limits", "project_limits")

CLASSES: Final = ("interactive", "normal", "batch")
"""In which a request waits where a pool is full, the first before the second. A request names its own with the header
`Weighbridge-Class`; without one it is normal."""

INTROSPECT_PATH: Final = "/internal/introspect"
"""POST with `Authorization: Bearer <INTERNAL_SECRET>` and the JSON body `{"digest": "<SHA-256 hex of the token>"}`;
answers an Introspection with status 200, also for a token that opens nothing. The token itself never leaves the
gateway. The answering side fills Redis. 403: wrong secret. 503: ask again."""

CONTENT_PATH: Final = "/internal/content"
"""POST with the same secret: sealed content of one query, as Content's JSON. 204: kept. 4xx: it will never be kept."""
CONTENT_BYTES: Final = 1 << 20
"""Most bytes of plain content of one query that are sealed: half for what was asked, half for what was answered."""
CONTENT_HEADER: Final = "weighbridge-content"
"""On every answer whose content is kept: `logged`."""


def content_label(request_id: str) -> bytes:
    """What sealed content is bound to (HPKE's `info`): under another request id it cannot be opened."""
    return b"weighbridge content of " + request_id.encode()


TALLY_TTL_MS: Final = 3 * 86_400_000
"""How long a day's tallies are kept: the rules ask about as many days (tasks.py)."""


def refusals_key(day: str) -> str:
    """Hash: tally name → requests of one person for one model that the gateways refused on this day (UTC, ISO)."""
    return f"wb:refusals:{day}"


def networks_key(day: str, name: str) -> str:
    """HyperLogLog of digests of the networks that one token came from on this day."""
    return f"wb:networks:{day}:{name}"


def tally_name(principal: Principal, model: str) -> str:
    """Whose a tally is, as tally_of() reads it again."""
    return "|".join((principal.project_id, principal.user_id, principal.token_id, model))


def tally_of(name: str) -> tuple[str, str, str, str]:
    """Ids of project, user and token, and the model. Raises ValueError for any other text."""
    project, user, token, model = name.split("|", 3)
    return project, user, token, model


def principal_key(digest: str) -> str:
    """Key of the cached principal of the token with this SHA-256 hex digest."""
    return f"wb:principal:{digest}"


def tombstone_key(digest: str) -> str:
    """Key whose existence says: this token was revoked; refuse it and refuse to cache it."""
    return f"wb:dead:{digest}"


def generation_key(kind: str, identity: str) -> str:
    """Key of the newest known generation of a user, project or gate (`kind`); absent means 0."""
    return f"wb:gen:{kind}:{identity}"


ROUND: Final = "wb:round"
"""How often everybody's principal was dropped: what was read before the last time is not kept after it."""


def once_key(project_id: str, digest: str) -> str:
    """Hash that says which request of the project has the idempotency key with this SHA-256 hex digest."""
    return f"wb:once:{project_id}:{digest}"


def lease_key(request_id: str) -> str:
    """Hash with all that the sweeper needs to settle a request whose gateway died."""
    return f"wb:lease:{request_id}"


def spelt_once(name: str) -> str:
    """`lab/name` as it is looked up: a lab has one spelling, and its models are found in any, as they are at the Hub."""
    lab, slash, own = name.partition("/")
    return f"{lab}{slash}{own.lower()}"


def meets_canary(project_id: str, number: int, percent: int) -> bool:
    """Whether this project is among the share that meets the canary of the model with this number, under each of its
    names. Who is in at 5 percent is in at 10."""
    drawn = hashlib.sha256(f"{number}\n{project_id}".encode()).digest()
    return int.from_bytes(drawn[:8], "big") % 10_000 < percent * 100


def row_id(batch: str, line: int) -> str:
    """The request id of one row of a batch (hex of its id, line from 1): the same however often the row is sent."""
    return f"{ROW_PREFIX}{batch}-{line}"


def answer_key(request_id: str) -> str:
    """Key of a row's answer, kept from the moment it is billed until its worker has it."""
    return f"wb:answer:{request_id}"


class _Compact:
    """What is stored in Redis, or sent over the private socket, as one JSON object."""

    __slots__ = ()

    def to_json(self) -> str:
        """Compact JSON of all its fields, which from_json() reads."""
        return json.dumps(asdict(cast("Any", self)), separators=(",", ":"))


@dataclass(frozen=True, slots=True)
class Limits:
    """What one scope may use. None means that the scope does not limit that quantity."""

    requests_per_minute: int | None = None
    tokens_per_minute: int | None = None
    concurrency: int | None = None
    tokens_per_day: int | None = None
    tokens_per_period: int | None = None
    period: str = ""
    """Names the accounting period of `tokens_per_period`, e.g. the start date of the grant: part of its counter's key."""


@dataclass(frozen=True, slots=True)
class Access:
    """The right of a principal to query one model."""

    not_after: int
    """The earliest of grant end and agreement grace date; the token's own end is on the principal."""
    gate: str = ""
    """Slug of the gate, as `lab/gate`; an open model is a gate of its own, `open:` and its number."""
    gate_generation: int = 0
    limits: Limits = field(default_factory=Limits)
    """The project × model scope."""
    content_key: str = ""
    """Where prompts and answers are kept: the public key that seals them (X25519, base64). Empty: none are kept."""


@dataclass(frozen=True, slots=True)
class Reason:
    """Why a principal may not query a model: a code for programs, words, and where to put it right."""

    code: str
    message: str
    url: str = ""


@dataclass(frozen=True, slots=True)
class Principal(_Compact):
    """Who a query token stands for and what it may do, as of the generations it carries. Stored under principal_key()."""

    token_id: str
    user_id: str
    project_id: str
    not_after: int
    user_generation: int
    project_generation: int
    cache_salt: str
    """Per-project salt for the engine's prefix cache: no timing probe crosses projects."""
    models: dict[str, Access]
    """Public model name (`namespace/name`) → right. A model that is not here may not be queried."""
    token_limits: Limits = field(default_factory=Limits)
    user_limits: Limits = field(default_factory=Limits)
    project_limits: Limits = field(default_factory=Limits)
    top_class: str = CLASSES[0]
    """The highest of CLASSES that this principal's requests may wait in."""
    refused: dict[str, Reason] = field(default_factory=dict)
    """Public name of a served model that may not be queried → the first thing that stands in the way."""
    batch: str = ""
    """Of a stand-in: the batch (hex) whose rows it sends; only it may name a row, and it sends nothing else."""
    version: int = VERSION

    @classmethod
    def from_json(cls, text: str | bytes) -> Self | None:
        """The principal, or None when the text is of another version."""
        data: dict[str, Any] = json.loads(text)
        if data.get("version") != VERSION:
            return None
        models = {name: Access(**{**a, "limits": Limits(**a["limits"])}) for name, a in data.pop("models").items()}
        limits: dict[str, Any] = {name: Limits(**data.pop(name)) for name in _LIMITS_OF_A_PRINCIPAL}
        refused = {name: Reason(**reason) for name, reason in data.pop("refused").items()}
        return cls(models=models, refused=refused, **limits, **data)


@dataclass(frozen=True, slots=True)
class Backend:
    """One engine server of a pool."""

    name: str
    url: str
    """`http://host:port`, without a path; reachable by the gateway alone."""
    draining: bool = False


@dataclass(frozen=True, slots=True)
class Route(_Compact):
    """How to serve one public model name. Stored in ROUTES."""

    model: str
    owner: str
    """Slug of the lab."""
    revision: str
    """Commit id that the pool serves."""
    pool: str
    engine_model: str
    """The name the engine knows the model by."""
    context: int
    """Tokens of prompt and completion together."""
    backends: tuple[Backend, ...]
    created: int
    """Seconds since the epoch, as the OpenAI model object wants it."""
    number: int
    """The model's own, for good: under this, since names change, a project's use of it is counted and its canary drawn."""
    generates: bool = True
    """Whether the engine writes text."""
    chat: bool = True
    """Whether the tokenizer has a chat template."""
    embeds: bool = False
    tools: bool = False
    """Whether the engine lets the model choose among tools by itself."""
    tokenizer_info: bool = False
    """Whether the engine tells about its tokenizer."""
    template_overhead: int = 16
    """Upper bound of the tokens that the chat template adds per message."""
    gated: bool = False
    apply_url: str = ""
    engine: str = ""
    """Name and version of the engine, e.g. `vllm 0.32.0`."""
    limits: Limits = field(default_factory=Limits)
    """The pool's own scope: above it requests wait, and then the answer is 503, never 429."""
    canary: Route | None = None
    """What a share of the projects meet in place of this route: another pool, perhaps at another revision."""
    canary_percent: int = 0
    version: int = VERSION

    def seen_by(self, project_id: str) -> Route:
        """The route that this project meets: always the same, so that it sees one version."""
        if self.canary is not None and meets_canary(project_id, self.number, self.canary_percent):
            return self.canary
        return self

    @classmethod
    def from_json(cls, text: str | bytes) -> Self | None:
        """The route, or None when the text is of another version."""
        data: dict[str, Any] = json.loads(text)
        if data.get("version") != VERSION:
            return None
        canary = data.pop("canary")
        backends = tuple(Backend(**b) for b in data.pop("backends"))
        return cls(
            backends=backends,
            limits=Limits(**data.pop("limits")),
            canary=cls.from_json(json.dumps(canary)) if canary else None,
            **data,
        )


@dataclass(frozen=True, slots=True)
class Seen:
    """A backend as one gateway process sees it. `outstanding`: reserved tokens of that process's own requests there."""

    state: str
    """well · ejected · on trial"""
    outstanding: int = 0
    running: int = 0
    """Requests, as the engine's own metrics say; 0 when it does not."""
    waiting: int = 0
    cache: float = 0.0
    """Share of the engine's KV cache that is in use."""


@dataclass(frozen=True, slots=True)
class Report(_Compact):
    """What one gateway process tells the others and `pool status`. Stored in REPORTS."""

    at: int
    backends: dict[str, Seen]
    """By URL."""

    @classmethod
    def from_json(cls, text: str | bytes) -> Self | None:
        """The report, or None when the text is of another version."""
        data: dict[str, Any] = json.loads(text)
        try:
            return cls(int(data["at"]), {url: Seen(**seen) for url, seen in data["backends"].items()})
        except (KeyError, TypeError):
            return None


@dataclass(frozen=True, slots=True)
class UsageEvent:
    """One settled request: an entry of USAGE_STREAM and then one row of the ledger, unique by request_id.

    In the stream every field is a string field of the entry, under its own name.
    """

    request_id: str
    token_id: str
    user_id: str
    project_id: str
    model: str
    revision: str
    pool: str
    backend: str
    endpoint: str
    """`completions`, `chat.completions` or `embeddings`."""
    stream: bool
    status: str
    """ok · client_abort · upstream_error · revoked · lost. `lost`: the gateway died and the sweeper settled."""
    prompt_tokens: int
    completion_tokens: int
    cached_tokens: int
    reserved_tokens: int
    started_at: int
    first_byte_at: int
    """0 when no byte came."""
    ended_at: int
    fingerprint: str = ""
    engine: str = ""
    """Name and version, as the route gave it."""
    parameters: str = ""
    """Digest of what was asked beside the prompt (gateway/parameters.py)."""

    @classmethod
    def from_fields(cls, fields: dict[str, str]) -> Self:
        """From the stream entry's fields; raises KeyError or ValueError on a malformed entry."""
        numbers = ("prompt_tokens", "completion_tokens", "cached_tokens", "reserved_tokens")
        times = ("started_at", "first_byte_at", "ended_at")
        words = ("request_id", "token_id", "user_id", "project_id", "model", "revision", "pool", "backend", "endpoint")
        values: dict[str, Any] = {name: fields[name] for name in (*words, "status")}
        values |= {name: int(fields[name]) for name in (*numbers, *times)}
        values |= {name: fields.get(name, "") for name in ("fingerprint", "engine", "parameters")}
        return cls(**values, stream=fields["stream"] == "1")


@dataclass(frozen=True, slots=True)
class Content(_Compact):
    """Prompt and answer of one query, sealed by the gateway, which cannot open them again."""

    request_id: str
    user_id: str
    project_id: str
    model: str
    key: str
    """The public key that sealed it."""
    sealed: str
    """HPKE (RFC 9180: X25519, HKDF-SHA256, ChaCha20-Poly1305) over JSON with `asked`, `answered`, `cut`; base64."""

    @classmethod
    def from_json(cls, text: str | bytes) -> Self:
        """Parse the body; raises ValueError when it is not one."""
        data = json.loads(text)
        names = cls.__slots__
        if not isinstance(data, dict) or set(data) != set(names) or not all(isinstance(v, str) for v in data.values()):
            raise ValueError("Not the content of a query.")
        return cls(**data)


@dataclass(frozen=True, slots=True)
class Introspection(_Compact):
    """Answer of POST /internal/introspect (RFC 7662's `active`, with our principal)."""

    active: bool
    principal: Principal | None = None
    code: str = ""
    """Why not active: invalid_token, token_expired, token_revoked, wrong_kind, account_suspended, project_closed,
    not_in_project, stand_in_ended."""
    message: str = ""

    @classmethod
    def from_json(cls, text: str | bytes) -> Self:
        """Parse the body; raises ValueError when it is not one."""
        data: dict[str, Any] = json.loads(text)
        principal = data.get("principal")
        parsed = Principal.from_json(json.dumps(principal)) if principal else None
        return cls(
            active=bool(data["active"]), principal=parsed, code=data.get("code", ""), message=data.get("message", "")
        )
