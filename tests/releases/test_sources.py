"""Releases taken in from a bucket and from another hub: as from a folder, streamed, and taken up again."""

from __future__ import annotations

import hashlib
import http.server
import json
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import boto3
import pytest

from portal.errors import Invalid
from releases import actions, git
from releases.ingest import ingest
from releases.models import Model, Revision
from releases.storage import store
from tests.portal.world import World
from tests.releases import swift
from tests.releases.folders import model_folder, weights

pytestmark = [pytest.mark.django_db, pytest.mark.xdist_group("swift")]  # its server starts once


def a_model(lyceum: World, name: str = "taken") -> Model:
    return actions.open_model(lab=lyceum.lab, name=name, by=lyceum.manager)


def contents(revision: Revision) -> dict[str, bytes]:
    found = {}
    for file in revision.files.all():
        with store().open(file.sha256) as held:
            found[file.path] = held.read()
    return found


def of_folder(folder: Path) -> dict[str, bytes]:
    return {str(path.relative_to(folder)): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


class Interrupted(Exception):
    """The run ends here, as if somebody had pressed Ctrl-C."""


def until(path: str) -> Callable[[str, int, int], None]:
    def report(at: str, _done: int, _size: int) -> None:
        if at == path:
            raise Interrupted

    return report


# --- A bucket ---------------------------------------------------------------------------------------------------


@pytest.fixture
def bucket(s3_server: swift.Swift, settings: Any) -> Any:
    """A client of another's bucket `theirs`, and the settings to read it."""
    settings.INGEST_S3_ENDPOINT, settings.INGEST_S3_REGION = s3_server.endpoint, "us-east-1"
    settings.INGEST_S3_ACCESS_KEY, settings.INGEST_S3_SECRET_KEY = s3_server.access_key, s3_server.secret_key
    client = boto3.client(
        "s3", endpoint_url=s3_server.endpoint, region_name="us-east-1",
        aws_access_key_id=s3_server.access_key, aws_secret_access_key=s3_server.secret_key,
    )  # fmt: skip
    client.create_bucket(Bucket="theirs")
    yield client
    for entry in client.list_objects_v2(Bucket="theirs").get("Contents", ()):
        client.delete_object(Bucket="theirs", Key=entry["Key"])
    client.delete_bucket(Bucket="theirs")


def fill(bucket: Any, folder: Path, prefix: str = "run/7/") -> None:
    for path, content in of_folder(folder).items():
        bucket.put_object(Bucket="theirs", Key=prefix + path, Body=content)


def test_a_prefix_becomes_the_revision_that_a_folder_would(lyceum: World, bucket: Any, tmp_path: Path) -> None:
    folder = model_folder(tmp_path / "f", **{"ünï ç.txt": "odd"})
    fill(bucket, folder)
    bucket.put_object(Bucket="theirs", Key="run/77/other.txt", Body=b"beside it")
    bucket.put_object(Bucket="theirs", Key="run/7/eval/", Body=b"")  # how consoles mark a folder
    model = a_model(lyceum)
    revision = ingest("s3://theirs/run/7", model=model, by=lyceum.manager, publish=True)
    assert contents(revision) == of_folder(folder)
    assert revision.state == "published"
    assert ingest(folder, model=model, by=lyceum.manager) == revision, "the same tree, from wherever it comes"


def test_a_prefix_is_taken_up_where_it_was_left(lyceum: World, bucket: Any, tmp_path: Path) -> None:
    fill(bucket, model_folder(tmp_path / "f"))
    model = a_model(lyceum)
    with pytest.raises(Interrupted):
        ingest("s3://theirs/run/7/", model=model, by=lyceum.manager, report=until("model.safetensors"))
    assert not Revision.objects.exists()
    bucket.put_object(Bucket="theirs", Key="run/7/LICENSE", Body=b"Another licence.")
    taken: list[str] = []
    revision = ingest("s3://theirs/run/7/", model=model, by=lyceum.manager, report=lambda p, _d, _s: taken.append(p))
    assert set(taken) == {"LICENSE", "model.safetensors", "tokenizer_config.json"}, "what changed, and what was missing"
    assert contents(revision)["LICENSE"] == b"Another licence."


@pytest.mark.parametrize(
    ("key", "content", "word"),
    [("run/7/pytorch_model.bin", b"\x80\x04.", "safetensors"), ("run/7/../x.txt", b"x", "'..'"), ("", b"", "nothing")],
)
def test_a_prefix_is_refused_what_a_folder_is(
    lyceum: World, bucket: Any, tmp_path: Path, key: str, content: bytes, word: str
) -> None:
    if key:
        fill(bucket, model_folder(tmp_path / "f"))
        bucket.put_object(Bucket="theirs", Key=key, Body=content)
    with pytest.raises(Invalid, match=word):
        ingest("s3://theirs/run/7", model=a_model(lyceum), by=lyceum.manager, publish=True)
    assert not Revision.objects.exists()


def test_a_bucket_that_says_no_is_named(lyceum: World, bucket: Any, settings: Any) -> None:
    for address, word in (("s3://nobodys/x", "nobodys"), ("s3:///x", "Name the bucket")):
        with pytest.raises(Invalid, match=word):
            ingest(address, model=a_model(lyceum, f"m{len(word)}"), by=lyceum.manager)
    settings.INGEST_S3_SECRET_KEY = "wrong"
    with pytest.raises(Invalid, match="INGEST_S3_ENDPOINT"):
        ingest("s3://theirs/run", model=a_model(lyceum), by=lyceum.manager)


# --- Another hub ------------------------------------------------------------------------------------------------


@dataclass
class Other:
    """A hub with one model and its store at another origin, which may lie, break off and forget."""

    files: dict[str, bytes]
    lies: dict[str, str] = field(default_factory=dict)
    breaks: dict[str, int] = field(default_factory=dict)
    """How many of the next long answers with this file end in their middle."""
    gated: str = ""
    """The token without which it describes the model and gives no file of it; none needed where it is empty."""
    asked: list[tuple[str, str, str]] = field(default_factory=list)
    """(path, Range, Authorization) of every request, the store's too."""
    url: str = ""
    store_url: str = ""

    def given(self, path: str, size: int) -> int:
        """How many of the next `size` bytes of a file arrive."""
        cut = self.breaks.get(path, 0) > 0 and size > 1_000_000
        self.breaks[path] = self.breaks.get(path, 0) - cut
        return size // (1 + cut)

    def info(self) -> bytes:
        siblings = []
        for path, content in self.files.items():
            entry: dict[str, Any] = {"rfilename": path, "size": len(content), "blobId": git.blob_id(content)}
            digest = self.lies.get(path, hashlib.sha256(content).hexdigest())
            if path.endswith(".safetensors"):
                entry |= {"blobId": "0" * 40, "lfs": {"sha256": digest, "size": len(content), "pointerSize": 130}}
            elif path in self.lies:
                entry["blobId"] = self.lies[path]
            siblings.append(entry)
        return json.dumps({"id": "lab/theirs", "sha": "a" * 40, "siblings": siblings}).encode()


@contextmanager
def serving(other: Other) -> Iterator[Other]:
    class Handler(http.server.BaseHTTPRequestHandler):
        def log_message(self, *_: Any) -> None: ...

        def do_GET(self) -> None:
            from urllib.parse import unquote

            path, wanted = unquote(self.path), self.headers.get("Range", "")
            other.asked.append((path, wanted, self.headers.get("Authorization", "")))
            if path.startswith("/api/models/lab/theirs/revision/v1"):
                self.answer(200, other.info())
            elif path.startswith(prefix := f"/lab/theirs/resolve/{'a' * 40}/"):
                self.send_response(302 if other.gated in self.headers.get("Authorization", "") else 401)
                self.send_header("X-Error-Message", "Ask for access at /lab/theirs first")
                self.send_header("Location", f"{other.store_url}/held/{self.path.removeprefix(prefix)}")
                self.send_header("Content-Length", "0")
                self.end_headers()
            elif path.startswith("/held/") and path.removeprefix("/held/") in other.files:
                self.give(path.removeprefix("/held/"), int(wanted.removeprefix("bytes=").rstrip("-")))
            else:
                self.answer(404, b"{}")

        def give(self, path: str, start: int) -> None:
            content = other.files[path][start:]
            self.answer(206, content, sent=other.given(path, len(content)))

        def answer(self, status: int, content: bytes, sent: int | None = None) -> None:
            self.send_response(status)
            self.send_header("Content-Length", str(len(content)))
            self.end_headers()
            self.wfile.write(content[:sent])

    servers = [http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler) for _ in range(2)]
    threads = [threading.Thread(target=server.serve_forever, args=[0.01], daemon=True) for server in servers]
    for thread in threads:
        thread.start()
    other.url, other.store_url = (f"http://127.0.0.1:{server.server_port}" for server in servers)
    try:
        yield other
    finally:
        for server in servers:
            server.shutdown()
            server.server_close()


@pytest.fixture
def other(tmp_path: Path) -> Iterator[Other]:
    files = of_folder(model_folder(tmp_path / "theirs", **{"a b#%?.txt".replace("?", ""): "odd"}))
    with serving(Other(files | {".gitattributes": b"*.bin filter=lfs\n"})) as running:
        yield running


def address(other: Other) -> str:
    return f"hub:{other.url}/lab/theirs@v1"


def test_a_model_of_another_hub_is_taken_whole(lyceum: World, other: Other, settings: Any) -> None:
    settings.INGEST_HUB_TOKEN = "secret"
    revision = ingest(address(other), model=a_model(lyceum), by=lyceum.manager, publish=True)
    assert contents(revision) == {path: held for path, held in other.files.items() if not path.startswith(".")}
    shown = {token for path, _, token in other.asked if not path.startswith("/held/")}
    assert shown == {"Bearer secret"}
    assert {token for path, _, token in other.asked if path.startswith("/held/")} == {""}, "the store sees no token"


def test_a_file_that_breaks_off_is_taken_up_where_it_broke(lyceum: World, other: Other) -> None:
    other.files["model.safetensors"] = weights(5, 800_000)
    other.breaks["model.safetensors"] = 6
    revision = ingest(address(other), model=a_model(lyceum), by=lyceum.manager)
    assert contents(revision)["model.safetensors"] == other.files["model.safetensors"]
    starts = [int(wanted[6:-1]) for path, wanted, _ in other.asked if path == "/held/model.safetensors"]
    whole = starts[len(starts) - 1 - starts[::-1].index(0) :]
    assert starts.index(0) < len(starts) - len(whole), "its ends are looked at, and then all of it is read"
    assert whole[1] > 1_000_000
    assert whole[2] > whole[1], "each time from where it broke"


def test_another_hub_is_taken_up_where_it_was_left(lyceum: World, other: Other) -> None:
    model = a_model(lyceum)
    with pytest.raises(Interrupted):
        ingest(address(other), model=model, by=lyceum.manager, report=until("model.safetensors"))
    taken: list[str] = []
    ingest(address(other), model=model, by=lyceum.manager, report=lambda path, _d, _s: taken.append(path))
    assert set(taken) == {"model.safetensors", "tokenizer_config.json"}


@pytest.mark.parametrize(("path", "lie"), [("model.safetensors", "0" * 64), ("config.json", "0" * 40)])
def test_what_is_not_what_the_other_hub_says_is_refused(lyceum: World, other: Other, path: str, lie: str) -> None:
    other.lies[path] = lie
    with pytest.raises(Invalid, match=f"{path} is not the file that its source says"):
        ingest(address(other), model=a_model(lyceum), by=lyceum.manager)
    assert not Revision.objects.exists()


@pytest.mark.parametrize(
    ("said", "word"),
    [("hub:ftp://x/lab/theirs@v1", "Name the model"), ("hub:{url}/lab/theirs@v2", "answered 404"), ("hub:{url}/a", "Name the"), ("hub:http://127.0.0.1:9/a/b@v1", r"http://127.0.0.1:9 cannot be reached: Connection refused\. See")],
)  # fmt: skip
def test_what_is_no_model_is_told_so(lyceum: World, other: Other, said: str, word: str) -> None:
    with pytest.raises(Invalid, match=word):
        ingest(said.format(url=other.url), model=a_model(lyceum), by=lyceum.manager)


@pytest.mark.parametrize(
    ("token", "advice"),
    [("", "needs INGEST_HUB_TOKEN"), ("wrong", "See that INGEST_HUB_TOKEN is a token")],
)
def test_an_operator_who_may_not_have_a_file_of_another_hub_reads_what_it_says_and_is_not_sent_again(
    lyceum: World, other: Other, settings: Any, token: str, advice: str
) -> None:
    other.gated, settings.INGEST_HUB_TOKEN = "right", token
    with pytest.raises(Invalid) as refused:
        ingest(address(other), model=a_model(lyceum), by=lyceum.manager)
    assert f"{other.url} answered 401 about lab/theirs: Ask for access at /lab/theirs first. " in refused.value.message
    assert advice in refused.value.message
    assert "Ingest again" not in refused.value.message
    assert len([path for path, _, _ in other.asked if "/resolve/" in path]) == 1, "no is no"


def test_who_shows_the_right_token_has_the_gated_model_of_another_hub(
    lyceum: World, other: Other, settings: Any
) -> None:
    other.gated = settings.INGEST_HUB_TOKEN = "right"
    assert ingest(address(other), model=a_model(lyceum), by=lyceum.manager).state == "checked"


@pytest.mark.parametrize("pasted", ["https://hub.example/lab/theirs", "http://hub.example/lab/theirs@v1"])
def test_an_operator_who_pastes_the_address_of_a_model_is_told_how_another_hub_is_named(
    lyceum: World, pasted: str
) -> None:
    with pytest.raises(Invalid, match=f"Name the model as hub:{pasted.partition('@')[0]}"):
        ingest(pasted, model=a_model(lyceum), by=lyceum.manager)


def test_another_hub_is_refused_what_a_folder_is(lyceum: World, other: Other) -> None:
    other.files["pytorch_model.bin"] = b"\x80\x04."
    with pytest.raises(Invalid, match="safetensors"):
        ingest(address(other), model=a_model(lyceum), by=lyceum.manager)
