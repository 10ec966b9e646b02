"""The walk: every page, who looks at it, and the deeds in between that bring the next pages about.

A stop is a page that can be opened again and again in different looks. An act is done once, in a person's own browser
window; it moves the demo's waiting application through review, decision and signature, as people would.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

from playwright.sync_api import Page

from infra.walk import deeds

NOBODY: Final = ""
CLAIM: Final = "/families/meta/opt/cost/OPT-175B?accelerator=v100-32&gpus=16&machine_watts=10000&bought=399000"


@dataclass(frozen=True, slots=True)
class Stop:
    """One page. `path` may hold {open} and {gated}; `follow` are links to go through from there; `prepare` sets the scene."""

    name: str
    path: str
    who: str = NOBODY
    follow: tuple[str, ...] = ()
    prepare: Callable[[Page], None] | None = None


@dataclass(frozen=True, slots=True)
class Act:
    """One deed of one person, on the page at `path` (through `follow`)."""

    name: str
    path: str
    who: str
    do: Callable[[Page], None]
    follow: tuple[str, ...] = ()


APPLY: Final = ("main a[href*='/apply/']",)
APPLICATION: Final = ("main a[href^='/applications/']",)
TEAM: Final = (*APPLICATION, "main a[href$='/team/']")
OPENING: Final = ("main a[href*='/revisions/']", "main a[href$='/opening']")
SIGN: Final = (*APPLICATION, "main a[href$='/sign/']")
RECEIPT: Final = (*APPLICATION, "main a[href^='/receipts/']")
AGREEMENT: Final = ("main th a[href^='/agreements/']",)
DRAFT: Final = (*AGREEMENT, "main a[href$='/draft/']")
PUBLISH: Final = (*AGREEMENT, "main a[href$='/draft/publish/']")
RULES: Final = ("main a[href^='/review/rules/lyceum/']",)
REVIEW: Final = ("main th a[href^='/review/']",)
QUERY_TIME: Final = ("main a[href^='/projects/'][href$='/requests/']",)
ALLOCATION: Final = ("main th a[href^='/projects/requests/']",)
GRANT: Final = ("main th a[href^='/grants/']",)
ALLOWANCE: Final = (*GRANT, "main a[href$='/allowance/#models']")
RENEW: Final = ("main a[href$='/renew/']",)
CLOSE_OUT: Final = ("main a[href$='/close-out/']",)

GATE: Final = ("main th a[href^='/gates/']",)
FORM: Final = (*GATE, "main a[href$='/form/']")

WALK: Final[tuple[Stop | Act, ...]] = (
    Stop("catalogue", "/"),
    Stop("search", "/search/?q=loss+scale"),
    Stop("search-none", "/search/?q=zeppelin"),
    Stop("family", "/", follow=("main a[href^='/families/lyceum/']",)),
    Stop("family-hosted-elsewhere", "/", follow=("main a[href^='/families/meta/']",)),
    Stop("cost-to-run", "/{open}/cost"),
    Stop("cost-to-run-claim", CLAIM),
    Stop("cost-to-run-wrong", "/{open}/cost?gpus=6&pipeline=4&context=99999999"),
    Stop("cost-of-training", "/families/meta/opt/cost/OPT-175B/training"),
    Stop("side-by-side", "/families/compare/"),
    Stop("machines", "/me/hardware/", who="researcher"),
    Stop("model-open", "/{open}"),
    Stop("model-gated", "/{gated}"),
    Stop("logbook", "/{open}/logbook"),
    Stop("logbook-entry", "/{open}/logbook/10"),
    Stop("logbook-nothing-found", "/{open}/logbook?q=rain"),
    Stop("logbook-of-reference", "/families/meta/opt/logbook/"),
    Stop("logbook-correct", "/{open}/logbook/10/edit?do=correct", "manager"),
    Stop("logbook-edit", "/families/lyceum/pico-opt/logbook/edit/", "manager"),
    Stop("logbook-edit-errors", "/families/lyceum/pico-opt/logbook/edit/", "manager", prepare=deeds.press("Import")),
    Stop("files-open", "/{open}/tree/main"),
    Stop("files-gated", "/{gated}/tree/main"),
    Stop("files-granted", "/{gated}/tree/main", "researcher"),
    Stop("revisions", "/{open}/revisions"),
    Stop("curves", "/{open}/curves"),
    Stop("curves-closer", "/{open}/curves?axis=at&series=loss,lr&pick=2"),
    Stop("compare", "/{open}/compare/main...main"),
    Stop("licence-open", "/{open}/licence"),
    Stop("licence-gated", "/{gated}/licence"),
    Stop("revision-desk", "/{open}/revisions/main", "manager"),
    Stop("misuse-signals", "/review/signals/", "manager"),
    Stop("kept-content", "/review/content/", "manager"),
    Stop("downloads", "/downloads/", "manager"),
    Stop("model-downloads", "/{gated}/downloads", "manager"),
    Stop("convert", "/{open}/revisions/main/convert", "manager"),
    Stop("revision-desk-error", "/{open}/revisions/main", "manager", prepare=deeds.press("Withdraw revision")),
    Stop("publish", "/publish/", "manager"),
    Stop("publish-errors", "/publish/", "manager", prepare=deeds.press("Make it, then choose files")),
    Stop("upload", "/{open}/upload", "manager"),
    Stop("card-edit", "/{open}/cards/data", "manager", prepare=deeds.press("Preview")),
    Stop("opening-none", "/{open}/revisions/main/opening", "manager"),
    Act("a model", "/publish/", "manager", deeds.name_model),
    Act("its files", "/lyceum/pico-next-9m/upload", "manager", deeds.send_folder),
    Stop(
        "opening-errors",
        "/lyceum/pico-next-9m/revisions",
        "manager",
        follow=OPENING,
        prepare=deeds.press("Plan the opening"),
    ),
    Act("a plan", "/lyceum/pico-next-9m/revisions", "manager", deeds.plan_opening, follow=OPENING),
    Stop("opening", "/lyceum/pico-next-9m/revisions", "manager", follow=OPENING),
    Stop("countdown", "/lyceum/pico-next-9m"),
    Stop("describe", "/{open}/settings", "manager"),
    Stop("describe-errors", "/{open}/settings", "manager", prepare=deeds.press("Begin it with this model")),
    Stop("stops", "/{open}/stops", "manager"),
    Stop("stops-errors", "/{open}/stops", "manager", prepare=deeds.press("Stop it for everybody")),
    Act("stop", "/{open}/stops", "manager", deeds.stop_release),
    Stop("stops-running", "/{open}/stops", "manager"),
    Stop("model-stopped", "/{open}"),
    Act("lifted", "/{open}/stops", "manager", deeds.press("Lift the stop of")),
    Stop("stops-lifted", "/{open}/stops", "manager"),
    Stop("revision-desk-no-signature", "/{open}/revisions/main", "manager", prepare=deeds.press("Add signature")),
    Stop("revision-desk-no-erratum", "/{open}/revisions/main", "manager", prepare=deeds.press("Publish erratum")),
    Stop("errata-none", "/{open}/errata"),
    Act("raise an erratum", "/{open}/revisions/main", "manager", deeds.raise_erratum),
    Stop("errata", "/{open}/errata"),
    Stop("evaluations", "/evaluations/"),
    Stop("evaluations-of-a-task", "/evaluations/?task=openbookqa"),
    Stop("evaluations-of-a-model", "/{open}/evaluations"),
    Stop(
        "reproduce-errors",
        "/{open}/evaluations",
        "researcher",
        follow=("main td.num a", "main a[href$='/reproduce/']"),
        prepare=deeds.press("Send report"),
    ),
    Act(
        "reproduction",
        "/{open}/evaluations",
        "researcher",
        deeds.reproduce,
        follow=("main td.num a", "main a[href$='/reproduce/']"),
    ),
    Stop("score-reproduced", "/{open}/evaluations", follow=("main td.num a",)),
    Stop("reproduction", "/evaluations/reproductions/", "manager", follow=("main th a",)),
    Stop("harm-errors", "/harm/", prepare=deeds.press("Send report")),
    Act("report of harm", "/harm/?about=lyceum/pico-opt-1m", NOBODY, deeds.report_harm),
    Stop("harm-report", "/harm/reports/", "manager", follow=("main th a",)),
    Act("answer to a report of harm", "/harm/reports/", "manager", deeds.answer_harm, follow=("main th a",)),
    Stop("harm-log", "/harm/answered/"),
    Stop("evaluation-runs", "/{open}/evaluations/runs", "manager"),
    Stop("import-evaluations-errors", "/{open}/evaluations/import", "manager", prepare=deeds.press("Import")),
    Stop("signing-keys", "/keys/"),
    Stop("signing-keys-of-lab", "/keys/lyceum/", "manager"),
    Stop("query", "/{gated}/query", "researcher"),
    Stop("try", "/{gated}/try", "researcher"),
    Stop("why", "/{gated}/why", "stranger"),
    Stop("why-granted", "/{gated}/why", "researcher"),
    Stop("numbers", "/numbers/"),
    Stop("status", "/status/"),
    Stop("announcements", "/announcements/"),
    Stop("announcement", "/announcements/", follow=("main h2 a",)),
    Stop("help", "/help/"),
    Stop("sign-in", "/account/login/"),
    Stop("sign-up", "/account/signup/", prepare=deeds.press("Create account")),
    Stop("provider-refused", "/account/linked/login/cancelled/"),
    Stop("provider-failed", "/account/linked/login/error/"),
    Stop("reset-password", "/account/password/reset/"),
    Stop("reset-password-sent", "/account/password/reset/done/"),
    Stop("sign-out", "/account/logout/", "stranger"),
    Stop("look-in-your-mail", "/account/confirm-email/"),
    Stop("mailbox", "/mailbox/"),
    Stop("mail", "/mailbox/", follow=("main td a, main th a",)),
    Stop("not-found", "/nobody/nothing/nowhere/"),
    Stop("not-allowed", "/{gated}/download/main/model.safetensors", "stranger"),
    Stop("access-empty", "/me/", "stranger"),
    Stop("access", "/me/", "researcher"),
    Stop("applications", "/applications/", "researcher"),
    Stop("hand-over", "/applications/", "researcher", follow=(*TEAM, "main a[href$='/hand-over/']")),
    Stop("applications-empty", "/applications/", "stranger"),
    Stop("profile", "/me/profile/", "researcher"),
    Stop("institution-typed", "/me/profile/", "stranger", prepare=deeds.type_institution),
    Stop("institutions", "/institutions/?q=university", "researcher"),
    Stop("proof-of-institution", "/me/address/", "researcher"),
    Stop("proof-refused", "/me/address/", "stranger", prepare=deeds.refused_address),
    Stop("addresses", "/account/email/", "researcher"),
    Stop("mail-pace", "/me/mail/", "researcher"),
    Stop("second-factor", "/account/second-factor/", "researcher"),
    Stop("passkeys-empty", "/account/second-factor/webauthn/", "stranger"),
    Stop("confirm-it-is-you", "/account/reauthenticate/", "stranger"),
    Stop("password", "/account/password/change/", "researcher"),
    Stop("confirm-by-provider-none", "/account/linked/confirm/", "stranger"),
    Stop("linked-accounts-none", "/account/linked/", "stranger"),
    Stop("data", "/me/data/", "researcher"),
    Stop("my-downloads", "/me/downloads/", "researcher"),
    Stop("confirm-yourself", "/me/data/erase/", "researcher"),
    Stop("tokens", "/me/tokens/", "researcher"),
    Stop("tokens-empty", "/me/tokens/", "stranger"),
    Stop("device-login", "/device/", "researcher"),
    Stop("device-login-errors", "/device/", "researcher", prepare=deeds.press("Go on")),
    Stop("device-login-approve", "/device/", "researcher", prepare=deeds.ask_as_a_program),
    Stop("usage", "/me/usage/", "researcher"),
    Stop("usage-empty", "/me/usage/", "stranger"),
    Stop("usage-by-hour", "/me/usage/?period=1", "researcher"),
    Stop("usage-wrong-period", "/me/usage/?first=2026-11-02&last=2026-11-01", "researcher"),
    Stop("usage-of-lab", "/projects/usage/", "manager"),
    Stop("allowance-default", "/projects/usage/", "manager", follow=("main a[href^='/projects/default/']",)),
    Stop("query-time-none", "/projects/requests/", "manager"),
    Stop("query-time-errors", "/me/usage/", "researcher", follow=QUERY_TIME, prepare=deeds.press("Send to the lab")),
    Act("request for query time", "/me/usage/", "researcher", deeds.ask_query_time, follow=QUERY_TIME),
    Stop("query-time-mine", "/me/usage/", "researcher", follow=QUERY_TIME),
    Stop("query-time-waiting", "/projects/requests/", "reviewer1"),
    Stop("query-time-decide", "/projects/requests/", "reviewer1", follow=ALLOCATION),
    Stop("query-time-unsaid", "/projects/requests/", "reviewer1", follow=ALLOCATION, prepare=deeds.press("Decline")),
    Act("query time", "/projects/requests/", "reviewer1", deeds.press("Grant query time"), follow=ALLOCATION),
    Stop("query-time-granted", "/projects/requests/?show=closed", "manager", follow=ALLOCATION),
    Stop("batches", "/me/batches/", "researcher"),
    Stop("apply", "/{gated}", "stranger", follow=APPLY),
    Stop("apply-errors", "/{gated}", "stranger", follow=APPLY, prepare=deeds.leave_purpose_empty),
    Stop("agreement", "/{gated}", "stranger", follow=("main a[href^='/agreements/']",)),
    Stop("application-waiting", "/applications/", "applicant", follow=APPLICATION),
    Stop("application-withdraw", "/applications/", "applicant", follow=(*APPLICATION, "main a[href$='/withdraw/']")),
    Stop("team-errors", "/applications/", "applicant", follow=TEAM, prepare=deeds.name_nobody),
    Act("member", "/applications/", "applicant", deeds.name_member, follow=TEAM),
    Stop("team", "/applications/", "applicant", follow=TEAM),
    Stop("review-queue", "/review/", "reviewer1"),
    Stop("review-queue-nothing", "/review/?q=nobody", "reviewer1"),
    Stop("review-together-assign", "/review/", "reviewer1", prepare=deeds.pick_all("Assign…")),
    Stop("review-together-changes", "/review/", "reviewer1", prepare=deeds.pick_all("Ask for changes…")),
    Stop("triage-rules", "/review/rules/", "reviewer1"),
    Stop("triage-rules-edit", "/review/rules/", "manager", follow=RULES),
    Stop("triage-rules-dry-run", "/review/rules/", "manager", follow=RULES, prepare=deeds.try_rules),
    Stop("reasons", "/review/reasons/", "reviewer1"),
    Stop("reason", "/review/reasons/", "manager", follow=("main a[href^='/review/reasons/']",)),
    Stop("letters", "/review/letters/", "manager"),
    Stop("letter", "/review/letters/application_declined/", "manager"),
    Stop("times-away", "/review/absence/", "reviewer1"),
    Stop("times-away-errors", "/review/absence/", "reviewer1", prepare=deeds.press("Name substitute")),
    Act("note", "/review/", "reviewer1", deeds.note, follow=REVIEW),
    Stop("review", "/review/", "reviewer1", follow=REVIEW),
    Act("first approval", "/review/", "reviewer1", deeds.approve, follow=REVIEW),
    Act("second approval", "/review/", "reviewer2", deeds.approve, follow=REVIEW),
    Stop("review-queue-empty", "/review/", "reviewer1"),
    Stop("application-approved", "/applications/", "applicant", follow=APPLICATION),
    Stop("sign", "/applications/", "applicant", follow=SIGN),
    Act("signature", "/applications/", "applicant", deeds.sign, follow=SIGN),
    Stop("application-granted", "/applications/", "applicant", follow=APPLICATION),
    Stop("receipt", "/applications/", "applicant", follow=RECEIPT),
    Stop("verify-a-receipt", "/receipts/"),
    Stop("verify-a-receipt-unknown", "/receipts/?sha256=0"),
    Stop("grants", "/grants/", "reviewer1"),
    Stop("grants-none", "/grants/?show=suspended", "reviewer1"),
    Stop("grant", "/grants/", "reviewer1", follow=GRANT),
    Stop("token-shown-once", "/me/tokens/", "applicant", prepare=deeds.new_token),
    Stop("grant-mine", "/applications/", "researcher", follow=GRANT),
    Stop("renew", "/applications/", "researcher", follow=RENEW),
    Act("renewal", "/applications/", "researcher", deeds.report, follow=RENEW),
    Stop("grant-renewal-sent", "/applications/", "researcher", follow=GRANT),
    Stop("grant-renewal", "/grants/?waits=renewal", "reviewer1", follow=GRANT),
    Stop(
        "grant-renewal-unsaid",
        "/grants/?waits=renewal",
        "reviewer2",
        follow=GRANT,
        prepare=deeds.press("Decline renewal"),
    ),
    Act("renewal approved", "/grants/?waits=renewal", "reviewer1", deeds.press("Approve renewal"), follow=GRANT),
    Stop("allowance-refused", "/grants/", "manager", follow=GRANT, prepare=deeds.no_allowance),
    Stop("allowance", "/grants/", "manager", follow=ALLOWANCE),
    Stop("allowance-model", "/grants/", "manager", follow=(*ALLOWANCE, "#models th a")),
    Act("revocation", "/grants/", "manager", deeds.revoke, follow=GRANT),
    Stop("grant-revoked", "/grants/?show=revoked", "manager", follow=GRANT),
    Stop("grant-mine-revoked", "/applications/", "applicant", follow=GRANT),
    Stop("close-out", "/applications/", "applicant", follow=CLOSE_OUT),
    Stop(
        "close-out-refused",
        "/applications/",
        "applicant",
        follow=CLOSE_OUT,
        prepare=deeds.press("Attest and close out"),
    ),
    Act("attestation", "/applications/", "applicant", deeds.attest, follow=CLOSE_OUT),
    Stop("grant-closed-out", "/grants/?show=closed_out", "manager", follow=GRANT),
    Stop("agreements", "/agreements/", "manager"),
    Stop("agreement-draft", "/agreements/", "manager", follow=DRAFT),
    Stop("agreement-draft-errors", "/agreements/", "manager", follow=DRAFT, prepare=deeds.empty_draft),
    Act("draft", "/agreements/", "manager", deeds.write_draft, follow=DRAFT),
    Stop("agreement-publish", "/agreements/", "manager", follow=PUBLISH),
    Stop("agreement-discard", "/agreements/", "manager", follow=(*DRAFT, "main a[href$='/draft/discard/']")),
    Act("publication", "/agreements/", "manager", deeds.press("Publish version"), follow=PUBLISH),
    Stop("agreement-versions", "/agreements/", "manager", follow=AGREEMENT),
    Stop("agreement-compare", "/agreements/", "manager", follow=(*AGREEMENT, "main a[href*='/compare/']")),
    Stop("agreement-outstanding", "/agreements/", "manager", follow=(*AGREEMENT, "main a[href$='/outstanding/']")),
    Stop("agreement-new", "/agreements/", "manager", follow=("main a[href$='/new/']",)),
    Stop("gates", "/gates/", "manager"),
    Stop("gate-new", "/gates/", "manager", follow=("main a[href$='/new/']",), prepare=deeds.press("Make the gate")),
    Stop("gate", "/gates/", "manager", follow=GATE),
    Stop("gate-not-closed", "/gates/", "manager", follow=GATE, prepare=deeds.press("Close to new applications")),
    Stop("gate-read", "/gates/", "reviewer1", follow=GATE),
    Stop("gate-form", "/gates/", "manager", follow=FORM),
    Stop("gate-form-errors", "/gates/", "manager", follow=FORM, prepare=deeds.break_form),
    Stop("gate-form-preview", "/gates/", "manager", follow=FORM, prepare=deeds.press("Preview")),
    Act("form", "/gates/", "manager", deeds.change_form, follow=FORM),
    Stop("gate-form-versions", "/gates/", "manager", follow=(*GATE, "main a[href$='/form/versions/']")),
    Stop("access-to-sign", "/me/", "researcher"),
    Stop("sign-again", "/me/", "researcher", follow=("aside a[href$='/sign/']",)),
    Stop("webhooks-empty", "/webhooks/", "manager"),
    Stop("webhook-secret-shown-once", "/webhooks/", "manager", prepare=deeds.new_webhook),
    Stop("webhook", "/webhooks/", "manager", follow=("main a[href^='/webhooks/']",)),
    Stop(
        "webhook-new-secret",
        "/webhooks/",
        "manager",
        follow=("main a[href^='/webhooks/']",),
        prepare=deeds.press("Make a new secret"),
    ),
    Stop("webhook-delete", "/webhooks/", "manager", follow=("main a[href^='/webhooks/']", "main a[href$='/delete/']")),
    Stop("api", "/help/api/", prepare=deeds.open_first),
    Stop("gallery", "/gallery/"),
)
