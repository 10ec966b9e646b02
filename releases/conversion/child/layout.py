"""Which tensor goes into which file: names in order, cut into files of about the same size."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

INDEX: Final = "model.safetensors.index.json"


def file_names(count: int) -> list[str]:
    """`model.safetensors`, or `model-00001-of-0000N.safetensors` and so on."""
    return (
        ["model.safetensors"]
        if count == 1
        else [f"model-{n:05}-of-{count:05}.safetensors" for n in range(1, count + 1)]
    )


def deal(sizes: Mapping[str, int], count: int) -> list[list[str]]:
    """The names of each of `count` files, none empty; `sizes` are bytes by name. Raises ValueError for too few names."""
    names = sorted(sizes, key=str.encode)
    if len(names) < count:
        raise ValueError(f"{len(names)} tensors do not fill {count} files")
    files, left = list[list[str]](), sum(sizes.values())
    at = 0
    for number in range(count, 0, -1):
        taken, held = [names[at]], sizes[names[at]]
        at += 1
        while len(names) - at >= number and (number == 1 or held + sizes[names[at]] / 2 <= left / number):
            held += sizes[names[at]]
            taken.append(names[at])
            at += 1
        files.append(taken)
        left -= held
    return files


def index(files: Mapping[str, list[str]], total: int) -> dict[str, Any]:
    """The table by which clients find a tensor's file; `total` is bytes of all tensors."""
    return {
        "metadata": {"total_size": total},
        "weight_map": {name: file for file, held in files.items() for name in held},
    }
