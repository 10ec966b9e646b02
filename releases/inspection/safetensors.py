"""Reads the header of a safetensors file that a stranger may have made.

Stricter than the format's own reader, which accepts a duplicate key and a tensor named `../../x` (both measured with
safetensors 0.8.0). What this reader accepts, that one accepts (tests/releases/test_fuzz.py).
"""

from __future__ import annotations

import json
import re
from math import prod
from typing import Any, BinaryIO, Final

from releases.inspection import Refused, pickles
from releases.sentences import Sentence

HEADER_MAX: Final = 32 << 20
"""Bytes. Hundreds of thousands of tensors fit; the format itself would allow 100 MB."""
WIDTHS: Final = {
    "BOOL": 8, "U8": 8, "I8": 8, "F8_E5M2": 8, "F8_E4M3": 8, "F8_E8M0": 8, "F4": 4, "F6_E2M3": 6, "F6_E3M2": 6,
    "I16": 16, "U16": 16, "F16": 16, "BF16": 16, "I32": 32, "U32": 32, "F32": 32, "F64": 64, "I64": 64, "U64": 64, "C64": 64,
}  # fmt: skip
"""Bits of one element, by the format's name of its type."""
NAME: Final = re.compile(r"[A-Za-z0-9_.\-/:]{1,512}")
Row = tuple[str, str, list[int], int, int, int]
"""Name, type, shape, first byte and the one after the last in the file, elements."""


def read(source: BinaryIO, size: int, _job: str = "") -> dict[str, Any]:
    """The tensors, once the header is sound and the file is not a pickle as well. Raises Refused."""
    rows = parse(source, size)
    pickles.refuse_calls(source, size)
    return {"tensors": rows, "notices": []}


def parse(source: BinaryIO, size: int) -> list[Row]:
    """The tensors that the header describes, in their order in the file. Raises Refused."""
    length = source.read(8)
    wanted = int.from_bytes(length, "little") if len(length) == 8 else 0
    if not 2 <= wanted <= min(HEADER_MAX, max(0, size - 8)):
        raise Refused(Sentence("does not begin with the length of a safetensors header"))
    header = _table(source.read(wanted))
    _check_metadata(header.pop("__metadata__", {}))
    rows = sorted((_tensor(name, said, 8 + wanted) for name, said in header.items()), key=lambda row: row[3:5])
    _check_places(rows, 8 + wanted, size)
    return rows


def _table(text: bytes) -> dict[str, Any]:
    if text[:1] != b"{":
        raise Refused(Sentence("has a header that is not a table of tensors"))
    try:
        header = json.loads(text.decode(), object_pairs_hook=_no_twins, parse_int=_plain_int)
    except Refused:
        raise
    except (ValueError, RecursionError) as fault:
        raise Refused(Sentence("has a header that is not JSON")) from fault
    return dict(header)


def _tensor(name: str, said: object, data: int) -> Row:
    if not NAME.fullmatch(name) or ".." in name or name.startswith("/"):
        raise Refused(Sentence("has a tensor with an unsafe name, %(name)s", name=repr(name[:80])))
    if not isinstance(said, dict) or set(said) != {"dtype", "shape", "data_offsets"}:
        raise Refused(Sentence("describes the tensor %(name)s in an unknown way", name=repr(name)))
    kind, shape, offsets = said["dtype"], said["shape"], said["data_offsets"]
    if not isinstance(kind, str) or kind not in WIDTHS:
        raise Refused(Sentence("has a tensor of an unknown type, %(name)s", name=repr(name)))
    if not (_counts(shape) and len(shape) <= 16 and _counts(offsets) and len(offsets) == 2):
        raise Refused(Sentence("has a tensor with a malformed shape or place, %(name)s", name=repr(name)))
    elements = prod(shape)
    bits = elements * WIDTHS[kind]
    if max(elements, *shape, 0) > 1 << 60 or bits % 8 or offsets[1] - offsets[0] != bits // 8:
        raise Refused(Sentence("has a tensor whose shape and size differ, %(name)s", name=repr(name)))
    return name, kind, shape, data + offsets[0], data + offsets[1], elements


def _check_metadata(metadata: object) -> None:
    if not isinstance(metadata, dict) or not all(isinstance(v, str) and _utf8(k + v) for k, v in metadata.items()):
        raise Refused(Sentence("has metadata that is not a table of texts"))


def _check_places(rows: list[Row], data: int, size: int) -> None:
    place = data
    for _name, _kind, _shape, start, end, _elements in rows:
        if start != place:
            raise Refused(Sentence("has tensors that overlap or leave a hole"))
        place = end
    if place != size:
        raise Refused(
            Sentence(
                "holds %(held)s bytes of tensors where its header says %(told)s", held=size - data, told=place - data
            )
        )


def _counts(values: object) -> bool:
    return isinstance(values, list) and all(type(v) is int and 0 <= v < 1 << 62 for v in values)


def _plain_int(text: str) -> int:
    if text.startswith("-"):
        raise Refused(Sentence("has a header with a malformed number below zero"))
    return int(text)


def _utf8(text: str) -> bool:
    return not any("\ud800" <= c <= "\udfff" for c in text)


def _no_twins(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    table = dict(pairs)
    if len(table) != len(pairs):
        raise Refused(Sentence("has a header that names something twice"))
    return table
