"""The head of the OpenAPI document: what the API is, how one signs in, and the parts that its operations belong to."""

from __future__ import annotations

from typing import Any, Final

DOCUMENT: Final[dict[str, Any]] = {
    "OAS_VERSION": "3.1.1",
    "TITLE": "Weighbridge",
    "VERSION": "1",
    "DESCRIPTION": (
        "The verbs of the portal for programs: the same actions as the pages, under the same rules.\n\n"
        "Errors are RFC 9457 problem details with a `code` that never changes. Lists come 50 to a page. What belongs "
        "to another lab is not found. Every write takes an `Idempotency-Key`: sent again within 24 hours under the "
        "same key it happens once, and gives the same answer; a refusal is not kept. What a mailed secret allows needs no "
        "account and no key: it happens once by itself."
    ),
    "SERVERS": [{"url": "/"}],
    "SCHEMA_PATH_PREFIX": "/api/v1",
    "SORT_OPERATION_PARAMETERS": False,
    "COMPONENT_SPLIT_REQUEST": True,
    "ENUM_GENERATE_CHOICE_DESCRIPTION": False,
    "POSTPROCESSING_HOOKS": ["portal.api.description.finish"],
    "AUTHENTICATION_WHITELIST": [],
    "APPEND_COMPONENTS": {
        "securitySchemes": {
            "token": {
                "type": "http",
                "scheme": "bearer",
                "description": "An access token of `/me/tokens/`: `wb_…`. It never does more than its scopes, nor more "
                "than its holder may. The scopes that an operation needs stand beside it.",
            },
            "session": {
                "type": "apiKey",
                "in": "cookie",
                "name": "__Host-session",
                "description": "The cookie of a browser that is signed in; `session` where the portal is not on https.",
            },
            "csrf": {
                "type": "apiKey",
                "in": "header",
                "name": "X-CSRFToken",
                "description": "With a session, for writes: the value of the cookie `__Host-csrf`, or `csrf`.",
            },
        }
    },
    "TAGS": [
        {"name": "applying", "description": "What an applicant does, by session."},
        {"name": "applications", "description": "What reviewers do."},
        {"name": "teams", "description": "Who works under one grant: invited, and answering for themselves."},
        {"name": "confirmations", "description": "People outside who confirm an application."},
        {"name": "grants", "description": "What becomes of access that was given."},
        {"name": "institutional", "description": "Seats for an institution's people, under one signature."},
        {"name": "gates", "description": "What one applies for, as the lab sets it: settings and forms."},
        {"name": "agreements", "description": "Texts that people sign, and who has yet to."},
        {"name": "rules", "description": "Triage: lines of text that advise reviewers."},
        {"name": "reasons", "description": "The words of typed reasons in the lab's mails."},
        {"name": "filters", "description": "Saved ways to look at the queue."},
        {"name": "substitutes", "description": "Who acts for an absent reviewer."},
        {"name": "tokens", "description": "One's own access tokens, by session."},
        {"name": "profile", "description": "Who one is and where one works, by session."},
        {"name": "mail", "description": "One's own mail: how often it comes, by session."},
        {"name": "downloads", "description": "Links that were given out, sums of them, and daily caps."},
        {"name": "usage", "description": "Sums of what was used, and requests for more of it."},
        {"name": "webhooks", "description": "Addresses of the lab's own that are told of events."},
        {"name": "conversions", "description": "Other files of the same weights, with receipts."},
        {"name": "openings", "description": "Revisions that are published by rule: a date, approvals, or both."},
        {"name": "stops", "description": "Emergency stops of a model, a family or one revision."},
        {"name": "logbooks", "description": "What happened while a model was trained, as its lab writes it down."},
        {"name": "evaluations", "description": "Scores of models, and what others report who measured them again."},
        {
            "name": "harm",
            "description": "Reports of harm or misuse: the public log, and what their lab does with them.",
        },
        {"name": "costs", "description": "What a model costs to run and what its training cost, with the arithmetic."},
        {"name": "comparisons", "description": "What differs between two revisions of a model."},
        {"name": "search", "description": "Words, over families, models, cards and the entries of logbooks."},
        {"name": "errata", "description": "What turned out to be wrong with a model that is out."},
        {"name": "receipts", "description": "Signed receipts of one's own queries."},
        {"name": "why", "description": "Every condition of a right."},
        {"name": "numbers", "description": "What everybody may know."},
        {"name": "status", "description": "What works now."},
        {"name": "announcements", "description": "What the operator tells everybody."},
    ],
}
