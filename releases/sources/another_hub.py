"""A model of another hub that speaks the Hugging Face Hub's contract: `hub:https://host/namespace/name@revision`.

Only plain HTTP: the model's description at one commit, then each file from its resolve address. What the other hub
says of a file's digest is held against what came.
"""

from __future__ import annotations

import json
import re
from collections.abc import Sequence
from contextlib import AbstractContextManager
from http.client import HTTPMessage
from typing import IO, Any, BinaryIO, Final, cast
from urllib.error import HTTPError
from urllib.parse import quote, urlsplit
from urllib.request import HTTPRedirectHandler, Request, build_opener

from django.conf import settings

from portal.errors import Invalid
from releases.sources.files import Found, streamed

_ADDRESS: Final = re.compile(
    r"hub:(?P<endpoint>https?://[^@\s]+?)/(?P<id>[\w.-]+/[\w.-]+)(?:@(?P<revision>\S+))?", re.ASCII
)
_COMMIT: Final = re.compile(r"[0-9a-f]{40}")
_GITS_OWN: Final = frozenset({".gitattributes", ".gitignore"})
"""Files for git alone, which most repositories of the public hub have at their root; never part of a release."""
TIMEOUT_S: Final = 60
INFO_MAX: Final = 64 << 20
"""Bytes of a model's description; one of 100,000 files has about 20 MB."""


class AnotherHub:
    """The files of one commit. The token is INGEST_HUB_TOKEN, and goes to the hub's own origin alone."""

    def __init__(self, address: str) -> None:
        found = _ADDRESS.fullmatch(address)
        if found is None:
            raise Invalid("Name the model as hub:https://host/namespace/name@revision.")
        self.name = address
        self._endpoint, self._id, self._revision = found["endpoint"], found["id"], found["revision"] or "main"
        self._commit = ""

    def files(self) -> Sequence[Found]:
        """Every file of the commit that the revision names now. Raises Invalid."""
        path = f"/api/models/{self._id}/revision/{quote(self._revision, safe='')}?blobs=true"
        try:
            with self._get(path) as answer:
                told = json.loads(answer.read(INFO_MAX))
            self._commit = _commit(told)
            return [_found(entry) for entry in told["siblings"] if entry["rfilename"] not in _GITS_OWN]
        except HTTPError as refused:
            why = refused.headers.get("X-Error-Message") or refused.reason
            raise Invalid(f"{self._endpoint} answered {refused.code} about {self._id}: {why}") from refused
        except OSError as fault:
            inner = getattr(fault, "reason", fault)
            said = getattr(inner, "strerror", None) or inner
            raise Invalid(f"{self._endpoint} cannot be reached: {said}. See that the address is right.") from fault
        except (ValueError, KeyError, TypeError) as fault:
            raise Invalid(f"{self._endpoint} does not describe {self._id} as a hub does: {fault}") from fault

    def open(self, file: Found) -> AbstractContextManager[BinaryIO]:
        """The file at the commit that files() found, in one stream; a fresh link each time it breaks off."""
        path = f"/{self._id}/resolve/{self._commit}/{quote(file.path)}"
        return streamed(file.size, lambda offset: self._get(path, Range=f"bytes={offset}-"))

    def _get(self, path: str, **headers: str) -> BinaryIO:
        request = Request(self._endpoint + path, headers={"Accept-Encoding": "identity", **headers})  # noqa: S310 the pattern allows http and https alone
        if settings.INGEST_HUB_TOKEN:
            request.add_header("Authorization", f"Bearer {settings.INGEST_HUB_TOKEN}")
        answer = build_opener(_OwnOriginOnly).open(request, timeout=TIMEOUT_S)
        if headers.get("Range", "bytes=0-") != "bytes=0-" and answer.status != 206:
            answer.close()
            raise OSError("the store behind this hub does not answer to Range")
        return cast("BinaryIO", answer)


class _OwnOriginOnly(HTTPRedirectHandler):
    """Follows to the store, over HTTP alone, and leaves the token at home."""

    def redirect_request(
        self, req: Request, fp: IO[bytes], code: int, msg: str, headers: HTTPMessage, newurl: str
    ) -> Request | None:
        made = super().redirect_request(req, fp, code, msg, headers, newurl)
        if made is not None and urlsplit(newurl)[:2] != urlsplit(req.full_url)[:2]:
            made.remove_header("Authorization")
        return made


def _commit(told: dict[str, Any]) -> str:
    if not _COMMIT.fullmatch(str(told["sha"])):
        raise ValueError("it names no commit")
    return str(told["sha"])


def _found(entry: dict[str, Any]) -> Found:
    """A `RepoSibling` with blobs=true: the SHA-256 of a large file, else git's id."""
    large = entry.get("lfs") or {}
    sha256 = str(large.get("sha256") or "")
    oid = "" if sha256 else str(entry["blobId"])
    return Found(str(entry["rfilename"]), int(entry["size"]), sha256 or oid, sha256=sha256, sha1=oid)
