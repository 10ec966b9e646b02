"""A small release, written by hand after the documents' definition: files, tensors, documents, signature, key.

Nothing here is the client's or the portal's code, so that both are held against a third.
"""

from __future__ import annotations

import base64
import hashlib
import json
import random
import struct
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec

PAYLOAD = "application/vnd.in-toto+json"


def canonical(value: Any) -> bytes:
    return json.dumps(value, sort_keys=True, separators=(",", ":"), ensure_ascii=False).encode()


def sha(raw: bytes) -> str:
    return hashlib.sha256(raw).hexdigest()


def merkle(leaves: list[bytes]) -> bytes:
    """RFC 6962, section 2.1, as it is written there."""
    if len(leaves) == 1:
        return hashlib.sha256(b"\0" + leaves[0]).digest()
    half = 1
    while half * 2 < len(leaves):
        half *= 2
    return hashlib.sha256(b"\1" + merkle(leaves[:half]) + merkle(leaves[half:])).digest()


def shard(tensors: dict[str, bytes]) -> bytes:
    """A safetensors file of F32 vectors."""
    header, at = {}, 0
    for name, raw in tensors.items():
        header[name] = {"dtype": "F32", "shape": [len(raw) // 4], "data_offsets": [at, at + len(raw)]}
        at += len(raw)
    head = canonical(header)
    head += b" " * (-len(head) % 8)
    return struct.pack("<Q", len(head)) + head + b"".join(tensors.values())


@dataclass
class Released:
    """The folder as `weighbridge get` leaves it, and the key that signed."""

    folder: Path
    key: Path
    release: dict[str, Any]

    @property
    def paths(self) -> list[str]:
        return [file["path"] for file in self.release["files"]]


def build(at: Path, *, seed: int = 1, commit: str = "", private: ec.EllipticCurvePrivateKey | None = None) -> Released:
    """`lyceum/small`: two shards of three tensors each, a README and a config in a folder."""
    private = private or ec.generate_private_key(ec.SECP256R1())
    chance = random.Random(seed)
    files = {"README.md": b"# Small\n" * (seed + 1), "config/model.json": canonical({"seed": seed})}
    rows = []
    for number in (1, 2):
        path = f"model-{number}.safetensors"
        tensors = {f"layer.{number}.{part}": chance.randbytes(4 * chance.randint(8, 64)) for part in ("a", "b", "c")}
        files[path] = shard(tensors)
        for name, raw in tensors.items():
            shape = [len(raw) // 4]
            leaf = sha(canonical([name, "F32", shape]) + b"\n" + raw)
            rows.append({"name": name, "dtype": "F32", "shape": shape, "sha256": leaf, "file": path})
    rows.sort(key=lambda row: row["name"].encode())
    root = merkle([bytes.fromhex(row["sha256"]) for row in rows]).hex()
    listed = [
        {"path": path, "size": len(raw), "sha256": sha(raw), "blake3": "0" * 64, "lfs": path.endswith("tensors")}
        for path, raw in sorted(files.items())
    ]
    release = {
        "schema": "weighbridge.release/1", "model": "lyceum/small", "commit": commit or f"{seed:040x}",
        "published_at": "2026-11-26T00:00:00Z", "licence": "mit", "gate": None, "files": listed,
        "tensors": {"algorithm": "weighbridge.tensors/1", "count": len(rows), "elements": 1, "root": root},
    }  # fmt: skip
    folder = at / "small"
    for path, raw in files.items():
        (folder / path).parent.mkdir(parents=True, exist_ok=True)
        (folder / path).write_bytes(raw)
    own = folder / ".weighbridge"
    own.mkdir()
    (own / "release.json").write_bytes(canonical(release))
    (own / "tensors.json").write_bytes(canonical({"schema": "weighbridge.tensors/1", "root": root, "tensors": rows}))
    (own / "portal").write_text("https://models.lyceum.example\n")
    (own / "model.sig").write_bytes(signed(release, private))
    return Released(folder, public(at / "key.pem", private), release)


def public(path: Path, private: ec.EllipticCurvePrivateKey) -> Path:
    path.write_bytes(pem(private))
    return path


def pem(private: ec.EllipticCurvePrivateKey) -> bytes:
    kind = serialization.PublicFormat.SubjectPublicKeyInfo
    return private.public_key().public_bytes(serialization.Encoding.PEM, kind)


def signed(release: dict[str, Any], private: ec.EllipticCurvePrivateKey, *, bound: bool = True) -> bytes:
    """The bundle of model signing 1.x over the files, with the digest of release.json as the portal adds it."""
    resources = [{"name": f["path"], "algorithm": "sha256", "digest": f["sha256"]} for f in release["files"]]
    together = sha(b"".join(bytes.fromhex(each["digest"]) for each in resources))
    predicate: dict[str, Any] = {
        "serialization": {"method": "files", "hash_type": "sha256", "allow_symlinks": False, "ignore_paths": []},
        "resources": resources,
    }
    if bound:
        predicate["release"] = {"sha256": sha(canonical(release))}
    statement = {
        "_type": "https://in-toto.io/Statement/v1", "subject": [{"name": "small", "digest": {"sha256": together}}],
        "predicateType": "https://model_signing/signature/v1.0", "predicate": predicate,
    }  # fmt: skip
    payload = canonical(statement)
    sealed = b"DSSEv1 %d %s %d %s" % (len(PAYLOAD), PAYLOAD.encode(), len(payload), payload)
    signature = private.sign(sealed, ec.ECDSA(hashes.SHA256()))
    return canonical(
        {
            "mediaType": "application/vnd.dev.sigstore.bundle.v0.3+json",
            "verificationMaterial": {"publicKey": {"hint": sha(pem(private))}, "tlogEntries": []},
            "dsseEnvelope": {
                "payload": base64.b64encode(payload).decode(),
                "payloadType": PAYLOAD,
                "signatures": [{"sig": base64.b64encode(signature).decode(), "keyid": ""}],
            },
        }
    )
