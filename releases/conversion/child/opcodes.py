"""Looks through a pickle without running it: only what tensors and plain data need may be in it.

torch's own `weights_only` reader stands behind this and would refuse the same; two readers that were written apart
must both agree. Archives are held to what `torch.save` writes: stored, not compressed, and no larger than the file.
"""

from __future__ import annotations

import pickletools
import zipfile
from pathlib import Path
from typing import IO, BinaryIO, Final

from releases.conversion.child.problems import Refused
from releases.sentences import Sentence

PICKLE_MAX: Final = 256 << 20
"""Bytes of a pickle, without its tensors' data."""
ENTRIES_MAX: Final = 200_000
GLOBALS: Final = frozenset(
    {
        "collections OrderedDict", "argparse Namespace", "torch Size", "torch._utils _rebuild_tensor",
        "torch._utils _rebuild_tensor_v2", "torch._utils _rebuild_parameter", "torch.storage UntypedStorage",
        *(f"torch {kind}Storage" for kind in ("Double", "Float", "Half", "BFloat16", "Long", "Int", "Short", "Char", "Byte", "Bool")),
        *(f"torch {kind}" for kind in ("float64", "float32", "float16", "bfloat16", "int64", "int32", "int16", "int8", "uint8", "bool")),
    }
)  # fmt: skip
"""Everything that a pickle may name; the first two make plain tables, the others tensors."""
OPCODES: Final = frozenset(
    {
        "PROTO", "STOP", "MARK", "POP", "NONE", "NEWTRUE", "NEWFALSE", "BININT", "BININT1", "BININT2", "LONG1", "BINFLOAT",
        "BINUNICODE", "SHORT_BINSTRING", "BINSTRING", "EMPTY_TUPLE", "TUPLE", "TUPLE1", "TUPLE2", "TUPLE3", "EMPTY_LIST",
        "APPEND", "APPENDS", "EMPTY_DICT", "SETITEM", "SETITEMS", "EMPTY_SET", "BINPUT", "LONG_BINPUT", "BINGET",
        "LONG_BINGET", "BINPERSID", "GLOBAL", "NEWOBJ", "REDUCE", "BUILD",
    }
)  # fmt: skip
_ZIP: Final = b"PK\x03\x04"
_OLD_PICKLES: Final = 5
"""The form before torch 1.6: a magic number, a version, the machine, the object, the storages' keys; then raw bytes."""


def look_through(path: Path, name: str) -> bool:
    """Raise Refused unless the file called `name` holds tensors and plain data alone; whether it is an archive."""
    with path.open("rb") as source:
        archive = source.read(4) == _ZIP
        source.seek(0)
        if archive:
            _archive(source, path.stat().st_size, name)
        else:
            for _each in range(_OLD_PICKLES):
                _pickle(source, name)
    return archive


def _archive(source: BinaryIO, size: int, name: str) -> None:
    try:
        with zipfile.ZipFile(source) as held:
            entries = held.infolist()
            _honest(entries, size, name)
            pickles = [entry for entry in entries if entry.filename.endswith(".pkl")]
            if len(pickles) != 1 or pickles[0].filename.count("/") != 1:
                raise Refused(
                    Sentence("%(path)s is not an archive as torch writes it: it must hold one data.pkl.", path=name)
                )
            if pickles[0].file_size > PICKLE_MAX:
                raise Refused(
                    Sentence(
                        "%(path)s holds a pickle of %(size)s bytes; %(most)s is the most.",
                        path=name,
                        size=pickles[0].file_size,
                        most=PICKLE_MAX,
                    )
                )
            with held.open(pickles[0]) as inner:
                _pickle(inner, name)
    except (zipfile.BadZipFile, NotImplementedError, EOFError) as fault:
        raise Refused(
            Sentence("%(path)s is a damaged archive (%(fault)s). Upload it again.", path=name, fault=str(fault))
        ) from fault


def _honest(entries: list[zipfile.ZipInfo], size: int, name: str) -> None:
    names = {entry.filename for entry in entries}
    if len(entries) > ENTRIES_MAX or len(names) != len(entries):
        raise Refused(Sentence("%(path)s is an archive with too many entries, or with two of one name.", path=name))
    if any(entry.compress_type != zipfile.ZIP_STORED or entry.flag_bits & 1 for entry in entries):
        raise Refused(
            Sentence(
                "%(path)s is a compressed archive, as torch never writes it. Save it again with torch.save.", path=name
            )
        )
    if sum(entry.file_size for entry in entries) > size:
        raise Refused(Sentence("%(path)s is an archive that claims more bytes than it has.", path=name))


def _pickle(source: IO[bytes], name: str) -> None:
    try:
        for opcode, argument, _place in pickletools.genops(source):
            if opcode.name not in OPCODES:
                raise Refused(
                    Sentence(
                        "%(path)s holds the pickle opcode %(name)s, which weights do not need.",
                        path=name,
                        name=opcode.name,
                    )
                )
            if opcode.name == "GLOBAL" and argument not in GLOBALS:
                raise Refused(
                    Sentence(
                        "%(path)s would call %(name)s when it is opened. That is not weights.",
                        path=name,
                        name=repr(str(argument).replace(" ", ".")),
                    )
                )
    except (ValueError, IndexError, AttributeError, UnicodeError) as fault:
        raise Refused(
            Sentence(
                "%(path)s is neither an archive nor a pickle of torch's. Save it again with torch.save.", path=name
            )
        ) from fault
