"""A connection that breaks in the middle of a file: the unmodified client comes back, asks anew and goes on by Range."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from releases.models import Download
from tests.contract import clients, hub
from tests.contract.hub import Hub

SIZE = 12_000_000
"""Clients write 10 MiB at a time: what they have of a file when it breaks off is a multiple of that."""


class Cutting:
    """Breaks the first answer of the blob server that is longer than `after` bytes, there."""

    def __init__(self, application: Any, after: int) -> None:
        self.application, self.after, self.cut = application, after, False

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        sent = 0

        async def counted(message: Any) -> None:
            nonlocal sent
            sent += len(message.get("body", b""))
            if sent > self.after and not self.cut:
                self.cut = True
                raise ConnectionResetError("cut for the test")
            await send(message)

        if not scope["path"].startswith("/blobs/"):
            return await self.application(scope, receive, send)
        # Without the kernel's way of sending files, so that the bytes come past here.
        return await self.application(scope | {"extensions": {}}, receive, counted)


RUNS = {"0.36": 2, "1.31": 1, "2.x": 1}
"""0.36 gives up at the break, and goes on when it is started again; the later ones come back by themselves."""
LINES = {"0.36": clients.oldest, "1.31": clients.installed, "2.x": clients.newest}


@pytest.mark.usefixtures("portal_url")  # which ends the connections of a server's threads
@pytest.mark.parametrize("line", LINES)
def test_a_download_that_was_cut_goes_on_where_it_was(
    line: str, transactional_db: None, settings: Any, tmp_path: Path
) -> None:
    python = LINES[line]()
    cutting = Cutting(hub.portal(), 11_000_000)
    with hub.serving(cutting) as url:
        settings.BASE_URL = url
        world: Hub = hub.build(url, tmp_path / "published")
        hub.published(world.world, "large", hub.model_folder(tmp_path / "published" / "large", elements=SIZE // 4))
        client = clients.Client(python, tmp_path / "home", url, world.token(world.stranger))
        runs = [client.hf("download", "lyceum/large", "--local-dir", str(tmp_path / "got")) for _ in range(RUNS[line])]
    assert runs[-1].returncode == 0, runs[-1].stderr
    assert all(run.returncode for run in runs[:-1])
    assert cutting.cut
    assert clients.digests(tmp_path / "got") == clients.digests(world.folder / "large")
    asked = list(
        Download.objects.filter(path="model.safetensors", model="lyceum/large")
        .order_by("at")
        .values_list("wanted", flat=True)
    )
    assert asked[0] == ""
    assert asked[1:] == ["bytes=10485760-"], "a fresh link from us, for what is missing"
