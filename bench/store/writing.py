"""The file, the people and the bucket of a measurement, and the three ways to send the file."""

from __future__ import annotations

import hashlib
import json
import os
import struct
import sys
import time
from collections.abc import Callable
from copy import copy
from functools import cache
from importlib import import_module
from pathlib import Path
from typing import Any

from bench.fetch.run import timed
from bench.store.places import Place

MODEL = "bench/large"
NAME = "model.safetensors"
BLOCK = 1 << 26
DIRECT = """
import sys, boto3
from boto3.s3.transfer import TransferConfig
from botocore.config import Config
endpoint, key, secret, bucket, path = sys.argv[1:]
quiet = Config(s3={"addressing_style": "path"}, request_checksum_calculation="when_required")
client = boto3.client("s3", endpoint_url=endpoint, region_name="us-east-1", aws_access_key_id=key,
                      aws_secret_access_key=secret, config=quiet)
client.upload_file(path, bucket, "direct", Config=TransferConfig(multipart_chunksize=64 << 20))
"""
HASHED = "import hashlib, sys; hashlib.file_digest(open(sys.argv[1], 'rb'), 'sha256')"


def large_file(folder: Path, size: int) -> Path:
    """A true weights file of nearly `size` bytes beside a card and a config: one block of random numbers, again and again."""
    import_module("tests.releases.folders").model_folder(folder, name="large")
    lengths = [min(BLOCK, size - at) for at in range(0, size, BLOCK)]
    at, header = 0, dict[str, Any]()
    for number, length in enumerate(lengths):
        header[f"t{number}"] = {"dtype": "F32", "shape": [length // 4], "data_offsets": [at, at := at + length]}
    text, block = json.dumps(header).encode(), os.urandom(BLOCK)
    with (folder / NAME).open("wb") as file:
        file.write(struct.pack("<Q", len(text)) + text)
        for length in lengths:
            file.write(block[:length])
    return folder / NAME


@cache
def publish(file: Path) -> str:
    """The folder as an open model of the local store, through the real actions; the file's SHA-256."""
    actions, ingest = import_module("releases.actions"), import_module("releases.ingest").ingest
    manager, lab = publisher()
    model = actions.open_model(lab=lab, name="large", by=manager)
    revision = ingest(file.parent, model=model, by=manager, publish=True)
    return str(revision.files.get(path=NAME).sha256)


@cache
def publisher() -> tuple[Any, Any]:
    """A lab and its release manager."""
    people, roles = import_module("portal.people.actions"), import_module("portal.people.models").Role
    lab = people.create_lab(slug="bench", name="Bench", by=None)
    manager = people.register(email="manager@bench.example", name="Manager", password="a-long-enough-passphrase")
    people.give_role(user=manager, lab=lab, role=roles.MANAGER, by=None)
    return manager, lab


class Bucket:
    """A bucket of the S3 server, by the portal's own store."""

    def __init__(self, server: Any) -> None:
        self._keys = keys = {
            "endpoint": server.endpoint,
            "access_key": server.access_key,
            "secret_key": server.secret_key,
        }
        self.store = _store(keys)
        self.place = Place(server.endpoint, server.processes)
        self.client = self.store._client
        self.client.create_bucket(Bucket="weighbridge")
        self.line = [server.endpoint, server.access_key, server.secret_key, "weighbridge"]
        self.settings = {"STORE": "s3"} | {f"S3_{name.upper()}": value for name, value in keys.items()}
        self._sha256 = ""

    def put(self, file: Path) -> None:
        """What the link leads to."""
        with file.open("rb") as source:
            self._sha256, _size = self.store.put(source)

    def at(self, endpoint: str) -> Bucket:
        """The same bucket by another way."""
        other = copy(self)
        other.store = _store(self._keys | {"endpoint": endpoint})
        return other

    def read_ahead(self) -> float:
        """Take the SHA-256 of what was put, as the portal does; seconds."""
        begun = time.perf_counter()
        with self.store.open(self._sha256) as source:
            self._check(hashlib.file_digest(source, "sha256").hexdigest())
        return time.perf_counter() - begun

    def read_whole(self) -> float:
        """Take it of one answer; seconds."""
        begun, digest = time.perf_counter(), hashlib.sha256()
        answer = self.store._client.get_object(Bucket="weighbridge", Key=f"blobs/{self._sha256}")
        for piece in answer["Body"].iter_chunks(1 << 20):
            digest.update(piece)
        self._check(digest.hexdigest())
        return time.perf_counter() - begun

    def _check(self, digest: str) -> None:
        if digest != self._sha256:
            raise RuntimeError("What was read is not what was put.")

    def link(self) -> str:
        """A presigned GET, as the portal makes it."""
        return str(self.store.link(self._sha256, name=NAME, content_type="application/octet-stream"))

    def forget(self, sha256: str) -> None:
        """Make room."""
        self.store.delete(sha256)


def _store(keys: dict[str, str]) -> Any:
    return import_module("releases.storage.s3").S3Store(bucket="weighbridge", region="us-east-1", **keys)


class Sender:
    """Sends the file, each time with other bytes, and removes what it sent."""

    def __init__(self, home: Path, file: Path) -> None:
        self._home, self._file = home, file
        manager, lab = publisher()
        import_module("releases.actions").open_model(lab=lab, name="sent", by=manager)
        issue, kinds = import_module("portal.tokens.actions").issue, import_module("portal.tokens.scopes").Kind
        _token, self._secret = issue(by=manager, kind=kinds.PUBLISH, label="bench")
        self._local = import_module("releases.storage.local").LocalStore(home / "blobs", key=b"")

    def hub(self, url: str, forget: Callable[[str], None]) -> float:
        """`hf upload` to a portal; seconds."""
        sha256 = self._changed()
        environment = {
            "PATH": os.environ["PATH"], "HOME": str(self._home), "HF_ENDPOINT": url, "HF_HOME": str(self._home / "hf"),
            "HF_HUB_DISABLE_TELEMETRY": "1", "HF_HUB_DISABLE_XET": "1", "HF_TOKEN": self._secret,
        }  # fmt: skip
        hf = str(Path(sys.executable).parent / "hf")
        seconds = timed([hf, "upload", "bench/sent", str(self._file), NAME, "--quiet"], environment, self._home).wall_s
        forget(sha256)
        return seconds

    def direct(self, bucket: Bucket) -> float:
        """boto3's own upload of the file; seconds."""
        self._changed()
        command = [sys.executable, "-c", DIRECT, *bucket.line, str(self._file)]
        seconds = timed(command, dict(os.environ), self._home).wall_s
        bucket.client.delete_object(Bucket="weighbridge", Key="direct")
        return seconds

    def hashed(self) -> float:
        """What a client spends on the file's SHA-256 before it sends anything; seconds."""
        return timed([sys.executable, "-c", HASHED, str(self._file)], dict(os.environ), self._home).wall_s

    def forget(self, sha256: str) -> None:
        """Make room in the local store."""
        if self._local.size(sha256) is None:
            raise RuntimeError("The upload is not in the store.")
        self._local.delete(sha256)

    def _changed(self) -> str:
        with self._file.open("r+b") as file:
            file.seek(-8, os.SEEK_END)
            file.write(struct.pack("<d", time.monotonic()))
            file.seek(0)
            return hashlib.file_digest(file, "sha256").hexdigest()
