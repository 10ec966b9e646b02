"""The portal over HTTP: documents, links to parts of files, and the two calls of a device login."""

from __future__ import annotations

import json
import re
import ssl
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any
from urllib.parse import quote, urljoin, urlsplit
from urllib.request import getproxies, proxy_bypass

import urllib3
from urllib3.exceptions import HTTPError

from weighbridge_client import __version__, home
from weighbridge_client.documents import RELEASE
from weighbridge_client.errors import Bad, Refused, Unreachable, Usage
from weighbridge_client.names import clean

AGENT = f"weighbridge/{__version__}"
LARGEST_DOCUMENT = 512 << 20
"""Bytes that are read of a document."""
_CONNECT_S, _READ_S = 10.0, 30.0
_REDIRECTS = 5
_WITHDRAWN = "Weighbridge-Withdrawn"
_AGAIN = frozenset({408, 429, 500, 502, 503, 504})


class Later(Exception):
    """Not now: try again after so many seconds (0: as soon as seems right). `limited`: it is a limit of one's own."""

    def __init__(self, sentence: str, after_s: float = 0, *, limited: bool = False) -> None:
        super().__init__(sentence)
        self.sentence, self.after_s, self.limited = sentence, after_s, limited


@dataclass(frozen=True)
class Link:
    """Where a part of a file is now."""

    url: str


class Portal:
    """One portal; safe to share between threads."""

    def __init__(self, address: str, *, connections: int = 8) -> None:
        self.address, self._connections = address.rstrip("/"), connections
        self.token = home.token()
        self._pool = self._pool_for(self.address)
        self._stores: dict[str, urllib3.PoolManager] = {}

    def released(self, model: str, revision: str) -> tuple[bytes, str]:
        """release.json of a revision, and when it was withdrawn (ISO 8601), or "". Raises as document() does."""
        with self._document(model, revision, RELEASE) as answer:
            return _read(answer), clean(answer.headers.get(_WITHDRAWN, ""), 40)

    def document(self, model: str, revision: str, name: str, query: str = "") -> bytes:
        """A public document of a revision. Raises Refused, Unreachable or Bad."""
        with self._document(model, revision, name, query) as answer:
            return _read(answer)

    def _document(self, model: str, revision: str, name: str, query: str = "") -> urllib3.BaseHTTPResponse:
        answer = self._asked(f"{self.address}/{model}/revisions/{quote(revision, safe='')}/{name}{query}")
        if answer.status == 200:
            return answer
        with answer:
            raise Refused(_sentence(answer, f"There is no {name} of {model} at {revision}."))

    def key(self) -> str | None:
        """The public key by which the portal signs releases (PEM); None where it has none."""
        answer = self._asked(f"{self.address}/keys/portal.pem")
        with answer:
            return _read(answer).decode("utf-8", "replace") if answer.status == 200 else None

    def vouches(self) -> object:
        """What the portal's keys say of each other, as it came; None where it says nothing of the kind."""
        answer = self._asked(f"{self.address}/keys/vouches.json")
        with answer:
            try:
                return json.loads(_read(answer)) if answer.status == 200 else None
            except (ValueError, RecursionError):
                return None

    def link(self, model: str, commit: str, path: str, wanted: str) -> Link:
        """A fresh link to a range of a file, after a fresh look at one's right.

        Raises Refused with the portal's own sentence, or Later where it may be tried again.
        """
        url = f"{self.address}/{model}/resolve/{commit}/{quote(path)}"
        for _ in range(_REDIRECTS):
            with self._send(self._pool, "GET", url, {"Range": wanted, **self._bearer()}) as answer:
                if answer.status in (301, 302, 303, 307, 308):
                    onward = _onward(url, answer)
                    answer.drain_conn()  # so that the connection can be used again
                    if not _is_rename(answer.status, onward, self.address):
                        return Link(self._checked(onward))
                    url = onward
                    continue
                if answer.status in _AGAIN:
                    sentence = _sentence(answer, "The portal is busy.")
                    raise Later(sentence, _after(answer), limited=answer.status == 429)
                raise Refused(_sentence(answer, f"The portal refused {path!r}."))
        raise Bad("The portal leads round in circles.")

    def opened(self, link: Link, wanted: str) -> urllib3.BaseHTTPResponse:
        """The bytes behind a link, without our token. Raises Later for whatever a fresh link may put right."""
        origin = _origin(link.url)
        pool = self._stores.get(origin) or self._stores.setdefault(origin, self._pool_for(origin))
        answer = self._send(pool, "GET", link.url, {"Range": wanted})
        if answer.status == 206:
            return answer
        with answer:
            answer.drain_conn()
        raise Later(f"The store answered {answer.status}.", _after(answer))

    def post(self, path: str, fields: Mapping[str, str]) -> tuple[int, dict[str, Any]]:
        """A form to the portal; its status and JSON. Raises Unreachable where no JSON comes back."""
        try:
            with self._send(self._pool, "POST", self.address + path, {}, fields=fields) as answer:
                told = json.loads(_read(answer))
        except (Later, ValueError) as fault:
            raise Unreachable(f"{self.address} did not answer as a Weighbridge portal: {fault}.") from fault
        return answer.status, told if isinstance(told, dict) else {}

    def _bearer(self) -> dict[str, str]:
        if not home.is_token(self.token):
            raise Usage(
                f"The token in HF_TOKEN or {home.token_file()} holds characters that none has. Copy it again, whole and alone, "
                "or get another with: weighbridge login"
            )
        return {"Authorization": f"Bearer {self.token}"} if self.token else {}

    def _asked(self, url: str) -> urllib3.BaseHTTPResponse:
        """The answer of the portal itself, after redirects that stay on it."""
        for _ in range(_REDIRECTS):
            try:
                answer = self._send(self._pool, "GET", url, {"Accept": "application/json"})
            except Later as fault:
                raise Unreachable(
                    f"{self.address} cannot be reached: {fault.sentence}. See that the address is right, and run it again."
                ) from fault
            if answer.status not in (301, 302, 303, 307, 308):
                if answer.status in _AGAIN:
                    with answer:
                        raise Unreachable(_sentence(answer, f"{self.address} is busy. Try again in a minute."))
                return answer
            onward = _onward(url, answer)
            with answer:
                answer.drain_conn()
            asks_who = "/login/" in urlsplit(onward).path
            if _origin(onward) != _origin(self.address) and not asks_who:
                onto = clean(_origin(onward))
                raise Refused(
                    f"{self.address} leads on to {onto}. Name that one with --portal, if it is the portal you mean."
                )
            if asks_who:
                raise Refused(f"There is nothing public at {url}. Check the name of the model and the revision.")
            url = onward
        raise Bad("The portal leads round in circles.")

    def _send(
        self,
        pool: urllib3.PoolManager,
        method: str,
        url: str,
        headers: Mapping[str, str],
        fields: Mapping[str, str] | None = None,
    ) -> urllib3.BaseHTTPResponse:
        sent = {"User-Agent": AGENT, "Accept-Encoding": "identity", **headers}
        form: dict[str, Any] = {"fields": dict(fields), "encode_multipart": False} if fields else {}
        try:
            return pool.request(method, url, headers=sent, preload_content=False, redirect=False, **form)
        except (HTTPError, ssl.SSLError, OSError) as fault:
            raise Later(_told(fault)) from fault

    def _checked(self, url: str) -> str:
        scheme = urlsplit(url).scheme
        if scheme not in ("https", "http") or (scheme == "http" and self.address.startswith("https:")):
            raise Bad("The portal gave a link that is not encrypted, or is none. Tell its operator.")
        return url

    def _pool_for(self, address: str) -> urllib3.PoolManager:
        parts = urlsplit(address)
        through = "" if proxy_bypass(parts.hostname or "") else getproxies().get(parts.scheme, "")
        more: dict[str, Any] = {
            "maxsize": self._connections,
            "retries": False,
            "timeout": urllib3.Timeout(connect=_CONNECT_S, read=_READ_S),
        }
        try:
            return urllib3.ProxyManager(through, **more) if through else urllib3.PoolManager(**more)
        except (HTTPError, ValueError) as fault:
            raise Usage(f"The proxy {through!r} of your environment cannot be used: {fault}.") from fault


def _origin(url: str) -> str:
    parts = urlsplit(url)
    return f"{parts.scheme}://{parts.netloc}".lower()


def _onward(url: str, answer: urllib3.BaseHTTPResponse) -> str:
    try:
        return urljoin(url, answer.headers.get("Location", ""))
    except ValueError as fault:
        raise Bad("The portal leads to what is no address. Tell its operator.") from fault


def _is_rename(status: int, onward: str, address: str) -> bool:
    """A model that has another name now, or an address of the portal's that has: its own answer, not a link to bytes."""
    return status in (307, 308, 301) and _origin(onward) == _origin(address)


def _read(answer: urllib3.BaseHTTPResponse) -> bytes:
    raw = bytearray()
    try:
        for piece in answer.stream(1 << 16, decode_content=False):
            raw += piece
            if len(raw) > LARGEST_DOCUMENT:
                raise Bad("The portal sent a document that is too large to be one.")
    except HTTPError as fault:
        raise Unreachable(f"The portal broke off in the middle of an answer: {_told(fault)}") from fault
    return bytes(raw)


def _sentence(answer: urllib3.BaseHTTPResponse, otherwise: str) -> str:
    """What the portal says went wrong, in its own words where it has some."""
    said = answer.headers.get("X-Error-Message", "")
    if not said and "json" in answer.headers.get("Content-Type", ""):
        try:
            told = json.loads(_read(answer))
            said = told.get("error") or told.get("title") or told.get("detail") or ""
        except (ValueError, AttributeError):
            said = ""
    shown = clean(str(said), 1000)
    return f"{shown or otherwise}\n{_way_in()}" if answer.status == 401 else shown or otherwise


def _way_in() -> str:
    """What to do where the portal does not know who asks: a token that is there and was not sent is named."""
    kept = home.withheld()
    if kept == "HF_TOKEN":
        return "The token in HF_TOKEN is another hub's, and was not sent. Unset HF_TOKEN, and log in with: weighbridge login"
    if kept:
        return f"The token in {kept} is another hub's, and was not sent. Log in with: weighbridge login --replace"
    if home.from_environment():
        return "The token came from HF_TOKEN. Unset HF_TOKEN, and log in with: weighbridge login"
    return "Log in with: weighbridge login"


def _after(answer: urllib3.BaseHTTPResponse) -> float:
    """Seconds that the answer asks to wait: Retry-After, or the RateLimit header's t where nothing is left."""
    told = answer.headers.get("Retry-After", "")
    if told.isdecimal():
        return float(told)
    limit = answer.headers.get("RateLimit", "")
    fields = dict(part.strip().split("=", 1) for part in limit.split(";") if "=" in part)
    return float(fields["t"]) + 1 if fields.get("r") == "0" and fields.get("t", "").isdecimal() else 0.0


def _told(fault: BaseException) -> str:
    return clean(re.sub(r"^\[Errno \d+\] ", "", str(fault).rpartition(": ")[2]) or type(fault).__name__).rstrip(".")
