"""Tokens and files by the hundred thousand, written by COPY past no constraint, beside a small true model."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path
from uuid import uuid4

from django.db import connection, transaction
from django.utils import timezone

from portal.access.crowd.copying import copy
from portal.people.models import User
from portal.tokens import actions as tokens
from portal.tokens import secrets
from portal.tokens.models import AccessToken
from portal.tokens.scopes import KIND_SCOPES, Kind
from releases import actions
from releases.actions import NewFile
from releases.ingest import ingest
from releases.lifecycle import State
from releases.models import Blob, BlobState, File, Model, Revision
from tests.portal import world
from tests.releases.folders import model_folder

BATCH = 20_000


def lab(home: Path) -> tuple[world.World, User]:
    """A lab with an open and a gated model, and somebody who holds a grant."""
    made = world.build("lyceum")
    for name, gate in (("open", None), ("gated", made.gate)):
        model = actions.open_model(lab=made.lab, name=name, by=made.manager, gate=gate)
        ingest(model_folder(home / name), model=model, by=made.manager, publish=True)
    holder = world.person("Mara Lindqvist")
    made.granted(holder)
    return made, holder


def more_tokens(total: int, by: User) -> None:
    """Bring the number of live tokens to `total`, most of them one person's."""
    now, kind = timezone.now(), Kind.DOWNLOAD
    for numbers in _batches(AccessToken.objects.count(), total):
        rows = [
            AccessToken(
                id=uuid4(), user=by, kind=kind.value, label=f"bench {n}", digest=secrets.digest(f"bench {n}"), hint="wb_dl_0000",
                scopes=[scope.value for scope in KIND_SCOPES[kind]], created_at=now, expires_at=now + timedelta(days=90),
            )
            for n in numbers
        ]  # fmt: skip
        with transaction.atomic():
            copy(rows)


def more_files(total: int, of: world.World) -> Model:
    """A published model with this many files in folders of a thousand."""
    model = actions.open_model(lab=of.lab, name=f"files-{total}", by=of.manager)
    first = NewFile("0000/000000.txt", *_held(total, 0), lfs=False)
    with transaction.atomic():
        copy([Blob(sha256=first.sha256, size=first.size, state=BlobState.VERIFIED, arrived_at=timezone.now())])
    revision, _ = actions.commit(model=model, files=[first], by=of.manager, message="Many files")
    for numbers in _batches(1, total):
        with transaction.atomic():
            copy(list(_blobs(total, numbers)))
            copy(list(_files(total, numbers, revision)))
    folders = {f"{n:04d}": "0" * 40 for n in range((total + 999) // 1000)}
    now = timezone.now()
    Revision.objects.filter(pk=revision.pk).update(
        state=State.PUBLISHED.value, checked_at=now, published_at=now, folders=folders
    )
    Model.objects.filter(pk=model.pk).update(main=revision, opened_at=now)
    return model


def token_of(user: User) -> str:
    """A secret that downloads."""
    return tokens.issue(by=user, kind=Kind.DOWNLOAD, label=f"bench {uuid4()}")[1]


def analyze() -> None:
    """Have PostgreSQL count its tables and settle what was written."""
    with connection.cursor() as cursor:
        cursor.execute("VACUUM ANALYZE")


def _batches(start: int, stop: int) -> Iterator[range]:
    for first in range(start, stop, BATCH):
        yield range(first, min(first + BATCH, stop))


def _held(total: int, n: int) -> tuple[int, str, str]:
    name = f"bench {total} file {n}".encode()
    return 100, hashlib.sha256(name).hexdigest(), hashlib.sha1(name, usedforsecurity=False).hexdigest()


def _blobs(total: int, numbers: range) -> Iterator[Blob]:
    for n in numbers:
        yield Blob(sha256=_held(total, n)[1], size=100, state=BlobState.VERIFIED, arrived_at=timezone.now())


def _files(total: int, numbers: range, revision: Revision) -> Iterator[File]:
    for n in numbers:
        size, sha256, sha1 = _held(total, n)
        folder = f"{n // 1000:04d}"
        yield File(
            revision=revision,
            path=f"{folder}/{n:06d}.txt",
            folder=folder,
            size=size,
            sha1=sha1,
            lfs=False,
            blob_id=sha256,
        )
