"""Git object ids, computed without a git repository: the names of files, folders and revisions.

A revision is named as git names a commit, so that anyone can recompute the name from the files. Large files enter
the tree as their LFS pointer, as they do on every hub that the clients know (git-lfs specification, version 1).
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime
from typing import BinaryIO, Final

LFS_PATTERNS: Final = (".safetensors", ".bin", ".pt", ".pth", ".gguf", ".h5", ".onnx", ".msgpack", ".model", ".parquet")
"""Name endings that are always large-file objects."""
REGULAR_MAX: Final = 1 << 20
"""Bytes; a larger file is a large-file object whatever its name."""


@dataclass(frozen=True, slots=True)
class Entry:
    """One file of a tree: its path from the root and the id of its git blob (the pointer's for a large file)."""

    path: str
    oid: str


def is_lfs(path: str, size: int) -> bool:
    """Whether this file is a large-file object. An empty file never is."""
    return size > 0 and (size > REGULAR_MAX or path.lower().endswith(LFS_PATTERNS))


def pointer(sha256: str, size: int) -> bytes:
    """The LFS pointer text that stands for the file in the tree."""
    return f"version https://git-lfs.github.com/spec/v1\noid sha256:{sha256}\nsize {size}\n".encode()


def blob_id(content: bytes) -> str:
    """Git's id of a blob with this content, 40 hex digits."""
    return object_id("blob", content)


def blob_id_of(source: BinaryIO, size: int) -> str:
    """The same of a file of `size` bytes, read from where it stands to its end."""
    digest = hashlib.sha1(f"blob {size}\0".encode(), usedforsecurity=False)
    while piece := source.read(1 << 20):
        digest.update(piece)
    return digest.hexdigest()


def trees(entries: Iterable[Entry]) -> dict[str, str]:
    """Git's id of every folder, keyed by path; the root is ``""``."""
    return {path: object_id("tree", content) for path, content in tree_objects(entries).items()}


def tree_objects(entries: Iterable[Entry]) -> dict[str, bytes]:
    """What git keeps of every folder, keyed by path; the root is ``""``."""
    folders: dict[str, dict[str, tuple[bytes, str]]] = {"": {}}
    for entry in entries:
        folder, _, name = entry.path.rpartition("/")
        _open(folders, folder)[name] = (b"100644", entry.oid)
    contents: dict[str, bytes] = {}
    for folder in sorted(folders, key=lambda path: (path.count("/") + bool(path), path), reverse=True):
        contents[folder] = _tree(folders[folder])
        if folder:
            parent, _, name = folder.rpartition("/")
            folders[parent][name] = (b"40000", object_id("tree", contents[folder]))
    return contents


def commit_object(*, tree: str, parent: str, author: str, email: str, at: datetime, message: str) -> bytes:
    """What git keeps of a commit by one author who is also its committer; `parent` may be empty. `at` is in UTC."""
    person = f"{_plain(author)} <{_plain(email)}> {int(at.timestamp())} +0000"
    lines = [f"tree {tree}", *([f"parent {parent}"] if parent else []), f"author {person}", f"committer {person}"]
    return ("\n".join(lines) + f"\n\n{message}\n").encode()


def object_id(kind: str, content: bytes) -> str:
    """Git's id of an object of this kind (blob, tree, commit), 40 hex digits."""
    header = f"{kind} {len(content)}\0".encode()
    return hashlib.sha1(header + content, usedforsecurity=False).hexdigest()


def _open(folders: dict[str, dict[str, tuple[bytes, str]]], folder: str) -> dict[str, tuple[bytes, str]]:
    while folder not in folders:
        folders[folder] = {}
        parent = folder.rpartition("/")[0]
        if parent in folders:
            break
        _open(folders, parent)
    return folders[folder]


def _tree(children: dict[str, tuple[bytes, str]]) -> bytes:
    # Git sorts a folder as if its name ended with a slash.
    order = sorted(children, key=lambda name: name.encode() + (b"/" if children[name][0] == b"40000" else b""))
    rows = (children[name][0] + b" " + name.encode() + b"\0" + bytes.fromhex(children[name][1]) for name in order)
    return b"".join(rows)


def _plain(text: str) -> str:
    """Without what would break a commit's author line."""
    return "".join(c for c in text if c not in "<>\n\0").strip()
