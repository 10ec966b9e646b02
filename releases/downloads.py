"""The only door to bytes: decide, write the ledger, and only then make a link."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, Final

from django.conf import settings
from django.db import IntegrityError, connection, transaction
from django.utils.translation import gettext as _

from portal.errors import NotAllowed, NotFound, Reason
from portal.people.models import User
from portal.prepared import Rows
from portal.tokens.models import AccessToken
from releases import egress, formats, partitions, policy
from releases.models import BlobState, Download, File
from releases.permits import RANGE
from releases.storage import MAX_TTL_S, store

PUBLIC: Final = frozenset({"README.md", "DATACARD.md", "LICENSE", "LICENSE.md", "LICENSE.txt"})
"""Files that anyone who may see a model may read, gated or not: what it is, and on what terms."""
_LEDGER: Final = Rows(Download)


@dataclass(frozen=True, slots=True)
class Link:
    """A URL that gets one file until `expires_at`; absolute, or relative to our origin."""

    url: str
    expires_at: datetime


def authorize(
    *, file: File, by: User | None, token: AccessToken | None, now: datetime, wanted: str = "", client: str = "",
    facts: policy.Facts | None = None, capped: bool = True,
) -> Link:  # fmt: skip
    """A link to the file's bytes, once its row of the ledger is committed.

    `token` is None in a browser session; `wanted` is the Range asked for, `client` the User-Agent; `facts` came with the
    file, and `capped` False says that no daily cap stands at its gate. Raises NotSignedIn, NotAllowed, or TooMany over the grant's daily cap. Must not run inside a transaction: a row
    that may still be rolled back is no record.
    """
    ends_at = now + timedelta(seconds=min(settings.DOWNLOAD_LINK_S, MAX_TTL_S))
    limit = _enter(file, by, token, now, ends_at, wanted, client, facts, capped=capped)
    span = wanted[:200] if limit is not None and RANGE.fullmatch(wanted[:200].replace(" ", "")) else ""
    url = store().link(
        file.sha256,
        name=file.name,
        content_type=formats.media_type(file.path),
        ttl_s=settings.DOWNLOAD_LINK_S,
        span=span,
    )
    return Link(url, ends_at)


def read(
    *, file: File, by: User | None, token: AccessToken | None, now: datetime, client: str = "",
    facts: policy.Facts | None = None, capped: bool = True,
) -> bytes:  # fmt: skip
    """The bytes themselves of a small file, for an answer that carries many: under the same conditions, with the same row."""
    _enter(file, by, token, now, now, "", client, facts, capped=capped)
    try:
        with store().open(file.sha256) as source:
            return source.read()
    except FileNotFoundError as fault:
        raise NotFound(_("The store lacks %(path)s. Tell the lab.") % {"path": file.path}, code="no_file") from fault


def _enter(
    file: File, by: User | None, token: AccessToken | None, now: datetime, ends_at: datetime, wanted: str, client: str,
    facts: policy.Facts | None, *, capped: bool,
) -> int | None:  # fmt: skip
    """Decide, and commit the row of the ledger; returns the grant's daily cap in bytes, where one stands."""
    allowed = check(file=file, by=by, token=token, now=now, facts=facts)
    cap = egress.cap_of(allowed.grant, file.revision.model.gate_id) if allowed.grant and capped else None
    limit = cap.bytes if cap else None
    _record(_row(file, by, token, now, allowed.grant, ends_at, wanted, client), limit)
    return limit


def check(
    *, file: File, by: User | None, token: AccessToken | None, now: datetime, facts: policy.Facts | None = None
) -> policy.Allow:
    """What authorize() asks before it writes; raises NotSignedIn or NotAllowed, for what is quarantined too."""
    allowed = policy.require(
        person=by,
        scopes=frozenset(token.scopes) if token and capability(file.path) != policy.VIEW else None,
        model=file.revision.model,
        revision=file.revision,
        capability=capability(file.path),
        now=now,
        facts=facts,
    )
    if file.blob.state == BlobState.QUARANTINED:
        said = (
            _("The store’s copy of %(path)s is not as it was published, and is not given out. Its lab knows.")
            if file.revision.is_public
            else _("%(path)s was refused by the check, and is given to nobody.")
        )
        text = said % {"path": file.path}
        raise NotAllowed(text, code="quarantined", reasons=[Reason("quarantined", text)])
    return allowed


def capability(path: str) -> str:
    """What reading this path asks for."""
    return policy.VIEW if path in PUBLIC else policy.DOWNLOAD


def _row(
    file: File,
    by: User | None,
    token: AccessToken | None,
    now: datetime,
    grant: str,
    ends_at: datetime,
    wanted: str,
    client: str,
) -> dict[str, Any]:
    model = file.revision.model
    return {
        "at": now,
        "user_id": str(by.pk) if by else "",
        "token_id": str(token.pk) if token else "",
        "lab": model.lab.slug,
        "model": model.full_name,
        "commit": file.revision.commit,
        "path": file.path,
        "sha256": file.sha256,
        "size": file.size,
        "gate": model.gate.slug if model.gate else "",
        "grant_id": grant,
        "wanted": wanted[:200],
        "client": client[:300],
        "link_ends_at": ends_at,
    }


def _record(row: dict[str, Any], cap: int | None) -> None:
    """Commit the row; when the month has no partition yet (the maker did not run), make it and try once more."""
    try:
        _insert(row, cap)
    except IntegrityError as error:
        if "no partition of relation" not in str(error):
            raise
        partitions.ensure(row["at"].date())
        _insert(row, cap)


def _insert(row: dict[str, Any], cap: int | None) -> None:
    if cap is None and connection.get_autocommit():
        _LEDGER.insert(**row)  # one statement commits by itself
        return
    with transaction.atomic(durable=True):
        if cap is not None:
            egress.require_room(Download(**row), cap)
        _LEDGER.insert(**row)
