"""TensorBoard's event files: TFRecords of protocol buffers, of which the scalars are read.

A record is its length (8 bytes), the length's masked CRC-32C, the bytes, and theirs. Of the message `Event` wall_time,
step and summary are read; of each value in it tag and simple_value, or a tensor of one number (what newer writers make
of a scalar). Histograms, images and texts are passed over. A file that ends inside a record is read up to there: that
is what a killed process leaves.
"""

from __future__ import annotations

import math
import struct
from collections.abc import Iterator
from typing import IO, Final

from portal.errors import Invalid
from releases.curves.rows import NONE, Row, Segments, is_moment

LONGEST: Final = 64 << 20
"""Bytes of one record: a large image, and far more than any scalar."""
_POLYNOMIAL: Final = 0x82F63B78
_VARINT, _FIXED64, _BYTES, _FIXED32 = 0, 1, 2, 5
_TENSORS: Final = {1: "<f", 2: "<d", 3: "<i", 9: "<q"}
"""The types of a tensor that hold one number we read (DT_FLOAT, DT_DOUBLE, DT_INT32, DT_INT64), and their bytes."""


def read(file: IO[bytes]) -> Iterator[Row]:
    """A row for each scalar; each tag has segments of its own, because tags are written at their own pace."""
    segments: dict[str, Segments] = {}
    for event in records(file):
        at, step, summaries = _event(event)
        for tag, value in (scalar for summary in summaries for scalar in _scalars(summary)):
            segment = segments.setdefault(tag, Segments()).of(step, NONE, at)
            yield Row(step, NONE, at, segment, None, {tag: value})


def records(file: IO[bytes]) -> Iterator[bytes]:
    """The payloads of a TFRecord file. Raises Invalid where a checksum is wrong."""
    offset = 0
    while len(head := file.read(12)) == 12:
        length, check = struct.unpack("<QI", head)
        if masked(head[:8]) != check or length > LONGEST:
            raise Invalid(f"The record at byte {offset} is damaged: this is no event file, or a part of it is missing.")
        body = file.read(length + 4)
        if len(body) < length + 4:
            return
        if masked(body[:-4]) != struct.unpack("<I", body[-4:])[0]:
            raise Invalid(f"The record at byte {offset} is damaged: its checksum is not that of its bytes.")
        yield body[:-4]
        offset += length + 16


def masked(data: bytes) -> int:
    """CRC-32C of the bytes, turned and moved as TFRecord wants it."""
    crc = 0xFFFFFFFF
    for byte in data:
        crc = _TABLE[(crc ^ byte) & 0xFF] ^ (crc >> 8)
    crc ^= 0xFFFFFFFF
    return ((crc >> 15 | crc << 17) + 0xA282EAD8) & 0xFFFFFFFF


def fields(message: bytes) -> Iterator[tuple[int, int, int | bytes]]:
    """(number, wire type, value) of each field of a message. Raises Invalid where it is cut off or malformed."""
    at = 0
    while at < len(message):
        key, at = _varint(message, at)
        wire = key & 7
        if wire == _VARINT:
            value, at = _varint(message, at)
            yield key >> 3, wire, value
            continue
        if wire == _BYTES:
            size, at = _varint(message, at)
        else:
            size = {_FIXED64: 8, _FIXED32: 4}.get(wire, -1)
        if size < 0 or at + size > len(message):
            raise Invalid("An event is not the protocol buffer that it should be.")
        yield key >> 3, wire, message[at : at + size]
        at += size


def _event(message: bytes) -> tuple[float, float, list[bytes]]:
    at, step = NONE, 0.0
    summaries: list[bytes] = []
    for number, wire, value in fields(message):
        if (number, wire) == (1, _FIXED64):
            (at,) = struct.unpack("<d", bytes(value))
        elif (number, wire) == (2, _VARINT):
            step = float(value)
        elif (number, wire) == (5, _BYTES):
            summaries.append(bytes(value))
    if not 0 <= step < 2**53 or not (math.isnan(at) or (at >= 0 and is_moment(at))):
        raise Invalid("An event has a step or a time that none can have.")
    return at, step, summaries


def _scalars(summary: bytes) -> Iterator[tuple[str, float]]:
    for number, wire, value in fields(summary):
        if (number, wire) != (1, _BYTES):
            continue
        tag, scalar = "", None
        for inner, kind, content in fields(bytes(value)):
            if (inner, kind) == (1, _BYTES):
                tag = bytes(content).decode("utf-8", "replace")
            elif (inner, kind) == (2, _FIXED32):
                (scalar,) = struct.unpack("<f", bytes(content))
            elif (inner, kind) == (8, _BYTES):
                scalar = _of_tensor(bytes(content))
        if tag and scalar is not None:
            yield tag, scalar


def _of_tensor(message: bytes) -> float | None:
    """The one number of a tensor; None for one of several, or of another type."""
    dtype, content = 0, b""
    for number, wire, value in fields(message):
        if (number, wire) == (1, _VARINT):
            dtype = int(value)
        elif wire in {_BYTES, _FIXED32, _FIXED64} and number in {4, 5, 6}:
            content = bytes(value)
    form = _TENSORS.get(dtype, "")
    return float(struct.unpack(form, content)[0]) if form and len(content) == struct.calcsize(form) else None


def _varint(message: bytes, at: int) -> tuple[int, int]:
    value = shift = 0
    while at < len(message) and shift < 70:
        byte = message[at]
        value |= (byte & 0x7F) << shift
        at, shift = at + 1, shift + 7
        if byte < 0x80:
            return value, at
    raise Invalid("An event is not the protocol buffer that it should be.")


def _table() -> tuple[int, ...]:
    made = []
    for byte in range(256):
        crc = byte
        for _bit in range(8):
            crc = crc >> 1 ^ (_POLYNOMIAL if crc & 1 else 0)
        made.append(crc)
    return tuple(made)


_TABLE: Final = _table()
