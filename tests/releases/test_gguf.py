"""GGUF headers: what a true one says, and every way in which a false one lies."""

from __future__ import annotations

import io
import struct

import pytest

from portal.errors import Invalid
from releases import formats
from releases.actions import checking
from releases.inspection import Refused, asking, gguf
from tests.releases.hostile import gguf as made
from tests.releases.hostile import string

TENSORS = [(b"a.weight", [4, 2], 0, b"\1" * 32), (b"b", [32], 8, b"\2" * 34), (b"c", [2], 30, b"1234")]
NAME = (b"general.name", 8, string(b"tiny"))


def number(value: int) -> bytes:
    return struct.pack("<I", value)


def template(text: bytes) -> bytes:
    return made([(b"tokenizer.chat_template", 8, string(text))], TENSORS)


def test_a_true_file_is_counted_and_its_tensors_are_where_it_says() -> None:
    content = made(
        [NAME, (b"tokenizer.ggml.tokens", 9, struct.pack("<IQ", 8, 2) + string(b"a") + string(b"b"))], TENSORS
    )
    found = formats.check("tiny.gguf", len(content), io.BytesIO(content)).tensors
    assert found is not None
    assert (found.count, found.types) == (3, {"F32": 8, "Q8_0": 32, "BF16": 2})
    assert [content[item.start : item.end] for item in found.items] == [data for *_, data in TENSORS]
    assert [item.shape for item in found.items] == [(4, 2), (32,), (2,)]


LIES = {
    "magic": (b"GGML" + made([])[4:], "does not begin"),
    "version 1": (b"GGUF\1\0\0\0" + made([])[8:], "does not begin"),
    "big-endian": (b"GGUF\0\0\0\3" + made([])[8:], "does not begin"),
    "cut": (made([NAME], TENSORS)[:60], "cut short"),
    "many tensors": (b"GGUF" + struct.pack("<IQQ", 3, 1 << 17, 0), "cut short"),
    "too many tensors": (b"GGUF" + struct.pack("<IQQ", 3, (1 << 17) + 1, 0), "more than any model"),
    "too many pairs": (b"GGUF" + struct.pack("<IQQ", 3, 0, 1 << 63), "more than any model"),
    "key twice": (made([NAME, NAME]), "comes twice"),
    "unsafe key": (made([(b"a b", 4, number(1))]), "unsafe name"),
    "empty key": (made([(b"", 4, number(1))]), "unsafe name"),
    "reader's own key": (made([(b"GGUF.version", 4, number(1))]), "unsafe name"),
    "unknown type": (made([(b"a", 13, number(1))]), "unknown type"),
    "not a truth": (made([(b"a", 7, b"\2")]), "neither true nor false"),
    "array in array": (made([(b"a", 9, struct.pack("<IQIQ", 9, 1, 4, 0))]), "inside an array"),
    "long array": (made([(b"a", 9, struct.pack("<IQ", 4, 1 << 61))]), "cut short or larger"),
    "long string": (made([(b"a", 8, struct.pack("<Q", (1 << 64) - 1))]), "cut short or larger"),
    "bytes for text": (made([(b"a", 8, string(b"\xff"))]), "not UTF-8"),
    "alignment": (made([(b"general.alignment", 4, number(12))]), "power of two"),
    "alignment zero": (made([(b"general.alignment", 4, number(0))]), "power of two"),
    "alignment's type": (made([(b"general.alignment", 5, number(32))]), "power of two"),
    "tensor twice": (made([], [TENSORS[0], TENSORS[0]]), "names a tensor twice"),
    "traversal": (made([], [(b"../x", [8], 0, bytes(32))]), "unsafe name"),
    "no dimensions": (made([], [(b"a", [], 0, bytes(4))]), "malformed shape"),
    "five dimensions": (made([], [(b"a", [1] * 5, 0, bytes(4))]), "malformed shape"),
    "empty tensor": (made([], [(b"a", [0], 0, b"")]), "malformed shape"),
    "overflow": (made([], [(b"a", [1 << 33, 1 << 33], 0, b"")]), "malformed shape"),
    "half a block": (made([], [(b"a", [16], 8, bytes(17))]), "malformed shape"),
    "unknown tensor": (made([], [(b"a", [8], 4, bytes(32))]), "unknown type"),
    "overlap": (made([], [(b"a", [16], 0, bytes(32)), (b"b", [8], 0, bytes(32))]), "overlaps another"),
    "hole": (made([], [(b"a", [8], 0, bytes(64)), (b"b", [8], 0, bytes(32))]), "overlaps another"),
    "short": (made([], TENSORS)[:-5], "where its header says"),
    "trailing": (made([], TENSORS) + bytes(64), "where its header says"),
    "trailing, none": (made([NAME]) + bytes(64), "where its header says"),
}


@pytest.mark.parametrize("case", LIES)
def test_every_lie_is_refused(case: str) -> None:
    content, word = LIES[case]
    with pytest.raises(Refused, match=word):
        gguf.parse(io.BytesIO(content), len(content))


@pytest.mark.parametrize("text", [b"{{ ().__class__.__base__ }}", b"{{ x|attr('a') }}", b"{{ x['\\x5f\\x5fclass'] }}"])
def test_a_template_that_reaches_inside_is_remarked_on_and_not_refused(text: bytes) -> None:
    content = template(text)
    look = formats.check("tiny.gguf", len(content), io.BytesIO(content))
    assert "Read it before you publish" in str(look.notices[0])
    tokenizer = b'{"chat_template": %s}' % (b'"' + text.replace(b"\\", b"\\\\") + b'"')
    assert formats.check("tokenizer_config.json", len(tokenizer), io.BytesIO(tokenizer)).notices


def test_a_model_in_several_formats_is_counted_once() -> None:
    def weights(*elements: int) -> asking.Tensors:
        return asking.Tensors(tuple(asking.Tensor("w", "F32", (n,), 0, 4 * n, n) for n in elements))

    report = checking.Report()
    assert report.facts == {"tensors": 0, "parameters": 0, "types": {}}
    report.tensors |= {
        "q4.gguf": weights(90),
        "q8-00001-of-00002.gguf": weights(50),
        "q8-00002-of-00002.gguf": weights(50),
    }
    assert report.facts == {"tensors": 2, "parameters": 100, "types": {"F32": 100}}
    report.tensors |= {"model.safetensors": weights(60, 35)}
    assert report.facts == {"tensors": 2, "parameters": 95, "types": {"F32": 95}}


def test_an_ordinary_template_is_no_matter() -> None:
    content = template(b"{% for m in messages %}{{ m['role'] + m.content }}{% endfor %}")
    assert formats.check("tiny.gguf", len(content), io.BytesIO(content)).notices == ()


def test_a_gguf_that_lies_is_refused_by_name() -> None:
    content = LIES["array in array"][0]
    with pytest.raises(Invalid, match=r"^a.gguf is not what its name says: it has an array inside an array\.$"):
        formats.check("a.gguf", len(content), io.BytesIO(content))
