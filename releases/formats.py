"""What a published file may be, and whether a file is what its name says. Nothing is ever unpickled or executed.

The rule is an allowlist by name ending; each ending has one check that reads the content. What is not listed is
refused with a sentence that tells the publisher what to do. Here only marks at fixed places are compared, and small
JSON is read; all that needs a parser happens in a capped child (releases.inspection).
"""

from __future__ import annotations

import codecs
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import PurePosixPath
from typing import Any, BinaryIO, Final

from portal.errors import Invalid
from releases.inspection import Refused, archives, asking, pickles, texts
from releases.inspection.asking import Tensors
from releases.sentences import Sentence, restored
from releases.spoken import spoken

FILE_MAX: Final = 50 * 10**9
"""Bytes. The clients cannot fetch a larger file over plain HTTP."""
TEXT_MAX: Final = 64 << 20
SMALL: Final = 64 << 10
"""Bytes. A JSON text no larger than this cannot need much memory or time to read."""
_SNIFF: Final = 64 << 10
_PIECE: Final = 1 << 20
_CONVERT: Final = Sentence(
    "Pickles run code when they are opened. Convert the weights to safetensors and publish those"
)
_REFUSED: Final = {
    **dict.fromkeys(
        (".bin", ".pt", ".pth", ".ckpt", ".pkl", ".pickle", ".joblib", ".npy", ".npz", ".h5", ".hdf5", ".keras", ".nemo",
         ".dill", ".mar"), _CONVERT),
    **dict.fromkeys(
        (".zip", ".tar", ".gz", ".tgz", ".xz", ".bz2", ".7z", ".zst", ".rar", ".lz4", ".jar", ".whl"),
        Sentence("Publish the files, not an archive")),
    **dict.fromkeys((".exe", ".so", ".dll", ".dylib", ".sh", ".bat"), Sentence("Programs are not published as files of a model")),
}  # fmt: skip
_PICKLE: Final = tuple(bytes((0x80, version)) for version in range(2, 6))
_HDF5: Final = b"\x89HDF\r\n"
_ARCHIVES: Final = {
    "zip": (b"PK\x03\x04", b"PK\x05\x06"),
    "gzip": (b"\x1f\x8b",),
    "bzip2": (b"BZh",),
    "xz": (b"\xfd7zXZ\0",),
    "7z": (b"7z\xbc\xaf\x27\x1c",),
    "zstd": (b"\x28\xb5\x2f\xfd",),
    "lz4": (b"\x04\x22\x4d\x18",),
    "rar": (b"Rar!\x1a\x07",),
}
_MAGIC: Final = {
    **{Sentence("begins like a %(kind)s archive", kind=kind): marks for kind, marks in _ARCHIVES.items()},
    Sentence("begins like a Python object array"): (b"\x93NUMPY",),
    Sentence("begins like an HDF5 file"): (_HDF5,),
    Sentence("begins like a program"): (b"\x7fELF", b"MZ", b"#!", b"\xcf\xfa\xed\xfe", b"\xca\xfe\xba\xbe", b"\0asm"),
}
_IMAGES: Final = {
    ".png": (b"\x89PNG\r\n\x1a\n",),
    ".jpg": (b"\xff\xd8\xff",),
    ".jpeg": (b"\xff\xd8\xff",),
    ".webp": (b"RIFF",),
}
_SENTENCEPIECE: Final = b"\n"
"""How SentencePiece's tokenizers begin; other files of that ending are text (tiktoken's)."""
_WEIGHTS: Final = frozenset({".safetensors", ".gguf"})


@dataclass(frozen=True, slots=True)
class Look:
    """What a file that may be published holds: the tensors of a weights file, and remarks that stop nobody."""

    tensors: Tensors | None = None
    notices: tuple[Sentence, ...] = ()


class Unfit(Invalid):
    """A file that may not be published as it is. `said` is the sentence to keep; the message is in the present language."""

    def __init__(self, said: Sentence, *, fields: Mapping[str, Sequence[str]] | None = None) -> None:
        super().__init__(spoken(said), fields=fields)
        self.said = said


def check(path: str, size: int, source: BinaryIO) -> Look:
    """Raise Unfit, naming the file and what to do, unless it may be published; what it holds.

    `source` stands at the file's start and is read only as far as the check needs.
    """
    check_name(path, size)
    kind = PurePosixPath(path).suffix.lower()
    head = source.read(_SNIFF)
    if disguise := _disguise(kind, head, archives.tail_of(source, size)):
        raise _not_what_it_says(path, disguise)
    source.seek(0)
    if kind in _WEIGHTS:
        return _weights(path, kind[1:], size, source)
    if kind in _IMAGES or kind == ".pdf":
        _magic(path, head, _IMAGES.get(kind, (b"%PDF-",)))
        return Look()
    if kind != ".model" or not head.startswith(_SENTENCEPIECE):
        _check_text(path, size, source)
    return _inspected(path, kind, head, size, source)


def would_run(size: int, source: BinaryIO) -> dict[str, list[Any]]:
    """What a refused file would have done to whoever opened it: `imports`, `calls`, `advice`, and `remarks`, as kept sentences."""
    try:
        found = asking.ask("pickles", source, size)
    except Refused as fault:
        return {
            "imports": [],
            "calls": [],
            "remarks": [Sentence("It %(fault)s.", fault=fault.part).kept()],
            "advice": [],
        }
    remarks = [restored(remark).kept() for remark in found.pop("remarks")]
    return {"remarks": remarks, **{what: [str(line) for line in lines] for what, lines in found.items()}}


def check_name(path: str, size: int) -> None:
    """The part of check() that needs no content. Raises Unfit for an ending that is not allowed, or too many bytes."""
    if size > FILE_MAX:
        raise Unfit(
            Sentence(
                "%(path)s has %(size)s bytes; clients cannot fetch more than %(most)s. Split it into shards.",
                path=path, size=size, most=FILE_MAX,
            )
        )  # fmt: skip
    kind = PurePosixPath(path).suffix.lower()
    if kind in _REFUSED:
        raise Unfit(Sentence("%(path)s is not published here. %(why)s.", path=path, why=_REFUSED[kind]))
    if kind not in ALLOWED and PurePosixPath(path).name not in _BARE_NAMES:
        if not kind:
            raise Unfit(
                Sentence(
                    "%(path)s has no ending, and such files are not published here. Leave it out or rename it.",
                    path=path,
                )
            )
        raise Unfit(
            Sentence(
                "%(path)s has the ending %(ending)s, which is not published here. Leave it out or rename it.",
                path=path, ending=repr(kind),
            )
        )  # fmt: skip


def media_type(path: str) -> str:
    """The Content-Type that we serve a file with: from our own list, never from the file."""
    kind = PurePosixPath(path).suffix.lower()
    return _TYPES.get(kind, "text/plain; charset=utf-8" if kind in _TEXTS else "application/octet-stream")


def _disguise(kind: str, head: bytes, tail: bytes) -> Sentence | None:
    """What the bytes at both ends say that the file is instead."""
    if kind != ".safetensors" and head.startswith(_PICKLE):
        return Sentence("begins like a pickle")
    for what, marks in _MAGIC.items():
        if kind not in _WEIGHTS and head.startswith(marks):
            return what
    if head[257:262] == b"ustar":
        return Sentence("begins like a tar archive")
    if any(head.startswith(_HDF5, place) for place in (512, 1024, 2048, 4096, 8192, 16384, 32768)):
        return Sentence("holds an HDF5 file")
    return Sentence("ends like a zip archive") if archives.end_records(tail) else None


def _weights(path: str, job: str, size: int, source: BinaryIO) -> Look:
    try:
        tensors, notices = asking.tensors(job, source, size)
    except Refused as fault:
        raise _not_what_it_says(path, fault.part) from fault
    return Look(tensors, _named(path, notices))


def _magic(path: str, head: bytes, marks: tuple[bytes, ...]) -> None:
    if not head.startswith(marks):
        raise _not_what_it_says(path, Sentence("does not begin as such a file does"))


def _check_text(path: str, size: int, source: BinaryIO) -> None:
    if size > TEXT_MAX:
        raise Unfit(
            Sentence(
                "%(path)s has %(size)s bytes of text; the limit is %(most)s. Split it.",
                path=path,
                size=size,
                most=TEXT_MAX,
            )
        )
    decoder, done = codecs.getincrementaldecoder("utf-8")(), 0
    while piece := source.read(_PIECE):
        try:
            decoder.decode(piece)
        except UnicodeDecodeError as fault:
            raise _not_what_it_says(path, _not_utf8(done + fault.start)) from fault
        if b"\0" in piece:
            raise _not_what_it_says(path, Sentence("contains a NUL, so it is not text"))
        done += len(piece)
    if decoder.getstate()[0]:
        raise _not_what_it_says(path, _not_utf8(done))


def _inspected(path: str, kind: str, head: bytes, size: int, source: BinaryIO) -> Look:
    """Read what needs a parser: in the child, or here when it is small JSON that could not be a pickle."""
    job = _JOBS.get(kind, "text")
    try:
        if head[:1] not in pickles.FIRST:
            if job == "text":
                return Look()
            if job == "json" and size <= SMALL:
                return Look(None, _named(path, texts.check(head, job)))
        return Look(None, _named(path, asking.remarks(job, source, size)))
    except Refused as fault:
        raise _not_what_it_says(path, fault.part) from fault


def _not_utf8(byte: int) -> Sentence:
    return Sentence("is not UTF-8 text at byte %(byte)s", byte=byte)


def _named(path: str, notices: list[Sentence]) -> tuple[Sentence, ...]:
    return tuple(Sentence("%(path)s: %(remark)s.", path=path, remark=notice) for notice in notices)


def _not_what_it_says(path: str, fault: Sentence) -> Unfit:
    said = Sentence("%(path)s is not what its name says: it %(fault)s.", path=path, fault=fault)
    return Unfit(said, fields={path: [spoken(fault)]})


_JOBS: Final = {".json": "json", ".yaml": "yaml", ".yml": "yaml"}
_TEXTS: Final = frozenset(
    {
        ".md",
        ".txt",
        ".json",
        ".jsonl",
        ".yaml",
        ".yml",
        ".csv",
        ".tsv",
        ".jinja",
        ".py",
        ".cff",
        ".bib",
        ".toml",
        ".cfg",
        ".log",
    }
)
_BARE_NAMES: Final = frozenset({"LICENSE", "LICENCE", "NOTICE", "README", "CITATION", "AUTHORS", "USE_POLICY"})
ALLOWED: Final = _TEXTS | frozenset(_IMAGES) | _WEIGHTS | {".pdf", ".model"}
_TYPES: Final = {
    ".json": "application/json",
    ".png": "image/png",
    ".jpg": "image/jpeg",
    ".jpeg": "image/jpeg",
    ".webp": "image/webp",
    ".pdf": "application/pdf",
    ".csv": "text/csv; charset=utf-8",
}
