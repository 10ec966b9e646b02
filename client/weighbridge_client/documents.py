"""What a release says of itself: `release.json` and `tensors.json`, read with suspicion."""

from __future__ import annotations

import json
import re
from dataclasses import dataclass
from typing import Any

from weighbridge_client import names, tensors
from weighbridge_client.errors import Bad

RELEASE = "release.json"
TENSORS = "tensors.json"
SIGNATURE = "model.sig"
PORTAL = "portal"
"""Beside them: the address of the portal that they came from."""
ALL = (RELEASE, TENSORS, SIGNATURE, PORTAL)
_HEX40, _HEX64 = re.compile(r"[0-9a-f]{40}"), re.compile(r"[0-9a-f]{64}")


@dataclass(frozen=True)
class File:
    """One file of a release."""

    path: str
    size: int
    sha256: str


@dataclass(frozen=True)
class Release:
    """A release as its document tells it."""

    model: str
    commit: str
    files: tuple[File, ...]
    root: str
    """Merkle root over the tensors, hex; empty where there are none."""
    raw: bytes

    def names(self, revision: str) -> bool:
        """Whether a commit, or the start of one, names this release."""
        return self.commit.startswith(revision.lower())


@dataclass(frozen=True)
class Tensor:
    """One tensor of a release, and the file it is in."""

    name: str
    dtype: str
    shape: tuple[int, ...]
    sha256: str
    file: str


def release(raw: bytes) -> Release:
    """Read release.json. Raises Bad where it is not one, or names files that must not be written."""
    told = _object(raw, RELEASE, "weighbridge.release/1")
    try:
        files = tuple(_file(entry) for entry in told["files"])
        root = told["tensors"]["root"] if told["tensors"] else ""
        found = Release(_text(told["model"]), _text(told["commit"]), files, _text(root), raw)
        as_written = tensors.canonical(told) == raw
    except (KeyError, TypeError, ValueError, RecursionError) as fault:
        raise Bad(f"{RELEASE} is damaged: {names.clean(str(fault))}.") from fault
    if not _HEX40.fullmatch(found.commit) or (root and not _HEX64.fullmatch(found.root)):
        raise Bad(f"{RELEASE} is damaged: its commit or its weight id is none.")
    if len({file.sha256 for file in files}) != len({(file.sha256, file.size) for file in files}):
        raise Bad(f"{RELEASE} is damaged: it gives one content two sizes.")
    names.require_safe(file.path for file in files)
    if not as_written:
        raise Bad(f"{RELEASE} is not written as the portal writes it: somebody has changed it.")
    return found


def tensor_list(raw: bytes, of: Release) -> list[Tensor]:
    """Read tensors.json. Raises Bad where it is not the list whose root the release names."""
    told = _object(raw, TENSORS, "weighbridge.tensors/1")
    try:
        found = [_tensor(entry) for entry in told["tensors"]]
        root = tensors.root(bytes.fromhex(tensor.sha256) for tensor in found) if found else ""
        as_written = tensors.canonical(told) == raw
    except (KeyError, TypeError, ValueError, OverflowError, RecursionError) as fault:
        raise Bad(f"{TENSORS} is damaged: {names.clean(str(fault))}.") from fault
    if not as_written or told.get("root") != of.root:
        raise Bad(f"{TENSORS} is not written as the portal writes it: somebody has changed it.")
    if root != of.root:
        raise Bad(f"{TENSORS} is not the one of this release: its root is {root or 'none'}, not {of.root or 'none'}.")
    return found


def _object(raw: bytes, name: str, schema: str) -> dict[str, Any]:
    try:
        told = json.loads(raw)
    except (ValueError, RecursionError) as fault:
        raise Bad(f"{name} is no JSON. Fetch it again.") from fault
    if not isinstance(told, dict) or told.get("schema") != schema:
        raise Bad(f"{name} is not of the kind {schema}. A newer client may read it.")
    return told


def _file(entry: dict[str, Any]) -> File:
    size, digest = entry["size"], _text(entry["sha256"])
    if isinstance(size, bool) or not isinstance(size, int) or size < 0 or not _HEX64.fullmatch(digest):
        raise ValueError(f"size or digest of {entry['path']!r}")
    return File(_text(entry["path"]), size, digest)


def _tensor(entry: dict[str, Any]) -> Tensor:
    name, dtype, digest, file = (_text(entry[field]) for field in ("name", "dtype", "sha256", "file"))
    return Tensor(name, dtype, tuple(int(length) for length in entry["shape"]), digest, file)


def _text(value: object) -> str:
    if not isinstance(value, str):
        raise TypeError(f"{value!r} is no text")
    return value
