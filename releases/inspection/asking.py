"""The parent's side: start the child, hand it the pieces that it asks for, believe no more than its answer's shape."""

from __future__ import annotations

import json
import subprocess
import sys
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from threading import Timer
from typing import IO, Any, BinaryIO, Final

import yaml

from releases.inspection import WALL_MAX, Refused, child
from releases.sentences import Sentence, restored

ANSWER_MAX: Final = 128 << 20
"""Bytes. Half a million tensors fit."""
_PIECE_MAX: Final = 1 << 20
_ROOT: Final = Path(__file__).resolve().parents[2]
_PACKAGES: Final = Path(yaml.__file__).resolve().parents[1]


@dataclass(frozen=True, slots=True)
class Tensor:
    """One tensor as a header describes it: its bytes are [start, end) of the whole file."""

    name: str
    dtype: str
    shape: tuple[int, ...]
    start: int
    end: int
    elements: int


@dataclass(frozen=True, slots=True)
class Tensors:
    """What a header says, in the file's order."""

    items: tuple[Tensor, ...]

    @property
    def count(self) -> int:
        """How many tensors."""
        return len(self.items)

    @property
    def elements(self) -> int:
        """How many elements (parameters) in all."""
        return sum(item.elements for item in self.items)

    @property
    def types(self) -> dict[str, int]:
        """Elements by the format's name of their type."""
        found: dict[str, int] = {}
        for item in self.items:
            found[item.dtype] = found.get(item.dtype, 0) + item.elements
        return found


def tensors(job: str, source: BinaryIO, size: int) -> tuple[Tensors, list[Sentence]]:
    """The tensors of a "safetensors" or "gguf" file and remarks on it. Raises Refused."""
    found = ask(job, source, size)
    items = (Tensor(name, dtype, tuple(shape), *place) for name, dtype, shape, *place in found["tensors"])
    return Tensors(tuple(items)), [restored(notice) for notice in found["notices"]]


def remarks(job: str, source: BinaryIO, size: int) -> list[Sentence]:
    """Remarks on a "json", "yaml" or "text" file, once it can be read as what it says. Raises Refused."""
    return [restored(notice) for notice in ask(job, source, size)["notices"]]


def ask(job: str, source: BinaryIO, size: int) -> dict[str, Any]:
    """What the child finds in a file of `size` bytes. Raises Refused with a sentence fit for the publisher."""
    command = [sys.executable, "-I", "-S", child.__file__, str(_ROOT), str(_PACKAGES), job, str(size)]
    process = subprocess.Popen(
        command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, env={}, cwd="/"
    )
    late = Timer(WALL_MAX, process.kill)
    late.start()
    try:
        answer = _serve(process, source)
    finally:
        late.cancel()
        process.kill()
        process.wait()
        for pipe in (process.stdin, process.stdout):
            with suppress(BrokenPipeError):
                pipe.close()  # type: ignore[union-attr]
    if answer is None:
        raise Refused(Sentence("needs too much memory or time to read"))
    if "refused" in answer:
        raise Refused(restored(answer["refused"]))
    found: dict[str, Any] = answer["found"]
    return found


def _serve(process: subprocess.Popen[bytes], source: BinaryIO) -> dict[str, Any] | None:
    """Answer the child's requests until it answers; None when it died before."""
    asks, gives = process.stdout, process.stdin
    if asks is None or gives is None:
        return None
    while len(frame := asks.read(child.ASK.size)) == child.ASK.size:
        kind, offset, length = child.ASK.unpack(frame)
        if kind == b"A":
            return _answer(asks, length)
        source.seek(offset)
        piece = source.read(min(length, _PIECE_MAX))
        try:
            gives.write(child.LENGTH.pack(len(piece)) + piece)
            gives.flush()
        except BrokenPipeError:
            return None
    return None


def _answer(asks: IO[bytes], length: int) -> dict[str, Any] | None:
    said = asks.read(length) if length <= ANSWER_MAX else b""
    try:
        answer: dict[str, Any] = json.loads(said)
    except ValueError:
        return None
    return answer
