"""The weight id of a .safetensors file, `weighbridge.tensors/1`: equal ids mean the same tensors, whatever file they lie in.

The portal computes it with code of its own, from what it stores; this is the rule in `docs/proofs.md`, without any library.
"""

import hashlib
import json
import struct
from collections.abc import Iterator
from pathlib import Path


def weight_id(path: Path) -> str:
    """The Merkle root (RFC 9162) over the digests of a file's tensors by name, as 64 hex digits."""
    level = [hashlib.sha256(b"\0" + digest).digest() for _, digest in sorted(tensors(path))]
    while len(level) > 1:
        level = [
            hashlib.sha256(b"\1" + level[i] + level[i + 1]).digest() if i + 1 < len(level) else level[i]
            for i in range(0, len(level), 2)
        ]
    return level[0].hex()


def tensors(path: Path) -> Iterator[tuple[bytes, bytes]]:
    """Each tensor's name, and the digest over its name, type, shape and raw bytes."""
    data = path.read_bytes()
    start = 8 + struct.unpack("<Q", data[:8])[0]
    for name, tensor in json.loads(data[8:start]).items():
        if name != "__metadata__":
            told = json.dumps([name, tensor["dtype"], tensor["shape"]], separators=(",", ":"), ensure_ascii=False)
            begin, end = (start + offset for offset in tensor["data_offsets"])
            yield name.encode(), hashlib.sha256(told.encode() + b"\n" + data[begin:end]).digest()
