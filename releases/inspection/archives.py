"""Archives by their own bytes: does a file end as a zip archive does, and which tricks does one play.

A zip archive is found from its end, so anything can stand before it: a picture, a weights file, a program.
"""

from __future__ import annotations

import codecs
import struct
import zipfile
from collections import Counter
from typing import BinaryIO, Final

from releases.sentences import Sentence

TAIL: Final = 22 + 0xFFFF
"""Bytes at the end of a file in which a zip archive's end record stands."""
ENTRIES_MAX: Final = 10_000
DIRECTORY_MAX: Final = 8 << 20
RATIO_MAX: Final = 50
BIG: Final = 64 << 20
"""Bytes; a member that unpacks to less may have any ratio."""
_END: Final = struct.Struct("<4s4H2IH")
_END_MARK: Final = b"PK\x05\x06"
codecs.lookup("cp437")  # zipfile's own; later on, the child can open no module


def end_records(tail: bytes) -> list[tuple[int, int]]:
    """Entries and directory bytes of every end record in a file's last bytes that has a directory before it."""
    found, at = [], tail.find(_END_MARK)
    while at >= 0 and at + _END.size <= len(tail):
        _mark, _disk, _first, _here, entries, size, _offset, _comment = _END.unpack_from(tail, at)
        directory = at - size
        large = 0xFFFFFFFF in {size, _offset} or entries == 0xFFFF
        if entries and (large or directory < 0 or tail[directory : directory + 4] == b"PK\x01\x02"):
            found.append((entries, size))
        at = tail.find(_END_MARK, at + 1)
    return found


def tail_of(source: BinaryIO, size: int) -> bytes:
    """The bytes in which end_records() looks."""
    source.seek(max(0, size - TAIL))
    return source.read(TAIL)


def tricks(archive: zipfile.ZipFile, source: BinaryIO, tail: bytes) -> list[Sentence]:
    """What the archive does to fool its reader, one sentence each."""
    members = archive.infolist()
    twins = [name for name, times in Counter(member.filename for member in members).items() if times > 1]
    paths = [m.filename for m in members if m.filename.startswith(("/", "\\")) or ".." in m.filename.split("/")]
    bombs = [m.filename for m in members if m.file_size > max(BIG, RATIO_MAX * m.compress_size)]
    lies = [m.filename for m in members[:1000] if not _agrees(source, m)]
    said = [
        (Sentence("Two members have the name %(name)s.", name=_first(twins)), twins),
        (Sentence("A member is written outside its folder: %(name)s.", name=_first(paths)), paths),
        (Sentence("A member unpacks to more than fifty times its size: %(name)s.", name=_first(bombs)), bombs),
        (Sentence("A member is called otherwise in the list than in its place: %(name)s.", name=_first(lies)), lies),
    ]
    found = [sentence for sentence, names in said if names]
    if len(end_records(tail)) > 1:
        found.append(Sentence("It has more than one end, so two readers find different members."))
    if members and min(m.header_offset for m in members) > 0:
        found.append(Sentence("Something else stands before it."))
    return found


def _first(names: list[str]) -> str:
    return repr(names[0][:80]) if names else ""


def _agrees(source: BinaryIO, member: zipfile.ZipInfo) -> bool:
    """Whether the member's own header has the name that the directory gives."""
    source.seek(member.header_offset)
    header = source.read(30)
    if len(header) < 30 or header[:4] != b"PK\x03\x04":
        return False
    name = source.read(int.from_bytes(header[26:28], "little"))
    return name == member.orig_filename.encode("utf-8" if member.flag_bits & 0x800 else "cp437", "replace")
