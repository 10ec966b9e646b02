"""An HF_ENDPOINT with a path: the hub has none, and every line of the client prints what to set instead."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from portal.tokens.scopes import Kind
from releases import actions
from tests.contract import clients
from tests.contract.clients import Client
from tests.contract.hub import Hub
from tests.contract.test_hub_wire import ask

LINES = {"0.36": clients.oldest, "1.31": clients.installed, "2.x": clients.newest}
ALL = """
import json
from huggingface_hub import HfApi, hf_hub_download, snapshot_download
api = HfApi()

def told(call, *given):
    try:
        return "ok: " + str(call(*given))
    except Exception as error:
        return str(error)

print(json.dumps([
    told(hf_hub_download, "lyceum/open", "config.json"), told(snapshot_download, "lyceum/open"),
    told(api.model_info, "lyceum/open"), told(api.create_repo, "lyceum/mine"),
]))
"""


@pytest.mark.parametrize("line", LINES)
def test_it_is_refused_with_the_address_to_set(line: str, hub: Hub, tmp_path: Path) -> None:
    secret = hub.token(hub.world.manager, Kind.PUBLISH)
    client = Client(LINES[line](), tmp_path / "home", f"{hub.url}/hub", secret)
    done = client.script(ALL)
    assert done.returncode == 0, done.stderr
    answers = json.loads(done.stdout.splitlines()[-1])
    for said in answers:
        assert f"HF_ENDPOINT={hub.url} " in said, answers


def test_a_model_called_api_keeps_its_pages(hub: Hub) -> None:
    actions.rename_model(model=hub.open, lab=hub.world.lab, name="api", by=hub.world.manager)
    assert ask(hub.url, "/lyceum/api/tree/main")[0] == 200
    assert ask(hub.url, "/api/models/lyceum/api/revision/main")[0] == 200
    assert ask(hub.url, "/lyceum/api/resolve/main/config.json", "HEAD")[0] == 200
    assert ask(hub.url, "/hub/lyceum/api/resolve/main/config.json", "HEAD")[0] == 401
