"""The writing doors under attack, asked with a bare HTTP client: tickets, parts, digests, commits, names."""

from __future__ import annotations

import base64
import hashlib
import http.client
import json
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from typing import Any
from urllib.parse import urlsplit

import pytest
from django.conf import settings
from django.utils import timezone

from portal.people.models import Membership
from portal.tokens.scopes import Kind
from releases import actions
from releases.actions import uploading
from releases.models import Blob, Model, RefKind, Upload
from releases.permits import PartPermit
from releases.storage import store
from tests.contract.hub import Hub
from tests.contract.test_hub_wire import ask, bearer
from tests.portal import world

PART = 1_000_000
CONTENT = bytes(range(256)) * 10_000
OID = hashlib.sha256(CONTENT).hexdigest()
COMMIT = "/api/models/lyceum/open/commit/main"


@pytest.fixture(autouse=True)
def small_parts(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(uploading, "PART_BYTES", PART)


@pytest.fixture
def publisher(hub: Hub) -> dict[str, str]:
    return bearer(hub.token(hub.world.manager, Kind.PUBLISH))


def send(hub: Hub, target: str, body: Any, method: str = "POST", **headers: str) -> tuple[int, dict[str, Any]]:
    status, said, told = ask(hub.url, target, method, json.dumps(body).encode(), **headers)
    assert said["content-type"].startswith(("application/json", "application/vnd.git-lfs+json")), (status, told)
    return status, json.loads(told)


def batch(hub: Hub, publisher: dict[str, str], oid: str = OID, size: int = len(CONTENT), of: str = "open") -> Any:
    asked = {"operation": "upload", "transfers": ["basic", "multipart"], "objects": [{"oid": oid, "size": size}]}
    status, told = send(hub, f"/lyceum/{of}.git/info/lfs/objects/batch", asked, **publisher)
    assert status == 200, told
    return told["objects"][0]


def put(link: str, content: bytes, **headers: str) -> tuple[int, dict[str, str], bytes]:
    parts = urlsplit(link)
    return ask(f"http://{parts.netloc}", f"{parts.path}?{parts.query}", "PUT", content, **headers)


def parts_of(upload: dict[str, Any]) -> list[str]:
    return [link for name, link in sorted(upload["header"].items()) if name.isdigit()]


def put_all(upload: dict[str, Any], content: bytes = CONTENT) -> list[dict[str, Any]]:
    sent = []
    for n, link in enumerate(parts_of(upload)):
        status, said, _ = put(link, content[n * PART : (n + 1) * PART])
        assert status == 200
        sent.append({"partNumber": n + 1, "etag": said["etag"]})
    return sent


def local(link: str) -> str:
    return urlsplit(link).path


def lines(*operations: tuple[str, dict[str, Any]]) -> bytes:
    return b"".join(json.dumps({"key": key, "value": value}).encode() + b"\n" for key, value in operations)


def commit(hub: Hub, publisher: dict[str, str], *operations: tuple[str, dict[str, Any]], **header: str) -> Any:
    body = lines(("header", {"summary": "Test", "description": "", **header}), *operations)
    status, said, told = ask(hub.url, COMMIT, "POST", body, **publisher)
    return status, json.loads(told), said


def text(path: str, content: bytes = b"hello") -> tuple[str, dict[str, Any]]:
    return "file", {"path": path, "content": base64.b64encode(content).decode(), "encoding": "base64"}


def large(path: str = "big.safetensors", oid: str = OID) -> tuple[str, dict[str, Any]]:
    return "lfsFile", {"path": path, "algo": "sha256", "oid": oid, "size": len(CONTENT)}


def test_a_file_in_parts_arrives_once_and_counts_from_then_on(hub: Hub, publisher: dict[str, str]) -> None:
    assert commit(hub, publisher, large())[0] == 400, "nothing was uploaded"
    actions_ = batch(hub, publisher)["actions"]
    upload = actions_["upload"]
    assert len(parts_of(upload)) == 3
    sent = put_all(upload)
    assert commit(hub, publisher, large())[0] == 400, "it is not complete yet"
    status, _ = send(hub, local(upload["href"]), {"oid": OID, "parts": sent})
    assert status == 200
    assert send(hub, local(upload["href"]), {"oid": OID, "parts": sent})[0] == 200, "the answer may get lost"
    assert send(hub, local(actions_["verify"]["href"]), {"oid": OID, "size": len(CONTENT)}, **publisher)[0] == 200
    assert "actions" not in batch(hub, publisher)
    status, told, _ = commit(hub, publisher, large())
    assert status == 200
    file = Model.objects.get(name="open").tip.files.get(path="big.safetensors")
    assert (file.sha256, file.size, file.lfs, told["commitOid"]) == (OID, len(CONTENT), True, file.revision.commit)


def test_a_completion_that_is_asked_twice_reads_once_and_answers_both(
    hub: Hub, publisher: dict[str, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """A proxy gives up after its minute, and the client asks again while the first call still reads."""
    upload = batch(hub, publisher)["actions"]["upload"]
    whole, finish, read = {"oid": OID, "parts": put_all(upload)}, store().finish, threading.Event()
    readings = []

    def slowly(*args: Any, **kwargs: Any) -> None:
        readings.append(read.set())
        time.sleep(2)
        finish(*args, **kwargs)

    monkeypatch.setattr(store(), "finish", slowly)
    with ThreadPoolExecutor() as pool:
        first = pool.submit(send, hub, local(upload["href"]), whole)
        assert read.wait(30)
        second, begun = pool.submit(send, hub, local(upload["href"]), whole), pool.submit(batch, hub, publisher)
        assert [first.result()[0], second.result()[0], len(readings)] == [200, 200, 1]
        assert "actions" not in begun.result(), "nor is it sent again by a run that begins meanwhile"


def test_a_digest_is_no_right_to_another_labs_file(hub: Hub) -> None:
    """Digests are public. Whoever knows one must still send the file."""
    secret = hub.gated.main.files.get(path="model.safetensors")
    harbour = world.build("harbour")
    theirs = actions.open_model(lab=harbour.lab, name="mine", by=harbour.manager)
    token = bearer(hub.token(harbour.manager, Kind.PUBLISH))
    asked = {"operation": "upload", "transfers": ["basic"], "objects": [{"oid": secret.sha256, "size": secret.size}]}
    _, told = send(hub, "/harbour/mine.git/info/lfs/objects/batch", asked, **token)
    assert "upload" in told["objects"][0]["actions"]
    body = lines(("header", {"summary": "x"}), large("stolen.safetensors", secret.sha256))
    status, _, told_ = ask(hub.url, "/api/models/harbour/mine/commit/main", "POST", body, **token)
    assert status == 400, told_
    verify = local(told["objects"][0]["actions"]["verify"]["href"])
    asked = {"oid": secret.sha256, "size": secret.size}
    status, _ = send(hub, verify, asked, **token)
    assert status == 400, "an upload that was not sent proves nothing"
    theirs.refresh_from_db()
    assert theirs.tip is None


def test_a_completion_address_is_good_for_its_upload_alone(hub: Hub, publisher: dict[str, str]) -> None:
    upload = batch(hub, publisher)["actions"]["upload"]
    sent = put_all(upload)
    address = local(upload["href"])
    whole = {"oid": OID, "parts": sent}
    prefix, ticket = address.split("/api/uploads/")[0], address.split("/")[3]
    assert prefix == ""
    for forged in (ticket[:-1] + ("A" if ticket[-1] != "A" else "B"), ticket.split(":")[0], "x", "0" * 32):
        assert send(hub, f"/api/uploads/{forged}/complete", whole)[0] in {403, 404}, forged
    assert send(hub, address, {"oid": "0" * 64, "parts": sent})[0] == 400
    assert send(hub, address, {"oid": OID, "parts": sent[::-1]})[0] == 400
    assert send(hub, address, {"oid": OID, "parts": [*sent[:1], *sent]})[0] == 400
    assert send(hub, address, {"oid": OID})[0] == 400
    assert not Blob.objects.filter(pk=OID).exists()
    assert send(hub, address, whole)[0] == 200


@pytest.mark.parametrize("end", ["role", "time", "account"])
def test_an_upload_ends_with_the_right_that_began_it(hub: Hub, publisher: dict[str, str], end: str) -> None:
    upload = batch(hub, publisher)["actions"]["upload"]
    sent = put_all(upload)
    if end == "role":
        Membership.objects.filter(user=hub.world.manager).update(ends_at=timezone.now())
    elif end == "time":
        Upload.objects.update(ends_at=timezone.now() - timedelta(seconds=1))
    else:
        type(hub.world.manager).objects.filter(pk=hub.world.manager.pk).update(is_active=False)
    status, told = send(hub, local(upload["href"]), {"oid": OID, "parts": sent})
    assert (status, Blob.objects.filter(pk=OID).exists()) == (403, False), told


def test_another_person_cannot_end_an_upload(hub: Hub, publisher: dict[str, str]) -> None:
    begun = batch(hub, publisher)["actions"]
    put_all(begun["upload"])
    harbour = bearer(hub.token(world.build("harbour").manager, Kind.PUBLISH))
    body = {"oid": OID, "size": len(CONTENT)}
    verify = local(begun["verify"]["href"])
    assert send(hub, verify, body, **harbour)[0] == 403
    assert send(hub, verify, body)[0] == 401
    assert send(hub, verify, {**body, "size": 5}, **publisher)[0] == 400
    assert send(hub, verify, body, **publisher)[0] == 200


def test_a_link_takes_one_part_where_it_belongs_and_nothing_else(hub: Hub, publisher: dict[str, str]) -> None:
    first, second, last = parts_of(batch(hub, publisher)["actions"]["upload"])
    assert put(first, CONTENT[: PART - 1])[0] == 411
    assert put(first, CONTENT[: PART + 1])[0] == 411
    assert put(last, CONTENT[:PART])[0] == 411
    for altered in (
        first.replace("offset=0", f"offset={PART}"),
        first.replace(f"size={PART}", f"size={PART + 1}"),
        first.replace("/1?", "/2?"),
        first.replace("expires=", "expires=9"),
        first + "0",
        first.split("&sig=")[0],
        first + "&sig=x",
    ):
        assert put(altered, CONTENT[:PART])[0] == 403, altered
    target = urlsplit(second)
    for method in ("GET", "HEAD", "POST", "DELETE"):
        assert ask(hub.url, f"{target.path}?{target.query}", method)[0] in {403, 405}, "what is staged cannot be read"
    key = settings.BLOB_SIGNING_KEY.encode()
    stale = PartPermit(Upload.objects.get().key, 1, 0, PART, int(time.time()) - 1).url(key)
    assert put(hub.url + stale, CONTENT[:PART])[0] == 403
    foreign = PartPermit("0" * 32, 1, 0, PART, int(time.time()) + 60).url(key)
    assert put(hub.url + foreign, CONTENT[:PART])[0] == 404


def test_what_is_not_the_announced_file_never_becomes_one(hub: Hub, publisher: dict[str, str]) -> None:
    upload = batch(hub, publisher)["actions"]["upload"]
    wrong = put_all(upload, CONTENT[:-1] + b"!")
    status, told = send(hub, local(upload["href"]), {"oid": OID, "parts": wrong})
    assert (status, "not the file that was announced" in told["error"]) == (400, True)
    assert not Blob.objects.filter(pk=OID).exists()
    assert commit(hub, publisher, large())[0] == 400
    right = put_all(upload)
    assert send(hub, local(upload["href"]), {"oid": OID, "parts": right})[0] == 200, "a part may be sent again"


def test_no_part_is_written_into_a_file_that_was_read_back(hub: Hub, publisher: dict[str, str]) -> None:
    """A PUT that is held open while the upload completes would change the file after its digest was taken."""
    upload = batch(hub, publisher)["actions"]["upload"]
    sent = put_all(upload)
    link = urlsplit(parts_of(upload)[0])
    slow = http.client.HTTPConnection(link.hostname or "", link.port, timeout=10)
    slow.putrequest("PUT", f"{link.path}?{link.query}")
    slow.putheader("Content-Length", str(PART))
    slow.endheaders()
    slow.send(CONTENT[: PART // 2])
    time.sleep(0.3)
    assert send(hub, local(upload["href"]), {"oid": OID, "parts": sent})[0] == 409, "a part is still arriving"
    slow.send(CONTENT[PART // 2 : PART])
    assert slow.getresponse().status == 200
    slow.close()
    assert send(hub, local(upload["href"]), {"oid": OID, "parts": sent})[0] == 200
    assert put(parts_of(upload)[0], b"!" * PART)[0] == 404
    held = settings.STORE_PATH / "blobs" / OID[:2] / OID[2:4] / OID
    assert hashlib.sha256(held.read_bytes()).hexdigest() == OID


def test_what_never_became_whole_is_dropped(hub: Hub, publisher: dict[str, str]) -> None:
    batch(hub, publisher)
    staged = settings.STORE_PATH / "staging" / "uploads" / Upload.objects.get().key
    assert staged.exists()
    assert actions.purge_uploads() == 0
    Upload.objects.update(ends_at=timezone.now() - timedelta(seconds=1))
    assert actions.purge_uploads() == 1
    assert not staged.exists()
    assert not Upload.objects.exists()


@pytest.mark.parametrize(
    ("oid", "size"), [("x" * 64, 5), ("0" * 63, 5), (OID.upper(), 5), (OID, 0), (OID, -1), (OID, 50 * 10**9 + 1)]
)
def test_impossible_objects_are_told_one_by_one(hub: Hub, publisher: dict[str, str], oid: str, size: int) -> None:
    told = batch(hub, publisher, oid, size)
    assert told["error"]["code"] == 422
    assert "actions" not in told


def test_a_commit_sent_twice_is_made_once(hub: Hub, publisher: dict[str, str]) -> None:
    parent = hub.open.tip.commit
    change = (text("a.txt"), ("deletedFile", {"path": "LICENSE"}))
    first = commit(hub, publisher, *change, parentCommit=parent)
    again = commit(hub, publisher, *change, parentCommit=parent)
    assert first[0] == again[0] == 200
    assert first[1]["commitOid"] == again[1]["commitOid"]
    status, _, said = commit(hub, publisher, text("b.txt"), parentCommit=parent)
    assert status == 412
    assert said["x-error-message"].startswith("The branch was updated since you opened this page.")


def test_of_two_commits_at_once_one_is_first(hub: Hub, publisher: dict[str, str]) -> None:
    parent = hub.open.tip.commit
    with ThreadPoolExecutor(6) as pool:
        futures = [pool.submit(commit, hub, publisher, text(f"{n}.txt"), parentCommit=parent) for n in range(6)]
        statuses = sorted(future.result()[0] for future in futures)
    assert statuses == [200, 412, 412, 412, 412, 412]
    assert Model.objects.get(name="open").tip.parent == parent


def test_a_commit_without_a_length_is_read_too(hub: Hub, publisher: dict[str, str]) -> None:
    body = lines(("header", {"summary": "x"}), text("chunked.txt"))
    parts = urlsplit(hub.url)
    connection = http.client.HTTPConnection(parts.hostname or "", parts.port, timeout=20)
    pieces = [body[i : i + 7] for i in range(0, len(body), 7)]
    connection.request("POST", COMMIT, iter(pieces), publisher, encode_chunked=True)
    assert connection.getresponse().status == 200
    connection.close()
    assert Model.objects.get(name="open").tip.files.filter(path="chunked.txt").exists()


@pytest.mark.parametrize(
    ("operation", "status"),
    [
        (text("../etc/passwd"), 400), (text("/etc/passwd"), 400), (text("a//b"), 400), (text(""), 400),
        (text(".git/config"), 400), (text("config.json/x"), 400), (text("README.MD"), 400), (text("a\u202eb"), 400),
        (text("a\x00b"), 400), (("file", {"path": "a", "content": "%%%", "encoding": "base64"}), 400),
        (("file", {"path": "a", "content": 5}), 400), (("file", {"path": "a", "content": "", "encoding": "rot13"}), 400),
        (("lfsFile", {"path": "a", "oid": "x"}), 400), (("deletedFile", {"path": "nothing"}), 404),
        (("deletedFolder", {"path": "nothing/"}), 404), (("deletedFolder", {"path": ""}), 404), (("symlink", {"path": "a"}), 501),
    ],
)  # fmt: skip
def test_what_no_release_can_carry_is_refused_whole(
    hub: Hub, publisher: dict[str, str], operation: tuple[str, dict[str, Any]], status: int
) -> None:
    before = hub.open.tip
    got, told, said = commit(hub, publisher, text("fine.txt"), operation)
    assert got == status, told
    assert told["error"] == said["x-error-message"]
    hub.open.refresh_from_db()
    assert hub.open.tip == before


@pytest.mark.parametrize("body", [b"", b"x\n", b"[]\n", b'{"key":"file"}\n', b"\xff\n", b'{"key":"file","value":[]}\n'])
def test_a_body_that_is_no_commit_is_told_so(hub: Hub, publisher: dict[str, str], body: bytes) -> None:
    status, _said, told = ask(hub.url, COMMIT, "POST", body, **publisher)
    assert status == (400 if body else 200), told
    assert hub.open.tip == Model.objects.get(name="open").tip


def test_a_line_without_end_is_not_read_to_its_end(hub: Hub, publisher: dict[str, str]) -> None:
    assert ask(hub.url, COMMIT, "POST", b'{"key":"file","value":"' + b"x" * (17 << 20), **publisher)[0] == 413


def test_pull_requests_and_data_sets_are_told_to_be_elsewhere(hub: Hub, publisher: dict[str, str]) -> None:
    assert ask(hub.url, f"{COMMIT}?create_pr=1", "POST", lines(text("a.txt")), **publisher)[0] == 501
    asked = {"name": "x", "organization": "lyceum", "type": "dataset"}
    assert send(hub, "/api/repos/create", asked, **publisher)[0] == 501
    assert send(hub, "/api/repos/create", {"name": "x", "organization": "nobody"}, **publisher)[0] == 404
    assert send(hub, "/api/repos/create", {"name": "a--b", "organization": "lyceum"}, **publisher)[0] == 400
    taken, told = send(hub, "/api/repos/create", {"name": "OPEN", "organization": "lyceum"}, **publisher)
    assert (taken, told["url"]) == (409, f"{hub.url}/lyceum/open")


def test_a_strangers_eyes_end_at_what_was_published(hub: Hub, publisher: dict[str, str]) -> None:
    """A branch of drafts, a tag on one, and the drafts of main: not listed, not named, not served."""
    assert commit(hub, publisher, text("secret.txt"))[0] == 200
    tip = Model.objects.get(name="open").tip
    actions.make_branch(model=hub.open, name="feat/x", revision=tip, by=hub.world.manager)
    actions.make_tag(model=hub.open, name="v0", revision=tip, by=hub.world.manager)
    stranger = bearer(hub.token(hub.stranger))
    told = json.loads(ask(hub.url, "/api/models/lyceum/open/refs", **stranger)[2])
    assert [ref["targetCommit"] for ref in told["branches"]] == [hub.open.main.commit]
    assert told["tags"] == []
    for revision in ("feat%2Fx", "v0", tip.commit):
        for target in (
            f"/api/models/lyceum/open/tree/{revision}",
            f"/api/models/lyceum/open/revision/{revision}",
            f"/lyceum/open/resolve/{revision}/secret.txt",
            f"/lyceum/open/tree/{revision}",
            f"/lyceum/open/manifest/{revision}",
        ):
            assert ask(hub.url, target, **stranger)[0] == 404, target
            assert ask(hub.url, target)[0] == 404, target
    assert ask(hub.url, "/lyceum/open/resolve/main/secret.txt", **stranger)[0] == 404
    assert ask(hub.url, "/lyceum/open/resolve/main/secret.txt", **publisher)[0] == 302
    commits = json.loads(ask(hub.url, "/api/models/lyceum/open/commits/main", **stranger)[2])
    assert [commit["id"] for commit in commits] == [hub.open.main.commit]


def test_an_old_name_leads_on_for_those_who_may_see(hub: Hub, publisher: dict[str, str]) -> None:
    actions.describe_model(model=hub.gated, by=hub.world.manager, gate=None)
    move = {"fromRepo": "lyceum/open", "toRepo": "lyceum/new-name", "type": "model"}
    assert send(hub, "/api/repos/move", move, **publisher)[0] == 200
    for target, leads in (
        ("/lyceum/open/resolve/feat%2Fx/a%20b.txt?x=1", "/lyceum/new-name/resolve/feat%2Fx/a%20b.txt?x=1"),
        ("/lyceum/open", "/lyceum/new-name"),
        ("/lyceum/open/tree/main?page=2", "/lyceum/new-name/tree/main?page=2"),
        ("/api/models/lyceum/OPEN/tree/main?recursive=true", "/api/models/lyceum/new-name/tree/main?recursive=true"),
    ):
        status, said, _ = ask(hub.url, target)
        assert (status, said["location"]) == (307, leads)
    taken = {"name": "open", "organization": "lyceum"}
    assert send(hub, "/api/repos/create", taken, **publisher)[0] == 409, "an old name is never given to another"
    back = {"fromRepo": "lyceum/new-name", "toRepo": "lyceum/open", "type": "model"}
    assert send(hub, "/api/repos/move", back, **publisher)[0] == 200
    assert ask(hub.url, "/api/models/lyceum/open")[0] == 200
    draft = actions.open_model(lab=hub.world.lab, name="draft", by=hub.world.manager)
    actions.rename_model(model=draft, lab=hub.world.lab, name="hidden", by=hub.world.manager)
    assert ask(hub.url, "/api/models/lyceum/draft")[0] == 401, "what nobody may see, nobody is led to"


def test_what_was_published_is_not_deleted(hub: Hub, publisher: dict[str, str]) -> None:
    asked = {"name": "open", "organization": "lyceum", "type": "model"}
    assert send(hub, "/api/repos/delete", asked, "DELETE", **publisher)[0] == 409
    assert send(hub, "/api/repos/delete", asked, "DELETE", **bearer(hub.token(hub.researcher)))[0] == 403
    with pytest.raises(Exception, match="protected"):
        actions.delete_ref(model=hub.open, kind=RefKind.BRANCH, name="main", by=hub.world.manager)


def test_settings_say_what_is_so_and_open_nothing(hub: Hub, publisher: dict[str, str]) -> None:
    at = "/api/models/lyceum/gated/settings"
    assert send(hub, at, {"gated": "manual"}, "PUT", **publisher) == (
        200, {"gated": "manual", "private": False, "visibility": "public"},
    )  # fmt: skip
    assert send(hub, at, {"gated": False}, "PUT", **publisher)[0] == 409
    assert send(hub, at, {"private": True}, "PUT", **publisher)[0] == 409
    hub.gated.refresh_from_db()
    assert hub.gated.gate == hub.world.gate
