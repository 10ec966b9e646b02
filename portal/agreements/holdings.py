"""What agreements hold about people: their signatures, which are kept as they were signed."""

from __future__ import annotations

import json
from collections.abc import Iterator

from django.utils.translation import gettext_lazy as _

from portal.agreements import receipts
from portal.agreements.documents import pdf
from portal.agreements.models import Signature
from portal.people.models import User
from portal.people.privacy import Holding, attach, hold, impersonal

hold(
    Holding(
        "agreements.Signature",
        why=_("proof that one agreed, and to what"),
        kept=_("for good, as signed: a legal record (GDPR article 17 (3) e)"),
        of="user",
        stays=("user", "typed_name", "capacity", "document", "application"),
        plain=("text_sha256", "document_sha256", "key_id", "seal"),
    ),
    Holding(
        "agreements.Version", why=_("who published it"), kept=_("for good"), stays=("published_by", "edited_by"),
        plain=("text", "sha256", "points"), exported=False,
    ),
)  # fmt: skip
impersonal("agreements.Agreement")


@attach
def receipts_of(user: User) -> Iterator[tuple[str, bytes]]:
    """Every receipt, as the file that can be checked without us and as the page to print."""
    for signature in Signature.objects.filter(user=user).select_related("version__agreement__lab"):
        whole = json.dumps(receipts.envelope(signature), indent=2, ensure_ascii=False)
        yield f"receipts/{signature.reference}.json", whole.encode()
        yield f"receipts/{signature.reference}.pdf", pdf(signature)
