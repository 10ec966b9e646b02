"""Whether a file on this machine is the one that was released; and where it is not, what is wrong with it."""

from __future__ import annotations

import hashlib
import os
import stat
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from weighbridge_client import tensors
from weighbridge_client.documents import TENSORS, File, Tensor
from weighbridge_client.names import clean

_PIECE = 1 << 20
_NAMED = 5
"""Tensors that one sentence names."""


@dataclass(frozen=True)
class Fault:
    """What is wrong with one path, in a word for programs and a sentence for people."""

    path: str
    kind: str
    """changed, missing, added, renamed, link, special or document."""
    sentence: str
    tensors: tuple[str, ...] = ()
    """Names of those that are not as released, as far as that can be told."""


def sha256(path: Path) -> str:
    """Of a whole file, hex."""
    found = hashlib.sha256()
    with path.open("rb", buffering=0) as file:
        while piece := file.read(_PIECE):
            found.update(piece)
    return found.hexdigest()


def same(path: Path, file: File) -> bool:
    """Whether this is the file of the release: a plain file, of its size, with its digest."""
    try:
        told = os.lstat(path)
        return stat.S_ISREG(told.st_mode) and told.st_size == file.size and sha256(path) == file.sha256
    except (FileNotFoundError, NotADirectoryError):
        return False


def changed(path: Path, file: File, known: Sequence[Tensor]) -> Fault:
    """Say what of a file is not as released: its length, its tensors by name, or what is no tensor."""
    expected = {tensor.name: tensor.sha256 for tensor in known if tensor.file == file.path}
    size = path.stat().st_size
    if not expected:
        how = f"it has {size:,} bytes, not {file.size:,}" if size != file.size else "its SHA-256 is another"
        return Fault(file.path, "changed", f"{file.path} is not as released: {how}.")
    try:
        found = {place.name: digest for place, digest in tensors.digests(path)}
    except (ValueError, OSError, RecursionError, OverflowError) as fault:
        return Fault(
            file.path, "changed", f"{file.path} is not as released: its header is damaged ({clean(str(fault))})."
        )
    bad = tuple(sorted(name for name in expected.keys() | found.keys() if expected.get(name) != found.get(name)))
    if not bad:
        return Fault(file.path, "changed", f"{file.path} is not as released; its tensors are, its header is not.")
    return Fault(file.path, "changed", f"{file.path} is not as released: {_named(bad)}.", bad)


def mislabelled(path: Path, file: File, known: Sequence[Tensor]) -> Fault | None:
    """For a file that is as released: whether tensors.json tells its tensors as the file itself does."""
    told = {(tensor.name, tensor.dtype, tensor.shape) for tensor in known if tensor.file == file.path}
    held: set[tuple[str, str, tuple[int, ...]]] = set()
    if path.name.lower().endswith(".safetensors") and known:
        with suppress(ValueError, RecursionError, OverflowError):  # called so, and none: as it was released
            held = {(place.name, place.dtype, place.shape) for place in tensors.layout(path)}
    if told == held:
        return None
    return Fault(
        TENSORS, "document", f"{TENSORS} tells the tensors of {file.path} otherwise than the file: it was changed."
    )


def _named(bad: Sequence[str]) -> str:
    shown = ", ".join(clean(name) for name in bad[:_NAMED]) + (
        f" and {len(bad) - _NAMED} more" if len(bad) > _NAMED else ""
    )
    return f"tensor {shown} is bad" if len(bad) == 1 else f"tensors {shown} are bad"
