"""What a bucket is told (infra/s3), held to the code, and tried on a server that knows bucket policies."""

from __future__ import annotations

import hashlib
import io
import json
from collections.abc import Iterator
from datetime import timedelta
from typing import Any

import pytest
from django.conf import settings
from django.core.management import CommandError, call_command

from releases.actions.collecting import GRACE
from releases.actions.uploading import LIFE
from releases.storage import bucket, s3, service
from releases.storage.s3 import S3Store
from tests.releases import rgw, swift
from tests.releases.test_storage import BODY, WHOLE, fetch, put_part, refused, signer

NAMES = bucket.Identities("arn:a", "arn:b", "arn:c")
ORIGIN = "https://models.example.org"
PART = 5 << 20
LARGE = WHOLE * 3


def documents(**more: Any) -> dict[str, Any]:
    given = {"bucket": "ours", "origin": ORIGIN, "identities": NAMES} | more
    return {step.name: step.document for step in bucket.steps(**given)}


def test_the_policy_gives_each_identity_what_the_code_does_with_it_and_no_more() -> None:
    rights = {
        (statement["Principal"]["AWS"], action, resource)
        for statement in documents()["policy"]["Statement"]
        for action in _list(statement["Action"])
        for resource in _list(statement["Resource"])
        if statement["Effect"] == "Allow"
    }
    kept, staged = (f"arn:aws:s3:::ours/{key('')}*" for key in (s3._key, s3._staged))
    private = "arn:aws:s3:::ours/private/*"
    assert {right for right in rights if right[0] == "arn:b"} == {("arn:b", "s3:PutObject", staged)}
    assert {right for right in rights if right[0] == "arn:c"} == {("arn:c", "s3:GetObject", kept)}
    mover = {right[1:] for right in rights if right[0] == "arn:a"}
    objects = {"s3:GetObject", "s3:PutObject", "s3:DeleteObject", "s3:AbortMultipartUpload"}
    assert mover == {(action, resource) for action in objects for resource in (kept, staged, private)} | {
        (action, "arn:aws:s3:::ours") for action in ("s3:ListBucket", "s3:ListBucketMultipartUploads")
    }


def test_the_bucket_forgets_staging_alone_and_never_before_the_portal_would() -> None:
    rules = {rule["Filter"]["Prefix"]: rule for rule in documents()["lifecycle"]["Rules"]}
    assert set(rules) == set(s3.PREFIXES)
    assert {rule["Status"] for rule in rules.values()} == {"Enabled"}
    assert [prefix for prefix, rule in rules.items() if "Expiration" in rule] == [s3._staged("")]
    days = [rule["AbortIncompleteMultipartUpload"]["DaysAfterInitiation"] for rule in rules.values()]
    for each in (*days, rules[s3._staged("")]["Expiration"]["Days"]):
        assert timedelta(days=each) > max(GRACE, LIFE)


def test_only_the_portals_pages_may_send_and_they_may_read_the_etag() -> None:
    (rule,) = documents()["cors"]["CORSRules"]
    assert (rule["AllowedOrigins"], rule["AllowedMethods"], rule["ExposeHeaders"]) == ([ORIGIN], ["PUT"], ["ETag"])
    assert set(documents()["public-access-block"].values()) == {True}


def test_a_name_cannot_break_out_of_its_place() -> None:
    odd = documents(identities=bucket.Identities('a", "x": "y', "$bucket", "c"))["policy"]["Statement"]
    assert [statement["Principal"]["AWS"] for statement in odd] == ['a", "x": "y'] * 2 + ["$bucket", "c"]


def test_the_command_shows_what_it_would_set_and_wants_all_three_names_or_none(capsys: Any) -> None:
    call_command("prepare_bucket", "--dry-run")
    shown = capsys.readouterr().out
    assert "# cors" in shown
    assert settings.BASE_URL in shown
    assert "# policy" not in shown
    with pytest.raises(CommandError, match="all three"):
        call_command("prepare_bucket", "--mover", "arn:a", "--dry-run")
    with pytest.raises(CommandError, match="no bucket"):
        call_command("prepare_bucket")


@pytest.mark.xdist_group("swift")
def test_the_command_says_what_a_service_does_not_take(s3_server: swift.Swift, settings: Any, capsys: Any) -> None:
    """Swift knows none of the four; the portal works without them."""
    use(settings, s3_server.endpoint, s3_server.access_key, s3_server.secret_key)
    with pytest.raises(CommandError, match=r"public-access-block, lifecycle, cors, policy\. docs/running\.md"):
        call_command("prepare_bucket", "--mover=a", "--writer=b", "--reader=c")
    assert "NotImplemented" in capsys.readouterr().out


@pytest.mark.xdist_group("swift")
def test_the_command_makes_a_bucket_where_there_is_none_and_leaves_one_that_is_there(
    s3_server: swift.Swift, settings: Any, capsys: Any
) -> None:
    use(settings, s3_server.endpoint, s3_server.access_key, s3_server.secret_key)
    settings.S3_BUCKET = "fresh"
    for _ in range(2):
        with pytest.raises(CommandError):  # what Swift does not take
            call_command("prepare_bucket")
    assert capsys.readouterr().out.count("bucket: set") == 1
    client = service.connect(
        s3_server.access_key, s3_server.secret_key, endpoint=s3_server.endpoint, region="us-east-1", addressing="path"
    )
    assert client.head_bucket(Bucket="fresh")


def test_of_a_service_that_is_away_one_line_is_said_and_nothing_more_is_tried(settings: Any, capsys: Any) -> None:
    use(settings, "http://127.0.0.1:9", "k", "s")
    with pytest.raises(CommandError, match="did not take: bucket"):
        call_command("prepare_bucket")
    assert len(capsys.readouterr().out.splitlines()) == 1


def use(settings: Any, endpoint: str, access_key: str, secret_key: str) -> None:
    settings.STORE, settings.S3_BUCKET, settings.S3_ENDPOINT = "s3", "told", endpoint
    settings.S3_OWNER_ACCESS_KEY, settings.S3_OWNER_SECRET_KEY = access_key, secret_key
    settings.BASE_URL = ORIGIN


@pytest.fixture(scope="module")
def gateway() -> Iterator[rgw.Rgw]:
    with rgw.running() as server:
        yield server


def client_of(server: rgw.Rgw, user: str) -> Any:
    return service.connect(user, server.secrets[user], endpoint=server.endpoint, region="us-east-1", addressing="path")


@pytest.fixture
def prepared(gateway: rgw.Rgw, settings: Any) -> S3Store:
    """A bucket of its owner's, told by the command; the store with its three identities."""
    client_of(gateway, "owner").create_bucket(Bucket="told")
    use(settings, gateway.endpoint, "owner", gateway.secrets["owner"])
    named = [f"--{name}={gateway.principal(name)}" for name in ("mover", "writer", "reader")]
    for _ in range(2):
        call_command("prepare_bucket", "--ignore-acls-only", *named)
    keys = gateway.secrets
    return S3Store(
        bucket="told", endpoint=gateway.endpoint, region="us-east-1", access_key="mover", secret_key=keys["mover"],
        upload_access_key="writer", upload_secret_key=keys["writer"],
        read_access_key="reader", read_secret_key=keys["reader"],
    )  # fmt: skip


@pytest.mark.drill
def test_three_identities_under_a_bucket_policy(gateway: rgw.Rgw, prepared: S3Store) -> None:
    store, owner = prepared, client_of(gateway, "owner")
    rules = owner.get_bucket_lifecycle_configuration(Bucket="told")["Rules"]
    assert {rule["Filter"]["Prefix"] for rule in rules} == set(s3.PREFIXES)
    assert owner.get_bucket_cors(Bucket="told")["CORSRules"][0]["AllowedOrigins"] == [ORIGIN]
    assert (
        json.loads(owner.get_bucket_policy(Bucket="told")["Policy"])
        == documents(
            bucket="told",
            identities=bucket.Identities(*(gateway.principal(name) for name in ("mover", "writer", "reader"))),
        )["policy"]
    )
    _uploads(store)
    secret, _size = store.put(io.BytesIO(BODY))
    assert fetch(store.link(secret, name="x", content_type="text/plain"))[::2] == (200, BODY)
    _beyond_its_part(store, secret)
    _unsigned_headers(gateway, store, secret)
    _asked_by_a_page(store)
    store.delete(secret)
    assert store.size(secret) is None


def _uploads(store: S3Store) -> None:
    for key, body in (("a" * 32, BODY), ("b" * 32, LARGE)):
        slots = store.begin(key, len(body), part_bytes=PART, ttl_s=60)
        assert {signer(link) for link in slots.links} == {"writer"}
        sent = [put_part("", link, body[n * PART : (n + 1) * PART]) for n, link in enumerate(slots.links)]
        assert [status for status, _said, _told in sent] == [200] * len(sent), sent
        digest = hashlib.sha256(body).hexdigest()
        etags = [said["etag"] for _status, said, _told in sent] if slots.reference else []
        store.finish(key, slots.reference, etags, sha256=digest, size=len(body))
        link = store.link(digest, name="x", content_type="text/plain")
        assert signer(link) == "reader"
        assert fetch(link)[::2] == (200, body)
    slots = store.begin("c" * 32, len(LARGE), part_bytes=PART, ttl_s=60)
    store.abandon("c" * 32, slots.reference)
    assert put_part("", slots.links[0], LARGE[:PART])[0] == 404


def _beyond_its_part(store: S3Store, secret: str) -> None:
    held, staged = {"Bucket": "told", "Key": f"blobs/{secret}"}, {"Bucket": "told", "Key": "staging/x"}
    store._writer.put_object(**staged, Body=b"x")
    refused(
        store._writer, ("get_object", held), ("put_object", held | {"Body": b"x"}), ("delete_object", staged),
        ("copy_object", staged | {"CopySource": held}), ("list_objects_v2", {"Bucket": "told"}),
        ("delete_bucket_policy", {"Bucket": "told"}),
    )  # fmt: skip
    refused(
        store._reader, ("get_object", staged), ("put_object", held | {"Body": b"x"}), ("delete_object", held),
        ("list_objects_v2", {"Bucket": "told"}), ("put_bucket_policy", {"Bucket": "told", "Policy": "{}"}),
    )  # fmt: skip
    refused(
        store._client,
        ("put_bucket_policy", {"Bucket": "told", "Policy": "{}"}),
        ("delete_bucket_policy", {"Bucket": "told"}),
    )


def _unsigned_headers(gateway: rgw.Rgw, store: S3Store, secret: str) -> None:
    """This server obeys headers that were not signed; the identity and the access block must make them worthless."""
    copied = {"x-amz-copy-source": f"/told/blobs/{secret}"}
    public = {"x-amz-grant-read": 'uri="http://acs.amazonaws.com/groups/global/AllUsers"'}
    for number, added in enumerate((copied, {"x-amz-acl": "public-read"}, public)):
        key = str(number) * 32
        status = put_part("", store.begin(key, 5, part_bytes=PART, ttl_s=60).links[0], b"12345", **added)[0]
        assert fetch(f"{gateway.endpoint}/told/staging/{key}?x=")[0] == 403, (added, status)
        if status == 200:
            assert store._client.get_object(Bucket="told", Key=f"staging/{key}")["Body"].read() != BODY
    slots = store.begin("3" * 32, 2 * PART, part_bytes=PART, ttl_s=60)
    assert [put_part("", link, b"1" * PART, **copied)[0] for link in slots.links] == [403, 403]
    store.abandon("3" * 32, slots.reference)


def _asked_by_a_page(store: S3Store) -> None:
    link = store.begin("4" * 32, 5, part_bytes=PART, ttl_s=60).links[0]
    for origin, allowed in ((ORIGIN, ORIGIN), ("https://elsewhere.example", None)):
        asks = {"Origin": origin, "Access-Control-Request-Method": "PUT"}
        assert fetch(link, "OPTIONS", **asks)[1].get("access-control-allow-origin") == allowed


def _list(value: Any) -> list[str]:
    return value if isinstance(value, list) else [value]
