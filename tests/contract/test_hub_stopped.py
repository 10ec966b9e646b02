"""What was stopped or is not open yet, as the unmodified clients see it, with our reason where they still show one."""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path

import pytest
from django.utils import timezone

from releases import actions
from releases.ingest import ingest
from tests.contract import clients
from tests.contract.clients import Client
from tests.contract.hub import Hub
from tests.contract.test_hub_download import ERROR
from tests.contract.test_hub_wire import FILE, ask, bearer
from tests.releases.folders import model_folder

SAID = """
import sys
from huggingface_hub import HfApi, hf_hub_download
from huggingface_hub.errors import DisabledRepoError, HfHubHTTPError, LocalEntryNotFoundError
try:
    HfApi().auth_check("lyceum/open")
except DisabledRepoError as error:
    print("check", error.response.status_code, error.server_message.replace(chr(10), " | "))
try:
    hf_hub_download("lyceum/open", "model.safetensors")
except LocalEntryNotFoundError as error:
    print("download", type(error.__cause__).__name__)
except DisabledRepoError as error:
    print("download", type(error).__name__)
print("info", HfApi().model_info("lyceum/open").disabled)
print("card", open(hf_hub_download("lyceum/open", "README.md")).read()[:3])
"""


@pytest.fixture(params=["1.31", "2.x"])
def client(request: pytest.FixtureRequest, hub: Hub, tmp_path: Path) -> Client:
    python = clients.installed() if request.param == "1.31" else clients.newest()
    return Client(python, tmp_path / "home", hub.url)


def test_the_client_meets_a_disabled_repository_and_tells_our_reason(hub: Hub, client: Client) -> None:
    stop = actions.stop_release(
        subject=hub.open, by=hub.world.manager, reason="The tokenizer leaks.", instead="lyceum/gated"
    )
    done = client.holding(hub.token(hub.researcher)).script(SAID)
    told = "lyceum/open is stopped. Use lyceum/gated instead. The reason: The tokenizer leaks."
    assert done.stdout.splitlines() == [
        f"check 403 Access to this resource is disabled. | {told}", "download DisabledRepoError", "info True", "card ---",
    ]  # fmt: skip
    assert "The tokenizer leaks." in done.stderr, "a download shows the warning alone"
    actions.lift_stop(stop=stop, by=hub.world.manager)
    assert client.hf("download", "lyceum/open", "config.json").returncode == 0


def test_an_announced_model_is_unknown_to_the_client_which_is_told_when_it_opens(
    hub: Hub, client: Client, tmp_path: Path
) -> None:
    model = actions.open_model(lab=hub.world.lab, name="soon", by=hub.world.manager)
    draft = ingest(
        model_folder(tmp_path / "soon", name="soon", seed=9), model=model, by=hub.world.manager, publish=False
    )
    opens_at = timezone.now() + timedelta(days=3)
    actions.plan_opening(revision=draft, by=hub.world.manager, opens_at=opens_at, announced=True)
    told = f"lyceum/soon is not open yet. It opens on {opens_at:%Y-%m-%d at %H:%M} UTC."
    for asker in (client, client.holding(hub.token(hub.researcher))):
        done = asker.script(ERROR, "lyceum/soon", "config.json")
        assert done.stdout.startswith("RepositoryNotFoundError")
        assert told in done.stdout
        assert told in done.stderr, "the command shows the warning alone"


@pytest.mark.parametrize("method", ["HEAD", "GET"])
def test_a_stopped_file_is_refused_alike_to_everybody(hub: Hub, method: str) -> None:
    actions.stop_release(subject=hub.gated.main, by=hub.world.manager, reason="A “wrong” file.")
    for user in (None, hub.stranger, hub.world.manager):
        status, said, _body = ask(hub.url, FILE, method, **(bearer(hub.token(user)) if user else {}))
        assert (status, said["x-error-message"]) == (403, "Access to this resource is disabled.")
        assert "x-error-code" not in said
        assert 'stopped; lyceum/gated is stopped. The reason: A "wrong" file.' in said["x-hf-warning"]
    assert ask(hub.url, FILE.replace("model.safetensors", "README.md"), method)[0] in {200, 302}
