"""Every line of the client, with hf_xet and without: one process reads all there is to read, one writes.

What differs between the lines is in the tests of each subject; here is what must not.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from portal.tokens.scopes import Kind
from releases import actions, git
from releases.actions import NewFile, uploading
from releases.ingest import ingest
from releases.models import Model, RefKind
from releases.permits import place
from tests import leftovers
from tests.contract import clients
from tests.contract import hub as hubs
from tests.contract.clients import Client
from tests.contract.hub import Hub
from tests.releases.folders import model_folder

pytestmark = pytest.mark.xdist_group("hub-clients")

PLAIN = {"HF_HUB_DISABLE_XET": "1"}
LINES: dict[str, tuple[Any, dict[str, str]]] = {
    "0.36": (clients.oldest, {}),
    "0.36 plain": (clients.oldest, PLAIN),
    "1.31": (clients.installed, {}),
    "1.31 without hf_xet": (clients.without_xet, {}),
    "2.x": (clients.newest, {}),
    "2.x plain": (clients.newest, PLAIN),
}
NAMES = ["a b.txt", "ünï/ç é.txt", "100%.txt", "a#b+c&d=e;f.txt", "%2F.txt", "日本語.txt", "it's.txt"]
HUGE, HUGE_SIZE = "e" * 64, 49_900_000_000


@pytest.fixture(scope="module")
def hub(
    portal_url: str, django_db_setup: None, django_db_blocker: Any, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Hub]:
    """One hub for the module: odd names on a branch, many files, a model that was renamed, a file of 49.9 GB."""
    from django.conf import settings

    with django_db_blocker.unblock():
        made = hubs.build(portal_url, tmp_path_factory.mktemp("published"))
        odd = hubs.published(made.world, "odd", model_folder(made.folder / "odd", **dict.fromkeys(NAMES, "odd")))
        actions.make_branch(model=odd, name="feat/x", revision=odd.main, by=made.world.manager)
        old = hubs.published(made.world, "before", model_folder(made.folder / "before", seed=8))
        actions.rename_model(model=old, lab=made.world.lab, name="after", by=made.world.manager)
        many(made)
        huge = huge_file(made, Path(settings.STORE_PATH))
        yield made
        huge.unlink()
        leftovers.empty()


def many(hub: Hub) -> None:
    """1,001 files and the folder that they lie in: one more than a page holds, twice."""
    folder = hub.folder / "many" / "part"
    folder.mkdir(parents=True)
    for n in range(1_001):
        (folder / f"{n:05d}.txt").write_text(str(n % 4 + 3))  # a pickle may begin with 0, 1 or 2
    model = actions.open_model(lab=hub.world.lab, name="many", by=hub.world.manager)
    ingest(folder.parent, model=model, by=hub.world.manager, publish=True)


def huge_file(hub: Hub, root: Path) -> Path:
    """A draft with a file of zeros that takes no room, and ten bytes at its end."""
    at = place(root, HUGE)
    at.parent.mkdir(parents=True, exist_ok=True)
    with at.open("wb") as file:
        file.seek(HUGE_SIZE - 10)
        file.write(b"0123456789")
    model = actions.open_model(lab=hub.world.lab, name="huge", by=hub.world.manager)
    sha1 = git.blob_id(git.pointer(HUGE, HUGE_SIZE))
    files = [NewFile("model.safetensors", HUGE_SIZE, HUGE, sha1, lfs=True)]
    actions.commit(model=model, files=files, by=hub.world.manager, message="Huge")
    return at


@pytest.fixture
def client(line: str, hub: Hub, tmp_path: Path) -> Client:
    return Client(LINES[line][0](), tmp_path / "home", hub.url)


READ = """
import hashlib, json, os, sys
from pathlib import Path
from huggingface_hub import HfApi, HfFileSystem, get_hf_file_metadata, hf_hub_download, hf_hub_url, snapshot_download
asked, api = json.loads(sys.argv[1]), HfApi()
holder, stranger, publisher = asked["holder"], asked["stranger"], asked["publisher"]

def told(call):
    try:
        call()
    except Exception as error:
        return type(error).__name__ + ": " + str(error)
    return "ok"

def whole(repository, **more):
    folder = Path(snapshot_download(repository, local_dir=repository.replace("/", "-"), **more))
    files = [p for p in folder.rglob("*") if p.is_file() and ".cache" not in p.parts]
    return {str(p.relative_to(folder)): hashlib.sha256(p.read_bytes()).hexdigest() for p in files}

def get(repository, path, token=False, **more):
    return lambda: hf_hub_download(repository, path, token=token, **more)

def end(repository, token, size):
    return HfFileSystem(token=token).cat_file(repository + "/model.safetensors", start=size - 10, end=size).decode("latin-1")

huge = get_hf_file_metadata(hf_hub_url("lyceum/huge", "model.safetensors"), token=publisher)
print(json.dumps({
    "whole": whole("lyceum/gated", token=holder),
    "odd": whole("lyceum/odd", revision="feat/x", token=False),
    "renamed": whole("lyceum/before", token=False),
    "renamed file": told(get("lyceum/before", "config.json", holder)),
    "anonymous": told(get("lyceum/gated", "config.json")),
    "stranger": told(get("lyceum/gated", "config.json", stranger)),
    "unknown to a stranger": told(get("lyceum/gated", "nothing.json", stranger)),
    "public": [told(get("lyceum/gated", path)) for path in ("README.md", "LICENSE")],
    "absent": [told(call) for call in (
        get("lyceum/nothing", "config.json", holder), get("lyceum/nothing", "config.json"), get("gpt2", "config.json", holder),
        get("lyceum/data", "x.csv", holder, repo_type="dataset"), get("lyceum/huge", "model.safetensors", stranger),
        get("lyceum/gated", "config.json", holder, revision="nowhere"), get("lyceum/gated", "nothing.json", holder),
    )],
    "many": len({entry.path for entry in api.list_repo_tree("lyceum/many", recursive=True)}),
    "huge": [huge.size, huge.etag, end("lyceum/huge", publisher, huge.size)],
    "who": api.whoami(token=holder)["name"],
    "nobody": told(lambda: api.whoami(token=holder[:-1] + ("a" if holder[-1] != "a" else "b"))),
}))
"""


@pytest.mark.parametrize("line", LINES)
def test_all_that_is_read(line: str, hub: Hub, client: Client) -> None:
    asked = {
        "holder": hub.token(hub.researcher),
        "stranger": hub.token(hub.stranger),
        "publisher": hub.token(hub.world.manager, Kind.PUBLISH),
    }
    done = client.script(READ, json.dumps(asked), **LINES[line][1])
    assert done.returncode == 0, done.stderr
    said = json.loads(done.stdout.splitlines()[-1])
    assert said["whole"] == clients.digests(hub.folder / "gated")
    assert said["odd"] == clients.digests(hub.folder / "odd")
    assert set(NAMES) <= said["odd"].keys()
    assert said["renamed"] == clients.digests(hub.folder / "before")
    assert said["renamed file"] == "ok"
    for who in ("anonymous", "stranger", "unknown to a stranger"):
        assert said[who].startswith("GatedRepoError"), said[who]
    assert f"/apply/{hub.world.gate.slug}/" in said["stranger"]
    assert said["public"] == ["ok", "ok"]
    kinds = [told.partition(":")[0].removeprefix("Remote") for told in said["absent"]]
    assert kinds == ["RepositoryNotFoundError"] * 5 + ["RevisionNotFoundError", "EntryNotFoundError"]
    assert said["many"] == 1_002
    assert said["huge"] == [HUGE_SIZE, HUGE, "0123456789"]
    assert said["who"] == hub.researcher.email
    assert "nvalid user token" in said["nobody"]


WRITE = """
import json, os, sys
from huggingface_hub import CommitOperationAdd, HfApi
api, name = HfApi(), sys.argv[2]
made = [api.create_repo(name, exist_ok=True) for _ in range(2)]
assert {str(url) for url in made} == {os.environ["HF_ENDPOINT"] + "/" + name} and made[1].repo_id == name, made
first = api.upload_folder(folder_path=sys.argv[1], repo_id=name)
sent = {e.path: e.lfs.sha256 if e.lfs else e.blob_id for e in api.list_repo_tree(name, recursive=True) if hasattr(e, "blob_id")}
add = [CommitOperationAdd("more.txt", b"more")]
api.create_commit(name, add, commit_message="More", parent_commit=first.oid)
try:
    api.create_commit(name, [CommitOperationAdd("late.txt", b"late")], commit_message="Late", parent_commit=first.oid)
except Exception as error:
    stale = str(error)
print(json.dumps({"sent": sent, "stale": stale, "titles": [c.title for c in api.list_repo_commits(name)]}))
"""


@pytest.mark.parametrize("line", ["0.36", "0.36 plain", "1.31 without hf_xet", "2.x plain"])
def test_all_that_is_written(
    line: str, hub: Hub, client: Client, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """0.36 asks how a file is to be sent, so it writes here with hf_xet too; the later ones are told in another test."""
    monkeypatch.setattr(uploading, "PART_BYTES", 5_000_000)
    folder = model_folder(
        tmp_path / "mine", seed=len(line), **{"empty.txt": "", "merges ü.txt": f"{line}\n" * 2_000_000}
    )
    name = f"lyceum/by-{sorted(LINES).index(line)}"
    publisher = client.holding(hub.token(hub.world.manager, Kind.PUBLISH))
    done = publisher.script(WRITE, str(folder), name, **LINES[line][1])
    assert done.returncode == 0, done.stderr
    said = json.loads(done.stdout.splitlines()[-1])
    local = {path: (folder / path).read_bytes() for path in clients.digests(folder)}
    large = clients.digests(folder)
    assert said["sent"] == {
        path: large[path] if git.is_lfs(path, len(content)) else git.blob_id(content) for path, content in local.items()
    }
    assert "412" in said["stale"]
    assert "was updated since" in said["stale"]
    assert said["titles"][0] == "More"
    assert said["titles"][-1] == "initial commit"
    model = Model.objects.named("lyceum", name.partition("/")[2]).get()
    assert model.main is None, "a push makes a draft"
    assert not model.refs.filter(kind=RefKind.BRANCH).exists()
