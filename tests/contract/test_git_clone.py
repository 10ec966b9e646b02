"""The real git against the portal: who may clone what, and that a clone holds what the portal says."""

from __future__ import annotations

import gzip
import html
import json
import os
import re
import shutil
import subprocess
from base64 import b64encode
from pathlib import Path
from typing import Any

import pytest
from django.conf import settings
from django.utils import timezone

from portal.tokens.scopes import Kind
from releases import actions
from releases.hub.cloning import contents
from releases.hub.limits import Bucket
from releases.ingest import ingest
from releases.models import Download, File, Model, Revision
from releases.permits import place
from tests.contract.hub import Hub
from tests.contract.test_hub_wire import ask, bearer
from tests.releases.folders import model_folder

OPEN, GATED = "/lyceum/open", "/lyceum/gated"


class Git:
    """The git of this machine, with a home of its own, which asks nobody for a password."""

    def __init__(self, hub: Hub, home: Path) -> None:
        self.hub, self.home = hub, home
        home.mkdir()
        kept = {name: os.environ[name] for name in ("PATH", "LANG") if name in os.environ}
        self.env = kept | {"HOME": str(home), "GIT_CONFIG_NOSYSTEM": "1", "GIT_TERMINAL_PROMPT": "0"}

    def run(self, *arguments: str, at: str = ".") -> subprocess.CompletedProcess[str]:
        """Run it in a folder of the home."""
        command = ["git", *arguments]
        return subprocess.run(command, cwd=self.home / at, env=self.env, capture_output=True, text=True, timeout=60)

    def said(self, *arguments: str, at: str = ".") -> str:
        """What it says where it succeeds."""
        done = self.run(*arguments, at=at)
        assert done.returncode == 0, done.stderr
        return done.stdout.strip()

    def clone(self, name: str, to: str, *how: str, token: str = "") -> subprocess.CompletedProcess[str]:
        """Clone a model of the hub, with a token as the password."""
        address = self.hub.url.replace("http://", f"http://token:{token}@") if token else self.hub.url
        return self.run("clone", "--quiet", *how, f"{address}{name}", to)


@pytest.fixture
def git(hub: Hub, tmp_path: Path) -> Git:
    return Git(hub, tmp_path / "git")


def next_draft(hub: Hub, model: Model, seed: int, **more: str) -> Revision:
    """One more revision of the model, not published."""
    folder = model_folder(hub.folder / f"{model.name}-{seed}", name=model.name, seed=seed, **more)
    return ingest(folder, model=Model.objects.get(pk=model.pk), by=hub.world.manager)


def next_published(hub: Hub, model: Model, seed: int, **more: str) -> Revision:
    folder = model_folder(hub.folder / f"{model.name}-{seed}", name=model.name, seed=seed, **more)
    return ingest(folder, model=Model.objects.get(pk=model.pk), by=hub.world.manager, publish=True)


def test_a_stranger_clones_an_open_model_and_git_finds_every_object_sound(hub: Hub, git: Git) -> None:
    assert git.clone(OPEN, "model").returncode == 0
    assert git.said("rev-parse", "HEAD", at="model") == hub.open.main.commit
    assert git.said("rev-parse", "HEAD^{tree}", at="model") == hub.open.main.tree
    git.said("fsck", "--strict", at="model")
    assert git.said("status", "--porcelain", at="model") == ""
    for file in hub.open.main.files.all():
        content = (git.home / "model" / file.path).read_bytes()
        if file.lfs:
            assert content.decode().splitlines()[1] == f"oid sha256:{file.sha256}"
        else:
            assert content == (hub.folder / "open" / file.path).read_bytes()


def test_an_address_with_git_at_its_end_is_the_same(hub: Hub, git: Git) -> None:
    assert git.clone(f"{OPEN}.git", "model").returncode == 0
    assert git.said("rev-parse", "HEAD", at="model") == hub.open.main.commit


def test_each_small_file_of_a_clone_is_in_the_ledger_and_no_pointer_is(hub: Hub, git: Git) -> None:
    assert git.clone(GATED, "model", token=hub.token(hub.researcher)).returncode == 0
    rows = Download.objects.filter(model="lyceum/gated")
    small = set(hub.gated.main.files.filter(lfs=False).values_list("path", flat=True))
    assert {row.path for row in rows} == small
    assert {row.user_id for row in rows} == {str(hub.researcher.pk)}
    assert all(
        row.client.startswith("git/") and row.grant_id for row in rows.exclude(path__in=["README.md", "LICENSE"])
    )


@pytest.mark.parametrize("who", ["nobody", "stranger", "revoked"])
def test_whoever_has_no_grant_clones_nothing_of_a_gated_model(hub: Hub, git: Git, who: str) -> None:
    token = "" if who == "nobody" else hub.token(hub.stranger)
    if who == "revoked":
        token = token[:-1] + ("a" if token[-1] != "a" else "b")
    done = git.clone(GATED, "model", token=token)
    assert done.returncode != 0
    assert not (git.home / "model").exists()
    if who == "stranger":
        assert "gate" in done.stderr.lower() or "apply" in done.stderr.lower(), done.stderr
    assert not Download.objects.filter(model="lyceum/gated").exists()


def test_a_query_token_clones_nothing_of_a_gated_model(hub: Hub, git: Git) -> None:
    assert git.clone(GATED, "model", token=hub.token(hub.researcher, Kind.QUERY)).returncode != 0


def test_a_model_that_was_never_published_is_not_there_for_git(hub: Hub, git: Git) -> None:
    actions.open_model(lab=hub.world.lab, name="secret", by=hub.world.manager)
    done = git.clone("/lyceum/secret", "model", token=hub.token(hub.researcher))
    assert done.returncode != 0
    assert "not found" in done.stderr


def test_a_draft_is_in_no_clone_and_what_follows_it_keeps_its_id(hub: Hub, git: Git) -> None:
    hidden = next_draft(hub, hub.open, 7, **{"notes.txt": "the draft's own secret"})
    after = next_published(hub, hub.open, 8)
    assert after.parent == hidden.commit
    assert git.clone(OPEN, "model").returncode == 0
    assert git.said("rev-parse", "HEAD", at="model") == after.commit
    assert git.said("log", "--format=%H", at="model").split() == [after.commit]
    git.said("fsck", at="model")
    assert git.run("cat-file", "-e", hidden.commit, at="model").returncode != 0
    assert git.run("fetch", "--quiet", "origin", hidden.commit, at="model").returncode != 0
    assert "secret" not in git.run("grep", "secret", "HEAD", at="model").stdout


def test_branches_and_tags_on_published_revisions_come_along(hub: Hub, git: Git) -> None:
    first = hub.open.main
    actions.make_tag(model=hub.open, name="v1", revision=first, by=hub.world.manager)
    second = next_published(hub, hub.open, 5)
    draft = next_draft(hub, hub.open, 6)
    actions.make_tag(model=hub.open, name="soon", revision=draft, by=hub.world.manager)
    assert git.clone(OPEN, "model").returncode == 0
    assert git.said("rev-parse", "v1", at="model") == first.commit
    assert git.said("tag", at="model") == "v1"
    assert git.said("log", "--format=%H", at="model").split() == [second.commit, first.commit]
    git.said("checkout", "--quiet", "v1", at="model")
    git.said("fsck", "--strict", at="model")


def test_a_small_file_that_reads_as_a_pointer_is_one_object_with_it(hub: Hub, git: Git) -> None:
    large = hub.open.main.files.get(path="model.safetensors")
    pointer = f"version https://git-lfs.github.com/spec/v1\noid sha256:{large.sha256}\nsize {large.size}\n"
    folder = model_folder(hub.folder / "again", name="open", **{"zz.txt": pointer})
    (folder / "model.safetensors").write_bytes((hub.folder / "open" / "model.safetensors").read_bytes())
    ingest(folder, model=Model.objects.get(pk=hub.open.pk), by=hub.world.manager, publish=True)
    assert git.clone(OPEN, "model", "--depth", "1").returncode == 0
    git.said("fsck", "--strict", at="model")
    assert (git.home / "model" / "zz.txt").read_text() == (git.home / "model" / "model.safetensors").read_text()


def test_a_fetch_brings_what_is_new_and_nothing_twice(hub: Hub, git: Git) -> None:
    assert git.clone(OPEN, "model").returncode == 0
    before = Download.objects.count()
    second = next_published(hub, hub.open, 5, **{"notes.txt": "new"})
    git.said("pull", "--quiet", "--ff-only", at="model")
    assert git.said("rev-parse", "HEAD", at="model") == second.commit
    git.said("fsck", "--strict", at="model")
    assert {row.path for row in Download.objects.order_by("-at")[: Download.objects.count() - before]} == {"notes.txt"}


def test_a_shallow_clone_has_one_revision_and_can_be_deepened(hub: Hub, git: Git) -> None:
    first, second = hub.open.main, next_published(hub, hub.open, 5)
    assert git.clone(OPEN, "model", "--depth", "1").returncode == 0
    assert git.said("log", "--format=%H", at="model").split() == [second.commit]
    git.said("fetch", "--quiet", "--unshallow", at="model")
    assert git.said("log", "--format=%H", at="model").split() == [second.commit, first.commit]
    git.said("fsck", "--strict", at="model")


def test_a_pinned_revision_is_fetched_by_its_id(hub: Hub, git: Git) -> None:
    first = hub.open.main
    next_published(hub, hub.open, 5)
    git.said("init", "--quiet", "model")
    git.said("fetch", "--quiet", "--depth", "1", f"{hub.url}{OPEN}", first.commit, at="model")
    assert git.said("rev-parse", "FETCH_HEAD", at="model") == first.commit


def test_what_was_withdrawn_is_cloned_no_more_and_git_is_told_why(hub: Hub, git: Git) -> None:
    first, second = hub.open.main, next_published(hub, hub.open, 5)
    actions.withdraw(revision=first, by=hub.world.manager, reason="Wrong weights.")
    assert git.clone(OPEN, "model").returncode == 0
    assert git.said("log", "--format=%H", at="model").split() == [second.commit]
    actions.stop_release(subject=hub.open, by=hub.world.manager, reason="The tokenizer leaks.")
    done = git.clone(OPEN, "again")
    assert done.returncode != 0
    assert "The tokenizer leaks." in done.stderr
    assert git.run("fetch", "--quiet", "origin", second.commit, at="model").returncode != 0


def test_nothing_is_pushed_and_git_is_told_how_to_publish(hub: Hub, git: Git) -> None:
    token = hub.token(hub.world.manager, Kind.PUBLISH)
    assert git.clone(OPEN, "model", token=token).returncode == 0
    git.said("config", "user.email", "m@lyceum.example", at="model")
    git.said("config", "user.name", "M", at="model")
    git.said("commit", "--quiet", "--allow-empty", "-m", "mine", at="model")
    done = git.run("push", "--quiet", "origin", "HEAD:main", at="model")
    assert done.returncode != 0
    assert "hf upload" in done.stderr
    assert Model.objects.get(pk=hub.open.pk).tip == hub.open.tip


def test_a_model_that_was_renamed_is_cloned_under_its_former_name(hub: Hub, git: Git) -> None:
    actions.rename_model(model=hub.open, lab=hub.world.lab, name="opened", by=hub.world.manager)
    assert git.clone(OPEN, "model").returncode == 0
    assert git.said("rev-parse", "HEAD", at="model") == hub.open.main.commit


def test_a_revision_whose_commit_names_its_authors_address_is_not_cloned(hub: Hub, git: Git) -> None:
    assert set(Revision.objects.values_list("email", flat=True)) == {""}
    old = Revision.objects.get(pk=hub.open.main_id)
    made = Revision.objects.create(
        model=hub.open, commit="a" * 40, tree=old.tree, parent=old.commit, author="Mara", email="mara@lyceum.example",
        message="Old", authored_at=timezone.now(), state="published", checked_at=timezone.now(), published_at=timezone.now(),
    )  # fmt: skip
    Model.objects.filter(pk=hub.open.pk).update(main=made)
    done = git.clone(OPEN, "model")
    assert done.returncode != 0
    assert "hf download" in done.stderr
    assert "mara@" not in done.stderr


def test_the_lines_of_the_files_page_do_what_they_say(hub: Hub, git: Git) -> None:
    _, _, page = ask(hub.url, f"{OPEN}/tree/main")
    code = re.search(r'<pre[^>]*aria-label="git"[^>]*><code>(.*?)</code>', page.decode(), re.DOTALL)
    assert code
    lines = [line.removeprefix("$ ") for line in html.unescape(re.sub(r"<[^>]+>", "", code[1])).splitlines()]
    large = shutil.which("git-lfs", path=git.env["PATH"])
    script = " && ".join(line for line in lines if large or "git lfs" not in line)
    done = subprocess.run(["sh", "-ec", script], cwd=git.home, env=git.env, capture_output=True, text=True, timeout=60)
    assert done.returncode == 0, done.stderr
    assert git.said("rev-parse", "HEAD", at="open") == hub.open.main.commit
    assert git.said("status", "--porcelain", at="open") == ""
    weights = (git.home / "open" / "model.safetensors").read_bytes()
    assert not large or weights == (hub.folder / "open" / "model.safetensors").read_bytes()


def lfs(hub: Hub, model: str, operation: str, *digests: str, **headers: str) -> tuple[int, dict]:
    asked = {"operation": operation, "transfers": ["basic"], "objects": [{"oid": oid, "size": 1} for oid in digests]}
    status, _, told = ask(hub.url, f"{model}.git/info/lfs/objects/batch", "POST", json.dumps(asked).encode(), **headers)
    return status, json.loads(told)


def basic(token: str) -> dict[str, str]:
    return {"Authorization": "Basic " + b64encode(f"any:{token}".encode()).decode()}


def test_a_large_file_is_got_by_the_batch_interface_and_entered(hub: Hub) -> None:
    file = File.objects.get(revision=hub.gated.main, path="model.safetensors")
    status, told = lfs(hub, GATED, "download", file.sha256, "0" * 64, **basic(hub.token(hub.researcher)))
    assert status == 200
    found, missing = told["objects"]
    assert found["size"] == file.size
    link = found["actions"]["download"]["href"]
    assert link.startswith(hub.url)
    assert ask(hub.url, link.removeprefix(hub.url))[2] == (hub.folder / "gated" / "model.safetensors").read_bytes()
    assert missing["error"]["code"] == 404
    assert [row.path for row in Download.objects.filter(model="lyceum/gated")] == ["model.safetensors"]


def test_no_large_file_is_got_without_the_right_to_it_nor_one_of_a_draft(hub: Hub) -> None:
    file = File.objects.get(revision=hub.gated.main, path="model.safetensors")
    assert lfs(hub, GATED, "download", file.sha256)[0] == 401
    status, told = lfs(hub, GATED, "download", file.sha256, **basic(hub.token(hub.stranger)))
    assert status == 403
    assert told["message"]
    draft = next_draft(hub, hub.open, 9)
    hidden = draft.files.get(path="model.safetensors").sha256
    _, told = lfs(hub, OPEN, "download", hidden, file.sha256, **basic(hub.token(hub.researcher)))
    assert [one["error"]["code"] for one in told["objects"]] == [404, 404]
    assert not Download.objects.exists()


def test_a_password_opens_no_door_that_changes_anything(hub: Hub) -> None:
    own = hub.token(hub.world.manager, Kind.PUBLISH)
    assert lfs(hub, OPEN, "upload", "0" * 64, **basic(own))[0] == 403
    assert lfs(hub, OPEN, "upload", "0" * 64, **bearer(own))[0] == 200
    assert lfs(hub, OPEN, "upload", "0" * 64)[0] == 401
    assert lfs(hub, OPEN, "upload", "0" * 64, **bearer(hub.token(hub.researcher)))[0] == 403
    assert lfs(hub, OPEN, "erase", "0" * 64, **bearer(own))[0] == 501
    assert ask(hub.url, "/api/whoami-v2", **basic(own))[0] == 401


NO_MESSAGES = (
    b"", b"0000", b"zzzz", b"ffff", b"0003", b"0009want\n", b"0032want " + b"g" * 40 + b"\n0000", b"000ddeepen 0\n0000",
    b"13a0deepen " + b"0" * 11 + b"1" + b"0" * 5000 + b"\n0000", b"0014deepen-since 1\n0000", b"0032want " + b"a" * 40 + b"\n00000009done\n",
)  # fmt: skip


def test_a_message_that_is_none_is_answered_in_gits_own_words(hub: Hub) -> None:
    for body in NO_MESSAGES:
        for sent, more in ((body, {}), (gzip.compress(body), {"Content_Encoding": "gzip"})):
            status, headers, told = ask(hub.url, f"{OPEN}/git-upload-pack", "POST", sent, **more)
            assert status == 200
            assert headers["content-type"] == "application/x-git-upload-pack-result"
            assert told == b"" or told[4:8] == b"ERR ", (body, told)


def test_a_message_that_unpacks_without_end_is_refused(hub: Hub) -> None:
    body = gzip.compress(b"0000" * (1 << 20))
    _, _, told = ask(hub.url, f"{OPEN}/git-upload-pack", "POST", body, Content_Encoding="gzip")
    assert told[4:8] == b"ERR "
    _, _, told = ask(hub.url, f"{OPEN}/git-upload-pack", "POST", b"no gzip", Content_Encoding="gzip")
    assert told[4:8] == b"ERR "


def test_the_files_of_a_clone_count_as_if_each_was_asked_for(hub: Hub, git: Git, settings: Any) -> None:
    settings.HUB_LIMITS = settings.HUB_LIMITS | {Bucket.RESOLVERS: 8}
    assert git.clone(GATED, "model", token=hub.token(hub.researcher)).returncode == 0
    done = git.clone(GATED, "again", token=hub.token(hub.researcher))
    assert done.returncode != 0
    assert "requests" in done.stderr
    file = hub.gated.main.files.get(path="model.safetensors")
    assert lfs(hub, GATED, "download", file.sha256, **basic(hub.token(hub.researcher)))[0] == 429


def test_a_release_of_many_small_files_is_no_clone_but_a_download(hub: Hub, git: Git, monkeypatch: Any) -> None:
    monkeypatch.setattr(contents, "SMALL_FILES", 3)
    done = git.clone(OPEN, "model")
    assert done.returncode != 0
    assert "hf download" in done.stderr
    assert not Download.objects.exists()


def test_a_file_that_the_store_lacks_is_named_and_breaks_nothing_off(hub: Hub, git: Git) -> None:
    place(settings.STORE_PATH, hub.open.main.files.get(path="config.json").sha256).unlink()
    done = git.clone(OPEN, "model")
    assert done.returncode != 0
    assert "config.json" in done.stderr
