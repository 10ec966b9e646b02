"""Feeds the header parsers with broken headers, and holds what they accept against the formats' own readers.

`python -m tests.releases.fuzz safetensors 1000000` drives one with atheris (libFuzzer, which looks for new paths through
the parser); tests/releases/test_fuzz.py does the same with plain mutations, a few thousand of them.
"""

from __future__ import annotations

import contextlib
import io
import json
import random
import struct
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

from tests.releases.folders import safetensors, weights, with_header
from tests.releases.hostile import gguf, string

SLOW_S = 1.0


def texts(*values: bytes) -> bytes:
    return struct.pack("<IQ", 8, len(values)) + b"".join(string(value) for value in values)


SEEDS = {
    "safetensors": [
        weights(elements=4),
        safetensors({}),
        safetensors({"a": ("BF16", [2, 1], b"1234"), "b.c": ("F4", [4], b"12"), "e": ("I64", [0], b"")}, {"k": "v"}),
        with_header(b'{"a":{"dtype":"U8","shape":[],"data_offsets":[0,1]}}  ', b"x"),
    ],
    "gguf": [
        gguf([]),
        gguf([(b"general.alignment", 4, struct.pack("<I", 32)), (b"general.name", 8, string(b"x"))]),
        gguf(
            [
                (b"tokenizer.ggml.tokens", 9, texts(b"a", b"b")),
                (b"b", 7, b"\1"),
                (b"n", 9, struct.pack("<IQ3f", 6, 3, 1, 2, 3)),
            ],
            [(b"a.weight", [4, 2], 0, b"\1" * 32), (b"b", [32], 8, b"\2" * 34), (b"c", [1], 30, b"12")],
        ),
    ],
}


def judge(parser: str, content: bytes) -> bool:
    """Whether ours accepts it; then the format's own reader must. Anything but a refusal is a fault, as is slowness."""
    from releases.inspection import Refused
    from releases.inspection import gguf as our_gguf
    from releases.inspection import safetensors as our_safetensors

    parse: Callable[[io.BytesIO, int], object] = {"safetensors": our_safetensors.parse, "gguf": our_gguf.parse}[parser]
    begin = time.monotonic()
    try:
        parse(io.BytesIO(content), len(content))
    except Refused:
        return False
    finally:
        if (took := time.monotonic() - begin) > SLOW_S:
            raise AssertionError(f"{took:.1f} s for {content[:200]!r}")
    _REFERENCES[parser](content)
    return True


def _own_safetensors(content: bytes) -> None:
    import safetensors

    safetensors.deserialize(content)


def _own_gguf(content: bytes) -> None:
    from gguf import GGUFReader

    with tempfile.NamedTemporaryFile() as file:
        file.write(content)
        file.flush()
        GGUFReader(file.name)


_REFERENCES = {"safetensors": _own_safetensors, "gguf": _own_gguf}
_WORDS = [
    b"\0",
    b"\xff",
    b"-0",
    b"1e3",
    b"NaN",
    b'"',
    b"[]",
    b"{}",
    b"null",
    b"\\ud800",
    b" ",
    b"F32",
    b"U8",
    b"__metadata__",
]


def mutated(parser: str, chance: random.Random) -> bytes:
    """One seed with up to four changes: a bit, a number, a word put in, a piece taken out or said twice."""
    content = bytearray(chance.choice(SEEDS[parser]))
    for _ in range(chance.randint(1, 4)):
        at = chance.randrange(len(content) + 1)
        match chance.randrange(5):
            case 0 if content:
                content[at % len(content)] ^= 1 << chance.randrange(8)
            case 1:
                content[at : at + 8] = struct.pack(
                    "<Q", chance.choice([0, 1, 2, 31, 32, 1 << 31, 1 << 62, (1 << 64) - 1])
                )
            case 2:
                content[at:at] = chance.choice(_WORDS)
            case 3:
                del content[at : at + chance.randint(1, 16)]
            case _:
                content[at:at] = content[at : at + chance.randint(1, 40)]
    return _framed(bytes(content), chance) if parser == "safetensors" else bytes(content)


def _framed(content: bytes, chance: random.Random) -> bytes:
    """Mostly with the length made right again, so that the mutation reaches the header."""
    end = content.find(b"}}", 8)
    if end < 0 or chance.random() < 0.2:
        return content
    header = content[8 : end + 2]
    room = 0
    with contextlib.suppress(ValueError, AttributeError, TypeError, LookupError, RecursionError):
        room = max((t["data_offsets"][1] for k, t in json.loads(header).items() if k != "__metadata__"), default=0)
    return with_header(header, bytes(room if isinstance(room, int) and 0 <= room < 4096 else 0))


def main(parser: str, runs: str) -> None:
    """Let atheris look for faults; it exits by itself, with a non-zero status when it found one."""
    import atheris

    with atheris.instrument_imports(include=["releases.inspection", "json"]):
        from releases.inspection import gguf, safetensors  # noqa: F401 to be instrumented

    with tempfile.TemporaryDirectory() as folder:
        for number, seed in enumerate(SEEDS[parser]):
            Path(folder, str(number)).write_bytes(seed)

        def one(content: bytes) -> None:
            judge(parser, content)

        atheris.Setup([sys.argv[0], f"-runs={runs}", "-max_len=4096", "-timeout=2", "-seed=7", folder], one)
        atheris.Fuzz()


if __name__ == "__main__":
    main(*sys.argv[1:])
