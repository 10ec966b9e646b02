"""Every address, and what it answers to whom. An address of the URLconf that is not here fails the build.

A new address is one line: its route as the URLconf spells it, then what GET answers, then what POST answers (None, or
left out: nobody may, so 405 or a refusal). Answers are groups from below, or `like(group, role="word")`.

The words: `ok` (2xx), `login` (sent to sign in), `moved` (another redirect), `bad` (400, 409, 422: understood, and
refused for what it says), else the status. The roles are those of scene.py. `at` fills parameters with facts of the
scene, `send` is what a POST carries. `bearer_alone` says that the door reads no session, and so needs no CSRF token; `any_method`, that it looks at none.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Final

from releases.exports.shelf import SHELF
from tests.architecture.scene import DEAD, EVERYBODY, PEOPLE, TOKENS

Answers = Mapping[str, str]
GROUPS: Final = {
    "people": PEOPLE, "tokens": TOKENS, "dead": DEAD, "staff": ("reviewer", "manager", "administrator"),
}  # fmt: skip


def answers(default: str, **words: str) -> Answers:
    """The default for everybody, then the named groups and roles in the order written."""
    told = dict.fromkeys(EVERYBODY, default)
    for name, word in words.items():
        told |= dict.fromkeys(GROUPS.get(name, (name,)), word)
    return told


def like(group: Answers, **words: str) -> Answers:
    """A group with some roles changed."""
    told = dict(group)
    for name, word in words.items():
        told |= dict.fromkeys(GROUPS.get(name, (name,)), word)
    return told


@dataclass(frozen=True)
class Door:
    """One address."""

    route: str
    get: Answers | None
    post: Answers | None = None
    at: Mapping[str, str] = field(default_factory=dict)
    send: Mapping[str, Any] = field(default_factory=dict)
    bearer_alone: bool = False
    any_method: bool = False


# --- Groups -------------------------------------------------------------------------------------------------------
PUBLIC: Final = answers("ok")
PUBLIC_MOVED: Final = answers("moved")
ABSENT: Final = answers("404")
PERSON: Final = answers("login", people="ok")
"""Whoever is signed in. Pages read sessions alone: a token is nobody there."""
PERSON_BAD: Final = like(PERSON, people="bad")
PERSON_MOVED: Final = like(PERSON, people="moved")
PERSON_AGAIN: Final = like(PERSON, people="moved")
"""Whoever is signed in, once the password is given again."""
NOBODYS: Final = like(PERSON, people="404")
APPLICANT: Final = like(NOBODYS, applicant="ok")
HOLDER: Final = like(NOBODYS, holder="ok")
HOLDER_MOVED: Final = like(NOBODYS, holder="moved")
ANY_STAFF: Final = like(NOBODYS, staff="ok", second_lab="ok")
"""Pages that show one's own labs: the second lab's staff sees its own."""
MANAGING: Final = like(ANY_STAFF, reviewer="404")
ANY_STAFF_MOVED: Final = like(NOBODYS, staff="moved", second_lab="moved")
LAB: Final = like(NOBODYS, staff="ok")
"""Things of the first lab."""
LAB_BAD: Final = like(NOBODYS, staff="bad")
MANAGERS: Final = like(LAB, reviewer="403")
MANAGERS_MOVED: Final = like(MANAGERS, manager="moved", administrator="moved")
MANAGERS_NONE: Final = like(NOBODYS, reviewer="403")
MANAGERS_BAD: Final = like(MANAGERS, manager="bad", administrator="bad")
MANAGING_ONE: Final = like(MANAGERS, reviewer="404")
MANAGING_ONE_BAD: Final = like(MANAGERS_BAD, reviewer="404")
MANAGERS_OF_LAB: Final = like(NOBODYS, manager="ok", administrator="ok")
MANAGERS_OF_LAB_BAD: Final = like(NOBODYS, manager="bad", administrator="bad")
RECKONED: Final = like(PUBLIC, tokens="bad", dead="bad")
"""A page to people and JSON to programs; the scene's models have no config from which anything follows."""
VISITOR: Final = like(PUBLIC, people="moved")
"""Sign-in and the like: whoever is signed in goes on."""
OPERATOR: Final = answers("login", operator="ok")

API: Final = answers("401", people="404", tokens="403")
API_REVIEW: Final = like(API, staff="ok", review_token="ok")
API_MANAGE: Final = like(API, staff="ok", manage_token="ok")
API_RELEASING: Final = like(API_MANAGE, reviewer="404")
API_RELEASING_BAD: Final = like(API_RELEASING, manager="bad", administrator="bad", manage_token="bad")
API_REVIEWERS: Final = like(API, people="ok", review_token="ok")
"""Lists of one's own labs: people without a lab see an empty one."""
API_STAFF: Final = like(API, staff="ok", review_token="ok", manage_token="ok")
API_IN_PERSON: Final = answers("401", people="ok", tokens="403")
"""What no token says for anybody."""
API_IN_PERSON_BAD: Final = like(API_IN_PERSON, people="bad")
API_APPLICANT: Final = like(API_IN_PERSON, people="404", applicant="ok")
API_OFFICIAL: Final = like(API_IN_PERSON, people="404", holder="ok")
"""The scene's official is the holder of its grant."""
API_NOBODYS: Final = like(API_IN_PERSON, people="404")
API_MANAGERS: Final = like(API, manager="ok", administrator="ok", manage_token="ok")
API_MANAGERS_BAD: Final = like(API, manager="bad", administrator="bad", manage_token="bad")
API_MANAGE_BAD: Final = like(API, people="bad", manage_token="bad")
API_LOOKED_AFTER: Final = like(API_MANAGERS, reviewer="403")
"""What those who look after releases do; their lab's reviewers know of it."""
API_LOOKED_AFTER_BAD: Final = like(API_MANAGERS_BAD, reviewer="403")
API_NO_OPENING: Final = like(API, manage_token="404")
API_NONE_KEPT: Final = like(API, manage_token="404")
API_NO_WEBHOOK: Final = like(API, manage_token="404")
QUERYING: Final = answers("401", tokens="403", query_token="ok")
"""OpenAI's files and batches: query tokens alone, and no session."""
QUERYING_BAD: Final = like(QUERYING, query_token="bad")
QUERYING_NONE: Final = like(QUERYING, query_token="404")
API_NO_QUERY: Final = like(API, query_token="404")
API_OWN: Final = answers("401", people="ok", tokens="ok")

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

# --- Parameters ---------------------------------------------------------------------------------------------------
IN_REVIEW: Final = {"pk": "{application}"}
APPROVED: Final = {"pk": "{approved}"}
GRANT: Final = {"pk": "{grant}"}
INSTITUTIONAL: Final = {"pk": "{institutional}"}
AGREEMENT: Final = {"lab": "{lab}", "slug": "{agreement}"}
GATE: Final = {"gate": "{gate}"}
OWN_GATE: Final = {"lab": "{lab}", "gate": "{gate}"}
RECEIPT: Final = {"receipt_id": "{receipt}"}
GATED: Final = {
    "lab": "{lab}",
    "namespace": "{lab}",
    "name": "gated-5m",
    "revision": "main",
    "path": "model.safetensors",
}
CONVERSION: Final = GATED | {"conversion": "{conversion}"}
"""One that waits, so its receipt is not there for anybody."""

ERRATUM: Final = {"severity": "serious", "title": "The tokenizer lacks a token", "text": "Take revision two."}
LOGBOOK: Final = {"logbook": "{logbook}"}
CHRONICLE: Final = {"name": "chronicles.md", "text": "### 2022-03-11\n\nLaunch\n"}
RESULTS: Final = {"document": {"results": {"copa": {"acc": 0.84}}}, "ran_by": "Us", "harness": "h"}
MEASURED: Final = {"value": 0.3, "tolerance": 0.1, "harness": "h", "environment": "torch", "command": "run"}
NAMED: Final = {"name": "Jonas Weber", "email": "jonas@northfield.example"}
SIGNED: Final = {"typed_name": "Mara Lindqvist", "text_sha256": "0" * 64}
API_IN_REVIEW: Final = {"application": "{application}"}
API_GRANT: Final = {"grant": "{grant}"}
API_AGREEMENT: Final = {"lab": "{lab}", "agreement": "{agreement}"}
API_INSTITUTIONAL: Final = {"institutional": "{institutional}"}
_API_APPLICATION: Final = "api/v1/applications/<uuid:application>"
_API_GRANT: Final = "api/v1/grants/<uuid:grant>"
_API_AGREEMENT: Final = "api/v1/agreements/<slug:lab>/<slug:agreement>"
_API_GATE: Final = "api/v1/labs/<slug:lab>/gates/<slug:gate>"
_API_ALLOCATION: Final = "api/v1/allocation-requests/<uuid:pk>"
_API_INSTITUTIONAL: Final = "api/v1/institutional/<uuid:institutional>"
_API_CONVERSION: Final = "api/v1/conversions/<uuid:conversion>"
_API_OWN_MODEL: Final = "api/v1/models/<slug:lab>/<segment:name>"
_API_WEBHOOK: Final = "api/v1/webhooks/<uuid:webhook>"
_MODEL: Final = "<segment:namespace>/<segment:name>"
_API_MODEL: Final = f"api/models/{_MODEL}"
_OF_A_REVISION: Final = (
    "revision", "tree", "commits", "paths-info", "preupload", "commit", "branch", "tag", "super-squash",
)  # fmt: skip

DOORS: Final = (
    # --- The operator's admin: `**` stands for everything below
    Door("admin/**", OPERATOR, OPERATOR),
    # --- Accounts, by allauth
    Door("account/login/", VISITOR, VISITOR),
    Door("account/logout/", answers("moved", people="ok"), answers("moved")),
    Door("account/inactive/", PUBLIC),
    Door("account/signup/", VISITOR, VISITOR),
    Door("account/reauthenticate/", PERSON, PERSON),
    Door("account/email/", PERSON, PERSON_MOVED),
    Door("account/confirm-email/", PUBLIC),
    Door(r"account/confirm-email/(?P<key>[-:\w]+)/", PUBLIC, ABSENT),
    Door("account/password/change/", PERSON, PERSON),
    Door("account/password/set/", PERSON_MOVED, PERSON_MOVED),
    Door("account/password/reset/", PUBLIC, PUBLIC),
    Door("account/password/reset/done/", PUBLIC),
    Door("account/password/reset/key/done/", PUBLIC),
    Door("account/password/reset/key/(?P<uidb36>[0-9A-Za-z]+)-(?P<key>.+)/", PUBLIC, PUBLIC),
    # --- Linked accounts: the scene lists no provider
    Door("account/linked/", PERSON, PERSON),
    Door("account/linked/login/cancelled/", PUBLIC),
    Door("account/linked/login/error/", answers("401")),
    Door("account/linked/signup/", answers("login"), answers("login")),
    Door("account/linked/confirm/", PERSON),
    Door("account/linked/github/login/", ABSENT, ABSENT),
    Door("account/linked/github/login/callback/", ABSENT),
    Door("account/linked/<slug:provider_id>/login/", ABSENT, ABSENT),
    Door("account/linked/<slug:provider_id>/login/callback/", ABSENT),
    # --- Second factors: what changes one asks for the password again first
    Door("account/second-factor/", PERSON),
    Door("account/second-factor/authenticate/", PERSON_MOVED, PERSON_MOVED),
    Door("account/second-factor/reauthenticate/", PERSON_MOVED, PERSON_MOVED),
    Door("account/second-factor/totp/activate/", PERSON_AGAIN, PERSON_AGAIN),
    Door("account/second-factor/totp/deactivate/", NOBODYS, NOBODYS),
    Door("account/second-factor/recovery-codes/", NOBODYS),
    Door("account/second-factor/recovery-codes/generate/", PERSON_AGAIN, PERSON_AGAIN),
    Door("account/second-factor/recovery-codes/download/", NOBODYS),
    Door("account/second-factor/webauthn/", PERSON),
    Door(
        "account/second-factor/webauthn/login/",
        like(answers("login"), people="moved"),
        like(answers("login"), people="moved"),
    ),
    Door("account/second-factor/webauthn/add/", PERSON_AGAIN, PERSON_AGAIN),
    Door("account/second-factor/webauthn/reauthenticate/", PERSON_MOVED, PERSON_MOVED),
    Door("account/second-factor/webauthn/keys/<int:pk>/remove/", PERSON_AGAIN, PERSON_AGAIN, at={"pk": "1"}),
    Door("account/second-factor/webauthn/keys/<int:pk>/edit/", PERSON_AGAIN, PERSON_AGAIN, at={"pk": "1"}),
    Door("account/login/code/confirm/", PERSON_MOVED, PERSON_MOVED),
    # --- One's own pages
    Door("me/", PERSON),
    Door("me/profile/", PERSON, PERSON),
    Door("me/address/", PERSON, PERSON),
    Door("me/address/<str:secret>/", NOBODYS, NOBODYS),
    Door("me/mail/", PERSON, PERSON_BAD),
    Door("me/mail/check/", None, PERSON_BAD),
    Door("me/mail/check/<str:token>/", NOBODYS, NOBODYS),
    Door("me/language/", answers("moved"), answers("moved"), any_method=True),
    Door("me/tokens/", PERSON, PERSON_BAD),
    Door("me/tokens/<uuid:pk>/revoke/", HOLDER, like(NOBODYS, holder="moved"), at={"pk": "{token}"}),
    Door("device/", PERSON, PERSON_BAD),
    Door("device/answer/", None, PERSON_BAD),
    Door("oauth/device", None, answers("bad"), bearer_alone=True),
    Door("oauth/token", None, answers("bad"), bearer_alone=True),
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
    Door("me/data/", PERSON),
    Door("me/data/export/", None, PERSON_AGAIN),
    Door("me/data/erase/", PERSON_AGAIN, PERSON_AGAIN),
    Door("me/data/keep/", None, PERSON_MOVED),
    Door("institutions/", PERSON),
    # --- For mail services and mail programs, which have no account: a secret, or a signed address
    Door("mail/events/<slug:service>/", None, ABSENT, bearer_alone=True),
    Door("mail/stop/<str:token>/", PUBLIC, PUBLIC, {"token": "{stop}"}, bearer_alone=True),
    # --- Public pages
    Door("", PUBLIC),
    Door("help/", PUBLIC),
    Door("numbers/", PUBLIC),
    Door("gallery/", PUBLIC),
    Door("mailbox/", PUBLIC),
    Door("mailbox/<int:pk>/", ABSENT),
    Door("families/<slug:lab>/<slug:slug>/", ABSENT),
    # --- Scores: public; the scene has none
    Door("evaluations/", PUBLIC),
    Door("evaluations/scores.<slug:shape>", PUBLIC, at={"shape": "csv"}),
    Door("evaluations/<int:pk>/", ABSENT, ABSENT),
    *(
        Door(f"families/<slug:lab>/<slug:slug>/logbook{end}", ABSENT)
        for end in ("/", ".json", ".md", ".csv", ".atom", "/<int:number>/")
    ),
    *(
        Door(f"families/<slug:lab>/<slug:slug>/logbook/{end}", NOBODYS, NOBODYS)
        for end in ("edit/", "<int:number>/edit/")
    ),
    Door("evaluations/<int:pk>/reproduce/", NOBODYS, NOBODYS),
    Door("evaluations/reproductions/", MANAGING),
    Door("evaluations/reproductions/<int:pk>/", ABSENT, ABSENT),
    # --- Reports of harm: anybody sends one, its lab reads it
    Door("harm/", PUBLIC, answers("bad")),
    Door("harm/answered/", PUBLIC),
    Door("harm/status/<str:token>/", ABSENT),
    Door("harm/reports/", MANAGING),
    Door("harm/reports/<int:pk>/", NOBODYS, NOBODYS),
    *(Door(f"families/<slug:lab>/<slug:slug>/curves{form}", ABSENT) for form in ("", ".json", ".csv", ".svg")),
    # --- What models cost
    Door("families/compare/", PUBLIC),
    Door("families/<slug:lab>/<slug:slug>/cost/<segment:size>", ABSENT),
    Door("families/<slug:lab>/<slug:slug>/cost/<segment:size>/training", ABSENT),
    Door("<segment:namespace>/<segment:name>/cost", RECKONED, at=GATED),
    Door("<segment:namespace>/<segment:name>/cost/training", RECKONED, at=GATED),
    Door("me/hardware/", PERSON),
    Door("me/hardware/save/", None, PERSON_MOVED, send={"name": "cluster", "accelerator": "a100-80", "gpus": "8"}),
    Door("me/hardware/<int:pk>/remove/", None, NOBODYS),
    Door("api/v1/models/<slug:lab>/<segment:name>/cost", answers("bad"), at=GATED),
    Door("api/v1/models/<slug:lab>/<segment:name>/training-cost", answers("bad"), at=GATED),
    Door("api/v1/families/<slug:lab>/<slug:slug>/sizes/<segment:size>/cost", ABSENT),
    Door("api/v1/families/<slug:lab>/<slug:slug>/sizes/<segment:size>/training-cost", ABSENT),
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
    Door("applications/<uuid:pk>/appeal/", like(NOBODYS, applicant="bad"), like(NOBODYS, applicant="bad"), IN_REVIEW),
    Door("applications/<uuid:pk>/team/", APPLICANT, like(NOBODYS, applicant="moved"), IN_REVIEW),
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
    Door("review/signals/", MANAGING),
    Door("review/signals/<uuid:pk>/", NOBODYS, NOBODYS),
    Door("review/content/", MANAGING, PERSON_MOVED),
    Door("review/content/<uuid:pk>/", NOBODYS, PERSON_MOVED),
    Door("review/content/<uuid:pk>/<slug:request_id>/", None, PERSON_MOVED, {"request_id": "req-1"}),
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
    Door(
        "projects/<uuid:pk>/allowance/",
        LAB,
        like(MANAGERS, manager="moved", administrator="moved"),
        {"pk": "{project}"},
    ),
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
    # --- Our API
    Door("help/api/", PUBLIC),
    Door("api/v1/openapi.json", PUBLIC),
    Door("api/v1/openapi.yaml", PUBLIC),
    Door("api/v1/", ABSENT, ABSENT),
    Door("api/v1/<path:rest>", ABSENT, ABSENT),
    Door("api/v1/numbers", PUBLIC),
    Door("api/v1/receipts/<slug:request_id>", API_NO_QUERY),
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
    Door("api/v1/me/tokens", API_IN_PERSON, API_IN_PERSON, send={"label": "cluster", "kind": "download"}),
    Door("api/v1/me/tokens/<uuid:token>/revoke", None, API_OFFICIAL, {"token": "{token}"}),
    Door("api/v1/me/mail", API_IN_PERSON),
    Door("api/v1/me/profile", API_IN_PERSON),
    Door(
        "api/v1/me/address",
        None,
        like(API_IN_PERSON_BAD, holder="ok"),
        send={"address": "mara@northfield.example"},
    ),
    Door("api/v1/institutions", API_IN_PERSON_BAD),
    Door("api/v1/me/mail/check", None, API_IN_PERSON_BAD),
    Door("api/v1/grants", like(API_MANAGE, people="ok")),
    Door(f"{_API_GRANT}", like(API_MANAGE, holder="ok"), at=API_GRANT),
    *(
        Door(f"{_API_GRANT}/{verb}", None, like(API_MANAGE, reviewer="403"), API_GRANT, {"reason": "x"})
        for verb in ("revoke", "suspend")
    ),
    Door(f"{_API_GRANT}/resume", None, like(API_MANAGE, staff="bad", reviewer="403", manage_token="bad"), API_GRANT),
    Door(f"{_API_GRANT}/approve-renewal", None, like(API, staff="403", reviewer="bad", review_token="bad"), API_GRANT),
    Door(
        f"{_API_GRANT}/decline-renewal",
        None,
        like(API, people="bad", review_token="bad"),
        API_GRANT,
    ),
    Door(f"{_API_GRANT}/renew", None, like(API_IN_PERSON, people="404", staff="403", holder="bad"), API_GRANT),
    Door(
        f"{_API_GRANT}/withdraw-renewal", None, like(API_IN_PERSON, people="404", staff="403", holder="bad"), API_GRANT
    ),
    Door(f"{_API_GRANT}/close-out", None, API_IN_PERSON_BAD, API_GRANT),
    Door(f"{_API_GRANT}/sign", None, API_IN_PERSON_BAD, API_GRANT),
    Door("api/v1/agreements", like(API_MANAGE, people="ok"), API_MANAGE_BAD),
    Door(_API_AGREEMENT, API_MANAGE, at=API_AGREEMENT),
    Door(f"{_API_AGREEMENT}/draft", None, None, API_AGREEMENT),
    Door(f"{_API_AGREEMENT}/publish", None, like(API, people="bad", manage_token="bad"), API_AGREEMENT),
    Door(f"{_API_AGREEMENT}/redline", like(API, people="bad", manage_token="bad"), at=API_AGREEMENT),
    Door(f"{_API_AGREEMENT}/outstanding", API_MANAGE, at=API_AGREEMENT),
    Door("api/v1/projects/<uuid:project>/allowance", API_MANAGE, at={"project": "{project}"}),
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
    Door(f"{_API_OWN_MODEL}/stops", API_LOOKED_AFTER, API_LOOKED_AFTER, GATED, {"reason": "It leaks."}),
    Door("api/v1/stops/<int:stop>/lift", None, API_NO_OPENING),
    Door(f"{_API_OWN_MODEL}/errata", PUBLIC, API_LOOKED_AFTER, GATED, ERRATUM),
    Door("api/v1/logbooks", PUBLIC, API_LOOKED_AFTER, send={"subject": "lyceum/open-1m"}),
    Door("api/v1/logbooks/<int:logbook>/entries", PUBLIC, API_LOOKED_AFTER, LOGBOOK, {"title": "Restart"}),
    Door("api/v1/logbooks/<int:logbook>/entries/<int:number>", PUBLIC, at=LOGBOOK),
    Door("api/v1/logbooks/<int:logbook>/import", None, API_LOOKED_AFTER, LOGBOOK, CHRONICLE),
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
    Door("api/v1/webhooks", like(API_MANAGE, people="ok"), like(API_MANAGE, people="bad", manage_token="bad")),
    Door(_API_WEBHOOK, API_NO_WEBHOOK),
    Door(f"{_API_WEBHOOK}/deliveries", API_NO_WEBHOOK),
    *(
        Door(f"{_API_WEBHOOK}/{verb}", None, API_NO_WEBHOOK)
        for verb in ("rotate-secret", "stop", "start", "deliveries/<uuid:delivery>/replay")
    ),
    Door("api/v1/search", answers("bad")),
    Door("api/v1/why", like(API_OWN, people="bad", tokens="bad")),
    # --- Signing keys. The portal of the tests has none.
    Door("search/", PUBLIC),
    Door("keys/", PUBLIC),
    Door("keys/portal.pem", ABSENT),
    Door("keys/<slug:fingerprint>.pem", ABSENT, at={"fingerprint": "abc"}),
    Door(
        "keys/<slug:lab>/",
        MANAGERS_OF_LAB,
        like(NOBODYS, manager="bad", administrator="bad"),
        {"lab": "{lab}"},
        {"verb": "nothing"},
    ),
    # --- Models
    Door(f"{_MODEL}/errata", PUBLIC, at=GATED),
    Door(f"{_MODEL}/evaluations", PUBLIC, at=GATED),
    Door(f"{_MODEL}/evaluations/import", like(LAB, reviewer="404"), like(LAB_BAD, reviewer="404"), GATED),
    *(
        Door(f"{_MODEL}/logbook{end}", PUBLIC, at=GATED)
        for end in ("", ".json", ".md", ".csv", ".atom", "/<int:number>")
    ),
    Door(f"{_MODEL}/logbook/edit", MANAGING_ONE, MANAGING_ONE_BAD, GATED, {"verb": "nothing"}),
    Door(f"{_MODEL}/logbook/<int:number>/edit", MANAGING_ONE, MANAGING_ONE_BAD, GATED, {"verb": "edit"}),
    *(Door(f"{_MODEL}/curves{form}", PUBLIC, at=GATED) for form in ("", ".json", ".csv", ".svg")),
    Door(_MODEL, PUBLIC, at=GATED),
    Door(f"{_MODEL}/tree/<segment:revision>", PUBLIC, at=GATED),
    Door("downloads/", ANY_STAFF),
    Door("me/downloads/", PERSON),
    Door("me/downloads.csv", PERSON),
    Door("grants/<uuid:pk>/cap/", MANAGERS, MANAGERS_MOVED, GRANT),
    Door("gates/<slug:lab>/<slug:gate>/cap/", MANAGERS, MANAGERS_MOVED, OWN_GATE),
    Door("api/v1/downloads", API_OWN),
    Door("api/v1/models/<slug:lab>/<segment:name>/downloads", like(API_MANAGE, reviewer="403"), at=GATED),
    Door(f"{_API_GRANT}/cap", like(API_MANAGE, holder="ok"), at=API_GRANT),
    Door("api/v1/gates/<slug:lab>/<slug:gate>/cap", API_MANAGE, at=OWN_GATE),
    Door(f"{_MODEL}/downloads", LAB, at=GATED),
    Door(f"{_MODEL}/downloads.csv", LAB, at=GATED),
    Door(f"{_MODEL}/revisions", PUBLIC, at=GATED),
    Door(f"{_MODEL}/revisions/<segment:revision>", MANAGING_ONE, MANAGING_ONE_BAD, GATED, {"verb": "nothing"}),
    *(
        # Of a commit; `main` leads there.
        Door(f"{_MODEL}/revisions/<segment:revision>/{document}", PUBLIC_MOVED, at=GATED)
        for document in ("release.json", "tensors.json", "model.sig", "bom.cdx.json", *SHELF)
    ),
    Door(f"{_MODEL}/revisions/<segment:revision>/opening", LAB, LAB_BAD, GATED, {"verb": "nothing"}),
    Door("publish/", MANAGING, like(MANAGING, manager="bad", administrator="bad", second_lab="bad")),
    Door(f"{_MODEL}/upload", MANAGING_ONE, at=GATED),
    *(Door(f"{_MODEL}/upload/{step}", None, MANAGING_ONE_BAD, GATED) for step in ("plan", "begin", "commit")),
    Door(f"{_MODEL}/stops", MANAGING_ONE, MANAGING_ONE_BAD, GATED, {"verb": "nothing"}),
    Door(
        f"{_MODEL}/revisions/<segment:revision>/convert",
        MANAGING_ONE,
        MANAGING_ONE_BAD,
        GATED,
        {"operation": "nothing"},
    ),
    Door(f"{_MODEL}/conversions/<uuid:conversion>", MANAGING_ONE, MANAGING_ONE_BAD, CONVERSION, {"verb": "nothing"}),
    Door(f"{_MODEL}/conversions/<uuid:conversion>/receipt.json", ABSENT, at=CONVERSION),
    Door(f"{_MODEL}/licence", PUBLIC, at=GATED),
    Door(f"{_MODEL}/cards/<slug:which>", MANAGING_ONE, MANAGING_ONE, GATED | {"which": "model"}, {"verb": "nothing"}),
    Door(f"{_MODEL}/compare", PUBLIC_MOVED, at=GATED),
    Door(f"{_MODEL}/compare/<segment:pair>", PUBLIC, at=GATED | {"pair": "main...main"}),
    Door(f"{_API_OWN_MODEL}/compare", answers("bad"), at=GATED),
    Door(f"{_MODEL}/manifest/<segment:revision>", PUBLIC, at=GATED),
    Door(f"{_MODEL}/sha256sums/<segment:revision>", PUBLIC, at=GATED),
    Door(f"{_MODEL}/why", PERSON, at=GATED),
    Door(
        f"{_MODEL}/download/<segment:revision>/<tail:path>",
        answers("401", anonymous="login", people="403", holder="moved", manager="moved", administrator="moved"),
        at=GATED,
    ),
    Door("<str:namespace>/<str:name>/query", PUBLIC, at=GATED),
    Door("<str:namespace>/<str:name>/try", PUBLIC, at=GATED),
    Door("<str:namespace>/<str:name>/try/token", None, answers("login", people="404"), at=GATED),
    # --- The Hub's wire
    Door("api/agent-harnesses", PUBLIC, PUBLIC, any_method=True),
    Door("api/telemetry/<tail:topic>", PUBLIC, PUBLIC, any_method=True),
    Door("api/whoami-v2", answers("401", tokens="ok")),
    Door("api/models", HUB),
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
    Door(f"{_MODEL}/ask-access", None, HUB_ASK, GATED, bearer_alone=True),
    Door(
        f"{_MODEL}/resolve/<segment:revision>/<tail:path>",
        like(HUB_GATED, download_token="moved", publish_token="moved"),
        at=GATED,
    ),
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
            f"<tail:before>/{_MODEL}/resolve/<segment:revision>/<tail:path>",
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
    Door(f"{_MODEL}.git/info/lfs/objects/batch", None, HUB_WRITE_BAD, GATED, bearer_alone=True),
    Door("api/uploads/<segment:ticket>/complete", None, answers("403", dead="401"), {"ticket": "x"}, bearer_alone=True),
    Door("api/uploads/<segment:ticket>/verify", None, answers("403", dead="401"), {"ticket": "x"}, bearer_alone=True),
    Door(f"{_MODEL}/commit/<segment:revision>", answers("moved"), at=GATED),
    *(
        Door(route, HUB_UNSUPPORTED, HUB_UNSUPPORTED, GATED)
        for route in (
            "api/repos/<tail:rest>",
            "oauth/<tail:rest>",
            f"{_MODEL}/info/lfs/<tail:rest>",
        )
    ),
)
