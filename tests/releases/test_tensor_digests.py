"""The weight id: the same tensors give it in any number of files and any order; one changed value gives another."""

from __future__ import annotations

import hashlib
import io
import json
import random
import struct
from math import prod
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from releases.inspection.safetensors import parse
from releases.proofs import digests, merkle
from tests.releases.folders import safetensors

WIDTHS = {"F32": 4, "BF16": 2, "I8": 1, "F64": 8}
Tensors = dict[str, tuple[str, list[int], bytes]]


@st.composite
def tensors(draw: Any) -> Tensors:
    names = draw(st.lists(st.from_regex(r"\A[a-z]{1,3}(\.[A-Z0-9]{1,3}){0,2}\Z"), min_size=1, max_size=8, unique=True))
    made = {}
    for name in names:
        kind = draw(st.sampled_from(sorted(WIDTHS)))
        shape = draw(st.lists(st.integers(0, 4), max_size=3))
        size = prod(shape) * WIDTHS[kind]
        made[name] = (kind, shape, draw(st.binary(min_size=size, max_size=size)))
    return made


def layout(source: io.BytesIO) -> list[digests.Place]:
    source.seek(0)
    rows = parse(source, len(source.getvalue()))
    return [digests.Place(name, kind, tuple(shape), start, end) for name, kind, shape, start, end, _elements in rows]


def found(*files: bytes) -> dict[str, str]:
    """Name → digest over the tensors of these weights files."""
    told = {}
    for content in files:
        source = io.BytesIO(content)
        taken = digests.take(source, layout(source))
        assert taken.sha256 == hashlib.sha256(content).hexdigest()
        told |= {place.name: digest for place, digest in taken.tensors}
    return told


def weight_id(told: dict[str, str]) -> str:
    return merkle.root(bytes.fromhex(told[name]) for name in sorted(told, key=str.encode))[1]


@settings(max_examples=60, deadline=None)
@given(whole=tensors(), shards=st.integers(1, 5), seed=st.integers(0, 99))
def test_resharding_and_another_order_of_names_keep_the_weight_id(whole: Tensors, shards: int, seed: int) -> None:
    names = list(whole)
    random.Random(seed).shuffle(names)
    parts = [safetensors({name: whole[name] for name in names[n::shards]}, {"format": "pt"}) for n in range(shards)]
    assert found(*parts) == found(safetensors(whole))
    assert weight_id(found(*parts)) == weight_id(found(safetensors(whole)))


@settings(max_examples=60, deadline=None)
@given(whole=tensors(), data=st.data())
def test_one_changed_value_gives_another_weight_id_and_names_the_tensor(whole: Tensors, data: st.DataObject) -> None:
    full = [name for name, (_, _, content) in whole.items() if content]
    if not full:
        return
    name = data.draw(st.sampled_from(full))
    kind, shape, content = whole[name]
    at = data.draw(st.integers(0, len(content) * 8 - 1))
    flipped = bytearray(content)
    flipped[at // 8] ^= 1 << at % 8
    before, after = found(safetensors(whole)), found(safetensors({**whole, name: (kind, shape, bytes(flipped))}))
    assert weight_id(before) != weight_id(after)
    assert [each for each in before if before[each] != after[each]] == [name]


@pytest.mark.parametrize("change", ["name", "dtype", "shape"])
def test_the_same_bytes_under_another_name_type_or_shape_are_another_tensor(change: str) -> None:
    one: Tensors = {"a": ("F32", [2, 3], bytes(24))}
    other: dict[str, Tensors] = {
        "name": {"b": ("F32", [2, 3], bytes(24))},
        "dtype": {"a": ("I32", [2, 3], bytes(24))},
        "shape": {"a": ("F32", [3, 2], bytes(24))},
    }
    assert weight_id(found(safetensors(one))) != weight_id(found(safetensors(other[change])))


def test_the_digest_is_what_the_document_says_by_hand() -> None:
    values = struct.pack("<3f", 1.0, -2.0, 0.5)
    leaf = hashlib.sha256(json.dumps(["w", "F32", [3]], separators=(",", ":")).encode() + b"\n" + values)
    assert found(safetensors({"w": ("F32", [3], values)})) == {"w": leaf.hexdigest()}
    assert weight_id({"w": leaf.hexdigest()}) == hashlib.sha256(b"\0" + leaf.digest()).hexdigest()


def test_the_tree_of_three_leaves_is_that_of_the_rfc() -> None:
    a, b, c = (hashlib.sha256(b"\0" + leaf).digest() for leaf in (b"1", b"2", b"3"))
    left = hashlib.sha256(b"\1" + a + b).digest()
    assert merkle.root([b"1", b"2", b"3"]) == (3, hashlib.sha256(b"\1" + left + c).hexdigest())


def test_a_file_is_read_once_and_never_whole() -> None:
    class Counting(io.BytesIO):
        largest = total = 0

        def read(self, size: int | None = -1, /) -> bytes:
            piece = super().read(size)
            self.largest, self.total = max(self.largest, len(piece)), self.total + len(piece)
            return piece

    content = safetensors({"w": ("I8", [5 << 20], bytes(5 << 20))})
    source = Counting(content)
    places = layout(source)
    source.largest = source.total = 0
    digests.take(source, places)
    assert source.largest <= 1 << 20
    assert source.total == len(content)


def test_a_damaged_file_is_told_apart_tensor_by_tensor_even_where_it_ends_early() -> None:
    whole: Tensors = {name: ("I8", [100], bytes(100)) for name in "abc"}
    content = safetensors(whole)
    source = io.BytesIO(content)
    kept = digests.take(source, layout(source)).tensors
    assert digests.damaged(io.BytesIO(content), kept) == []
    assert digests.damaged(io.BytesIO(content[:-150]), kept) == ["b", "c"]
    assert digests.damaged(io.BytesIO(b"\xff" * 8 + content[8:]), kept) == [], "the header alone is bad"
