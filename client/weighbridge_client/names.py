"""Names of files that may be written: below the folder, on every system, and no two that one system takes for one."""

from __future__ import annotations

import os
import re
import stat
import unicodedata
from collections.abc import Iterable
from pathlib import Path

from weighbridge_client.errors import Bad, Usage

OWN = ".weighbridge"
"""The folder of ours beside the files: documents, and parts that are on their way."""
_DEVICES = re.compile(r"(con|prn|aux|nul|com[0-9¹²³]|lpt[0-9¹²³])(\..*)?", re.IGNORECASE)
_FORBIDDEN = re.compile(r'[\x00-\x1f\x7f-\x9f<>:"|?*\\\u200b-\u200f\u202a-\u202e\u2060-\u2069\ufeff]')
_MODEL = re.compile(r"[A-Za-z0-9][\w.-]*/[A-Za-z0-9][\w.-]*", re.ASCII)
LONGEST = 1024


def model(text: str) -> str:
    """A model's name, `lab/model`; raises Usage."""
    if not _MODEL.fullmatch(text) or len(text) > 200:
        raise Usage(f"Name a model as lab/model, not {clean(text)!r}.")
    return text


def require_safe(paths: Iterable[str]) -> None:
    """Raise Bad where a path could leave the folder, hide, or stand for two files on some system."""
    seen: dict[str, str] = {}
    for path in paths:
        if problem := _problem(path):
            raise Bad(f"The release names a file {clean(path)!r}, {problem}. Nothing was written; tell the lab.")
        if (other := seen.setdefault(folded(path), path)) != path:
            raise Bad(f"Two files of the release are one on some systems: {clean(path)!r} and {clean(other)!r}.")
    for path in seen:
        parts = path.split("/")
        for depth in range(1, len(parts)):
            if "/".join(parts[:depth]) in seen:
                raise Bad(f"The release has {clean(seen[path])!r} inside of what is itself a file.")


def _problem(path: str) -> str:
    if not path or len(path.encode("utf-8", "surrogatepass")) > LONGEST or path.startswith("/"):
        return "which is empty, too long or absolute"
    for part in path.split("/"):
        if part in ("", ".", "..") or part != part.strip() or part.endswith("."):
            return "which leads elsewhere or ends in a dot or blank"
        if _FORBIDDEN.search(part) or any("\ud800" <= c <= "\udfff" for c in part):
            return "which holds characters that no file name should"
        if part.lower() in (OWN, ".git") or _DEVICES.fullmatch(part):
            return "which has a meaning of its own to some programs"
    return ""


def folded(path: str) -> str:
    """The path as systems see it that take no notice of case or of how accents are written."""
    return unicodedata.normalize("NFC", unicodedata.normalize("NFC", path).casefold())


def inside(folder: Path, path: str) -> Path:
    """Where a file of the release lies. Raises Bad where a link on the way leads elsewhere."""
    at = folder
    for part in path.split("/"):
        at = at / part
        if is_link(at):
            raise Bad(f"{at} is a link. Remove it: files are written below {folder} alone.")
    return at


def is_link(path: Path) -> bool:
    """Whether something of this name is a link, to whatever it leads."""
    try:
        return stat.S_ISLNK(os.lstat(path).st_mode)
    except (OSError, ValueError):
        return False


def clean(text: str, limit: int = 500) -> str:
    """Text of others for a terminal: one line, without control characters."""
    shown = "".join(c if c.isprintable() else " " for c in text[:limit])
    return " ".join(shown.split())
