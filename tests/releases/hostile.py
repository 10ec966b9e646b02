"""Files made to harm whoever opens them: one for each technique. Each would leave a file behind if it ever ran."""

from __future__ import annotations

import bz2
import gzip
import io
import lzma
import os
import pickle
import struct
import tarfile
import warnings
import zipfile
import zlib
from collections.abc import Callable
from pathlib import Path
from typing import Any

from tests.releases.folders import safetensors, with_header

ENDINGS = (".safetensors", ".gguf", ".json", ".txt", ".model", ".md", ".yaml", ".py")
"""Names that may be published; a hostile file comes under one of them."""


class Runs:
    """Pickled, it runs a command when it is unpickled."""

    def __init__(self, command: str) -> None:
        self._command = command

    def __reduce__(self) -> tuple[Any, ...]:
        return os.system, (self._command,)


def string(value: bytes) -> bytes:
    return struct.pack("<Q", len(value)) + value


def gguf(
    pairs: list[tuple[bytes, int, bytes]], tensors: list[tuple[bytes, list[int], int, bytes]] | None = None
) -> bytes:
    """A GGUF file of version 3: pairs of (key, type, value's bytes), tensors of (name, shape, type, bytes)."""
    tensors = tensors or []
    head = b"GGUF" + struct.pack("<IQQ", 3, len(tensors), len(pairs))
    head += b"".join(string(key) + struct.pack("<I", kind) + value for key, kind, value in pairs)
    body = b""
    for name, shape, kind, data in tensors:
        body += b"\0" * (-len(body) % 32)
        head += string(name) + struct.pack(f"<I{len(shape)}Q", len(shape), *shape) + struct.pack("<IQ", kind, len(body))
        body += data
    return head + b"\0" * (-len(head) % 32) + body


def pickles(command: str) -> dict[str, bytes]:
    """By opcode and protocol."""
    text = command.encode()
    call = b"cos\nsystem\n(S'%s'\ntR." % text
    short = b"\x8c" + bytes([len(text)]) + text
    return {
        **{f"protocol {p}": pickle.dumps([1, Runs(command), {"a": 2}], protocol=p) for p in range(6)},
        "GLOBAL and REDUCE": call,
        "INST": b"(S'%s'\nios\nsystem\n." % text,
        "OBJ": b"(cos\nsystem\nS'%s'\no." % text,
        "NEWOBJ": b"cos\nsystem\n(S'%s'\nt\x81." % text,
        "NEWOBJ_EX": b"cos\nsystem\n(S'%s'\nt}\x92." % text,
        "BUILD": b"cos\nenviron\n}S'_data'\nN" + b"sb.",
        "STACK_GLOBAL": b"\x8c\x02os\x8c\x06system\x93" + short + b"\x85R.",
        "EXT": b"\x82\x01(S'%s'\ntR." % text,
        "memo": b"S'system'\np7\n0S'os'\np5\n0g5\ng7\n\x93S'%s'\n\x85R." % text,
        "binary memo": b"\x8c\x06systemq\x010\x8c\x02osq\x020h\x02h\x01\x93" + short + b"\x85R.",
        "MEMOIZE": b"\x8c\x02os\x94\x8c\x06system\x94\x93\x940h\x02" + short + b"\x85R.",
        "dropped marks": b"(I1\nI2\n1(0" + call,
        "duplicate": b"N20" + call,
        "no end": call[:-1],
        "broken after the call": call[:-1] + b"\xff\xff\xff",
        "text after the end": call + b"\nThis is only a note.\n",
        "behind a long string": b"X" + struct.pack("<I", 300_000) + b"a" * 300_000 + b"0" + call,
        "behind many steps": b"N0" * 100_000 + call,
        "nested": b"cpickle\nloads\n(S'cos\\nsystem\\n(tR.'\ntR.",
        "behind a number": b"I1\n0" + call,
        "behind a number in hex": b"I0x10\n0" + call,
        "behind a long line": b"S'" + b"a" * 70_000 + b"'\n0" + call,
        "setting an item": b"cos\nenviron\n(S'PATH'\nS'/tmp'\nu",
        "getattr": b"cbuiltins\ngetattr\n(cbuiltins\n__import__\n(S'os'\ntRS'system'\ntR(S'%s'\ntR." % text,
        "frame": b"\x95" + struct.pack("<Q", 9) + call,
        "data alone": pickle.dumps([1, 2, {"a": "b"}], 0),
    }


def containers(command: str) -> dict[str, bytes]:
    """Formats that keep pickles, and the tricks of archives."""
    inner = pickle.dumps(Runs(command), 2)
    array = (
        b"\x93NUMPY\x01\x00" + struct.pack("<H", 54) + b"{'descr': '|O', 'fortran_order': False, 'shape': (1,)}" + inner
    )
    torch = zipped({"archive/data.pkl": inner, "archive/version": b"3\n"})
    twice = zipped({"a": b"1"}) + zipped({"a": inner})
    return {
        "torch": torch,
        "torch legacy": pickle.dumps(0x1950A86A20F9469CFC6C, 2) + pickle.dumps(1001, 2) + pickle.dumps({}, 2) + inner,
        "torch tar": tarred({"pickle": inner, "storages": b""}),
        "npy": array,
        "npz": zipped({"a.npy": array}),
        "joblib": inner,
        "joblib zlib": zlib.compress(inner),
        "gzip": gzip.compress(inner),
        "bzip2": bz2.compress(inner),
        "xz": lzma.compress(inner),
        "7z": b"7z\xbc\xaf\x27\x1c\0\x04" + bytes(40),
        "zstd": b"\x28\xb5\x2f\xfd" + bytes(40),
        "rar": b"Rar!\x1a\x07\x01\0" + bytes(40),
        "keras": b"\x89HDF\r\n\x1a\n" + b'{"class_name": "Lambda"}' + bytes(40),
        "hdf5 behind a block": b"\n" + bytes(511) + b"\x89HDF\r\n\x1a\n" + bytes(40),
        "prefix": b"{}" + torch,
        "trailing": torch + b"\n{}\n",
        "two ends": twice,
        "same name twice": zipped([("a", b"1"), ("a", inner)]),
        "traversal": zipped({"../../etc/passwd": inner}),
        "absolute": zipped({"/etc/passwd": inner}),
        "two lists": torch.replace(b"archive/data.pkl", b"archive/good.txt", 1),
        "many members": zipped({f"{n}": b"" for n in range(11_000)}),
        "bomb": zipped({"zeros": bytes(70 << 20)}, zipfile.ZIP_DEFLATED),
        "links": tarred({"a": inner}, link="/etc/passwd"),
        "elf": b"\x7fELF\2\1\1" + bytes(60),
        "script": f"#!/bin/sh\n{command}\n".encode(),
    }


def headers(command: str, *, full: bool) -> dict[str, tuple[str, bytes]]:
    """Weights and texts whose own format is the weapon: the name each must have, and the bytes."""
    array = struct.pack("<I", 9)
    nested = array * 200 + struct.pack("<IQ", 4, 0)
    deep = b"".join(b"a%d: &a%d [*a%d, *a%d]\n" % (n, n, n - 1, n - 1) for n in range(1, 60))
    merged = b"".join(b"a%d: &a%d {<<: [*a%d, *a%d]}\n" % (n, n, n - 1, n - 1) for n in range(1, 60))
    return {
        "length": ("a.safetensors", (1 << 62).to_bytes(8, "little") + b"{}"),
        "deep header": ("b.safetensors", with_header(b'{"a":' + b"[" * 1_000_000, b"")),
        "many arrays": (
            "c.safetensors",
            with_header(b'{"a":[' + b"[]," * (4_000_000 if full else 200_000) + b"[]]}", b""),
        ),
        "twice": ("d.safetensors", with_header(b'{"a":{},"a":{}}', b"")),
        "traversal": ("e.safetensors", safetensors({"../../x": ("U8", [1], b"x")})),
        "pickle in weights": ("f.safetensors", polyglot(command)),
        "zip in weights": ("g.safetensors", zip_in_weights(command)),
        "gguf strings": ("a.gguf", b"GGUF" + struct.pack("<IQQ", 3, 0, 1) + struct.pack("<Q", 1 << 63)),
        "gguf pairs": ("b.gguf", b"GGUF" + struct.pack("<IQQ", 3, 0, 1 << 40)),
        "gguf tensors": ("c.gguf", b"GGUF" + struct.pack("<IQQ", 3, 1 << 40, 0)),
        "gguf array": ("d.gguf", gguf([(b"a", 9, struct.pack("<IQ", 4, 1 << 60))])),
        "gguf nested": ("e.gguf", gguf([(b"a", 9, nested)])),
        "gguf many strings": ("f.gguf", gguf([(b"a", 9, struct.pack("<IQ", 8, 1 << 62))])),
        "gguf twice": ("g.gguf", gguf([(b"a", 4, bytes(4)), (b"a", 4, bytes(4))])),
        "gguf overlap": ("h.gguf", gguf([], [(b"a", [8], 0, bytes(32)), (b"b", [8], 0, b"")])),
        "gguf zip": ("i.gguf", gguf([], [(b"a", [1024], 24, padded(zipped({"data.pkl": b"x"}), 1024))])),
        "json deep": ("a.json", b"[" * 200_000),
        "json number": ("b.json", b'{"a": ' + b"9" * 50_000 + b"}"),
        "yaml aliases": ("a.yaml", b"a0: &a0 [x, x]\n" + deep),
        "yaml merges": ("b.yaml", b"a0: &a0 {k: 1}\n" + merged),
        "yaml in itself": ("c.yaml", b"&a [*a]"),
        "yaml deep": ("d.yaml", b"[" * (50_000 if full else 3_000)),
        "yaml object": ("e.yaml", f"!!python/object/apply:os.system ['{command}']".encode()),
        "png and zip": ("a.png", b"\x89PNG\r\n\x1a\n" + bytes(50) + zipped({"a": b"x"})),
        "pdf and zip": ("a.pdf", b"%PDF-1.7\n" + zipped({"a": b"x"})),
        "zeros": ("zeros.txt", bytes(65 << 20)),
    }


def polyglot(command: str) -> bytes:
    """Sound weights that are a pickle too: the header's length reads as "a string follows", the tensor as a call."""
    skip = 30
    length = ord("X") + 256 * skip
    start, end = 5 + skip, 8 + length
    data = b"cos\nsystem\n(S'%s'\ntR." % command.encode()
    last = b'"},"t":{"dtype":"U8","shape":[%d],"data_offsets":[0,%d]}}' % (len(data), len(data))
    text = bytearray(b'{"__metadata__":{"a":"'.ljust(start - 8, b"."))
    while (left := end - 8 - len(text)) > 128:
        step = 126 if left - 128 > len(last) + 40 or left - 128 == 0 else 60
        text += b"U" + bytes([step]) + b"." * step
    text += b"U" + bytes([left - 2]) + last.rjust(left - 2, b".")
    return with_header(bytes(text), data)


def zip_in_weights(command: str) -> bytes:
    """Sound weights whose last tensor is an archive, which is found from the end."""
    data = zipped({"archive/data.pkl": pickle.dumps(Runs(command))})
    return safetensors({"a": ("U8", [len(data)], data)})


def padded(content: bytes, size: int) -> bytes:
    return content.rjust(size, b"\0")


def zipped(members: dict[str, bytes] | list[tuple[str, bytes]], how: int = zipfile.ZIP_STORED) -> bytes:
    made = io.BytesIO()
    with warnings.catch_warnings(), zipfile.ZipFile(made, "w", how) as archive:
        warnings.simplefilter("ignore")
        for name, content in members.items() if isinstance(members, dict) else members:
            archive.writestr(name, content)
    return made.getvalue()


def tarred(members: dict[str, bytes], link: str = "") -> bytes:
    made = io.BytesIO()
    with tarfile.open(fileobj=made, mode="w", format=tarfile.USTAR_FORMAT) as archive:
        for name, content in members.items():
            said = tarfile.TarInfo(name)
            said.size = len(content)
            archive.addfile(said, io.BytesIO(content))
        if link:
            said = tarfile.TarInfo("link")
            said.type, said.linkname = tarfile.SYMTYPE, link
            archive.addfile(said)
    return made.getvalue()


def corpus(tripwire: Path, *, whole: bool) -> dict[str, bytes]:
    """Files by path: each pickle and container under one of the endings in turn; `whole`: under every one and its own."""
    command = f"touch {tripwire}"
    files = dict(headers(command, full=whole).values())
    makers: dict[str, Callable[[str], dict[str, bytes]]] = {"pickles": pickles, "containers": containers}
    for folder, make in makers.items():
        for number, (name, content) in enumerate(make(command).items()):
            ends = ENDINGS if whole else (ENDINGS[number % len(ENDINGS)],)
            stem = f"{folder}/{name.replace(' ', '-')}"
            files |= {f"{stem}{ending}": content for ending in ends}
            if whole:
                files[f"{stem}.pkl"] = content
    return files
