"""The blob server: what it answers, and that it never holds more than a piece in memory."""

from __future__ import annotations

import asyncio
import hashlib
import http.client
import io
import os
import random
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from urllib.error import HTTPError
from urllib.parse import quote
from urllib.request import Request, urlopen

import pytest
from hypothesis import given
from hypothesis import strategies as st

from inference.gateway import sendfile
from releases import blobs
from releases.blobs import PIECE, Blobs, span_of
from releases.permits import Permit, disposition, place
from releases.storage.local import LocalStore
from tests.contract.hub import serving
from tests.releases.test_storage import BODY, KEY, fetch
from tests.stack import free_port


@pytest.fixture(scope="module")
def store(tmp_path_factory: pytest.TempPathFactory) -> LocalStore:
    return LocalStore(tmp_path_factory.mktemp("store"), key=KEY)


@pytest.fixture(scope="module")
def url(store: LocalStore) -> Iterator[str]:
    with serving(Blobs(store._root, (KEY,))) as origin:
        sha256, _ = store.put(io.BytesIO(BODY))
        yield origin + store.link(sha256, name="model.safetensors", content_type="application/octet-stream")


ETAG = f'"{hashlib.sha256(BODY).hexdigest()}"'


def test_the_answer_cannot_become_a_page(url: str) -> None:
    headers = fetch(url)[1]
    assert headers["x-content-type-options"] == "nosniff"
    assert headers["content-security-policy"].startswith("sandbox")
    assert headers["content-disposition"].startswith("attachment;")
    assert headers["referrer-policy"] == "no-referrer"
    assert "no-store" in headers["cache-control"]
    assert headers["etag"] == ETAG
    assert "set-cookie" not in headers


@pytest.mark.parametrize(
    ("asked", "status", "length"),
    [
        ({}, 200, len(BODY)),
        ({"Range": "bytes=0-9"}, 206, 10),
        ({"Range": "bytes=0-9", "If-Range": ETAG}, 206, 10),
        ({"Range": "bytes=0-9", "If-Range": '"other"'}, 200, len(BODY)),
        ({"Range": "bytes=0-9", "If-Range": "Wed, 21 Oct 2015 07:28:00 GMT"}, 200, len(BODY)),
        ({"Range": "bytes=0-9,20-29"}, 200, len(BODY)),
        ({"Range": "bytes=9-0"}, 200, len(BODY)),
        ({"Range": "bytes=-"}, 200, len(BODY)),
        ({"Range": "lines=1-2"}, 200, len(BODY)),
        ({"Range": "bytes=99999999999999999999-"}, 200, len(BODY)),
        ({"Range": "bytes=0-999999999"}, 206, len(BODY)),
        ({"Range": "bytes=-999999999"}, 206, len(BODY)),
        ({"Range": f"bytes={len(BODY)}-"}, 416, None),
        ({"Range": "bytes=-0"}, 416, None),
        ({"If-None-Match": ETAG}, 304, 0),
    ],
)
@pytest.mark.parametrize("method", ["GET", "HEAD"])
def test_ranges_and_conditions(url: str, asked: dict[str, str], status: int, length: int | None, method: str) -> None:
    got, headers, body = fetch(url, method, **asked)
    assert got == status
    if status == 416:
        assert headers["content-range"] == f"bytes */{len(BODY)}"
    elif method == "GET":
        assert len(body) == length
    elif status != 304:
        assert int(headers["content-length"]) == length
    assert method == "GET" or body == b""


@given(st.text(max_size=40), st.integers(0, 1000))
def test_any_range_header_is_answered_within_the_object(asked: str, size: int) -> None:
    span = span_of({"range": asked}, size, '"x"')
    assert span is None or 0 <= span.start <= span.end <= size


@given(st.integers(0, 50), st.integers(0, 50), st.integers(1, 40))
def test_a_satisfiable_range_is_cut_to_the_object(first: int, last: int, size: int) -> None:
    span = span_of({"range": f"bytes={first}-{last}"}, size, '"x"')
    if last < first:
        assert span is not None
        assert not span.partial
    elif first >= size:
        assert span is None
    else:
        assert span is not None
        assert (span.start, span.end, span.partial) == (first, min(last + 1, size), True)


@given(st.text(min_size=1, max_size=30))
def test_any_name_is_one_safe_header(name: str) -> None:
    try:
        header = disposition(name)
    except UnicodeEncodeError:
        return  # a lone surrogate: no file of ours is called so
    assert header.isascii()
    assert header.isprintable()
    assert header.count('"') == 2


@pytest.mark.parametrize(
    "path",
    [
        "/blobs/",
        "/blobs/../../etc/passwd",
        "/blobs/" + "0" * 63,
        "/blobs/" + "g" * 64,
        "/blobs/%00",
        "/blobs/" + quote("../x"),
        "/blobs/" + "A" * 64,
    ],
)
def test_no_path_leaves_the_store(url: str, path: str) -> None:
    origin = url[: url.index("/blobs/")]
    assert fetch(f"{origin}{path}?{url.partition('?')[2]}")[0] == 403


@pytest.mark.parametrize(
    "query",
    [
        "",
        "sig=",
        "&" * 5000,
        "sig=%ff%fe&method=GET&expires=1&name=a&type=b",
        "method=GET&expires=" + "9" * 400 + "&name=a&type=b&sig=x",
        "expires=\u0661",
    ],
)
def test_any_query_is_answered(url: str, query: str) -> None:
    assert fetch(f"{url.partition('?')[0]}?{quote(query, safe='=&%')}")[0] == 403


def test_an_object_that_is_gone(url: str, store: LocalStore) -> None:
    sha256, _ = store.put(io.BytesIO(b"short-lived"))
    link = store.link(sha256, name="a", content_type="b/c")
    store.delete(sha256)
    assert fetch(url[: url.index("/blobs/")] + link)[0] == 404


def test_reading_stops_when_nobody_listens(tmp_path: Path) -> None:
    """A client that goes away after the first piece costs at most a piece or two more."""
    sha256 = "a" * 64
    target = place(tmp_path, sha256)
    target.parent.mkdir(parents=True)
    with target.open("wb") as sparse:
        sparse.truncate(200 * PIECE)
    permit = Permit(sha256, "GET", int(time.time()) + 60, "a", "b/c").url(KEY)
    sent: list[int] = []

    async def drive() -> None:
        gone = asyncio.Event()

        async def receive() -> dict[str, object]:
            await gone.wait()
            return {"type": "http.disconnect"}

        async def send(message: object) -> None:
            assert isinstance(message, dict)
            sent.append(len(message.get("body", b"")))
            gone.set()
            await asyncio.sleep(0)

        path, _, query = permit.partition("?")
        scope = {"type": "http", "method": "GET", "path": path, "query_string": query.encode(), "headers": []}
        await Blobs(tmp_path, (KEY,))(scope, receive, send)

    asyncio.run(drive())
    assert sum(sent) <= 3 * PIECE


def test_our_server_sends_files_by_the_kernel() -> None:
    assert blobs.SENDFILE == sendfile.SENDFILE


def test_clients_that_stop_reading_hold_nobody_up_and_nothing_is_left_of_those_that_leave(tmp_path: Path) -> None:
    """More of them than there are threads; afterwards every file and connection is closed."""
    sha256 = _sparse(tmp_path, 48 << 20)
    with serving(Blobs(tmp_path, (KEY,))) as origin:
        target = Permit(sha256, "GET", int(time.time()) + 60, "a", "b/c").url(KEY)
        assert hashlib.sha256(fetch(origin + target)[2]).hexdigest() == sha256
        before = _open_files()
        stalled = [_asked(origin, target) for _ in range(40)]
        assert all(connection.recv(12) == b"HTTP/1.1 200" for connection in stalled)
        assert hashlib.sha256(fetch(origin + target)[2]).hexdigest() == sha256
        last = stalled.pop()
        rest = b"".join(iter(lambda: last.recv(PIECE), b""))
        assert hashlib.sha256(rest[-(48 << 20) :]).hexdigest() == sha256, "who goes on reading gets all of it"
        for connection in [*stalled, last]:
            connection.close()
        end = time.monotonic() + 20
        while _open_files() > before and time.monotonic() < end:
            time.sleep(0.02)
        assert _open_files() <= before


def _asked(origin: str, target: str) -> socket.socket:
    connection = socket.create_connection(("127.0.0.1", int(origin.rpartition(":")[2])), timeout=20)
    connection.sendall(f"GET {target} HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n".encode())
    return connection


def _open_files() -> int:
    return len(os.listdir("/proc/self/fd"))


@pytest.mark.parametrize("size", [64 << 20, pytest.param(5 << 30, marks=[pytest.mark.drill, pytest.mark.timeout(900)])])
def test_a_huge_file_is_served_in_constant_memory(tmp_path: Path, size: int) -> None:
    """A process of its own serves a sparse file whole, in eight ranges at once, and resumed; its memory stays flat."""
    sha256 = _sparse(tmp_path, size)
    port = free_port()
    env = {"PATH": os.environ["PATH"], "STORE_PATH": str(tmp_path), "BLOB_SIGNING_KEY": KEY.decode()}
    command = [sys.executable, "-m", "inference.gateway.server", "releases.blobs:app", "--port", str(port)]
    server = subprocess.Popen(command, env=env, cwd=Path(__file__).parents[2])
    try:
        _await(port)

        def link() -> str:
            return f"http://127.0.0.1:{port}" + Permit(sha256, "GET", int(time.time()) + 110, "a", "b/c").url(KEY)

        fetch(link(), Range="bytes=0-99")
        before = _rss(server.pid)
        begin = time.monotonic()
        assert _digest_of(link(), 0) == sha256
        took = time.monotonic() - begin
        cut = random.Random(1).randrange(size // 4, size // 2)
        assert _resumed(link, cut) == sha256
        threads = [threading.Thread(target=_digest_of, args=(link(), n * size // 8)) for n in range(8)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join(300)
        peak = _rss(server.pid, "VmHWM")
        rate = f"{size / took / 2**20:,.0f} MiB/s with hashing"
        sys.stderr.write(f"\n{size:,} bytes: RSS {before // 1024} MiB before, {peak // 1024} MiB at most; {rate}\n")
        assert peak - before < 64 * 1024, "more than 64 MiB for nine readers"
    finally:
        server.terminate()
        server.wait(20)


def _sparse(root: Path, size: int) -> str:
    """A file of `size` bytes with marks at both ends and in the middle, under its digest."""
    made = root / "made"
    with made.open("wb") as file:
        file.truncate(size)
        for at in (0, size // 2, size - 8):
            file.seek(at)
            file.write(os.urandom(8))
    with made.open("rb") as file:
        sha256 = hashlib.file_digest(file, "sha256").hexdigest()
    target = place(root, sha256)
    target.parent.mkdir(parents=True)
    made.rename(target)
    return sha256


def _digest_of(url: str, start: int) -> str:
    return _read(url, start, None)[0].hexdigest()


def _resumed(link: object, cut: int) -> str:
    """Read up to `cut`, drop the connection, go on by Range with a new link."""
    assert callable(link)
    digest, _ = _read(link(), 0, cut)
    return _read(link(), cut, None, digest)[0].hexdigest()


def _read(url: str, start: int, end: int | None, digest: object = None) -> tuple[hashlib._Hash, int]:
    host, _, target = url.removeprefix("http://").partition("/")
    connection = http.client.HTTPConnection(host, timeout=60)
    connection.request("GET", f"/{target}", headers={"Range": f"bytes={start}-"} if start else {})
    answer = connection.getresponse()
    assert answer.status == (206 if start else 200)
    found = digest or hashlib.sha256()
    left = (end - start) if end else None
    while piece := answer.read(min(PIECE, left) if left is not None else PIECE):
        found.update(piece)  # type: ignore[attr-defined]
        left = left - len(piece) if left is not None else None
    connection.close()
    return found, start  # type: ignore[return-value]


def _rss(pid: int, name: str = "VmRSS") -> int:
    """KiB."""
    line = next(line for line in Path(f"/proc/{pid}/status").read_text().splitlines() if line.startswith(name))
    return int(line.split()[1])


def _await(port: int) -> None:
    end = time.monotonic() + 20
    while time.monotonic() < end:
        with socket.socket() as probe:
            if probe.connect_ex(("127.0.0.1", port)) == 0:
                return
        time.sleep(0.05)
    raise AssertionError("the blob server does not answer")


@pytest.mark.parametrize("named", [True, False])
def test_a_link_under_a_former_key_is_good_while_the_key_is_named(store: LocalStore, named: bool) -> None:
    sha256, _ = store.put(io.BytesIO(BODY))
    link = store.link(sha256, name="model.safetensors", content_type="application/octet-stream")
    [part] = store.begin("0" * 32, 3, part_bytes=3, ttl_s=60).links
    with serving(Blobs(store._root, (b"the present one", KEY)[: 1 + named])) as origin:
        assert fetch(origin + link)[0] == (200 if named else 403)
        assert sent(origin + part, b"abc") == (200 if named else 403)
    store.abandon("0" * 32, "")


def sent(url: str, body: bytes) -> int:
    try:
        return int(urlopen(Request(url, data=body, method="PUT"), timeout=20).status)
    except HTTPError as refused:
        return refused.code
