"""Names that a lab may not take: the first path segments of the portal's own addresses.

A test derives the same list from the URLconf and the dispatcher, so a new route cannot forget itself here.
"""

from typing import Final

RESERVED: Final = frozenset(
    {
        "account", "accounts", "admin", "agreements", "announcements", "api", "applications", "apply", "audit", "blobs", "chat", "completions", "datasets",
        "confirmations", "detokenize", "device", "downloads", "embeddings", "evaluations", "families", "favicon.ico", "gallery", "gates", "grants", "harm", "health", "help",
        "institutional", "institutions", "internal", "invitations", "keys", "livez", "logbook",
        "mail", "mailbox", "me", "metrics", "models", "numbers", "oauth", "organizations", "pages", "projects", "publish", "receipts", "releases.atom", "resolve",
        "review", "robots.txt", "search", "settings", "sitemap", "spaces", "static", "status", "tokenize", "tokenizer_info", "users", "v1", "webhooks",
        "well-known", ".well-known",
    }
)  # fmt: skip


def is_reserved(slug: str) -> bool:
    """Whether a lab of this name would hide one of our own addresses."""
    return slug.lower() in RESERVED
