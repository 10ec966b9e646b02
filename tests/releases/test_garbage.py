"""Garbage: what nothing needs goes, after a grace; what somebody is about to need stays."""

from __future__ import annotations

import hashlib
import io
import os
import threading
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from django.conf import settings
from django.core.management import CommandError, call_command
from django.db import connection, transaction
from django.utils import timezone

from portal.audit.models import Entry
from portal.errors import Conflict
from releases import actions, git
from releases.actions import NewFile, collecting
from releases.models import Blob, File, Model, Upload
from releases.permits import place
from releases.storage import store
from tests.portal import world
from tests.releases.conftest import Publish

OLD = timedelta(days=8)


def orphan(body: bytes, *, age: timedelta = OLD) -> str:
    """An object with its row, and no file that names it."""
    sha256, size = store().put(io.BytesIO(body))
    Blob.objects.create(sha256=sha256, size=size, arrived_at=timezone.now() - age)
    return sha256


def file_of(body: bytes, path: str = "extra.txt") -> NewFile:
    return NewFile(path, len(body), hashlib.sha256(body).hexdigest(), git.blob_id(body), lfs=False)


def held(sha256: str) -> tuple[bool, bool]:
    """Whether there is a row, and an object."""
    return Blob.objects.filter(pk=sha256).exists(), store().size(sha256) is not None


@pytest.mark.django_db
def test_what_nothing_needs_goes_and_all_else_stays(lyceum: world.World, publish: Publish) -> None:
    model = publish(lyceum, "one")
    Blob.objects.update(arrived_at=timezone.now() - timedelta(days=400))
    old, young = orphan(b"old and alone"), orphan(b"young and alone", age=timedelta(days=6))
    announced = orphan(b"somebody sends it again")
    Upload.objects.create(model=model, sha256=announced, size=1, ends_at=timezone.now() + timedelta(hours=1))
    dry = actions.collect_garbage(dry_run=True)
    assert (dry.objects, dry.bytes) == (1, len(b"old and alone"))
    assert held(old) == (True, True), "a dry run removes nothing"
    done = actions.collect_garbage()
    assert (done.objects, done.bytes) == (dry.objects, dry.bytes)
    assert held(old) == (False, False)
    assert held(young) == held(announced) == (True, True)
    for blob_id in File.objects.values_list("blob", flat=True):
        assert held(blob_id) == (True, True)
    assert actions.collect_garbage().objects == 0, "twice is once"
    assert Entry.objects.filter(event="garbage.collected").first().data["objects"] in {0, 1}


def stray(body: bytes, *, age: timedelta = OLD) -> str:
    """An object of the store that no row knows of."""
    sha256, _size = store().put(io.BytesIO(body))
    came = (timezone.now() - age).timestamp()
    os.utime(place(Path(settings.STORE_PATH), sha256), (came, came))
    return sha256


@pytest.mark.django_db
def test_objects_that_the_database_does_not_know_go_too_when_nothing_has_named_them_since(
    lyceum: world.World, publish: Publish, capsys: Any
) -> None:
    """An earlier copy of the database knows nothing of what was released since: that was gone with the next Sunday."""
    model = publish(lyceum, "one")
    old, young = stray(b"a run was killed"), stray(b"a run goes on", age=timedelta(hours=6))
    since = stray(b"released after the copy", age=timedelta(days=2))
    announced = stray(b"somebody sends it once more")
    Upload.objects.create(model=model, sha256=announced, size=1, ends_at=timezone.now() + timedelta(hours=1))
    rows = Blob.objects.count()
    dry = actions.collect_garbage(dry_run=True)
    assert (dry.objects, dry.unknown) == (0, 3)
    assert (held(old), Blob.objects.count()) == ((False, True), rows), "a dry run removes nothing and writes nothing"
    call_command("collect_garbage")
    assert "3 objects had no row in the database" in capsys.readouterr().out
    assert held(old) == held(since) == (True, True), "an operator has a week to bring back what it belongs to"
    assert (actions.collect_garbage().unknown, held(young)) == (0, (False, True))
    Blob.objects.filter(pk__in=[old, announced]).update(arrived_at=timezone.now() - OLD)
    assert actions.collect_garbage().objects == 1
    assert held(old) == (False, False)
    assert [held(kept)[1] for kept in (young, announced)] == [True, True]
    assert actions.collect_garbage().objects == 0, "twice is once"
    for sha256 in (young, since, announced):
        store().delete(sha256)


@pytest.mark.django_db
def test_the_command_counts_first_and_takes_no_short_grace(db: None, capsys: Any) -> None:
    sha256 = orphan(b"alone", age=timedelta(days=3))
    call_command("collect_garbage", "--dry-run", "--grace", "2d")
    assert "Would remove 1 objects, 5 bytes." in capsys.readouterr().out
    call_command("collect_garbage")
    assert held(sha256) == (True, True), "the grace is a week unless one says otherwise"
    with pytest.raises(CommandError, match="at least one"):
        call_command("collect_garbage", "--grace", "0d")
    call_command("collect_garbage", "--grace", "2d")
    assert held(sha256) == (False, False)


@pytest.mark.django_db
def test_remains_in_staging_go_and_an_upload_under_way_stays(settings: Any) -> None:
    folder = Path(settings.STORE_PATH) / "staging"
    store().begin("f" * 32, 100, part_bytes=100, ttl_s=60)
    (folder / "killed-copy").write_bytes(b"x" * 10)
    long_ago = (timezone.now() - OLD).timestamp()
    os.utime(folder / "killed-copy", (long_ago, long_ago))
    assert actions.collect_garbage(dry_run=True).staged == 1
    assert (folder / "killed-copy").exists()
    assert actions.collect_garbage().staged == 1
    assert not (folder / "killed-copy").exists()
    assert (folder / "uploads" / ("f" * 32)).exists()
    store().abandon("f" * 32, "")


def commit(model: Model, by: Any, body: bytes) -> None:
    kept = actions.files_of(actions.head_of(model, "main"))
    actions.commit(model=model, files=[*kept.values(), file_of(body)], by=by, message="again")


@pytest.mark.django_db(transaction=True)
def test_a_commit_that_comes_first_keeps_the_object(lyceum: world.World, publish: Publish) -> None:
    """The collector runs while a commit that names the digest is open on another connection."""
    model, body = publish(lyceum, "one"), b"needed once more"
    sha256, named, collected = orphan(body), threading.Event(), threading.Event()

    def publisher() -> None:
        try:
            with transaction.atomic():
                commit(model, lyceum.manager, body)
                named.set()
                assert collected.wait(30)
        finally:
            connection.close()

    thread = threading.Thread(target=publisher)
    thread.start()
    assert named.wait(30)
    try:
        assert actions.collect_garbage().objects == 0
    finally:
        collected.set()
        thread.join(30)
    assert held(sha256) == (True, True)
    assert File.objects.filter(blob=sha256).count() == 1
    assert actions.collect_garbage().objects == 0


@pytest.mark.django_db(transaction=True)
def test_a_commit_that_comes_second_is_told_to_store_it_again(
    lyceum: world.World, publish: Publish, monkeypatch: Any
) -> None:
    """The commit names the digest while the collector holds its row and the bytes go."""
    model, body = publish(lyceum, "one"), b"needed once more"
    sha256, said, removing = orphan(body), [], threading.Event()
    delete = type(store()).delete

    def publisher() -> None:
        try:
            assert removing.wait(30)
            commit(model, lyceum.manager, body)
        except Conflict as error:
            said.append(error.message)
        finally:
            connection.close()

    thread = threading.Thread(target=publisher)

    def slowly(self: Any, name: str) -> None:
        removing.set()
        waiting = "SELECT 1 FROM pg_stat_activity WHERE wait_event_type = 'Lock' AND query LIKE '%%FOR KEY SHARE%%'"
        with connection.cursor() as cursor:
            for _ in range(3_000):
                cursor.execute("SELECT pg_stat_clear_snapshot(), pg_sleep(0.01)")
                cursor.execute(waiting)
                if cursor.fetchone():
                    break
            else:
                pytest.fail("the commit did not wait for the collector")
        delete(self, name)

    monkeypatch.setattr(type(store()), "delete", slowly)
    thread.start()
    assert actions.collect_garbage().objects == 1
    thread.join(30)
    assert "Store it again" in said[0]
    assert held(sha256) == (False, False)
    assert not File.objects.filter(blob=sha256).exists()


@pytest.mark.django_db
def test_a_row_that_is_named_meanwhile_is_looked_at_again(lyceum: world.World, publish: Publish) -> None:
    """It was garbage when the list was made; by the time its turn comes, a draft has it."""
    model, body = publish(lyceum, "one"), b"listed, then named"
    sha256 = orphan(body)
    commit(model, lyceum.manager, body)
    assert collecting._remove(sha256, timezone.now()) is False
    assert held(sha256) == (True, True)


@pytest.mark.django_db
def test_the_files_of_a_model_that_its_lab_deleted_go_after_the_grace(lyceum: world.World, publish: Publish) -> None:
    """Never published, so nobody can name them any more; its revisions stay, as the history of a name that is taken."""
    kept, body = publish(lyceum, "kept"), b"weights that nobody will see"
    gone = actions.open_model(lab=lyceum.lab, name="gone", by=lyceum.manager)
    draft = actions.begin(model=gone, by=lyceum.manager)
    sha256 = orphan(body)
    actions.commit(model=gone, files=[file_of(body)], by=lyceum.manager, message="weights")
    actions.delete_model(model=gone, by=lyceum.manager)
    assert actions.collect_garbage().objects == 0, "a week in which the operator can bring it back"
    Model.objects.filter(pk=gone.pk).update(withdrawn_at=timezone.now() - OLD)
    assert actions.collect_garbage(dry_run=True).objects == 1
    assert held(sha256) == (True, True), "counted, not done"
    assert actions.collect_garbage().objects == 1
    assert held(sha256) == (False, False)
    assert gone.revisions.count() == 2
    assert draft
    assert kept.revisions.filter(files__isnull=False).exists()


@pytest.mark.django_db
def test_what_a_lab_is_told_it_has_stays_until_it_has_committed_it(lyceum: world.World, publish: Publish) -> None:
    """Uploaded long ago and never named: between the answer "you have it" and the commit, the collector must not come."""
    model, body = publish(lyceum, "one"), b"uploaded long ago"
    sha256 = orphan(body)
    long_ago = timezone.now() - OLD
    Upload.objects.create(
        model=model, user=lyceum.manager, sha256=sha256, size=len(body), blob_id=sha256, ends_at=long_ago
    )
    assert actions.collect_garbage(dry_run=True).objects == 1
    assert actions.begin_upload(model=model, sha256=sha256, size=len(body), by=lyceum.manager) is None
    assert actions.collect_garbage().objects == 0
    assert held(sha256) == (True, True)
