"""What a check refused leaves by no door of the running portal, whoever asks."""

from __future__ import annotations

import io
from pathlib import Path

import pytest

from portal.tokens.scopes import Kind
from releases import actions, git
from releases.models import Blob, BlobState
from releases.storage import store
from tests.contract.hub import Hub
from tests.contract.test_hub_wire import ask, bearer
from tests.releases import hostile


@pytest.mark.parametrize("name", ["notes.txt", "README.md", "model.pt"])
def test_a_refused_file_is_given_to_nobody(hub: Hub, tmp_path: Path, name: str) -> None:
    content = hostile.pickles(f"touch {tmp_path / 'ran'}")["GLOBAL and REDUCE"]
    sha256, size = store().put(io.BytesIO(content))
    file = actions.NewFile(name, size, sha256, git.blob_id(content), lfs=False)
    model, manager = hub.open, hub.world.manager
    draft = actions.amend(model=model, branch="main", change=actions.Change(files=[file]), by=manager, message="Bad")
    target = f"/lyceum/open/resolve/{draft.commit}/{name}"
    publisher = bearer(hub.token(manager, Kind.PUBLISH))
    status, told, _ = ask(hub.url, target, **publisher)
    assert (status, told["location"][:7]) == (302, "/blobs/"), "before the check its publisher may fetch it"

    assert actions.check(revision=draft, by=manager).findings
    assert Blob.objects.get(pk=sha256).state == BlobState.QUARANTINED
    for headers in ({}, bearer(hub.token(hub.stranger)), bearer(hub.token(manager)), publisher):
        for method in ("GET", "HEAD"):
            status, told, _ = ask(hub.url, target, method, **headers)
            assert status in {401, 403, 404}, (method, headers)
            assert "location" not in told
    assert "given to nobody" in ask(hub.url, target, **publisher)[1]["x-error-message"]
    assert ask(hub.url, f"/blobs/{sha256}")[0] == 403, "the object's own name is no link"
    good = f"/lyceum/open/resolve/{draft.commit}/config.json"
    assert ask(hub.url, good, **publisher)[0] == 302, "the files beside it stay"
    assert not (tmp_path / "ran").exists()
