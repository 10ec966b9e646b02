"""Large files on their way into the store, each sent by its publisher straight there and read back before it counts."""

from __future__ import annotations

import hashlib
import io
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from datetime import timedelta
from typing import Final

from django.db import transaction
from django.utils import timezone
from django.utils.formats import number_format
from django.utils.translation import gettext as _

from portal.errors import Conflict, Invalid, NotAllowed, Unavailable
from portal.people.models import Lab, User
from portal.postgres import locks
from portal.sweeps import sweep
from releases import formats, git
from releases.actions.committing import NewFile
from releases.actions.rights import require_open, require_staff, require_there
from releases.models import Blob, BlobState, Model, Upload
from releases.storage import Away, Mismatch, store

PART_BYTES: Final = 64 << 20
"""A part of a file; 50 GB make 746 of them, where S3 takes 10,000."""
EMPTY: Final = hashlib.sha256().hexdigest()
LIFE: Final = timedelta(hours=24)
"""Clients ask for every link of a session before the first byte moves."""
PATIENCE_S: Final = 45
"""How long a call waits for another that reads the same file back: less than the minute after which proxies give up."""


@dataclass(frozen=True, slots=True)
class Begun:
    """An upload and where its parts of `part_bytes` go, in order; one part when the file is no larger."""

    upload: Upload
    links: Sequence[str]
    part_bytes: int


@transaction.atomic
def begin_upload(*, model: Model, sha256: str, size: int, by: User, parted: bool = True) -> Begun | None:
    """Links for a file that the lab's publisher is to send, one if not `parted`; None when the lab has it already.

    Only what the lab itself holds counts: knowing a digest, which is public, gives nobody another lab's file. Raises
    Invalid for an impossible digest or size, Unavailable while an earlier upload of it is being read back, or the store
    is away.
    """
    require_open()
    require_staff(by, model.lab)
    require_there(model)
    if len(sha256) != 64 or set(sha256) - set("0123456789abcdef"):
        raise Invalid("An oid is a SHA-256 in 64 lower-case hex digits.")
    if not 0 < size <= formats.FILE_MAX:
        told = _("A file has between 1 and %(most)s bytes. Split larger ones into shards.")
        raise Invalid(told % {"most": number_format(formats.FILE_MAX, force_grouping=True)})
    if Upload.objects.filter(model__lab=model.lab, sha256=sha256, blob=None).exists():
        with _reading(model.lab, sha256):  # a client whose connection was cut in that time begins anew
            pass
    held = Blob.objects.of_lab(model.lab).filter(pk=sha256).first()
    if held is not None and held.size != size:
        raise Invalid(f"The object {sha256[:12]} has {held.size:,} bytes, not {size:,}.")
    if held is not None and _still_wanted(held):
        return None
    upload = Upload(model=model, user=by, sha256=sha256, size=size, ends_at=timezone.now() + LIFE)
    part_bytes = PART_BYTES if parted else size
    slots = store().begin(upload.key, size, part_bytes=part_bytes, ttl_s=int(LIFE.total_seconds()))
    upload.reference = slots.reference
    upload.save()
    return Begun(upload, slots.links, part_bytes)


def finish_upload(*, upload: Upload, etags: Sequence[str]) -> Blob:
    """Read back what came, and keep it if it is what was announced; may be repeated.

    Not one transaction: reading 50 GB takes its time. Raises Invalid when it is something else, Conflict when a part
    is missing, NotAllowed when the upload has ended or its publisher is one no longer, NotFound when the model was deleted,
    Unavailable while the store is away or another call reads it.
    """
    require_open()
    if upload.blob:
        return upload.blob
    if upload.ends_at <= timezone.now():
        raise NotAllowed(_("This upload has ended. Upload the file again."), code="upload_ended")
    if upload.user is None or not upload.user.is_active:
        raise NotAllowed(_("The account that began this upload is closed."), code="not_staff")
    require_staff(upload.user, upload.model.lab)
    require_there(upload.model)
    with _reading(upload.model.lab, upload.sha256):
        kept = Upload.objects.select_related("blob").filter(pk=upload.pk).first()
        if kept is None:
            raise NotAllowed(_("This upload has ended. Upload the file again."), code="upload_ended")
        if kept.blob:  # by the call that this one has waited for
            return kept.blob
        _read_back(upload, etags)
        blob = _arrived(upload)
    # Only now: killed before, the same call goes on from what came.
    with suppress(Away):  # what is left in staging is swept
        store().abandon(upload.key, upload.reference)
    return blob


def held_file(*, lab: Lab, path: str, sha256: str) -> NewFile:
    """The file of this name with an object that the lab has; how git names it is computed from what the store holds.

    Raises Invalid for an object that the lab did not upload: a digest alone is no right to a file.
    """
    if sha256 == EMPTY:
        store().put(io.BytesIO())
        return NewFile(path, 0, sha256, git.blob_id(b""), lfs=False)
    blob = Blob.objects.of_lab(lab).filter(pk=sha256).first()
    if blob is None:
        told = _("%(path)s (%(digest)s) was not uploaded. Upload it before the commit.")
        raise Invalid(told % {"path": path, "digest": sha256[:12]})
    if git.is_lfs(path, blob.size):
        return NewFile(path, blob.size, sha256, git.blob_id(git.pointer(sha256, blob.size)), lfs=True)
    with store().open(sha256) as source:
        return NewFile(path, blob.size, sha256, git.blob_id(source.read()), lfs=False)


@contextmanager
def _reading(lab: Lab, sha256: str) -> Iterator[None]:
    """Alone with this file of the lab. Raises Unavailable when somebody else is that for longer than one can wait."""
    with locks.alone(_name(lab, sha256), within_s=PATIENCE_S) as alone:
        if not alone:
            raise Unavailable(
                _(
                    "What has arrived of this file is being read back. Try again in a minute; nothing needs to be sent anew."
                ),
                retry_after_s=60,
                code="being_read",
            )
        yield


def _read_back(upload: Upload, etags: Sequence[str]) -> None:
    try:
        store().finish(upload.key, upload.reference, etags, sha256=upload.sha256, size=upload.size)
    except FileNotFoundError as fault:
        raise Conflict(_("Not every part of this file has arrived. Upload it again.")) from fault
    except OSError as fault:
        raise Unavailable(
            _("The store did not answer. Try again in a minute: what has arrived is kept."),
            retry_after_s=60,
            code="store_away",
        ) from fault
    except Mismatch as fault:
        told = _("What arrived is not the file that was announced: %(fault)s. Upload it again.")
        raise Invalid(told % {"fault": fault}) from fault


def _still_wanted(held: Blob) -> bool:
    """Keep it for as long as if it had just come: the commit that names it is on its way. False: it went this moment."""
    return bool(Blob.objects.filter(pk=held.pk).update(arrived_at=timezone.now()))


@transaction.atomic
def _arrived(upload: Upload) -> Blob:
    blob, _new = Blob.objects.get_or_create(
        sha256=upload.sha256,
        defaults={"size": upload.size, "state": BlobState.STAGED},
    )
    Upload.objects.filter(pk=upload.pk).update(blob=blob)
    return blob


def purge_uploads() -> int:
    """Drop uploads whose time is over before they became whole; how many there were."""
    ended = Upload.objects.filter(blob=None, ends_at__lt=timezone.now()).select_related("model__lab")
    return sweep(list(ended[:1000]), _purge)


def _purge(upload: Upload) -> int:
    """One of them, unless its last call came in time and is still being carried out."""
    with locks.alone(_name(upload.model.lab, upload.sha256)) as alone:
        if not alone:
            return 0
        store().abandon(upload.key, upload.reference)
        return Upload.objects.filter(pk=upload.pk, blob=None).delete()[0]


def _name(lab: Lab, sha256: str) -> str:
    return f"upload {lab.pk} {sha256}"
