"""How an upload ends: what came is kept once, by whichever call was first, and nothing of it stays in staging."""

from __future__ import annotations

import hashlib
from pathlib import Path
from typing import Any

import pytest

from portal.errors import Conflict, Unavailable
from releases import actions
from releases.models import Model, Upload
from releases.permits import staged
from releases.storage import store
from tests.portal import world

BODY = b"weights" * 1000
DIGEST = hashlib.sha256(BODY).hexdigest()


@pytest.fixture
def upload(lyceum: world.World, publish: Any, settings: Any) -> Upload:
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
