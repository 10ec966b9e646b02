"""What is kept on this machine: the token where huggingface_hub looks for it, the portal, and the keys of portals."""

from __future__ import annotations

import errno
import json
import os
import re
from collections.abc import Mapping
from pathlib import Path
from urllib.parse import urlsplit

from weighbridge_client.errors import Usage

OURS = "wb_"
"""How tokens of a Weighbridge portal begin. Others are somebody else's: they are never sent, nor written over."""


_TRIAL = 256
"""Bytes that are written to see that there is room: more than a token has."""


def token_file() -> Path:
    """Where huggingface_hub keeps the token that is in use."""
    given = os.environ.get("HF_TOKEN_PATH")
    return Path(given).expanduser() if given else _hf_home() / "token"


def token() -> str:
    """The token to show: HF_TOKEN, else the stored one; empty where there is none, or it is another hub's."""
    found = _found()
    return found if found.startswith(OURS) else ""


def withheld() -> str:
    """Where the token is that stands first and is another hub's: HF_TOKEN, or the file; empty where there is none."""
    if not _found() or token():
        return ""
    return "HF_TOKEN" if from_environment() else str(token_file())


def from_environment() -> str:
    """What HF_TOKEN holds, which goes before the file."""
    return os.environ.get("HF_TOKEN", "").strip()


def _found() -> str:
    return from_environment() or stored_token()


def is_token(text: str) -> bool:
    """Whether this can be sent as a token, or as none: what is pasted may hold blanks, breaks or typographic marks."""
    return re.fullmatch("[!-~]*", text) is not None


def stored_token() -> str:
    """What the file holds, whoever's it is."""
    try:
        return token_file().read_text(encoding="utf-8").strip()
    except (OSError, UnicodeDecodeError):
        return ""


def can_store() -> None:
    """See that a token could be stored, and the portal be remembered. Raises Usage where it could not."""
    _can_write(token_file(), "HF_TOKEN_PATH" if os.environ.get("HF_TOKEN_PATH") else "HF_HOME")
    _can_write(_portal_file(), "XDG_CONFIG_HOME")


def _can_write(path: Path, setting: str) -> None:
    try:
        if path.is_dir():
            raise IsADirectoryError(errno.EISDIR, os.strerror(errno.EISDIR))
        write(path.with_name(f".{path.name}.trial"), bytes(_TRIAL), mode=0o600).unlink()
    except OSError as fault:
        sentence = (
            f"{path} cannot be written: {fault.strerror}. Set {setting} to a place of your own, and log in again."
        )
        raise Usage(sentence) from fault


def store_token(secret: str) -> Path:
    """Write it, for this user's eyes alone; returns the file."""
    return write(token_file(), secret.encode(), mode=0o600)


def portal(given: str) -> str:
    """The portal's address without a slash: what was given, HF_ENDPOINT, or where one logged in last.

    Raises Usage where there is none, or it is no address.
    """
    address = (given or os.environ.get("HF_ENDPOINT", "") or _remembered()).strip().rstrip("/")
    if not address:
        raise Usage("Which portal? Name it with --portal https://…, or set HF_ENDPOINT.")
    try:
        parts = urlsplit(address)
        parts.port  # noqa: B018 - raises where it is no number of a port
    except ValueError:
        parts = urlsplit("")
    if parts.scheme not in ("https", "http") or not parts.hostname or parts.username or parts.query or parts.fragment:
        raise Usage(f"{address!r} is no address of a portal. Write it as https://models.example.org.")
    return address


def remember(address: str) -> None:
    """Take this portal from now on where none is named."""
    write(_portal_file(), json.dumps({"portal": address}).encode(), mode=0o644)


def _remembered() -> str:
    try:
        kept = json.loads(_portal_file().read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return ""
    found = kept.get("portal") if isinstance(kept, Mapping) else None
    return found if isinstance(found, str) else ""


def key_file(address: str) -> Path:
    """Where the key of this portal is pinned."""
    parts = urlsplit(address)
    port = f"_{parts.port}" if parts.port else ""
    name = f"{parts.hostname}{port}_{parts.path.strip('/')}".rstrip("_")
    return _config() / "keys" / (re.sub(r"[^\w.-]", "_", name, flags=re.ASCII) + ".pem")


def write(path: Path, content: bytes, *, mode: int) -> Path:
    """Write a file whole or not at all; returns it."""
    path.parent.mkdir(parents=True, exist_ok=True)
    new = path.with_name(f".{path.name}.{os.getpid()}")
    opened = os.open(new, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, mode)
    with os.fdopen(opened, "wb") as file:
        file.write(content)
    new.chmod(mode)
    return new.replace(path)


def _hf_home() -> Path:
    given = os.environ.get("HF_HOME")
    if given:
        return Path(os.path.expandvars(given)).expanduser()
    cache = os.environ.get("XDG_CACHE_HOME")
    return (Path(cache) if cache else Path.home() / ".cache") / "huggingface"


def _portal_file() -> Path:
    return _config() / "portal.json"


def _config() -> Path:
    given = os.environ.get("XDG_CONFIG_HOME")
    return (Path(given) if given else Path.home() / ".config") / "weighbridge"
