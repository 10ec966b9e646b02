"""Content logging on the control plane's side: whose content is kept, keeping it, and opening what was sealed."""

from __future__ import annotations

import base64
import json
from collections import defaultdict
from dataclasses import dataclass
from datetime import timedelta
from typing import Any
from uuid import UUID

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PrivateKey
from django.conf import settings
from django.db import transaction
from django.utils import timezone
from django.utils.translation import gettext as _

from inference import contract
from inference.content_models import KeptContent
from inference.gateway.sealing import SUITE
from portal.access.models import Grant
from portal.agreements.models import Signature
from portal.errors import Invalid, NotSetUp, Unavailable
from portal.people.erasure_models import ErasureRequest
from portal.people.models import User
from releases import lookup


@dataclass(frozen=True, slots=True)
class Plain:
    """Content that was opened. `cut`: it was longer than what is kept."""

    asked: str
    answered: str
    cut: bool


def key_of(grant: str) -> str:
    """The public key that seals what is asked under this grant; empty where none is kept.

    Both must say so: the operator, by the setting, and the newest version that the holder has signed.
    """
    if not settings.CONTENT_KEY or not grant:
        return ""
    agreement = Grant.objects.filter(pk=grant).values("gate__agreement")
    holder = Grant.objects.filter(pk=grant).values("user")
    signed = Signature.objects.filter(user__in=holder, version__agreement__in=agreement).order_by("-version__number")
    logged = signed.values_list("version__content_logging", flat=True).first()
    return str(settings.CONTENT_KEY) if logged else ""


@transaction.atomic
def keep(content: contract.Content) -> None:
    """Keep what a gateway sealed; a batch's row that is sent again replaces what came of it before.

    Raises Invalid where it is not to be kept: no such model, another key than ours or none at all, or nobody any more
    whose it is.
    """
    lab, _slash, name = content.model.partition("/")
    model = lookup.by_any_name(lab, name)  # it may have been renamed since it was asked
    try:
        sealed = base64.b64decode(content.sealed, validate=True)
    except ValueError:
        sealed = b""
    ours = settings.CONTENT_KEY and content.key in (settings.CONTENT_KEY, *settings.FORMER_CONTENT_KEYS)
    if model is None or not sealed or not ours:
        raise Invalid("This content is not to be kept.")
    if not _is_there(content.user_id):
        raise Invalid("Whose content this is was erased.")
    now = timezone.now()
    KeptContent.objects.update_or_create(
        request_id=content.request_id,
        defaults={
            "lab": model.lab, "user_id": content.user_id, "project_id": content.project_id, "model": content.model,
            "key": content.key, "sealed": sealed, "kept_at": now,
            "expires_at": now + timedelta(days=settings.CONTENT_DAYS),
        },
    )  # fmt: skip


def _is_there(user_id: str) -> bool:
    """Whether the person was not erased. Locked: an erasure comes before, or finds what is kept now."""
    person = User.objects.select_for_update(no_key=True).filter(pk=UUID(user_id)).first()
    return person is not None and not ErasureRequest.objects.filter(user=person, done=True).exists()


def require_key() -> None:
    """Raise NotSetUp where this process could open nothing."""
    if not settings.CONTENT_PRIVATE_KEY:
        raise NotSetUp(_("This portal has no key to open it. The operator sets CONTENT_PRIVATE_KEY."))


def opened(kept: KeptContent) -> Plain:
    """What was asked and answered. Raises Unavailable where this process has not the key that opens it."""
    require_key()
    private = _private_half(kept.key)
    try:
        plain = SUITE.decrypt(bytes(kept.sealed), private, contract.content_label(kept.request_id)) if private else b""
    except InvalidTag:
        plain = b""
    if not plain:
        raise Unavailable(
            _("It was sealed under another key than this portal has now, or was altered."), retry_after_s=0
        )
    return Plain(**json.loads(plain))


def _private_half(public: str) -> X25519PrivateKey | None:
    """The other half of a public key in base64, the present one's or a former one's that is still named."""
    named = (settings.CONTENT_PRIVATE_KEY, *settings.FORMER_CONTENT_PRIVATE_KEYS)
    halves = (X25519PrivateKey.from_private_bytes(base64.b64decode(each)) for each in named)
    return next((x for x in halves if base64.b64encode(x.public_key().public_bytes_raw()).decode() == public), None)


def said(plain: Plain) -> tuple[str, str]:
    """Both as somebody can read them: the request indented, and the text of the answer, of a stream put together."""
    try:
        asked = json.dumps(json.loads(plain.asked), indent=2, ensure_ascii=False)
    except ValueError:
        asked = plain.asked
    texts: defaultdict[int, str] = defaultdict(str)
    for event in plain.answered.split("\n\n"):
        for choice in _choices(event.removeprefix("data: ")):
            part = choice.get("message") or choice.get("delta") or choice
            texts[choice.get("index", 0)] += part.get("content") or part.get("text") or ""
    return asked, "\n\n".join(text for _index, text in sorted(texts.items())) or plain.answered


def _choices(text: str) -> list[dict[str, Any]]:
    try:
        found = json.loads(text)
    except ValueError:
        return []
    choices = found.get("choices") if isinstance(found, dict) else None
    return [choice for choice in choices or [] if isinstance(choice, dict)]
