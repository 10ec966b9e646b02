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
_NO: Final = frozenset({401, 403, 404, 410, 451})
"""Answers that asking again does not change."""
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
            raise self._refusal(refused) from refused
        except OSError as fault:
            inner = getattr(fault, "reason", fault)
            said = getattr(inner, "strerror", None) or inner
            raise Invalid(f"{self._endpoint} cannot be reached: {said}. See that the address is right.") from fault
        except (ValueError, KeyError, TypeError) as fault:
            raise Invalid(f"{self._endpoint} does not describe {self._id} as a hub does: {fault}") from fault

    def open(self, file: Found) -> AbstractContextManager[BinaryIO]:
        """The file at the commit that files() found, in one stream; a fresh link each time it breaks off. Raises Invalid
        where the hub refuses it."""
        path = f"/{self._id}/resolve/{self._commit}/{quote(file.path)}"
        return streamed(file.size, lambda offset: self._get(path, Range=f"bytes={offset}-"))

    def _get(self, path: str, **headers: str) -> BinaryIO:
        request = Request(self._endpoint + path, headers={"Accept-Encoding": "identity", **headers})  # noqa: S310 the pattern allows http and https alone
        if settings.INGEST_HUB_TOKEN:
            request.add_header("Authorization", f"Bearer {settings.INGEST_HUB_TOKEN}")
        try:
            answer = build_opener(_OwnOriginOnly).open(request, timeout=TIMEOUT_S)
        except HTTPError as refused:
            if refused.code in _NO and _origin(refused.url) == _origin(self._endpoint):  # a store's no is an old link's
                raise self._refusal(refused) from refused
            raise
        if headers.get("Range", "bytes=0-") != "bytes=0-" and answer.status != 206:
            answer.close()
            raise OSError("the store behind this hub does not answer to Range")
        return cast("BinaryIO", answer)

    def _refusal(self, refused: HTTPError) -> Invalid:
        why = str(refused.headers.get("X-Error-Message") or refused.reason).rstrip(".")
        said = f"{self._endpoint} answered {refused.code} about {self._id}: {why}."
        if refused.code not in {401, 403}:
            return Invalid(said)
        if settings.INGEST_HUB_TOKEN:
            return Invalid(f"{said} See that INGEST_HUB_TOKEN is a token of that hub, and may download this model.")
        return Invalid(f"{said} A model that is not public there needs INGEST_HUB_TOKEN, a token that may download it.")


class _OwnOriginOnly(HTTPRedirectHandler):
    """Follows to the store, over HTTP alone, and leaves the token at home."""

    def redirect_request(
        self, req: Request, fp: IO[bytes], code: int, msg: str, headers: HTTPMessage, newurl: str
    ) -> Request | None:
        made = super().redirect_request(req, fp, code, msg, headers, newurl)
        if made is not None and _origin(newurl) != _origin(req.full_url):
            made.remove_header("Authorization")
        return made


def _origin(url: str) -> tuple[str, str]:
    parts = urlsplit(url)
    return parts.scheme, parts.netloc


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
