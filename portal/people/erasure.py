"""What people may ask of us about themselves: a copy of everything, and to be erased. And what runs out by itself."""

from __future__ import annotations

import json
import zipfile
from collections.abc import Iterable
from datetime import datetime, timedelta
from tempfile import SpooledTemporaryFile
from typing import IO, Any, Final

from django.conf import settings
from django.db import transaction
from django.urls import reverse
from django.utils import timezone
from django.utils.translation import gettext as _

from portal.audit import trail
from portal.audit.events import Event
from portal.errors import Conflict
from portal.mail import sending
from portal.people import privacy
from portal.people.actions import bump_user
from portal.people.erasure_models import ErasureRequest
from portal.people.models import Membership, User
from portal.people.signals import leaving
from portal.sweeps import sweep

DELAY: Final = timedelta(days=14)
"""Time for a change of mind, and for noticing that it was somebody else."""
_IN_MEMORY: Final = 1 << 20
"""Bytes of a copy that memory holds."""


@transaction.atomic
def export(*, by: User) -> IO[bytes]:
    """Everything that is held about a person, as a ZIP: one JSON file per table, and their receipts.

    It is open at its beginning, and lies on the disk where it is large: a program's ledger has millions of rows.
    """
    counts: dict[str, int] = {}
    bag = SpooledTemporaryFile(_IN_MEMORY)  # noqa: SIM115 the caller reads it
    with zipfile.ZipFile(bag, "w", zipfile.ZIP_DEFLATED) as pack:
        for model, rows in privacy.export_of(by):
            with pack.open(f"{model}.json", "w", force_zip64=True) as table:
                counts[model] = _write(table, rows)
        for path, content in privacy.files_of(by):
            pack.writestr(path, content)
        about = {"person": str(by.pk), "made_at": timezone.now(), "at": settings.BASE_URL, "rows": counts}
        pack.writestr("about.json", json.dumps(about, indent=2, default=str))
    trail.record(Event.USER_EXPORTED, by=by, target=by, rows=counts)
    bag.seek(0)
    return bag


def _write(table: IO[bytes], rows: Iterable[dict[str, Any]]) -> int:
    """A list in JSON, row by row; how many there were."""
    count = 0
    for count, row in enumerate(rows, 1):
        written = json.dumps(row, indent=2, ensure_ascii=False, default=str)
        table.write(f"{'[' if count == 1 else ','}\n{written}".encode())
    table.write(b"\n]\n" if count else b"[]\n")
    return count


def waiting(user: User) -> ErasureRequest | None:
    """The person's request that is neither cancelled nor done."""
    return ErasureRequest.objects.filter(user=user, ended_at=None).first()


@transaction.atomic
def request_erasure(*, by: User) -> ErasureRequest:
    """Ask to be erased after DELAY. Raises Conflict while one acts for a lab, or when it is asked already."""
    user = User.objects.select_for_update().get(pk=by.pk)
    if user.is_staff or Membership.objects.active().filter(user=user).exists():
        raise Conflict(
            _("You act for a lab. Ask its administrator to end your role first; then come back."), code="holds_a_role"
        )
    if waiting(user):
        raise Conflict(_("You have asked already. This page says when it happens."), code="already_asked")
    now = timezone.now()
    asked = ErasureRequest.objects.create(user=user, requested_at=now, due_at=now + DELAY)
    trail.record(Event.USER_ERASURE_REQUESTED, by=by, target=user, due=asked.due_at)
    context = {
        "name": user.get_full_name(), "day": sending.moment(asked.due_at), "path": reverse("people:data"),
    }  # fmt: skip
    key = f"user:{user.pk}"
    sending.send(to=user.email, template="erasure_requested", context=context, key=key, language=user.language)
    return asked


@transaction.atomic
def cancel_erasure(*, by: User) -> ErasureRequest:
    """Change one's mind. Raises Conflict when nothing waits."""
    asked = ErasureRequest.objects.select_for_update().filter(user=by, ended_at=None).first()
    if asked is None:
        raise Conflict(_("There is nothing to cancel."), code="nothing_asked")
    asked.ended_at = timezone.now()
    asked.save(update_fields=["ended_at"])
    trail.record(Event.USER_ERASURE_CANCELLED, by=by, target=by)
    return asked


@transaction.atomic
def erase(*, request: ErasureRequest, now: datetime) -> bool:
    """Remove a person's data as the holdings say, once the time has come; False when it was cancelled or done.

    What they had open is closed before (`leaving`), so that nobody waits for a pseudonym.
    What stays (signatures, decisions, dates, ledgers) names a pseudonym, and the audit trail still verifies. A last letter
    says that it is done (GDPR, article 12); once it has left, nothing holds the address.
    """
    asked = ErasureRequest.objects.select_for_update().filter(pk=request.pk, ended_at=None, due_at__lte=now).first()
    if asked is None:
        return False
    leaving.send(sender=User, user=User.objects.get(pk=asked.user_id))  # before the lock: others lock a person last
    user = User.objects.select_for_update().get(pk=asked.user_id)
    address, language = user.email, user.language
    asked.ended_at, asked.done = now, True
    asked.save(update_fields=["ended_at", "done"])
    _remove(user)
    context = {"name": "", "day": sending.moment(now), "path": reverse("people:help")}
    key = f"user:{user.pk}"
    sending.send(to=address, template="erasure_done", context=context, key=key, language=language, parting=True)
    return True


@transaction.atomic
def erase_now(*, user: User) -> None:
    """Erase a sign-up that was never finished, and whose address has turned out to be another's."""
    leaving.send(sender=User, user=user)
    locked = User.objects.select_for_update().get(pk=user.pk)
    now = timezone.now()
    ErasureRequest.objects.create(user=locked, requested_at=now, due_at=now, ended_at=now, done=True)
    _remove(locked)


def _remove(user: User) -> None:
    user.is_active = False
    user.set_unusable_password()
    user.save(update_fields=["is_active", "password"])
    bump_user(user)
    trail.record(Event.USER_ERASED, by=None, target=user, rows=_erase_rows(user))


def _erase_rows(user: User) -> dict[str, int]:
    """Rows changed or removed, by model. All are found before the first is touched: addresses lead to some of them."""
    found = [(holding, list(holding.rows(user).values_list("pk", flat=True))) for holding in privacy.holdings()]
    done: dict[str, int] = {}
    for holding, keys in found:
        rows = holding.manager().filter(pk__in=keys)
        if not keys or not (holding.erased or holding.deletes):
            continue
        if holding.eraser:
            done[holding.model] = holding.eraser(user)
        elif holding.deletes:
            done[holding.model] = rows.delete()[0]
        else:
            done[holding.model] = rows.update(**{name: _value(value, user) for name, value in holding.erased.items()})
    return done


def _value(value: object, user: User) -> object:
    return value(user) if callable(value) else value


def purge(now: datetime) -> dict[str, int]:
    """Delete what is past its time, table by table; returns the rows that went. Safe to run twice."""
    gone: dict[str, int] = {}

    def clear(holding: privacy.Holding) -> int:
        rows = holding.manager().filter(**{f"{holding.purge}__lt": now - holding.age})
        gone[holding.model] = rows.delete()[0]
        return gone[holding.model]

    sweep((holding for holding in privacy.holdings() if holding.purge), clear)
    return gone
