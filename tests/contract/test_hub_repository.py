"""What a repository of the Hub is to those who write it: its empty beginning, its past, its place in lists."""

from __future__ import annotations

import hashlib
import io
import json
from typing import Any

import pytest
from django.utils import timezone

from portal.errors import Conflict
from portal.tokens.scopes import Kind
from releases import actions
from releases.models import Blob, Model, Upload
from releases.storage import store
from tests.contract.hub import Hub
from tests.contract.test_hub_uploads import batch, lines, send, text
from tests.contract.test_hub_wire import ask, bearer
from tests.portal import world

NEW = "/api/models/lyceum/new"


@pytest.fixture
def publisher(hub: Hub) -> dict[str, str]:
    """A release manager's token; `lyceum/new` is made with it."""
    token = bearer(hub.token(hub.world.manager, Kind.PUBLISH))
    assert send(hub, "/api/repos/create", {"name": "new", "organization": "lyceum"}, **token)[0] == 200
    return token


def commit(hub: Hub, publisher: dict[str, str], summary: str, *operations: tuple[str, dict[str, Any]]) -> str:
    header = ("header", {"summary": summary})
    status, _, told = ask(hub.url, f"{NEW}/commit/main", "POST", lines(header, *operations), **publisher)
    assert status == 200, told
    return str(json.loads(told)["commitOid"])


def get(hub: Hub, target: str, **headers: str) -> Any:
    status, _, told = ask(hub.url, target, **headers)
    return json.loads(told) if status == 200 else status


def test_branches_and_tags_start_from_the_empty_beginning(hub: Hub, publisher: dict[str, str]) -> None:
    first = get(hub, NEW, **publisher)["sha"]
    assert send(hub, f"{NEW}/branch/early", {}, **publisher)[0] == 200
    assert send(hub, f"{NEW}/tag/main", {"tag": "v0"}, **publisher)[0] == 200
    second = commit(hub, publisher, "Add", text("a.txt"))
    assert [c["id"] for c in get(hub, f"{NEW}/commits/main", **publisher)] == [second, first]
    refs = get(hub, f"{NEW}/refs", **publisher)
    assert {ref["name"]: ref["targetCommit"] for ref in refs["branches"] + refs["tags"]} == {
        "main": second, "early": first, "v0": first,
    }  # fmt: skip
    taken = send(hub, f"{NEW}/branch/early", {}, **publisher)
    assert taken[0] == 409
    assert "refs/heads/early already exists" in taken[1]["error"]


def test_what_holds_no_file_is_never_published(hub: Hub, publisher: dict[str, str]) -> None:
    commit(hub, publisher, "Add", text("a.txt"))
    commit(hub, publisher, "Take away", ("deletedFile", {"path": "a.txt"}))
    assert get(hub, f"{NEW}/tree/main", **publisher) == []
    checked = actions.check(revision=Model.objects.get(name="new").tip, by=hub.world.manager)
    assert [each["message"] for each in checked.findings] == ["A revision needs at least one file."]
    with pytest.raises(Conflict):
        actions.publish(revision=checked, by=hub.world.manager)


def test_a_folder_may_be_deleted_as_if_it_were_a_file(hub: Hub, publisher: dict[str, str]) -> None:
    commit(hub, publisher, "Add", text("a/1.txt"), text("a/b/2.txt"), text("ab.txt"))
    commit(hub, publisher, "Take away", ("deletedFile", {"path": "a"}))
    assert [entry["path"] for entry in get(hub, f"{NEW}/tree/main?recursive=true", **publisher)] == ["ab.txt"]
    gone = ask(hub.url, f"{NEW}/commit/main", "POST", lines(("deletedFile", {"path": "a"})), **publisher)
    assert (gone[0], gone[1]["x-error-code"]) == (404, "EntryNotFound")


def test_each_file_names_the_commit_that_changed_it_last(hub: Hub, publisher: dict[str, str]) -> None:
    commit(hub, publisher, "one", text("a.txt"), text("d/b.txt"), text("e/c.txt"))
    commit(hub, publisher, "two", text("d/b.txt", b"changed"))
    commit(hub, publisher, "three", text("d/new.txt"))
    tree = get(hub, f"{NEW}/tree/main?recursive=true&expand=true", **publisher)
    assert {entry["path"]: entry["lastCommit"]["title"] for entry in tree} == {
        "a.txt": "one", "d": "three", "d/b.txt": "two", "d/new.txt": "three", "e": "one", "e/c.txt": "one",
    }  # fmt: skip


def test_drafts_are_listed_for_their_labs_publishers_alone(hub: Hub, publisher: dict[str, str]) -> None:
    def listed(**headers: str) -> set[str]:
        return {model["id"] for model in get(hub, "/api/models?author=lyceum", **headers)}

    public = {"lyceum/open", "lyceum/gated"}
    assert listed(**publisher) == public | {"lyceum/new"}
    other = hub.token(world.build("harbour").manager, Kind.PUBLISH)
    for secret in (other, hub.token(hub.stranger), hub.token(hub.world.manager), hub.token(hub.world.reviewers[0])):
        assert listed(**bearer(secret)) == public
    assert listed() == public


def test_a_publishers_namespace_is_their_only_lab(hub: Hub, publisher: dict[str, str]) -> None:
    assert get(hub, "/api/whoami-v2", **publisher)["name"] == "lyceum"
    for secret in (hub.token(hub.world.manager), hub.token(hub.stranger)):
        assert "@" in get(hub, "/api/whoami-v2", **bearer(secret))["name"]
    world.give_role(user=hub.world.manager, lab=world.build("harbour").lab, role=world.Role.MANAGER, by=None)
    assert get(hub, "/api/whoami-v2", **publisher)["name"] == hub.world.manager.email


def test_a_draft_may_be_had_by_its_lab_and_misses_are_told_apart(hub: Hub, publisher: dict[str, str]) -> None:
    commit(hub, publisher, "Add", text("a.txt"))
    assert ask(hub.url, f"{NEW}/auth-check", **publisher)[0] == 200
    for target, code in (("nowhere/a.txt", "RevisionNotFound"), ("main/b.txt", "EntryNotFound")):
        status, said, _ = ask(hub.url, f"/lyceum/new/resolve/{target}", "HEAD", **publisher)
        assert (status, said["x-error-code"]) == (404, code)
    stranger = ask(hub.url, "/lyceum/new/resolve/main/a.txt", "HEAD", **bearer(hub.token(hub.stranger)))
    assert (stranger[0], stranger[1]["x-error-code"]) == (404, "RepoNotFound")


@pytest.mark.parametrize("path", ["..\\x", "a/../x", "a//x", "a?b", "/x", "../x"])
def test_a_name_that_cannot_be_published_is_told_before_a_byte_is_sent(
    hub: Hub, publisher: dict[str, str], path: str
) -> None:
    status, told = send(hub, f"{NEW}/preupload/main", {"files": [{"path": path, "size": 1}]}, **publisher)
    assert status == 422
    assert "Rename it" in told["error"]


def test_a_card_without_metadata_is_warned_about(hub: Hub) -> None:
    status, told = send(hub, "/api/validate-yaml", {"content": "# Only text"})
    assert (status, told["errors"]) == (200, [])
    assert "no metadata" in told["warnings"][0]["message"]
    status, told = send(hub, "/api/validate-yaml", {"content": "\n---\r\nmodel-index: foo\r\n---\r\n"})
    assert (status, told["errors"][0]["message"]) == (400, "model-index must be a list of models.")


def test_a_request_keeps_the_id_that_its_client_gave_it(hub: Hub) -> None:
    for header, sent, kept in (
        ("X-Amzn-Trace-Id", "0d2f-one", True),
        ("X-Request-Id", "custom-id", True),
        ("X-Request-Id", "a" * 65, False),
        ("X-Request-Id", "a b<script>", False),
    ):
        said = ask(hub.url, "/api/models", **{header.replace("-", "_"): sent})[1]["x-request-id"]
        assert (said == sent) is kept


def large(path: str, content: dict[str, bytes]) -> tuple[str, dict[str, Any]]:
    held = content[path]
    return "lfsFile", {"path": path, "algo": "sha256", "oid": hashlib.sha256(held).hexdigest(), "size": len(held)}


def uploaded(hub: Hub, content: bytes) -> None:
    """An object that was sent whole for the model, as the large-file protocol leaves it."""
    digest, size = store().put(io.BytesIO(content))
    blob = Blob.objects.create(sha256=digest, size=size)
    Upload.objects.create(
        model=Model.objects.get(name="new"), user=hub.world.manager, sha256=digest, size=size, blob=blob,
        ends_at=timezone.now(),
    )  # fmt: skip


def test_large_files_leave_the_drafts_for_good(hub: Hub, publisher: dict[str, str]) -> None:
    first = get(hub, NEW, **publisher)["sha"]
    content = {path: path.encode() * 100 for path in ("a.safetensors", "kept.safetensors")}
    for held in content.values():
        uploaded(hub, held)
    commit(hub, publisher, "a", large(path="a.safetensors", content=content), text("t.txt"))
    assert send(hub, f"{NEW}/branch/side", {}, **publisher)[0] == 200
    assert send(hub, f"{NEW}/tag/main", {"tag": "v0"}, **publisher)[0] == 200
    commit(hub, publisher, "kept", large(path="kept.safetensors", content=content))
    listed = {entry["filename"]: entry for entry in get(hub, f"{NEW}/lfs-files", **publisher)}
    assert {path: entry["ref"] for path, entry in listed.items()} == {
        "a.safetensors": "main",
        "kept.safetensors": "main",
    }
    gone = {"deletions": {"sha": [listed["a.safetensors"]["fileOid"]], "rewriteHistory": True}}
    assert send(hub, f"{NEW}/lfs-files/batch", gone, **publisher)[0] == 200
    assert [entry["filename"] for entry in get(hub, f"{NEW}/lfs-files", **publisher)] == ["kept.safetensors"]
    assert [e["path"] for e in get(hub, f"{NEW}/tree/main", **publisher)] == ["kept.safetensors", "t.txt"]
    assert [e["path"] for e in get(hub, f"{NEW}/tree/side", **publisher)] == ["t.txt"]
    assert [c["id"] for c in get(hub, f"{NEW}/commits/side", **publisher)][1:] == [first]
    assert [tag["name"] for tag in get(hub, f"{NEW}/refs", **publisher)["tags"]] == []
    sent_again = batch(hub, publisher, listed["a.safetensors"]["fileOid"], len(content["a.safetensors"]), of="new")
    assert "upload" in sent_again["actions"], "the lab has it no longer"


def test_nothing_that_was_published_is_deleted_and_by_nobody_else(hub: Hub, publisher: dict[str, str]) -> None:
    digest = hub.open.main.files.get(path="model.safetensors").sha256
    asked = {"deletions": {"sha": [digest]}}
    status, told = send(hub, "/api/models/lyceum/open/lfs-files/batch", asked, **publisher)
    assert status == 409
    assert "published" in told["error"]
    harbour = bearer(hub.token(world.build("harbour").manager, Kind.PUBLISH))
    for token in (harbour, bearer(hub.token(hub.stranger)), bearer(hub.token(hub.world.reviewers[0], Kind.REVIEW)), {}):
        assert send(hub, "/api/models/lyceum/open/lfs-files/batch", asked, **token)[0] in {401, 403}
        assert ask(hub.url, "/api/models/lyceum/open/lfs-files", **token)[0] in {401, 403}
    assert send(hub, f"{NEW}/lfs-files/batch", {"deletions": ["x"]}, **publisher)[0] == 400
    assert hub.open.main.files.filter(blob=digest).exists()
