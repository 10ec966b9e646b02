"""Publishing with the unmodified clients: what they send becomes a draft, byte for byte, and nobody else's business."""

from __future__ import annotations

from pathlib import Path

import pytest

from portal.tokens.scopes import Kind
from releases import actions
from releases.actions import uploading
from releases.lifecycle import State
from releases.models import Model, Upload
from tests.contract import clients
from tests.contract.clients import Client
from tests.contract.hub import Hub
from tests.portal import world
from tests.releases.folders import model_folder

PLAIN = {"HF_HUB_DISABLE_XET": "1"}
API = """import sys
from huggingface_hub import CommitOperationAdd, CommitOperationDelete, HfApi, ModelCard, hf_hub_download
api = HfApi()
"""


@pytest.fixture(params=["1.31", "2.x"])
def client(request: pytest.FixtureRequest, hub: Hub, tmp_path: Path) -> Client:
    """Both lines of the client, with a release manager's token that publishes."""
    python = clients.installed() if request.param == "1.31" else clients.newest()
    return Client(python, tmp_path / "home", hub.url).holding(hub.token(hub.world.manager, Kind.PUBLISH))


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A true small model, with one file that is sent in three parts, and an empty one."""
    monkeypatch.setattr(uploading, "PART_BYTES", 5_000_000)
    made = model_folder(tmp_path / "mine", name="mine", seed=9)
    (made / "vocab").mkdir()
    (made / "vocab" / "merges file ü.txt").write_text("a b\n" * 3_000_000)
    (made / "notes.txt").write_text("")
    (made / ".gitattributes").write_text("*.bin filter=lfs\n")
    return made


def sent(folder: Path) -> dict[str, str]:
    return {path: digest for path, digest in clients.digests(folder).items() if not path.startswith(".")}


def test_a_folder_uploaded_is_a_draft_of_the_same_bytes(hub: Hub, client: Client, folder: Path, tmp_path: Path) -> None:
    done = client.hf("upload", "lyceum/mine", str(folder), ".", **PLAIN)
    assert done.returncode == 0, done.stdout + done.stderr
    assert "Left out: .gitattributes" in " ".join(done.stderr.split())
    model = Model.objects.get(name="mine")
    assert model.main is None
    assert model.tip.state == State.DRAFT
    assert {file.path: file.sha256 for file in model.tip.files.all()} == sent(folder)
    assert not Upload.objects.filter(blob=None).exists()

    got = client.hf("download", "lyceum/mine", "--local-dir", str(tmp_path / "got"))
    assert got.returncode == 0, got.stderr
    assert clients.digests(tmp_path / "got") == sent(folder)
    stranger = client.holding(hub.token(hub.stranger))
    assert "not found" in stranger.hf("download", "lyceum/mine").stderr.lower()

    actions.check(revision=model.tip, by=hub.world.manager)
    model.tip.refresh_from_db()
    assert model.tip.findings == []
    actions.publish(revision=model.tip, by=hub.world.manager)
    got = stranger.hf("download", "lyceum/mine", "--local-dir", str(tmp_path / "theirs"))
    assert got.returncode == 0, got.stderr
    assert clients.digests(tmp_path / "theirs") == sent(folder)


def test_the_same_folder_again_sends_and_changes_nothing(hub: Hub, client: Client, folder: Path) -> None:
    assert client.hf("upload", "lyceum/mine", str(folder), ".", **PLAIN).returncode == 0
    tip, uploads = Model.objects.get(name="mine").tip, Upload.objects.count()
    assert client.hf("upload", "lyceum/mine", str(folder), ".", **PLAIN).returncode == 0
    assert Model.objects.get(name="mine").tip == tip
    assert Upload.objects.count() == uploads


REPOSITORY = (
    API
    + """from huggingface_hub import errors
import io
made = api.create_repo("lyceum/draft")
assert str(made).endswith("/lyceum/draft") and made.repo_id == "lyceum/draft", made
assert api.create_repo("lyceum/draft", exist_ok=True).repo_id == "lyceum/draft"
first = api.upload_file(path_or_fileobj=b"one", path_in_repo="a.txt", repo_id="lyceum/draft", commit_message="First")
second = api.create_commit("lyceum/draft", [
    CommitOperationAdd("b/b.txt", b"two"), CommitOperationAdd("b/weights.bin", b"x" * 2000), CommitOperationDelete("a.txt"),
], commit_message="Second", commit_description="More", parent_commit=first.oid)
assert sorted(api.list_repo_files("lyceum/draft")) == ["b/b.txt", "b/weights.bin"]
assert second.commit_url.endswith("/lyceum/draft/commit/" + second.oid)
for old in (first.oid, "0" * 40):
    try:
        api.upload_file(path_or_fileobj=b"z", path_in_repo="z.txt", repo_id="lyceum/draft", parent_commit=old)
    except Exception as error:
        assert "412" in str(error) and "was updated since" in str(error), error
    else:
        raise SystemExit("a stale parent was taken")
api.create_branch("lyceum/draft", branch="feat/x")
api.create_branch("lyceum/draft", branch="feat/x", exist_ok=True)
api.upload_file(path_or_fileobj=b"three", path_in_repo="c.txt", repo_id="lyceum/draft", revision="feat/x")
assert sorted(api.list_repo_files("lyceum/draft", revision="feat/x")) == ["b/b.txt", "b/weights.bin", "c.txt"]
assert sorted(api.list_repo_files("lyceum/draft")) == ["b/b.txt", "b/weights.bin"]
api.create_tag("lyceum/draft", tag="v1", revision="feat/x")
refs = api.list_repo_refs("lyceum/draft")
assert [(b.name) for b in refs.branches] == ["main", "feat/x"] and [t.name for t in refs.tags] == ["v1"], refs
api.delete_tag("lyceum/draft", tag="v1")
api.super_squash_history("lyceum/draft", branch="feat/x", commit_message="One")
assert sorted(api.list_repo_files("lyceum/draft", revision="feat/x")) == ["b/b.txt", "b/weights.bin", "c.txt"]
assert [c.title for c in api.list_repo_commits("lyceum/draft", revision="feat/x")] == ["One"]
api.delete_branch("lyceum/draft", branch="feat/x")
try:
    api.delete_branch("lyceum/draft", branch="main")
except Exception as error:
    assert "protected" in str(error), error
else:
    raise SystemExit("main was deleted")
api.upload_file(path_or_fileobj=b"four", path_in_repo="d/e/f.txt", repo_id="lyceum/draft")
api.delete_folder("d", "lyceum/draft")
api.delete_file("b/weights.bin", "lyceum/draft")
assert api.list_repo_files("lyceum/draft") == ["b/b.txt"]
try:
    api.delete_file("nothing.txt", "lyceum/draft")
except errors.EntryNotFoundError:
    pass
else:
    raise SystemExit("deleted what is not there")
api.move_repo("lyceum/draft", "lyceum/renamed")
assert api.list_repo_files("lyceum/renamed") == api.list_repo_files("lyceum/draft") == ["b/b.txt"]
assert open(hf_hub_download("lyceum/draft", "b/b.txt")).read() == "two"
api.delete_repo("lyceum/renamed")
try:
    api.model_info("lyceum/renamed")
except errors.RepositoryNotFoundError:
    pass
print("done")
"""
)


def test_a_repository_from_its_making_to_its_end(hub: Hub, client: Client) -> None:
    done = client.script(REPOSITORY, **PLAIN)
    assert done.stdout.endswith("done\n"), done.stdout + done.stderr


CARD = (
    API
    + """
from huggingface_hub import __version__
card = ModelCard("---\\nlicense: mit\\ntags: [a, b]\\n---\\n# Hello\\n")
if not __version__.startswith("1."):  # 1.x has its card checked by another hub
    card.push_to_hub("lyceum/open", token=True)
api.upload_file(path_or_fileobj=str(card).encode(), path_in_repo="README.md", repo_id="lyceum/open")
assert ModelCard.load("lyceum/open").data.license == "mit"
try:
    api.upload_file(path_or_fileobj=b"---\\nlicense: [\\n---\\n", path_in_repo="README.md", repo_id="lyceum/open")
except ValueError as error:
    print("refused:", error)
"""
)


def test_a_card_is_pushed_and_a_broken_one_refused(hub: Hub, client: Client) -> None:
    published = hub.open.main
    done = client.script(CARD, HF_HUB_DISABLE_XET="1")
    assert "refused:" in done.stdout, done.stdout + done.stderr
    hub.open.refresh_from_db()
    assert hub.open.main == published, "a push makes a draft; what is published stays"
    assert hub.open.tip != published


@pytest.mark.parametrize("who", ["another lab's manager", "reviewer", "download token"])
def test_nobody_but_the_labs_publishers_writes(hub: Hub, client: Client, who: str, folder: Path) -> None:
    token = {
        "another lab's manager": lambda: hub.token(world.build("harbour").manager, Kind.PUBLISH),
        "reviewer": lambda: hub.token(hub.world.reviewers[0], Kind.REVIEW),
        "download token": lambda: hub.token(hub.world.manager),
    }[who]()
    before = hub.open.tip
    for repository in ("lyceum/open", "lyceum/new"):
        done = client.holding(token).hf("upload", repository, str(folder), ".", **PLAIN)
        assert done.returncode != 0
        assert "does not publish" in done.stderr or "Only a release manager" in done.stderr, done.stderr
    hub.open.refresh_from_db()
    assert hub.open.tip == before
    assert not Model.objects.filter(name="new").exists()
    assert not Upload.objects.exists()


def test_a_client_with_xet_is_told_what_to_set(hub: Hub, client: Client, folder: Path) -> None:
    done = client.hf("upload", "lyceum/mine", str(folder), ".", timeout_s=60)
    if done.returncode:
        assert "HF_HUB_DISABLE_XET=1" in done.stderr, done.stderr
    else:
        pytest.skip("this client was installed without hf_xet")
