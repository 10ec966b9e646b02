"""Every line of the client against the portal behind TLS, with a certificate of an authority of the lab's own."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from portal.tokens.scopes import Kind
from tests.contract import clients, tls
from tests.contract import hub as hubs
from tests.contract.clients import Client
from tests.contract.hub import Hub
from tests.releases.folders import model_folder

LINES = {"0.36": clients.oldest, "1.31": clients.installed, "2.x": clients.newest}


@pytest.fixture(scope="module")
def certificates(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    return tls.authority(tmp_path_factory.mktemp("authority"))


@pytest.fixture
def secure(
    portal_url: str, certificates: tuple[Path, Path], transactional_db: None, settings: Any, tmp_path: Path
) -> Iterator[Hub]:
    """A hub whose public address is https; what stands behind the edge speaks plainly."""
    with tls.edge(portal_url, certificates[1]) as url:
        settings.BASE_URL = url
        yield hubs.build(url, tmp_path / "published")


ALL = """
import hashlib, json, os, sys
from pathlib import Path
from huggingface_hub import HfApi, hf_hub_download, snapshot_download
asked, api = json.loads(sys.argv[1]), HfApi()
holder, publisher, stranger = asked["holder"], asked["publisher"], asked["stranger"]

def told(*names, token, **more):
    try:
        return hf_hub_download(*names, token=token, **more)
    except Exception as error:
        return type(error).__name__.removeprefix("Remote")

folder = Path(snapshot_download("lyceum/gated", token=holder, local_dir="got"))
files = [p for p in folder.rglob("*") if p.is_file() and ".cache" not in p.parts]
missing = told("lyceum/gated", "nothing.json", token=holder)
made = [str(api.create_repo("lyceum/mine", exist_ok=True, token=publisher)) for _ in range(2)]
sent = api.upload_folder(folder_path=asked["folder"], repo_id="lyceum/mine", token=publisher)
print(json.dumps({
    "whole": {str(p.relative_to(folder)): hashlib.sha256(p.read_bytes()).hexdigest() for p in files},
    "absent": [told(*names, token=token, **more) for names, token, more in (
        (("lyceum/nothing", "config.json"), holder, {}), (("lyceum/nothing", "config.json"), False, {}),
        (("lyceum/gated", "config.json"), holder, {"revision": "nowhere"}),
    )] + [missing],
    "remembered": [str(p.relative_to(os.environ["HF_HOME"])) for p in Path(os.environ["HF_HOME"]).rglob(".no_exist/*/*")],
    "gated": [told("lyceum/gated", "config.json", token=token) for token in (False, stranger)],
    "many": len(list(api.list_models(author="lyceum", token=publisher))),
    "made": made, "commit": sent.commit_url,
    "sent": sorted(api.list_repo_files("lyceum/mine", token=publisher)),
}))
"""


@pytest.mark.parametrize("line", LINES)
def test_reading_and_writing_and_each_kind_of_absence(
    line: str, secure: Hub, certificates: tuple[Path, Path], tmp_path: Path
) -> None:
    """1.31 and 2.x read SSL_CERT_FILE, 0.36 reads REQUESTS_CA_BUNDLE: docs/hub.md says to set both."""
    client = Client(LINES[line](), tmp_path / "home", secure.url)
    trusted = {"SSL_CERT_FILE": str(certificates[0]), "REQUESTS_CA_BUNDLE": str(certificates[0])}
    asked = {
        "holder": secure.token(secure.researcher),
        "stranger": secure.token(secure.stranger),
        "publisher": secure.token(secure.world.manager, Kind.PUBLISH),
        "folder": str(model_folder(tmp_path / "mine", seed=3)),
    }
    done = client.script(ALL, json.dumps(asked), HF_HUB_DISABLE_XET="1", **trusted)
    assert done.returncode == 0, done.stderr
    said = json.loads(done.stdout.splitlines()[-1])
    assert said["whole"] == clients.digests(secure.folder / "gated")
    assert said["absent"] == ["RepositoryNotFoundError"] * 2 + ["RevisionNotFoundError", "EntryNotFoundError"]
    (remembered,) = said["remembered"]
    assert remembered.endswith(f".no_exist/{secure.gated.main.commit}/nothing.json")
    assert said["gated"] == ["GatedRepoError"] * 2
    assert said["made"] == [f"{secure.url}/lyceum/mine"] * 2, "the address is the one that the client knows"
    assert said["commit"].startswith(f"{secure.url}/lyceum/mine/commit/")
    assert said["sent"] == sorted(clients.digests(Path(asked["folder"])))
    assert said["many"] == 3


@pytest.mark.parametrize("line", LINES)
def test_who_does_not_trust_the_authority_gets_nothing(line: str, secure: Hub, tmp_path: Path) -> None:
    client = Client(LINES[line](), tmp_path / "home", secure.url)
    done = client.script("from huggingface_hub import HfApi; HfApi().model_info('lyceum/open')")
    assert done.returncode != 0
    assert "CERTIFICATE_VERIFY_FAILED" in done.stderr
