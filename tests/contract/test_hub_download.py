"""Whole downloads with the unmodified clients."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from portal.access import actions as access
from portal.access.models import Grant
from portal.tokens.scopes import Kind
from releases.models import Download
from tests.contract import clients
from tests.contract.clients import Client
from tests.contract.hub import Hub

SNAPSHOT = (
    "import sys; from huggingface_hub import snapshot_download as s; print(s(sys.argv[1], local_dir=sys.argv[2]))"
)
ERROR = """
import sys
from huggingface_hub import hf_hub_download
try:
    hf_hub_download(sys.argv[1], sys.argv[2])
except Exception as error:
    print(type(error).__name__, error)
"""


@pytest.fixture(params=["1.31", "2.x"])
def client(request: pytest.FixtureRequest, hub: Hub, tmp_path: Path) -> Client:
    """Both lines of the client; a token is added by the test."""
    python = clients.installed() if request.param == "1.31" else clients.newest()
    return Client(python, tmp_path / "home", hub.url)


def test_whole_gated_model_with_the_command(hub: Hub, client: Client, tmp_path: Path) -> None:
    holder = client.holding(hub.token(hub.researcher))
    done = holder.hf("download", "lyceum/gated", "--local-dir", str(tmp_path / "got"))
    assert done.returncode == 0, done.stderr
    assert clients.digests(tmp_path / "got") == clients.digests(hub.folder / "gated")
    rows = Download.objects.filter(model="lyceum/gated")
    assert {row.path for row in rows} == set(clients.digests(hub.folder / "gated"))
    assert {(row.user_id, row.user) for row in rows} == {(str(hub.researcher.pk), "")}
    grant = str(Grant.objects.get(user=hub.researcher).pk)
    assert {row.grant_id for row in rows} == {grant, ""}, "the card and the licence need no grant"


def test_whole_open_model_without_a_token(hub: Hub, client: Client, tmp_path: Path) -> None:
    done = client.script(SNAPSHOT, "lyceum/open", str(tmp_path / "got"))
    assert done.returncode == 0, done.stderr
    assert clients.digests(tmp_path / "got") == clients.digests(hub.folder / "open")


def test_cache_verify_agrees_with_our_digests(hub: Hub, client: Client) -> None:
    holder = client.holding(hub.token(hub.researcher))
    assert holder.hf("download", "lyceum/gated").returncode == 0
    done = holder.hf("cache", "verify", "lyceum/gated")
    assert done.returncode == 0, done.stdout + done.stderr
    digest = clients.digests(hub.folder / "gated")["model.safetensors"]
    (cached,) = client.home.rglob(f"blobs/{digest}")
    content = bytearray(cached.read_bytes())
    content[len(content) // 2] ^= 1
    cached.write_bytes(bytes(content))
    told = holder.hf("cache", "verify", "lyceum/gated")
    assert told.returncode != 0
    assert "model.safetensors" in told.stdout + told.stderr


@pytest.mark.parametrize("who", ["anonymous", "stranger"])
def test_a_stranger_is_told_where_to_apply(hub: Hub, client: Client, who: str) -> None:
    asker = client if who == "anonymous" else client.holding(hub.token(hub.stranger))
    done = asker.hf("download", "lyceum/gated", "config.json")
    assert done.returncode != 0
    seen = " ".join((done.stdout + done.stderr).split())
    assert f"{hub.url}/apply/{hub.world.gate.slug}/" in seen, seen
    assert "by application" in seen
    told = asker.script(ERROR, "lyceum/gated", "config.json").stdout
    assert told.startswith("GatedRepoError")
    assert f"{hub.url}/apply/{hub.world.gate.slug}/" in told


def test_the_card_and_the_licence_of_a_gated_model_are_public(hub: Hub, client: Client) -> None:
    for path in ("README.md", "LICENSE"):
        done = client.hf("download", "lyceum/gated", path)
        assert done.returncode == 0, done.stderr


def test_revoked_between_two_files(hub: Hub, client: Client) -> None:
    holder = client.holding(hub.token(hub.researcher))
    assert holder.hf("download", "lyceum/gated", "config.json").returncode == 0
    access.revoke_grant(by=hub.world.manager, grant=Grant.objects.get(user=hub.researcher), reason="the project ended")
    told = holder.script(ERROR, "lyceum/gated", "model.safetensors").stdout
    assert told.startswith("GatedRepoError"), told
    assert "revoked" in told


ABSENT = """
import json, sys
from huggingface_hub import hf_hub_download
for repository, path, revision, token in json.loads(sys.argv[1]):
    try:
        hf_hub_download(repository, path, revision=revision, token=token)
        print("ok")
    except Exception as error:
        print(type(error).__name__)
"""


def test_each_kind_of_absence_has_its_own_error(hub: Hub, client: Client) -> None:
    holder = hub.token(hub.researcher)
    expected = {
        ("lyceum/nothing", "config.json", None, holder): "RepositoryNotFoundError",
        ("gpt2", "config.json", None, holder): "RepositoryNotFoundError",
        ("lyceum/nothing", "config.json", None, False): "RepositoryNotFoundError",
        ("lyceum/gated", "nothing.json", None, holder): "RemoteEntryNotFoundError",
        ("lyceum/gated", "config.json", "nowhere", holder): "RevisionNotFoundError",
        ("lyceum/gated", "nothing.json", None, False): "GatedRepoError",  # the gate comes first
    }
    done = client.script(ABSENT, json.dumps(list(expected)))
    assert done.stdout.splitlines() == list(expected.values()), done.stderr


def test_who_am_i(hub: Hub, client: Client) -> None:
    secret = hub.token(hub.researcher)
    done = client.holding(secret).hf("auth", "whoami")
    assert hub.researcher.email in done.stdout, done.stderr
    broken = client.holding(secret[:-1] + ("a" if secret[-1] != "a" else "b")).hf("auth", "whoami")
    assert broken.returncode != 0
    assert "nvalid user token" in broken.stdout + broken.stderr


def test_a_token_without_the_scope_is_told_so(hub: Hub, client: Client) -> None:
    told = client.holding(hub.token(hub.researcher, Kind.QUERY)).script(ERROR, "lyceum/gated", "config.json").stdout
    assert "scope download" in told, told


LIBRARY = """
import json, sys
from huggingface_hub import HfApi, ModelCard
api = HfApi()
info = api.model_info(sys.argv[1], files_metadata=True)
tree = list(api.list_repo_tree(sys.argv[1], recursive=True, expand=True))
refs = api.list_repo_refs(sys.argv[1])
commits = api.list_repo_commits(sys.argv[1])
paths = api.get_paths_info(sys.argv[1], ["config.json", "eval", "nothing"])
print(json.dumps({
    "sha": info.sha, "gated": info.gated, "total": info.safetensors.total,
    "siblings": {s.rfilename: s.lfs.sha256 if s.lfs else s.blob_id for s in info.siblings},
    "tree": {e.path: getattr(e, "size", None) for e in tree},
    "main": refs.branches[0].target_commit, "commits": [c.commit_id for c in commits],
    "paths": sorted(p.path for p in paths), "card": ModelCard.load(sys.argv[1]).data.license,
    "listed": sorted(m.id for m in api.list_models(author="lyceum")),
    "exists": [api.file_exists(sys.argv[1], "config.json"), api.repo_exists("lyceum/nothing")],
}))
"""


def test_the_library_reads_what_a_gated_model_says_of_itself(hub: Hub, client: Client) -> None:
    import json

    holder = client.holding(hub.token(hub.researcher))
    done = holder.script(LIBRARY, "lyceum/gated")
    assert done.returncode == 0, done.stderr
    said = json.loads(done.stdout)
    commit = hub.gated.main.commit
    assert said["sha"] == said["main"] == commit
    assert said["commits"] == [commit]
    assert said["gated"] == "manual"
    assert said["total"] == 1004
    assert said["tree"].keys() == clients.digests(hub.folder / "gated").keys() | {"eval"}
    assert said["siblings"]["model.safetensors"] == clients.digests(hub.folder / "gated")["model.safetensors"]
    assert said["paths"] == ["config.json", "eval"]
    assert said["card"] == "apache-2.0"
    assert said["listed"] == ["lyceum/gated", "lyceum/open"]
    assert said["exists"] == [True, False]
