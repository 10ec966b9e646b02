"""Files that are not what their names say, and headers made by strangers."""

from __future__ import annotations

import io
import json
import pickle
import time
import zipfile
from contextlib import suppress

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from portal.errors import Invalid
from releases import formats
from releases.inspection import SECONDS_MAX, Refused, asking, safetensors
from tests.releases import folders
from tests.releases.folders import weights, with_header


def check(path: str, content: bytes) -> formats.Look:
    return formats.check(path, len(content), io.BytesIO(content))


def archive() -> bytes:
    made = io.BytesIO()
    with zipfile.ZipFile(made, "w") as content:
        content.writestr("data.pkl", pickle.dumps({}))
    return made.getvalue()


GOOD = {
    "config.json": b'{"a": 1}', "README.md": b"---\nlicense: mit\n---\n# x", "notes.txt": b"", "vocab.jsonl": b'{"a":1}\n', "LICENSE": b"text",
    "template.jinja": b"{{ x }}", "card.yaml": b"a: 1", "a.png": b"\x89PNG\r\n\x1a\n....", "spiece.model": b"\n\x0b\n\x05<unk>", "model.safetensors": weights(),
}  # fmt: skip
BAD = {
    "pickle by name": ("pytorch_model.bin", pickle.dumps({}), "safetensors"),
    "pickle as text": ("config.json", pickle.dumps({}), "pickle"),
    "pickle as weights": ("model.safetensors", pickle.dumps({}), "length"),
    "pickle as tokenizer": ("spiece.model", pickle.dumps({}), "pickle"),
    "zip as text": ("notes.txt", archive(), "zip"),
    "torch archive": ("model.pt", archive(), "safetensors"),
    "archive": ("all.tar", b"", "not an archive"),
    "program": ("run.txt", b"#!/bin/sh\nrm -rf /", "program"),
    "library": ("a.so", b"\x7fELF", "Programs"),
    "elf as model": ("a.model", b"\x7fELF....", "program"),
    "html as png": ("a.png", b"<html>", "does not begin"),
    "binary as json": ("a.json", b"\xff\xfe{}", "UTF-8"),
    "broken json": ("a.json", b'{"a": ', "cannot be read"),
    "deep json": ("a.json", b"[" * 200_000, "cannot be read"),
    "nul in text": ("a.md", b"a\0b", "NUL"),
    "yaml object": ("a.yaml", b"!!python/object/apply:os.system ['true']", "cannot be read"),
    "unknown": ("a.xyz", b"", "ending"),
    "no ending": ("stuff", b"", "ending"),
    "svg": ("a.svg", b"<svg onload='x'/>", "ending"),
    "gguf": ("a.gguf", b"GGUF", "cut short"),
}  # fmt: skip


@pytest.mark.parametrize("path", GOOD)
def test_true_files_pass(path: str) -> None:
    check(path, GOOD[path])


@pytest.mark.parametrize("case", BAD)
def test_false_files_are_refused_with_a_sentence(case: str) -> None:
    path, content, word = BAD[case]
    with pytest.raises(Invalid, match=word) as refused:
        check(path, content)
    assert path in refused.value.message
    assert "\n" not in refused.value.message


def test_a_file_that_no_client_could_fetch() -> None:
    with pytest.raises(Invalid, match="shards"):
        formats.check_name("model.safetensors", 50 * 10**9 + 1)


def test_a_weights_file_is_counted() -> None:
    found = check("model.safetensors", weights()).tensors
    assert found is not None
    assert (found.count, found.elements, found.types) == (2, 1004, {"F32": 1004})
    assert [weights()[item.start : item.end] for item in found.items][1] == b"\0" * 16


def entry(start: int, end: int, shape: object = None, kind: str = "U8") -> dict[str, object]:
    return {"dtype": kind, "shape": [end - start] if shape is None else shape, "data_offsets": [start, end]}


HEADERS = {
    "not json": (b"{oops", 0, "not JSON"),
    "a list": (b"[]", 0, "not a table"),
    "twice": (b'{"a":%b,"a":%b}' % ((json.dumps(entry(0, 4)).encode(),) * 2), 4, "twice"),
    "twice inside": (b'{"a":{"dtype":"U8","dtype":"U8","shape":[4],"data_offsets":[0,4]}}', 4, "twice"),
    "traversal": (json.dumps({"../../x": entry(0, 4)}).encode(), 4, "unsafe name"),
    "absolute": (json.dumps({"/etc/x": entry(0, 4)}).encode(), 4, "unsafe name"),
    "newline": (json.dumps({"a\n": entry(0, 4)}).encode(), 4, "unsafe name"),
    "overlap": (json.dumps({"a": entry(0, 4), "b": entry(2, 6)}).encode(), 6, "overlap"),
    "hole": (json.dumps({"a": entry(0, 4), "b": entry(6, 8)}).encode(), 8, "hole"),
    "trailing": (json.dumps({"a": entry(0, 4)}).encode(), 9, "where its header says 4"),
    "short": (json.dumps({"a": entry(0, 4)}).encode(), 2, "where its header says 4"),
    "shape": (json.dumps({"a": entry(0, 4, [3])}).encode(), 4, "differ"),
    "overflow": (json.dumps({"a": entry(0, 4, [1 << 61, 1 << 61])}).encode(), 4, "differ"),
    "negative": (json.dumps({"a": entry(0, 4, [-4])}).encode(), 4, "malformed"),
    "float": (json.dumps({"a": entry(0, 4, [4.0])}).encode(), 4, "malformed"),
    "true": (json.dumps({"a": entry(0, 1, [True])}).encode(), 1, "malformed"),
    "type": (json.dumps({"a": entry(0, 4, None, "P8")}).encode(), 4, "unknown type"),
    "field": (json.dumps({"a": entry(0, 4) | {"x": 1}}).encode(), 4, "unknown way"),
    "metadata": (json.dumps({"__metadata__": {"a": 1}}).encode(), 0, "metadata"),
    "deep": (b'{"a":' + b"[" * 100_000, 0, "not JSON"),
    "digits": (b'{"a":' + b"9" * 5_000 + b"}", 0, "not JSON"),
}


@pytest.mark.parametrize("case", HEADERS)
def test_hostile_headers_are_refused(case: str) -> None:
    header, room, word = HEADERS[case]
    content = with_header(header, b"\0" * room)
    with pytest.raises(Refused, match=word):
        asking.tensors("safetensors", io.BytesIO(content), len(content))


@pytest.mark.parametrize(
    "content", [b"", b"\0" * 7, b"\xff" * 8, (1 << 40).to_bytes(8, "little") + b"{}", (2).to_bytes(8, "little")]
)
def test_lengths_that_lie(content: bytes) -> None:
    with pytest.raises(Refused):
        asking.tensors("safetensors", io.BytesIO(content), len(content))


def test_a_bomb_stays_in_its_child() -> None:
    header = b'{"a":[' + b"[]," * 4_000_000 + b"[]]}"
    content = with_header(header, b"")
    begin = time.monotonic()
    with pytest.raises(Refused):
        asking.tensors("safetensors", io.BytesIO(content), len(content))
    assert time.monotonic() - begin < SECONDS_MAX + 5


@settings(max_examples=300, deadline=None)
@given(st.binary(max_size=300))
def test_any_header_is_judged_without_a_fault(header: bytes) -> None:
    content = with_header(header, b"")
    with suppress(Refused):
        safetensors.parse(io.BytesIO(content), len(content))


def test_empty_weights_are_weights() -> None:
    assert check("model.safetensors", folders.safetensors({})).tensors == asking.Tensors(())
