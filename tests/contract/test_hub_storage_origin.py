"""The store at an origin of its own: what the client shows there is the signed link, and nothing of who asks."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from releases.storage.local import LocalStore
from tests.contract import clients
from tests.contract import hub as hubs
from tests.contract.clients import Client
from tests.contract.hub import Hub


class Recording:
    """Passes everything on, and remembers what came with each request for an object."""

    def __init__(self, application: Any) -> None:
        self.application, self.seen = application, list[dict[str, str]]()

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        if scope["type"] == "http":
            self.seen.append({name.decode(): value.decode() for name, value in scope["headers"]})
        await self.application(scope, receive, send)


@pytest.mark.parametrize("host", ["127.0.0.1", "localhost"])
@pytest.mark.parametrize("line", ["0.36", "1.31", "2.x"])
def test_a_token_never_reaches_the_store(
    line: str, host: str, hub: Hub, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """On the portal's own host with another port, and on another host."""
    python = {"0.36": clients.oldest, "1.31": clients.installed, "2.x": clients.newest}[line]()
    recording, link = Recording(hubs.portal()), LocalStore.link
    with hubs.serving(recording) as address:
        elsewhere = address.replace("127.0.0.1", host)
        monkeypatch.setattr(LocalStore, "link", lambda self, sha256, **more: elsewhere + link(self, sha256, **more))
        holder = Client(python, tmp_path / "home", hub.url, hub.token(hub.researcher))
        done = holder.hf("download", "lyceum/gated", "--local-dir", str(tmp_path / "got"))
    assert done.returncode == 0, done.stderr
    assert clients.digests(tmp_path / "got") == clients.digests(hub.folder / "gated")
    assert len(recording.seen) >= len(clients.digests(hub.folder / "gated"))
    secrets = [headers for headers in recording.seen if "authorization" in headers or "cookie" in headers]
    assert not secrets
    assert holder.token not in str(recording.seen)
