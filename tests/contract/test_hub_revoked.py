"""Access is revoked while one command downloads the shards of a model: the next link is refused, and the old ones end."""

from __future__ import annotations

import asyncio
import json
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlsplit

import pytest
from django.db import connection

from portal.access import actions as access
from portal.access.models import Grant
from releases import actions
from releases.models import Download
from releases.permits import MAX_TTL_S, Permit
from tests.contract import clients, hub
from tests.contract.hub import Hub
from tests.contract.test_hub_wire import ask
from tests.releases.folders import model_folder, safetensors

SHARDS = 3


@dataclass
class Between:
    """Lets `then` happen once, when the first shard has been sent whole and before anything else is answered."""

    application: Any
    then: Callable[[], None] = lambda: None
    served: list[str] = field(default_factory=list)
    """Links to shards that were followed."""

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        query = scope.get("query_string", b"").decode()
        shard = scope["path"].startswith("/blobs/") and "of-0000" in query
        last: list[Any] = []

        async def held(message: Any) -> None:
            if shard and not self.served and message["type"] == "http.response.body" and not message.get("more_body"):
                last.append(message)
            else:
                await send(message)

        await self.application(scope, receive, held)
        if last:
            self.served.append(f"{scope['path']}?{query}")
            await asyncio.to_thread(self.then)
            await send(last[0])


def sharded(folder: Path) -> Path:
    """A model in three shards, with their index."""
    made = model_folder(folder, name="sharded")
    (made / "model.safetensors").unlink()
    names = {f"layers.{n}.weight": f"model-{n:05}-of-{SHARDS:05}.safetensors" for n in range(1, SHARDS + 1)}
    for n, (tensor, file) in enumerate(names.items(), start=1):
        (made / file).write_bytes(safetensors({tensor: ("F32", [250], bytes([n]) * 1000)}))
    index = {"metadata": {"total_size": 1000 * SHARDS}, "weight_map": names}
    (made / "model.safetensors.index.json").write_text(json.dumps(index))
    return made


@pytest.mark.usefixtures("portal_url")  # which ends the connections of a server's threads
@pytest.mark.parametrize("line", ["1.31", "2.x"])
def test_between_two_shards(line: str, transactional_db: None, settings: Any, tmp_path: Path) -> None:
    python = clients.installed() if line == "1.31" else clients.newest()
    between = Between(hub.portal())
    with hub.serving(between) as url:
        settings.BASE_URL = url
        world: Hub = hub.build(url, tmp_path / "published")
        model = hub.published(world.world, "sharded", sharded(tmp_path / "published" / "sharded"))
        actions.describe_model(model=model, by=world.world.manager, gate=world.world.gate)

        def revoke() -> None:
            grant = Grant.objects.get(user=world.researcher)
            access.revoke_grant(by=world.world.manager, grant=grant, reason="the weights were passed on")
            connection.close()

        between.then = revoke
        client = clients.Client(python, tmp_path / "home", url, world.token(world.researcher))
        done = client.hf("download", "lyceum/sharded", "--max-workers", "1", "--local-dir", str(tmp_path / "got"))
        assert done.returncode != 0
        assert "revoked" in " ".join((done.stdout + done.stderr).split())
        shards = set(Download.objects.filter(path__contains="-of-").values_list("path", flat=True))
        assert len(shards) == len(between.served) == 1, "no link after the revocation"
        assert {path.name for path in (tmp_path / "got").glob("model-*")} <= shards
        path, _, query = between.served[0].partition("?")
        expires = int(parse_qs(urlsplit(between.served[0]).query)["expires"][0])
        assert expires <= time.time() + MAX_TTL_S, "what was given before ends within two minutes"
        key = settings.BLOB_SIGNING_KEY.encode()
        assert Permit.read(path, query, key, now=expires - 1) is not None
        assert Permit.read(path, query, key, now=expires) is None
        status, said, _body = ask(
            url, "/lyceum/sharded/resolve/main/config.json", Authorization=f"Bearer {client.token}"
        )
        assert (status, said["x-error-code"]) == (403, "GatedRepo")


def test_the_demos_agreement_says_so() -> None:
    text = (clients.ROOT / "inference" / "demo" / "agreement.md").read_text(encoding="utf-8")
    assert f"for at most {MAX_TTL_S} seconds" in text
