"""Folders to publish: small, but each file is truly what its name says."""

from __future__ import annotations

import json
import struct
from pathlib import Path
from typing import Any

CARD = """---
license: apache-2.0
language: en
tags: [pico, opt]
---
# {name}

A model for **tests**.

| measure | value |
|---|---:|
| loss | 2.5 |
"""


def safetensors(tensors: dict[str, tuple[str, list[int], bytes]], metadata: dict[str, str] | None = None) -> bytes:
    """A weights file: name → (type, shape, little-endian bytes)."""
    header: dict[str, Any] = {"__metadata__": metadata} if metadata else {}
    place = 0
    for name, (kind, shape, data) in tensors.items():
        header[name] = {"dtype": kind, "shape": shape, "data_offsets": [place, place + len(data)]}
        place += len(data)
    return with_header(json.dumps(header).encode(), b"".join(data for _, _, data in tensors.values()))


def with_header(header: bytes, data: bytes) -> bytes:
    return struct.pack("<Q", len(header)) + header + data


def weights(seed: int = 0, elements: int = 1000) -> bytes:
    data = bytes((seed + i * 7) % 251 for i in range(elements * 4))
    return safetensors(
        {"model.embed": ("F32", [elements], data), "model.bias": ("F32", [4], b"\0" * 16)}, {"format": "pt"}
    )


def model_folder(path: Path, *, name: str = "tiny", seed: int = 0, elements: int = 1000, **more: bytes | str) -> Path:
    """A plausible model: card, licence, config, tokenizer, weights in one shard and one in a folder below."""
    files: dict[str, bytes | str] = {
        "README.md": CARD.format(name=name),
        "LICENSE": "Apache License 2.0\n",
        "config.json": json.dumps({"model_type": "opt", "architectures": ["OPTForCausalLM"], "hidden_size": 64}),
        "tokenizer_config.json": json.dumps({"model_max_length": 2048}),
        "model.safetensors": weights(seed, elements),
        "eval/results.json": json.dumps({"loss": 2.5}),
        **{key.replace("__", "/"): value for key, value in more.items()},
    }
    for file, content in files.items():
        target = path / file
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_bytes(content if isinstance(content, bytes) else content.encode())
    return path
