"""Idempotency keys (draft-ietf-httpapi-idempotency-key-header): a write that is sent twice happens once.

The change and its answer are committed together under an advisory lock, so there is no state between: whoever finds the
lock taken is told that the first attempt is still at work (409), whoever finds an answer gets it again. A refusal
changes nothing and is not kept: correct the request and send it under the same key.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable
from datetime import timedelta
from typing import Final

from django.db import connection, transaction
from django.utils import timezone
from django.utils.translation import gettext as _
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.utils.encoders import JSONEncoder

from portal import errors
from portal.api.models import KeptAnswer
from portal.people.models import User

HEADER: Final = "Idempotency-Key"
REPLAYED: Final = "Idempotent-Replayed"
LIFE: Final = timedelta(hours=24)
LENGTH: Final = 255


def once(request: Request, write: Callable[[], Response], *, hides: str = "") -> Response:
    """The answer of `write`, or the kept one when this person sent the same before under the same key.

    `hides` names a field of the answer that is never kept. Raises Invalid (422) when the key came with another
    request, Conflict while the first attempt is still at work.
    """
    key = _key(request)
    if not key or not isinstance(request.user, User):
        return write()
    name, sent = _name(request, key), _fingerprint(request)
    with transaction.atomic():
        _claim(f"{request.user.pk}:{name}")
        kept = KeptAnswer.objects.filter(user=request.user, name=name, made_at__gt=timezone.now() - LIFE).first()
        if kept is not None:
            return _again(kept, sent)
        answer = write()
        body = json.loads(json.dumps(answer.data or {}, cls=JSONEncoder))
        if hides and isinstance(body, dict):
            body[hides] = None
        facts = {"fingerprint": sent, "status": answer.status_code, "body": body, "made_at": timezone.now()}
        KeptAnswer.objects.update_or_create(user=request.user, name=name, defaults=facts)
    return answer


def _key(request: Request) -> str:
    """The key; a structured-field string (in quotes) and a bare one mean the same. Raises Invalid for an unusable one."""
    key = request.headers.get(HEADER, "")
    if len(key) > 1 and key[0] == key[-1] == '"':
        key = key[1:-1]
    if len(key) > LENGTH or not (key.isascii() and (key.isprintable() or not key)):
        wrong = _("Use at most %(limit)s printable ASCII characters, for instance a UUID.") % {"limit": LENGTH}
        raise errors.Invalid(wrong, fields={HEADER: [wrong]}, code="idempotency_key_unusable")
    return key


def _name(request: Request, key: str) -> str:
    token = getattr(request.auth, "token", None)
    return _digest([str(token.pk) if token else "", str(request.method), request.path, key])


def _fingerprint(request: Request) -> str:
    """The same for the same request, however its fields are ordered."""
    return _digest([sorted(request.query_params.lists()), request.data])


def _digest(value: object) -> str:
    return hashlib.sha256(json.dumps(value, sort_keys=True).encode()).hexdigest()


def _claim(name: str) -> None:
    with connection.cursor() as cursor:
        cursor.execute("SELECT pg_try_advisory_xact_lock(hashtextextended(%s, 0))", [name])
        row = cursor.fetchone()
    if not row or not row[0]:
        raise errors.Conflict(
            _("The first request with this key is still at work. Send it again in a moment."),
            code="idempotency_in_flight",
        )


def _again(kept: KeptAnswer, sent: str) -> Response:
    if kept.fingerprint != sent:
        raise errors.Unprocessable(
            _("This key was used for another request. Make a new key for each new write."),
            code="idempotency_key_reused",
        )
    return Response(kept.body if kept.status != 204 else None, status=kept.status, headers={REPLAYED: "true"})
