"""Reads the header of a GGUF file that a stranger may have made (versions 2 and 3, little-endian).

Stricter than the format's own reader: no array in an array, nothing named twice, every number bounded, and the tensors
lie in the order of the list, each at its aligned place, as the engines that load such files demand. What this reader
accepts, that one accepts (tests/releases/test_fuzz.py). Layout and sizes: the GGUF specification and ggml's table of types.
"""

from __future__ import annotations

import re
import struct
from math import prod
from typing import Any, BinaryIO, Final

from releases.inspection import Refused, pickles, templates
from releases.inspection.safetensors import NAME, Row
from releases.sentences import Sentence

HEADER_MAX: Final = 64 << 20
"""Bytes of everything before the tensors; the vocabulary is the bulk of it."""
TENSORS_MAX: Final = 1 << 17
KEYS_MAX: Final = 1 << 14
_KEY: Final = re.compile(rb"[A-Za-z0-9_.\-]{1,1024}")
_STRING, _ARRAY, _BOOL, _UINT32 = 8, 9, 7, 4
_WIDTHS: Final = {0: 1, 1: 1, 2: 2, 3: 2, 4: 4, 5: 4, 6: 4, 7: 1, 10: 8, 11: 8, 12: 8}
"""Bytes of a value, by its type's number; strings (8) and arrays (9) tell their own length."""
TYPES: Final = {
    0: ("F32", 1, 4), 1: ("F16", 1, 2), 2: ("Q4_0", 32, 18), 3: ("Q4_1", 32, 20), 6: ("Q5_0", 32, 22), 7: ("Q5_1", 32, 24),
    8: ("Q8_0", 32, 34), 9: ("Q8_1", 32, 40), 10: ("Q2_K", 256, 84), 11: ("Q3_K", 256, 110), 12: ("Q4_K", 256, 144),
    13: ("Q5_K", 256, 176), 14: ("Q6_K", 256, 210), 15: ("Q8_K", 256, 292), 16: ("IQ2_XXS", 256, 66), 17: ("IQ2_XS", 256, 74),
    18: ("IQ3_XXS", 256, 98), 19: ("IQ1_S", 256, 50), 20: ("IQ4_NL", 32, 18), 21: ("IQ3_S", 256, 110), 22: ("IQ2_S", 256, 82),
    23: ("IQ4_XS", 256, 136), 24: ("I8", 1, 1), 25: ("I16", 1, 2), 26: ("I32", 1, 4), 27: ("I64", 1, 8), 28: ("F64", 1, 8),
    29: ("IQ1_M", 256, 56), 30: ("BF16", 1, 2), 34: ("TQ1_0", 256, 54), 35: ("TQ2_0", 256, 66), 39: ("MXFP4", 32, 17),
}  # fmt: skip
"""ggml's tensor types: name, elements in a block, bytes of a block."""


class Header:
    """A cursor over the header that never passes the file's end or HEADER_MAX."""

    def __init__(self, source: BinaryIO, size: int) -> None:
        self._source, self._most, self.at = source, min(size, HEADER_MAX), 0

    def take(self, length: int) -> bytes:
        """The next bytes. Raises Refused when there are not so many."""
        if length > self._most - self.at:
            raise Refused(Sentence("has a header that is cut short or larger than any we take"))
        self.at += length
        piece = self._source.read(length)
        if len(piece) != length:
            raise Refused(Sentence("has a header that is cut short"))
        return piece

    def u32(self) -> int:
        """A number of four bytes."""
        return int.from_bytes(self.take(4), "little")

    def u64(self) -> int:
        """A number of eight bytes."""
        return int.from_bytes(self.take(8), "little")

    def string(self) -> bytes:
        """A string by its own length."""
        return self.take(self.u64())


def read(source: BinaryIO, size: int, _job: str = "") -> dict[str, Any]:
    """The tensors and remarks on the chat templates, once the header is sound. Raises Refused."""
    rows, texts = parse(source, size)
    pickles.refuse_calls(source, size)
    return {
        "tensors": rows,
        "notices": [said.kept() for name, text in texts.items() for said in templates.remarks(name, text)],
    }


def parse(source: BinaryIO, size: int) -> tuple[list[Row], dict[str, str]]:
    """The tensors, and the chat templates by their key. Raises Refused."""
    header = Header(source, size)
    if header.take(4) != b"GGUF" or header.u32() not in {2, 3}:
        raise Refused(Sentence("does not begin as a GGUF file of version 2 or 3 does"))
    tensors, keys = header.u64(), header.u64()
    if tensors > TENSORS_MAX or keys > KEYS_MAX:
        raise Refused(Sentence("has a header that says it holds more than any model does"))
    alignment, texts = _pairs(header, keys)
    infos = [_info(header) for _ in range(tensors)]
    names = {name for name, *_ in infos}
    if len(names) != len(infos):
        raise Refused(Sentence("has a header that names a tensor twice"))
    return _placed(infos, header.at, alignment, size), texts


def _pairs(header: Header, count: int) -> tuple[int, dict[str, str]]:
    """The alignment, and the chat templates; all else is passed over, each within its bounds."""
    seen, alignment, texts = set[bytes](), 32, dict[str, str]()
    for _ in range(count):
        key = header.string()
        if not _KEY.fullmatch(key) or key.startswith(b"GGUF.") or key in seen:
            raise Refused(
                Sentence("has a header with an unsafe name or one that comes twice, %(name)s", name=repr(key[:80]))
            )
        seen.add(key)
        kind = header.u32()
        if key == b"general.alignment":
            alignment = _alignment(header, kind)
        elif kind == _STRING:
            text = _text(header.string())
            if key.startswith(b"tokenizer.chat_template"):
                texts[key.decode()] = text
        else:
            _pass(header, kind)
    return alignment, texts


def _alignment(header: Header, kind: int) -> int:
    found = header.u32() if kind == _UINT32 else 0
    if not 8 <= found <= 1 << 16 or found & (found - 1):
        raise Refused(Sentence("has an alignment that is not a power of two from 8 to 65,536"))
    return found


def _pass(header: Header, kind: int) -> None:
    if kind != _ARRAY:
        _values(header, kind, 1)
        return
    inner, count = header.u32(), header.u64()
    if inner == _ARRAY:
        raise Refused(Sentence("has an array inside an array"))
    if inner == _STRING:
        if count > HEADER_MAX // 8:
            raise Refused(Sentence("has an array that is longer than the file"))
        for _ in range(count):
            header.string()
    else:
        _values(header, inner, count)


def _values(header: Header, kind: int, count: int) -> None:
    if kind not in _WIDTHS:
        raise Refused(Sentence("has a value of an unknown type"))
    values = header.take(_WIDTHS[kind] * count)
    if kind == _BOOL and values.strip(b"\0\1"):
        raise Refused(Sentence("has a truth value that is neither true nor false"))


def _info(header: Header) -> tuple[str, str, list[int], int, int, int]:
    """One tensor of the list: name, type, shape as written, offset, bytes, elements."""
    name = _text(header.string())
    if not NAME.fullmatch(name) or ".." in name or name.startswith("/"):
        raise Refused(Sentence("has a tensor with an unsafe name, %(name)s", name=repr(name[:80])))
    dimensions = header.u32()
    if not 1 <= dimensions <= 4:
        raise Refused(Sentence("has a tensor with a malformed shape, %(name)s", name=repr(name)))
    shape = list(struct.unpack(f"<{dimensions}Q", header.take(8 * dimensions)))
    kind, offset = header.u32(), header.u64()
    if kind not in TYPES:
        raise Refused(Sentence("has a tensor of an unknown type, %(name)s", name=repr(name)))
    word, block, width = TYPES[kind]
    elements = prod(shape)
    if not 0 < elements <= 1 << 50 or shape[0] % block:
        raise Refused(Sentence("has a tensor with a malformed shape, %(name)s", name=repr(name)))
    return name, word, shape, offset, elements // block * width, elements


def _placed(infos: list[tuple[str, str, list[int], int, int, int]], end: int, alignment: int, size: int) -> list[Row]:
    data = end + -end % alignment
    place, rows = data, list[Row]()
    for name, word, shape, offset, length, elements in infos:
        place += -place % alignment
        if data + offset != place:
            raise Refused(
                Sentence(
                    "has a tensor that overlaps another, leaves a hole or is not aligned, %(name)s", name=repr(name)
                )
            )
        rows.append((name, word, shape, place, place + length, elements))
        place += length
    if size not in {place, place + -place % alignment} and (rows or size != end):
        raise Refused(
            Sentence(
                "holds %(held)s bytes of tensors where its header says %(told)s", held=size - data, told=place - data
            )
        )
    return rows


def _text(value: bytes) -> str:
    try:
        return value.decode()
    except UnicodeDecodeError as fault:
        raise Refused(Sentence("has a header with text that is not UTF-8")) from fault
