"""`weighbridge.tensors/1`: one digest of all tensors that is the same however they are cut into files.

A leaf is SHA-256 over the canonical JSON of `[name, dtype, shape]`, a line feed, and the tensor's bytes, little-endian;
dtypes have safetensors' names. The root is RFC 6962's tree hash over the leaves in the order of their names' bytes.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Final

from releases.conversion.child.problems import Refused
from releases.sentences import Sentence

if TYPE_CHECKING:
    import torch

ALGORITHM: Final = "weighbridge.tensors/1"
DTYPES: Final = {
    "float64": "F64", "float32": "F32", "float16": "F16", "bfloat16": "BF16", "int64": "I64", "int32": "I32", "int16": "I16",
    "int8": "I8", "uint64": "U64", "uint32": "U32", "uint16": "U16", "uint8": "U8", "bool": "BOOL", "complex64": "C64",
    "float8_e4m3fn": "F8_E4M3", "float8_e5m2": "F8_E5M2",
}  # fmt: skip
"""safetensors' name of a dtype, by torch's."""


def dtype(tensor: torch.Tensor) -> str:
    """safetensors' name of the tensor's dtype. Raises Refused for one that the format does not know."""
    name = str(tensor.dtype).removeprefix("torch.")
    if name not in DTYPES:
        raise Refused(Sentence("safetensors has no type %(name)s.", name=name))
    return DTYPES[name]


def leaf(name: str, tensor: torch.Tensor) -> str:
    """The digest of one tensor, hex."""
    head = json.dumps([name, dtype(tensor), list(tensor.shape)], separators=(",", ":"), ensure_ascii=False)
    digest = hashlib.sha256(head.encode() + b"\n")
    digest.update(memoryview(raw(tensor).numpy()))
    return digest.hexdigest()


def raw(tensor: torch.Tensor) -> torch.Tensor:
    """The tensor's bytes as they lie in memory: little-endian on every machine that this runs on."""
    import torch  # noqa: PLC0415 the portal reads this module for its root, without torch

    return tensor.detach().contiguous().reshape(-1).view(torch.uint8)


def root(leaves: Mapping[str, str]) -> str | None:
    """The tree hash over leaves by name, hex; None without tensors."""
    ordered = [bytes.fromhex(leaves[name]) for name in sorted(leaves, key=str.encode)]
    return _tree(ordered).hex() if ordered else None


def _tree(leaves: Sequence[bytes]) -> bytes:
    if len(leaves) == 1:
        return hashlib.sha256(b"\0" + leaves[0]).digest()
    left = 1 << (len(leaves) - 1).bit_length() - 1
    return hashlib.sha256(b"\1" + _tree(leaves[:left]) + _tree(leaves[left:])).digest()
