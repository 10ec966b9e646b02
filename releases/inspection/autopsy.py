"""What a file that was refused would have run, had somebody opened it: for the publisher and the lab, never to decide.

Pickles are followed wherever such files keep them: bare, several in a row, in a zip or tar archive (PyTorch), behind an
array's header (NumPy), compressed (joblib). picklescan's opinion on the names stands beside.
"""

from __future__ import annotations

import io
import logging
import tarfile
import zipfile
import zlib
from collections.abc import Iterator
from typing import Any, BinaryIO, Final

from picklescan import scanner

from releases.inspection import archives, pickles
from releases.inspection.machine import SHOWN_MAX
from releases.sentences import Sentence

UNPACKED_MAX: Final = 16 << 20
"""Bytes of one member that are looked at."""
MEMBERS_MAX: Final = 50
_IN_A_ROW: Final = 8
_GZIP: Final = b"\x1f\x8b"
logging.disable(logging.CRITICAL)


def read(source: BinaryIO, size: int, _job: str = "") -> dict[str, Any]:
    """Names it imports, calls it makes, what is odd about it, and what picklescan calls dangerous."""
    found: dict[str, list[str]] = {"imports": [], "calls": [], "advice": []}
    remarks: list[Sentence] = []
    try:
        for part, length in _parts(source, size, remarks):
            _add(found, part, length)
    except (ValueError, OSError, EOFError, KeyError, RuntimeError, NotImplementedError, zlib.error,
            zipfile.BadZipFile, tarfile.TarError) as fault:  # fmt: skip
        remarks.append(Sentence("It could not be looked into any further: %(fault)s.", fault=type(fault).__name__))
    told = [remark.kept() for remark in list(dict.fromkeys(remarks))[:SHOWN_MAX]]
    return {"remarks": told, **{what: list(dict.fromkeys(lines))[:SHOWN_MAX] for what, lines in found.items()}}


def _add(found: dict[str, list[str]], part: BinaryIO, length: int) -> None:
    at = 0
    for _ in range(_IN_A_ROW):
        walk = pickles.follow(part, at, length)
        found["imports"] += walk.imports
        found["calls"] += walk.calls
        at = walk.end
        if not walk.ended or at >= length:
            break
    part.seek(0)
    result = scanner.scan_pickle_bytes(io.BytesIO(part.read(min(length, UNPACKED_MAX))), "file")
    worst = (g for g in result.globals if g.safety is not scanner.SafetyLevel.Innocuous)
    found["advice"] += sorted(f"{g.module}.{g.name}: {g.safety.value}"[:200] for g in worst)


def _parts(source: BinaryIO, size: int, remarks: list[Sentence]) -> Iterator[tuple[BinaryIO, int]]:
    """Every pickle that the file holds, as far as a reader of such files would look."""
    source.seek(0)
    head = source.read(512)
    tail = archives.tail_of(source, size)
    if ends := archives.end_records(tail):
        yield from _zipped(source, ends, tail, remarks)
    if head[257:262] == b"ustar":
        yield from _tarred(source, remarks)
    elif head.startswith(b"\x93NUMPY"):
        yield _after_header(source, size, head)
    elif head.startswith(_GZIP) or head[:2] in {b"x\x01", b"x\x9c", b"x\xda", b"x\x5e"}:
        yield _unpacked(source, remarks)
    elif head.startswith(b"\x89HDF"):
        _keras(source, remarks)
    elif not head.startswith(b"PK"):
        yield source, size


def _zipped(
    source: BinaryIO, ends: list[tuple[int, int]], tail: bytes, remarks: list[Sentence]
) -> Iterator[tuple[BinaryIO, int]]:
    if max(ends)[0] > archives.ENTRIES_MAX or max(size for _, size in ends) > archives.DIRECTORY_MAX:
        remarks.append(Sentence("It is an archive with more members than anybody unpacks."))
        return
    with zipfile.ZipFile(source) as archive:
        remarks += archives.tricks(archive, source, tail)
        for member in archive.infolist()[:MEMBERS_MAX]:
            with archive.open(member) as opened:
                content = opened.read(UNPACKED_MAX)
            if content.startswith(b"\x93NUMPY"):
                yield _after_header(io.BytesIO(content), len(content), content[:512])
            else:
                yield io.BytesIO(content), len(content)


def _tarred(source: BinaryIO, remarks: list[Sentence]) -> Iterator[tuple[BinaryIO, int]]:
    source.seek(0)
    with tarfile.open(fileobj=source, mode="r:") as archive:
        for number, member in enumerate(archive):
            if number == MEMBERS_MAX:
                remarks.append(Sentence("It holds more members than were looked at."))
                return
            if member.name.startswith("/") or ".." in member.name.split("/") or not member.isreg():
                remarks.append(
                    Sentence(
                        "It holds a link, a device or a member outside its folder: %(name)s.",
                        name=repr(member.name[:80]),
                    )
                )
            elif (opened := archive.extractfile(member)) is not None:
                content = opened.read(UNPACKED_MAX)
                yield io.BytesIO(content), len(content)


def _after_header(source: BinaryIO, size: int, head: bytes) -> tuple[BinaryIO, int]:
    """The part of a NumPy file behind its header; for an array of objects that is a pickle."""
    wide = head[6:7] > b"\x01"
    length = int.from_bytes(head[8 : 12 if wide else 10], "little") + (12 if wide else 10)
    source.seek(min(length, size))
    content = source.read(UNPACKED_MAX)
    return io.BytesIO(content), len(content)


def _unpacked(source: BinaryIO, remarks: list[Sentence]) -> tuple[BinaryIO, int]:
    source.seek(0)
    worker = zlib.decompressobj(wbits=47)
    content = bytearray()
    while len(content) < UNPACKED_MAX and not worker.eof and (piece := worker.unconsumed_tail or source.read(65536)):
        content += worker.decompress(piece, UNPACKED_MAX - len(content))
    if not worker.eof:
        remarks.append(Sentence("It unpacks to more than the %(most)s bytes that were looked at.", most=UNPACKED_MAX))
    return io.BytesIO(bytes(content)), len(content)


def _keras(source: BinaryIO, remarks: list[Sentence]) -> None:
    source.seek(0)
    if b'"class_name": "Lambda"' in source.read(UNPACKED_MAX):
        remarks.append(Sentence("It holds a Keras Lambda layer, which is Python byte code."))
