"""`weighbridge verify`: a folder against the release's documents, without a network where they lie in it."""

from __future__ import annotations

import os
import shlex
import stat
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from fnmatch import fnmatchcase
from pathlib import Path
from typing import Optional

from weighbridge_client import documents, examining, home, names, signature, trust
from weighbridge_client.documents import File, Release, Tensor
from weighbridge_client.errors import Bad, Unproven, Usage
from weighbridge_client.examining import Fault
from weighbridge_client.getting import LOCK, PARTS, chosen, require_revision


@dataclass
class Question:
    """What is to be verified, and against what."""

    folder: Path
    revision: str = ""
    include: Sequence[str] = ()
    ignore: Sequence[str] = ()
    key: Optional[Path] = None
    portal: str = ""
    unsigned: bool = False


@dataclass
class Verdict:
    """What was found."""

    release: Release
    checked: int = 0
    signed: Optional[signature.Signed] = None
    whose: str = ""
    faults: list[Fault] = field(default_factory=list)


def verify(asked: Question) -> Verdict:
    """Look at every file of a folder. Raises Bad where the documents are wrong, Unproven where one is missing."""
    if not asked.folder.is_dir():
        raise Usage(f"There is no folder {asked.folder}.")
    own = asked.folder / names.OWN
    release = documents.release(_document(own, documents.RELEASE))
    verdict = Verdict(release)
    if asked.revision:
        require_revision(release, asked.revision)
    if not asked.unsigned:
        _prove(asked, own, verdict)
    known = documents.tensor_list(_document(own, documents.TENSORS), release) if release.root else []
    files = chosen(release, asked.include)
    verdict.faults += _strange(asked, release)
    verdict.faults += _wrong(asked.folder, files, known, verdict.faults)
    verdict.checked = len(files)
    verdict.faults.sort(key=lambda fault: fault.path)
    return verdict


def _document(own: Path, name: str) -> bytes:
    path = own / name
    if names.is_link(own) or names.is_link(path):
        raise Bad(f"{path} is a link, which weighbridge never makes.")
    try:
        return path.read_bytes()
    except OSError as fault:
        raise Unproven(
            f"There is no {path}. What is needed to verify is stored by: "
            f"weighbridge get LAB/MODEL --to {shlex.quote(str(own.parent))}"
        ) from fault


def _prove(asked: Question, own: Path, verdict: Verdict) -> None:
    raw = _document(own, documents.SIGNATURE)
    known = trust.trusted(_address(asked, own), asked.key)
    verdict.signed, verdict.whose = signature.verify(raw, known.keys, verdict.release), known.whose


def _address(asked: Question, own: Path) -> str:
    """Whose key is meant, where none was given: the portal that the folder came from."""
    if asked.key or asked.portal:
        return asked.portal and home.portal(asked.portal)
    try:
        return home.portal(_document(own, documents.PORTAL).decode("utf-8", "replace") or "nowhere")
    except Usage as fault:
        raise Unproven(f"{own / documents.PORTAL} names no portal. Say which with --portal or --key.") from fault


def _wrong(folder: Path, files: Sequence[File], known: Sequence[Tensor], strange: Sequence[Fault]) -> list[Fault]:
    """Files of the release that are missing or changed; links are told already."""
    told = {fault.path for fault in strange}
    looked = [file for file in files if file.path not in told]
    with ThreadPoolExecutor(min(4, os.cpu_count() or 1)) as threads:
        found = threads.map(lambda file: _look(folder, file, known), looked)
        return [fault for fault in found if fault]


def _look(folder: Path, file: File, known: Sequence[Tensor]) -> Optional[Fault]:
    path = folder / file.path
    try:
        if examining.same(path, file):
            return examining.mislabelled(path, file, known)
        if stat.S_ISREG(os.lstat(path).st_mode):
            return examining.changed(path, file, known)
    except (FileNotFoundError, NotADirectoryError):
        pass
    except OSError as fault:
        return Fault(file.path, "changed", f"{file.path} cannot be read: {fault.strerror}.")
    return Fault(file.path, "missing", f"{file.path} is missing.")


def _strange(asked: Question, release: Release) -> list[Fault]:
    """Whatever lies in the folder and is no plain file of the release, whatever it is called and wherever it lies."""
    released = {file.path for file in release.files}
    by_fold = {names.folded(path): path for path in released}
    found = []
    for path, mode in _everything(asked.folder, ""):
        shown = names.clean(path)
        if stat.S_ISLNK(mode):
            found.append(Fault(path, "link", f"{shown} is a link; a release has none."))
        elif not stat.S_ISREG(mode):
            found.append(Fault(path, "special", f"{shown} is no plain file; a release has no others."))
        elif path in released or _ours(path) or any(fnmatchcase(path, pattern) for pattern in asked.ignore):
            continue
        elif (meant := by_fold.get(names.folded(path))) is not None:
            found.append(Fault(path, "renamed", f"{shown} is written another way than in the release, {meant}."))
        else:
            found.append(Fault(path, "added", f"{shown} is not part of the release."))
    return found


def _ours(path: str) -> bool:
    """What `weighbridge get` leaves beside the files, and nothing else there."""
    parts = path.split("/")
    if parts[0] != names.OWN:
        return False
    return (len(parts) == 2 and parts[1] in documents.ALL) or parts[1:] == [PARTS, LOCK]


def _everything(folder: Path, prefix: str) -> Iterator[tuple[str, int]]:
    """(path, mode) of all that is no folder, below; links are not followed."""
    with os.scandir(folder) as entries:
        for entry in sorted(entries, key=lambda each: each.name):
            path = f"{prefix}{entry.name}"
            mode = entry.stat(follow_symlinks=False).st_mode
            if stat.S_ISDIR(mode):
                yield from _everything(folder / entry.name, f"{path}/")
            else:
                yield path, mode
