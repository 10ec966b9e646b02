"""Both stores, held to the same promises; the S3 one against a real server that verifies signatures."""

from __future__ import annotations

import hashlib
import http.client
import io
import os
import time
from collections.abc import Callable, Iterator, Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from urllib.parse import parse_qsl, urlencode, urlsplit

import boto3
import pytest
from botocore.config import Config
from botocore.exceptions import ClientError

from portal.errors import Unavailable
from releases.blobs import Blobs
from releases.permits import MAX_TTL_S, Permit
from releases.storage import BlobStore, Mismatch
from releases.storage.drawer import S3Drawer
from releases.storage.local import LocalStore
from releases.storage.s3 import PREFIXES, S3Store
from tests.contract.hub import serving
from tests.releases import swift

pytestmark = pytest.mark.xdist_group("swift")  # its server starts once
KEY = b"the-key-of-these-tests"
BODY = bytes(range(256)) * 8192


def bucket_of(server: swift.Swift) -> S3Store:
    name = f"b{time.monotonic_ns()}"
    client = boto3.client(
        "s3", endpoint_url=server.endpoint, region_name="us-east-1", aws_access_key_id=server.access_key,
        aws_secret_access_key=server.secret_key, config=Config(signature_version="s3v4", s3={"addressing_style": "path"}),
    )  # fmt: skip
    client.create_bucket(Bucket=name)
    return S3Store(
        bucket=name,
        endpoint=server.endpoint,
        region="us-east-1",
        access_key=server.access_key,
        secret_key=server.secret_key,
    )


def tiers_of(server: swift.Swift) -> S3Store:
    """The same with an identity for each tier: the mover, the writer of uploads, the reader of downloads."""
    whole = bucket_of(server)
    (writer, writer_secret), (reader, reader_secret) = server.identity("writer"), server.identity("reader")
    server.allow(whole._bucket, read=reader, write=writer)
    server.allow(f"{whole._bucket}+segments", read=writer, write=writer)  # where Swift keeps the parts of uploads
    return S3Store(
        bucket=whole._bucket, endpoint=server.endpoint, region="us-east-1", access_key=server.access_key,
        secret_key=server.secret_key, upload_access_key=writer, upload_secret_key=writer_secret,
        read_access_key=reader, read_secret_key=reader_secret,
    )  # fmt: skip


@pytest.fixture(params=["local", "s3"])
def store(request: pytest.FixtureRequest, tmp_path: Path) -> BlobStore:
    if request.param == "local":
        return LocalStore(tmp_path, key=KEY)
    return bucket_of(request.getfixturevalue("s3_server"))


@pytest.fixture
def origin(store: BlobStore, tmp_path: Path) -> Iterator[str]:
    """What a link of the store is relative to."""
    if isinstance(store, S3Store):
        yield ""
        return
    with serving(Blobs(tmp_path, (KEY,))) as url:
        yield url


def fetch(url: str, method: str = "GET", **headers: str) -> tuple[int, dict[str, str], bytes]:
    parts = urlsplit(url)
    connection = http.client.HTTPConnection(parts.hostname or "", parts.port, timeout=20)
    connection.request(
        method, f"{parts.path}?{parts.query}", headers={k.replace("_", "-"): v for k, v in headers.items()}
    )
    answer = connection.getresponse()
    found = answer.status, {k.lower(): v for k, v in answer.getheaders()}, answer.read()
    connection.close()
    return found


def link(store: BlobStore, origin: str, sha256: str, **more: Any) -> str:
    return origin + store.link(sha256, **({"name": "ünï 1.txt", "content_type": "text/plain"} | more))


def test_what_is_put_is_held_once_under_its_digest(store: BlobStore) -> None:
    moved: list[int] = []
    sha256, size = store.put(io.BytesIO(BODY), moved=moved.append)
    assert (sha256, size) == (hashlib.sha256(BODY).hexdigest(), len(BODY))
    assert sum(moved) == len(BODY)
    assert store.put(io.BytesIO(BODY)) == (sha256, size)
    assert store.size(sha256) == size
    with store.open(sha256) as held:
        assert held.read() == BODY
        held.seek(-5, os.SEEK_END)
        assert held.read() == BODY[-5:]
        held.seek(1000)
        assert held.read(3) == BODY[1000:1003]
    (held_now,) = store.held()
    assert held_now[:2] == (sha256, size)
    assert abs(held_now[2] - datetime.now(UTC)) < timedelta(minutes=5)
    store.delete(sha256)
    store.delete(sha256)
    assert not list(store.held())
    assert store.size(sha256) is None
    with pytest.raises(FileNotFoundError):
        store.open(sha256)


def test_an_empty_object(store: BlobStore, origin: str) -> None:
    sha256, _ = store.put(io.BytesIO(b""))
    assert store.size(sha256) == 0
    assert fetch(link(store, origin, sha256))[::2] == (200, b"")


def test_a_link_gets_the_object_as_a_download(store: BlobStore, origin: str) -> None:
    sha256, _ = store.put(io.BytesIO(BODY))
    status, headers, body = fetch(link(store, origin, sha256))
    assert (status, body) == (200, BODY)
    assert headers["content-type"].startswith("text/plain")
    assert headers["content-disposition"].startswith("attachment")
    assert "filename*=UTF-8''%C3%BCn%C3%AF%201.txt" in headers["content-disposition"]


@pytest.mark.parametrize(
    ("asked", "start", "end"),
    [
        ("bytes=0-0", 0, 1),
        ("bytes=100-199", 100, 200),
        ("bytes=2097000-", 2097000, 2097152),
        ("bytes=-7", 2097145, 2097152),
    ],
)
def test_ranges(store: BlobStore, origin: str, asked: str, start: int, end: int) -> None:
    sha256, _ = store.put(io.BytesIO(BODY))
    status, headers, body = fetch(link(store, origin, sha256), Range=asked)
    assert (status, body) == (206, BODY[start:end])
    assert headers["content-range"] == f"bytes {start}-{end - 1}/{len(BODY)}"


def test_a_range_outside(store: BlobStore, origin: str) -> None:
    sha256, _ = store.put(io.BytesIO(BODY))
    assert fetch(link(store, origin, sha256), Range=f"bytes={len(BODY)}-")[0] == 416


def test_a_link_is_for_one_object_one_method_and_two_minutes(store: BlobStore, origin: str) -> None:
    sha256, _ = store.put(io.BytesIO(BODY))
    other, _ = store.put(io.BytesIO(b"secret"))
    url = link(store, origin, sha256)
    parts = urlsplit(url)
    query = parse_qsl(parts.query)
    refused = [url.replace(sha256, other), f"{url}&x=1"]
    refused += [
        url.replace(parts.query, urlencode([(k, v + "0" if k == name else v) for k, v in query])) for name, _ in query
    ]
    refused += [url.replace(parts.query, urlencode([pair for pair in query if pair[0] != name])) for name, _ in query]
    refused.append(f"{parts.scheme}://{parts.netloc}{parts.path}" if parts.netloc else parts.path)
    for forged in refused:
        status = fetch(forged)[0]
        assert status in {400, 403}, (status, forged)
    for method in ("PUT", "POST", "DELETE"):
        assert fetch(url, method)[0] in {403, 405, 501}, method
    assert fetch(url)[0] == 200, "the link itself is still good"


def test_a_link_ends(store: BlobStore, origin: str) -> None:
    sha256, _ = store.put(io.BytesIO(b"x"))
    url = link(store, origin, sha256, ttl_s=1)
    time.sleep(2.5)
    assert fetch(url)[0] == 403


def test_no_link_outlives_two_minutes(store: BlobStore, origin: str) -> None:
    sha256, _ = store.put(io.BytesIO(b"x"))
    query = dict(parse_qsl(urlsplit(link(store, origin, sha256, ttl_s=9_999_999)).query))
    life = int(query["X-Amz-Expires"]) if "X-Amz-Expires" in query else int(query["expires"]) - int(time.time())
    assert life <= MAX_TTL_S
    if "X-Amz-Algorithm" in query:
        assert query["X-Amz-Algorithm"] == "AWS4-HMAC-SHA256"


def test_a_key_that_signed_a_longer_life_is_not_believed() -> None:
    url = Permit("0" * 64, "GET", int(time.time()) + 3600, "a", "b").url(KEY)
    assert Permit.read(*url.split("?"), KEY, now=time.time()) is None


def test_a_source_that_changes_while_it_is_sent(s3_server: swift.Swift) -> None:
    class Shifty(io.BytesIO):
        passes = 0

        def seek(self, offset: int, whence: int = 0) -> int:
            if offset == 0 and whence == 0:
                self.passes += 1
                if self.passes > 1:
                    self.getbuffer()[0] = 99
            return super().seek(offset, whence)

    held = bucket_of(s3_server)
    with pytest.raises(OSError, match="changed"):
        held.put(Shifty(b"some bytes"))
    assert held.size(hashlib.sha256(b"some bytes").hexdigest()) is None


def test_a_large_object_goes_in_parts(s3_server: swift.Swift) -> None:
    held = bucket_of(s3_server)
    content = os.urandom(1 << 20) * 70
    sha256, size = held.put(io.BytesIO(content))
    assert held.size(sha256) == size == len(content)
    assert hashlib.sha256(fetch(held.link(sha256, name="a", content_type="b/c"))[2]).hexdigest() == sha256


PART = 2 << 20
WHOLE = bytes(range(256)) * (5 << 12)  # 5 MiB: two full parts and a rest; the test server takes parts that small
DIGEST = hashlib.sha256(WHOLE).hexdigest()


def put_part(origin: str, link: str, body: bytes, **headers: str) -> tuple[int, dict[str, str], bytes]:
    parts = urlsplit(origin + link)
    connection = http.client.HTTPConnection(parts.hostname or "", parts.port, timeout=60)
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    connection.request("PUT", f"{parts.path}?{parts.query}", body, named)
    answer = connection.getresponse()
    found = answer.status, {k.lower(): v for k, v in answer.getheaders()}, answer.read()
    connection.close()
    return found


def put_parts(origin: str, links: Sequence[str], whole: bytes) -> list[str]:
    etags = []
    for n, link in enumerate(links):
        status, said, told = put_part(origin, link, whole[n * PART : (n + 1) * PART])
        assert status == 200, told
        etags.append(said["etag"])
    return etags


def test_an_upload_in_parts_becomes_an_object(store: BlobStore, origin: str) -> None:
    slots = store.begin("a" * 32, len(WHOLE), part_bytes=PART, ttl_s=60)
    assert len(slots.links) == 3
    etags = put_parts(origin, slots.links, WHOLE)
    assert store.size(DIGEST) is None, "nothing counts before it was read back"
    for _ in range(2):
        store.finish("a" * 32, slots.reference, etags, sha256=DIGEST, size=len(WHOLE))
        with store.open(DIGEST) as source:
            assert hashlib.sha256(source.read()).hexdigest() == DIGEST
    assert fetch(origin + store.link(DIGEST, name="x", content_type="text/plain"))[2] == WHOLE


def test_a_small_upload_is_one_put_and_its_link_is_worth_nothing_afterwards(store: BlobStore, origin: str) -> None:
    slots = store.begin("b" * 32, len(BODY), part_bytes=PART, ttl_s=60)
    (link,) = slots.links
    assert put_part(origin, link, BODY)[0] == 200
    digest = hashlib.sha256(BODY).hexdigest()
    store.finish("b" * 32, slots.reference, (), sha256=digest, size=len(BODY))
    put_part(origin, link, BODY[::-1])
    assert fetch(origin + store.link(digest, name="x", content_type="text/plain"))[2] == BODY


def test_another_file_than_announced_is_never_kept(store: BlobStore, origin: str) -> None:
    for key, sent in (("c" * 32, BODY[:-1] + b"!"), ("d" * 32, BODY[::-1])):
        slots = store.begin(key, len(BODY), part_bytes=PART, ttl_s=60)
        assert put_part(origin, slots.links[0], sent)[0] == 200
        digest = hashlib.sha256(BODY).hexdigest()
        with pytest.raises(Mismatch):
            store.finish(key, slots.reference, (), sha256=digest, size=len(BODY))
        assert store.size(digest) is None


def test_an_upload_without_its_parts_is_none(store: BlobStore, origin: str) -> None:
    slots = store.begin("e" * 32, len(WHOLE), part_bytes=PART, ttl_s=60)
    put_parts(origin, slots.links[:1], WHOLE)
    with pytest.raises((FileNotFoundError, Mismatch)):
        store.finish("e" * 32, slots.reference, ['"x"', '"y"', '"z"'], sha256=DIGEST, size=len(WHOLE))
    assert store.size(DIGEST) is None
    for _ in range(2):
        store.abandon("e" * 32, slots.reference)
    assert put_part(origin, slots.links[1], WHOLE[PART : 2 * PART])[0] >= 400, "what was abandoned takes nothing more"


def test_a_digest_gives_nobody_an_object_of_which_he_sent_no_byte(store: BlobStore) -> None:
    """Digests and sizes are public, gated files' too: an upload that was only announced must not end in what others sent."""
    store.put(io.BytesIO(WHOLE))
    store.put(io.BytesIO(BODY))
    for key, whole in (("7" * 32, WHOLE), ("8" * 32, BODY)):
        digest = hashlib.sha256(whole).hexdigest()
        slots = store.begin(key, len(whole), part_bytes=PART, ttl_s=60)
        with pytest.raises((FileNotFoundError, Mismatch)):
            store.finish(key, slots.reference, (), sha256=digest, size=len(whole))


def test_a_service_that_refuses_or_is_not_there_is_told_from_an_object_that_is_missing(s3_server: swift.Swift) -> None:
    good = bucket_of(s3_server)
    sha256, _size = good.put(io.BytesIO(BODY))
    with pytest.raises(FileNotFoundError):
        good.open(DIGEST)
    for endpoint, secret in ((s3_server.endpoint, "not the secret"), ("http://127.0.0.1:9", s3_server.secret_key)):
        bad = S3Store(
            bucket=good._bucket, endpoint=endpoint, region="us-east-1", access_key=s3_server.access_key, secret_key=secret
        )  # fmt: skip
        for asked in (bad.size, bad.open):
            with pytest.raises(OSError, match="store") as told:
                asked(sha256)
            assert not isinstance(told.value, FileNotFoundError)
        slots = bad.begin("9" * 32, len(BODY), part_bytes=PART, ttl_s=60)
        for tags in ((), ('"x"', '"y"')):
            with pytest.raises(OSError, match="store") as told:
                bad.finish("9" * 32, "reference" if tags else slots.reference, tags, sha256=DIGEST, size=len(BODY))
            assert not isinstance(told.value, FileNotFoundError)
        with good.open(sha256) as held:
            held.raw._client = bad._client  # type: ignore[attr-defined]  # it goes away while it is read
            with pytest.raises(OSError, match="store") as told:
                held.read()
            assert not isinstance(told.value, FileNotFoundError)


def test_whatever_is_asked_of_a_service_that_is_not_there_a_client_is_told_to_come_again(
    s3_server: swift.Swift, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Each of these stands behind a page or a door of the portal, which says 503 of an Unavailable and 500 of the rest."""
    good = bucket_of(s3_server)
    bad = S3Store(
        bucket=good._bucket, endpoint="http://127.0.0.1:9", region="us-east-1", access_key="a", secret_key="b"
    )
    monkeypatch.setattr(bad._client._endpoint, "_needs_retry", lambda *_args, **_kwargs: False)  # else half a minute
    mine = S3Drawer(bad._client, good._bucket)
    asked: list[Callable[[], Any]] = [
        lambda: bad.begin("9" * 32, 3 * PART, part_bytes=PART, ttl_s=60),
        lambda: bad.put(io.BytesIO(BODY)),
        lambda: bad.delete(DIGEST),
        lambda: bad.abandon("9" * 32, "reference"),
        lambda: bad.abandon("9" * 32, ""),
        lambda: list(bad.held()),
        lambda: bad.sweep(datetime.now(UTC), dry_run=False),
        lambda: mine.put("0" * 32, io.BytesIO(BODY)),
        lambda: mine.open("0" * 32),
        lambda: mine.delete("0" * 32),
        lambda: list(mine.held()),
    ]
    for ask in asked:
        with pytest.raises(Unavailable, match="Try again in a minute"):
            ask()
    with pytest.raises(FileNotFoundError):
        S3Drawer(good._client, good._bucket).open("0" * 32)


def test_a_bucket_tells_which_private_files_it_holds(s3_server: swift.Swift) -> None:
    s3 = bucket_of(s3_server)
    mine = S3Drawer(s3._client, s3._bucket)
    mine.put("a" * 32, io.BytesIO(BODY))
    s3.put(io.BytesIO(BODY))
    [(name, size, came)] = mine.held()
    assert (name, size) == ("a" * 32, len(BODY))
    assert abs(datetime.now(UTC) - came) < timedelta(minutes=5)
    mine.delete("a" * 32)
    assert not list(mine.held())


@pytest.mark.parametrize("identities", [bucket_of, tiers_of])
def test_headers_that_were_not_signed_gain_nothing(s3_server: swift.Swift, identities: Any) -> None:
    """A publisher adds what S3 acts on: copy another object, open this one to all. The store must refuse or ignore it."""
    store = identities(s3_server)
    secret, _size = store.put(io.BytesIO(BODY))
    client, bucket = store._client, store._bucket
    copied = {"x-amz-copy-source": f"/{bucket}/blobs/{secret}"}
    for n, added in enumerate(
        (copied, {"x-amz-acl": "public-read"},
         {"x-amz-grant-read": 'uri="http://acs.amazonaws.com/groups/global/AllUsers"'})
    ):  # fmt: skip
        key = str(n) * 32
        slots = store.begin(key, 5, part_bytes=PART, ttl_s=60)
        status, _said, told = put_part("", slots.links[0], b"12345", **added)
        if status == 200:
            held = client.get_object(Bucket=bucket, Key=f"staging/{key}")["Body"].read()
            assert held != BODY, f"{added} copied another object"
        open_url = f"{s3_server.endpoint}/{bucket}/staging/{key}?x="
        assert fetch(open_url)[0] >= 400, (added, status, told)
    slots = store.begin("3" * 32, 2 * PART, part_bytes=PART, ttl_s=60)
    etags = [put_part("", link, b"1" * PART, **copied)[1].get("etag", '"none"') for link in slots.links]
    with pytest.raises((FileNotFoundError, Mismatch, ClientError)):
        store.finish(
            "3" * 32, slots.reference, etags, sha256=hashlib.sha256(BODY + BODY).hexdigest(), size=2 * len(BODY)
        )


def test_a_link_for_a_range_is_good_for_nothing_else(store: BlobStore, origin: str) -> None:
    sha256, _ = store.put(io.BytesIO(BODY))
    url = link(store, origin, sha256, span="bytes=100-199")
    status, headers, body = fetch(url, Range="bytes=100-199")
    assert (status, body) == (206, BODY[100:200])
    assert headers["content-range"] == f"bytes 100-199/{len(BODY)}"
    for other in ({}, {"Range": "bytes=0-"}, {"Range": "bytes=100-"}):
        assert fetch(url, **other)[0] == 403, other
    assert fetch(url, Range="bytes=100-199", If_Range='"another"')[::2] != (200, BODY)


def test_what_was_left_in_staging_is_swept(store: BlobStore, origin: str) -> None:
    now = datetime.now(UTC)
    slots = store.begin("5" * 32, len(WHOLE), part_bytes=PART, ttl_s=60)
    put_parts(origin, slots.links[:1], WHOLE)
    put_part(origin, store.begin("6" * 32, len(BODY), part_bytes=PART, ttl_s=60).links[0], BODY)
    later = now + timedelta(hours=1)
    assert store.sweep(now - timedelta(days=1), dry_run=False) == (0, 0)
    count, size = store.sweep(later, dry_run=True)
    assert count == 2
    assert size >= len(BODY)
    assert store.sweep(later, dry_run=False)[0] == 2
    assert store.sweep(later, dry_run=True) == (0, 0)
    assert put_part(origin, slots.links[1], WHOLE[PART : 2 * PART])[0] >= 400, "what was swept takes nothing more"


def test_parts_that_a_killed_copy_left_are_swept_and_those_under_way_are_not(s3_server: swift.Swift) -> None:
    """No listing of objects shows them, and they are paid for."""
    store, elsewhere = bucket_of(s3_server), "another's/x"
    keys = [f"{prefix}{'a' * 32}" for prefix in PREFIXES] + [elsewhere]
    begun = {key: store._client.create_multipart_upload(Bucket=store._bucket, Key=key)["UploadId"] for key in keys}
    for key, reference in begun.items():
        part = {"Bucket": store._bucket, "Key": key, "UploadId": reference, "PartNumber": 1}
        store._client.upload_part(**part, Body=b"1" * PART)
    now = datetime.now(UTC)
    assert store.sweep(now - timedelta(minutes=1), dry_run=False) == (0, 0)
    assert store.sweep(now + timedelta(minutes=1), dry_run=True)[0] == 3
    assert store.sweep(now + timedelta(minutes=1), dry_run=False)[0] == 3
    left = store._client.list_multipart_uploads(Bucket=store._bucket).get("Uploads", [])
    assert [upload["Key"] for upload in left] == [elsewhere], "what is not ours stays"


def test_what_is_copied_is_what_was_read(s3_server: swift.Swift, monkeypatch: pytest.MonkeyPatch) -> None:
    """The single PUT's link still lives while the object is read back: a second writing must not slip in between."""
    store = bucket_of(s3_server)
    slots = store.begin("9" * 32, len(BODY), part_bytes=PART, ttl_s=60)
    assert put_part("", slots.links[0], BODY)[0] == 200
    digest, copy = hashlib.sha256(BODY).hexdigest(), store._client.copy

    def late(*args: Any, **kwargs: Any) -> None:
        assert put_part("", slots.links[0], BODY[::-1])[0] == 200
        copy(*args, **kwargs)

    monkeypatch.setattr(store._client, "copy", late)
    with pytest.raises(Mismatch):
        store.finish("9" * 32, "", (), sha256=digest, size=len(BODY))
    assert store.size(digest) is None


def test_a_call_that_is_overtaken_is_told_that_nothing_is_there_any_more(
    s3_server: swift.Swift, monkeypatch: pytest.MonkeyPatch
) -> None:
    store = bucket_of(s3_server)
    slots = store.begin("9" * 32, len(BODY), part_bytes=PART, ttl_s=60)
    assert put_part("", slots.links[0], BODY)[0] == 200
    digest, copy = hashlib.sha256(BODY).hexdigest(), store._client.copy

    def overtaken(*args: Any, **kwargs: Any) -> None:
        copy(*args, **kwargs)
        store.abandon("9" * 32, slots.reference)
        copy(*args, **kwargs)

    monkeypatch.setattr(store._client, "copy", overtaken)
    with pytest.raises(FileNotFoundError):
        store.finish("9" * 32, "", (), sha256=digest, size=len(BODY))
    assert store.size(digest) == len(BODY), "what the first one kept stays"


def test_each_identity_does_its_own_part_and_no_other(s3_server: swift.Swift) -> None:
    store = tiers_of(s3_server)
    for key, body in (("a" * 32, BODY), ("b" * 32, WHOLE)):
        slots = store.begin(key, len(body), part_bytes=PART, ttl_s=60)
        assert {signer(link) for link in slots.links} == {"hub:writer"}
        etags = put_parts("", slots.links, body)
        digest = hashlib.sha256(body).hexdigest()
        store.finish(key, slots.reference, etags if slots.reference else (), sha256=digest, size=len(body))
        got = store.link(digest, name="x", content_type="text/plain")
        assert signer(got) == "hub:reader"
        assert fetch(got)[::2] == (200, body)
    held = {"Bucket": store._bucket, "Key": f"blobs/{DIGEST}"}
    refused(store._writer, ("get_object", held), ("head_object", held), ("list_objects_v2", {"Bucket": store._bucket}),
            ("copy_object", {"Bucket": store._bucket, "Key": "staging/x", "CopySource": held}))  # fmt: skip
    refused(store._reader, ("put_object", held | {"Body": b"x"}), ("delete_object", held),
            ("put_bucket_acl", {"Bucket": store._bucket, "ACL": "public-read"}))  # fmt: skip
    assert store.size(DIGEST) == len(WHOLE)


def test_a_link_whose_key_was_exchanged_is_refused(s3_server: swift.Swift) -> None:
    """The access key is under the signature: the reader's link does not become the mover's by naming it."""
    store = tiers_of(s3_server)
    sha256, _size = store.put(io.BytesIO(BODY))
    link, upload = (
        store.link(sha256, name="x", content_type="text/plain"),
        store.begin("f" * 32, 5, part_bytes=PART, ttl_s=60),
    )
    assert fetch(link)[0] == 200
    for one, own in ((link, "reader"), (upload.links[0], "writer")):
        for other in {"key", "reader", "writer"} - {own}:
            forged = one.replace(f"hub%3A{own}", f"hub%3A{other}")
            assert forged != one
            for method in ("GET", "PUT"):
                assert fetch(forged, method)[0] == 403, (other, method)


def signer(link: str) -> str:
    """The access key that a presigned link names."""
    return dict(parse_qsl(urlsplit(link).query))["X-Amz-Credential"].partition("/")[0]


def refused(client: Any, *calls: tuple[str, dict[str, Any]]) -> None:
    for name, arguments in calls:
        with pytest.raises(ClientError) as fault:
            getattr(client, name)(**arguments)
        assert fault.value.response["ResponseMetadata"]["HTTPStatusCode"] == 403, name
