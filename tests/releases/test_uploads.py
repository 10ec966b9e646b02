"""How an upload ends: what came is kept once, by whichever call was first, and nothing of it stays in staging."""

from __future__ import annotations

import errno
import hashlib
import io
import tempfile
from collections.abc import Iterator
from contextlib import closing, contextmanager
from datetime import timedelta
from pathlib import Path
from typing import Any

import psycopg2
import pytest
from django.conf import settings
from django.db import connection
from django.utils import timezone

from portal.errors import Conflict, NotAllowed, Unavailable
from portal.people.models import User
from releases import actions
from releases.actions import uploading
from releases.lifecycle import State
from releases.models import Model, Upload
from releases.permits import staged
from releases.proofs import bom
from releases.storage import Away, store
from releases.storage.drawer import drawer
from tests.portal import world

BODY = b"weights" * 1000
DIGEST = hashlib.sha256(BODY).hexdigest()


@pytest.fixture
def upload(lyceum: world.World, publish: Any) -> Upload:
    """A file that a manager has sent whole, and that nobody has completed."""
    mine: Model = publish(lyceum, "mine")
    begun = actions.begin_upload(model=mine, sha256=DIGEST, size=len(BODY), by=lyceum.manager)
    assert begun is not None
    staged(Path(settings.STORE_PATH), begun.upload.key).write_bytes(BODY)
    return begun.upload


def test_a_call_that_comes_second_is_told_what_the_first_one_kept(
    upload: Upload, monkeypatch: pytest.MonkeyPatch
) -> None:
    late = Upload.objects.get(pk=upload.pk)
    kept = actions.finish_upload(upload=upload, etags=())
    assert store().size(DIGEST) == len(BODY)

    def gone(*_args: Any, **_kwargs: Any) -> None:
        raise FileNotFoundError

    monkeypatch.setattr(store(), "finish", gone)
    assert actions.finish_upload(upload=late, etags=()) == kept


def test_a_call_before_the_last_part_is_told_to_send_it(upload: Upload, monkeypatch: pytest.MonkeyPatch) -> None:
    def gone(*_args: Any, **_kwargs: Any) -> None:
        raise FileNotFoundError

    monkeypatch.setattr(store(), "finish", gone)
    with pytest.raises(Conflict, match="Upload it again"):
        actions.finish_upload(upload=upload, etags=())


def test_what_came_leaves_staging_once_the_lab_has_it_and_not_before(
    upload: Upload, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Killed between the two, the same call goes on from what came: without it, nothing shows that it came."""
    seen: list[bool] = []
    monkeypatch.setattr(
        store(), "abandon", lambda *_of: seen.append(Upload.objects.filter(pk=upload.pk, blob=DIGEST).exists())
    )
    actions.finish_upload(upload=upload, etags=())
    assert seen == [True]


def test_a_store_that_is_away_costs_a_publisher_nothing_but_time(
    upload: Upload, monkeypatch: pytest.MonkeyPatch
) -> None:
    def away(*_args: Any, **_kwargs: Any) -> None:
        raise OSError("The store did not answer")

    with monkeypatch.context() as patch:
        patch.setattr(store(), "finish", away)
        with pytest.raises(Unavailable, match="what has arrived is kept") as told:
            actions.finish_upload(upload=upload, etags=())
    assert told.value.retry_after_s == 60
    assert actions.finish_upload(upload=upload, etags=()).pk == DIGEST


def sender(upload: Upload) -> User:
    assert upload.user
    return upload.user


@contextmanager
def read_by_another(upload: Upload) -> Iterator[None]:
    """As if another process read this file back."""
    with closing(other_connection()) as other, other.cursor() as cursor:
        name = f"upload {upload.model.lab_id} {upload.sha256}"
        cursor.execute("SELECT pg_advisory_lock(hashtextextended(%s, 0))", [name])
        yield


def other_connection() -> Any:
    kept = connection.settings_dict
    return psycopg2.connect(dbname=kept["NAME"], user=kept["USER"], host=kept["HOST"], port=kept["PORT"] or None)


def test_who_completes_what_another_call_reads_is_told_to_wait_and_sends_nothing_anew(
    upload: Upload, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A proxy has given up after a minute, and the client asks again: it must not be told that parts are missing."""
    monkeypatch.setattr(uploading, "PATIENCE_S", 0.3)
    with read_by_another(upload):
        with pytest.raises(Unavailable, match="nothing needs to be sent anew"):
            actions.finish_upload(upload=upload, etags=())
        with pytest.raises(Unavailable, match="nothing needs to be sent anew"):
            actions.begin_upload(model=upload.model, sha256=DIGEST, size=len(BODY), by=sender(upload))
    assert actions.finish_upload(upload=upload, etags=()).pk == DIGEST
    assert actions.begin_upload(model=upload.model, sha256=DIGEST, size=len(BODY), by=sender(upload)) is None


def test_nobody_waits_for_another_file(upload: Upload, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(uploading, "PATIENCE_S", 0.3)
    with read_by_another(upload):
        assert actions.begin_upload(model=upload.model, sha256="a" * 64, size=1, by=sender(upload))


def test_a_call_that_waited_takes_what_the_other_kept(upload: Upload, monkeypatch: pytest.MonkeyPatch) -> None:
    late = Upload.objects.get(pk=upload.pk)
    kept = actions.finish_upload(upload=upload, etags=())
    late.blob = None  # as it was when the call began
    monkeypatch.setattr(store(), "finish", lambda *_a, **_k: pytest.fail("it was read twice"))
    assert actions.finish_upload(upload=late, etags=()) == kept


def test_an_upload_that_is_dropped_while_a_call_waits_has_ended(upload: Upload) -> None:
    Upload.objects.filter(pk=upload.pk).delete()
    with pytest.raises(NotAllowed, match="has ended"):
        actions.finish_upload(upload=upload, etags=())


def test_the_sweep_leaves_an_upload_that_is_being_read_and_takes_it_afterwards(upload: Upload) -> None:
    Upload.objects.filter(pk=upload.pk).update(ends_at=timezone.now() - timedelta(minutes=1))
    with read_by_another(upload):
        assert actions.purge_uploads() == 0
        assert staged(Path(settings.STORE_PATH), upload.key).exists()
    assert actions.purge_uploads() == 1
    assert not staged(Path(settings.STORE_PATH), upload.key).exists()


def test_one_upload_that_cannot_be_dropped_holds_up_no_other(upload: Upload, monkeypatch: pytest.MonkeyPatch) -> None:
    begun = actions.begin_upload(model=upload.model, sha256="a" * 64, size=1, by=sender(upload))
    assert begun
    Upload.objects.update(ends_at=timezone.now() - timedelta(minutes=1))
    abandon, bad = store().abandon, begun.upload.key

    def refused(key: str, reference: str) -> None:
        if key == bad:
            raise Away(ValueError("refused"))
        abandon(key, reference)

    monkeypatch.setattr(store(), "abandon", refused)
    assert actions.purge_uploads() == 1
    assert list(Upload.objects.values_list("sha256", flat=True)) == ["a" * 64]


def test_what_cannot_be_cleared_away_does_not_undo_what_is_kept(
    upload: Upload, monkeypatch: pytest.MonkeyPatch
) -> None:
    def away(*_of: Any) -> None:
        raise Away(ValueError("not there"))

    monkeypatch.setattr(store(), "abandon", away)
    assert actions.finish_upload(upload=upload, etags=()).pk == DIGEST


def test_a_full_disk_is_told_as_such_and_not_as_a_fault_of_ours(
    upload: Upload, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(*_args: Any, **_kwargs: Any) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(tempfile, "NamedTemporaryFile", full)
    with pytest.raises(Unavailable, match="Try again in a minute"):
        store().put(io.BytesIO(b"a small file of a commit"))
    with pytest.raises(Unavailable, match="Try again in a minute"):
        drawer().put("0" * 32, io.BytesIO(b"an application's file"))


def test_a_fault_of_another_kind_is_not_taken_for_a_full_disk(upload: Upload, monkeypatch: pytest.MonkeyPatch) -> None:
    def refused(*_args: Any, **_kwargs: Any) -> None:
        raise OSError(errno.EMFILE, "Too many open files")

    monkeypatch.setattr(tempfile, "NamedTemporaryFile", refused)
    with pytest.raises(OSError, match="Too many") as told:
        store().put(io.BytesIO(b"a small file of a commit"))
    assert not isinstance(told.value, Unavailable)


def test_nothing_is_published_with_a_config_that_the_store_did_not_give(
    lyceum: world.World, publish: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What a revision's documents say is fixed and signed when it is published: an empty architecture would be for good."""
    model: Model = publish(lyceum, "mine", publish=False)
    revision = model.tip
    assert revision
    config, opened = revision.files.get(path="config.json").sha256, store().open

    def fails(digest: str) -> Any:
        if digest == config:
            raise Away(ValueError("not there"))
        return opened(digest)

    actions.check(revision=revision, by=lyceum.manager)
    with monkeypatch.context() as patch:
        patch.setattr(store(), "open", fails)
        with pytest.raises(Unavailable):
            actions.publish(revision=revision, by=lyceum.manager)
    revision.refresh_from_db()
    assert revision.state == State.CHECKED
    told = actions.publish(revision=revision, by=lyceum.manager).publication.described
    assert told == bom.described(revision)
