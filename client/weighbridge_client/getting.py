"""`weighbridge get`: a release's documents first, then its files, each proven before it has its name."""

from __future__ import annotations

import contextlib
import re
import shutil
import threading
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from fnmatch import fnmatchcase
from pathlib import Path
from typing import Optional

from weighbridge_client import documents, examining, home, names, signature, trust
from weighbridge_client.documents import File, Release, Tensor
from weighbridge_client.errors import Bad, ClientError, Refused, Unproven, Usage
from weighbridge_client.examining import Fault
from weighbridge_client.fetching import Fetching
from weighbridge_client.parts import Arriving
from weighbridge_client.portal import Portal
from weighbridge_client.progress import Progress

_COMMIT = re.compile(r"[0-9a-fA-F]{7,40}")
PARTS, LOCK = "parts", "lock"


@dataclass
class Wish:
    """What was asked for."""

    model: str
    revision: str
    folder: Path
    include: Sequence[str] = ()
    exclude: Sequence[str] = ()
    key: Optional[Path] = None
    unsigned: bool = False
    threads: int = 4
    quiet: bool = False


@dataclass
class Got:
    """What came of it."""

    release: Release
    folder: Path
    signed: Optional[signature.Signed] = None
    whose: str = ""
    present: list[str] = field(default_factory=list)
    fetched: list[str] = field(default_factory=list)
    faults: list[Fault] = field(default_factory=list)
    unproven: str = ""
    withdrawn: str = ""
    """When the portal withdrew it (ISO 8601)."""
    before: str = ""
    """The commit of another release of the model, which lay there."""


def get(portal: Portal, wish: Wish, learnt: trust.Learnt) -> Got:
    """Bring a release into a folder; `learnt` is filled in as keys are kept, whatever is raised after that.

    Raises a ClientError; files that are not as released are in `faults`.
    """
    names.model(wish.model)
    raw, withdrawn = portal.released(wish.model, wish.revision)
    release = documents.release(raw)
    require_revision(release, wish.revision)
    files = chosen(release, wish.include, wish.exclude)
    got = Got(release, wish.folder, withdrawn=withdrawn)
    own = _prepared(wish.folder)
    with _alone(own):
        _prove(portal, wish, got, learnt)
        got.before = _before(own, release)
        known = _keep_documents(portal, wish, got, own)
        missing = _look(wish.folder, files, got)
        _clear(own / PARTS, release, got)
        _require_room(wish.folder, missing, own / PARTS)
        _fetch(portal, wish, got, missing, known)
    return got


def require_revision(release: Release, revision: str) -> None:
    """Raise Bad where a commit was named and this is another one: an old release, shown for a new one."""
    if _COMMIT.fullmatch(revision) and not release.names(revision):
        raise Bad(f"This is the release {release.commit[:12]}, not {revision}: an older one was put in its place.")


def chosen(release: Release, include: Sequence[str], exclude: Sequence[str] = ()) -> list[File]:
    """The files that the patterns name; all of them where there is no pattern. Raises Usage where none is left."""
    found = [
        file
        for file in release.files
        if (not include or any(fnmatchcase(file.path, pattern) for pattern in include))
        and not any(fnmatchcase(file.path, pattern) for pattern in exclude)
    ]
    if release.files and not found:
        raise Usage(f"No file of {release.model} fits these patterns. It has, for example, {release.files[0].path}.")
    return found


def _before(own: Path, release: Release) -> str:
    """The commit of another release of this model whose document lies in the folder; "" where there is none."""
    try:
        lay = documents.release((own / documents.RELEASE).read_bytes())
    except (OSError, ClientError):
        return ""
    return lay.commit if lay.model == release.model and lay.commit != release.commit else ""


def _prepared(folder: Path) -> Path:
    own = folder / names.OWN
    for place in (own, own / PARTS, own / PARTS / LOCK):
        if names.is_link(place):
            raise Bad(f"{place} is a link. Remove it, or choose another folder.")
    try:
        (own / PARTS).mkdir(parents=True, exist_ok=True)
        for torn in own.glob(".*"):  # documents that a killed run was writing
            torn.unlink()
    except OSError as fault:
        raise Usage(f"{folder} cannot be written: {fault.strerror}. Choose another with --to.") from fault
    return own


@contextlib.contextmanager
def _alone(own: Path) -> Iterator[None]:
    """One run at a time in a folder; the lock goes with the process, however it ends."""
    import fcntl  # noqa: PLC0415 - not on every system, and `verify` works without it

    with (own / PARTS / LOCK).open("w") as turn:
        try:
            fcntl.flock(turn, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError as fault:
            raise Usage(
                f"Another weighbridge is at work in {own.parent}. Wait for it, or choose another folder."
            ) from fault
        yield


def _prove(portal: Portal, wish: Wish, got: Got, learnt: trust.Learnt) -> None:
    """The signature, before any byte: what is not signed by the key one trusts is not worth fetching."""
    try:
        known = trust.trusted(portal.address, wish.key, portal.key)
        learnt.of, learnt.new = known.whose, known.new
        raw, vouched = _signature(portal, wish, got.release, known)
    except Unproven as fault:
        if not wish.unsigned:
            raise Unproven(f"{fault.sentence} To fetch it without a signature, add --unsigned.") from fault
        got.unproven = fault.sentence
        return
    got.signed = signature.verify(raw, [*vouched, *known.keys], got.release)
    got.whose = known.whose
    if vouched:
        trust.keep(portal.address, [*vouched, *known.keys])
        learnt.vouched = vouched
    home.write(wish.folder / names.OWN / documents.SIGNATURE, raw, mode=0o644)


def _signature(portal: Portal, wish: Wish, release: Release, known: trust.Trusted) -> tuple[bytes, list[signature.Key]]:
    """The signature by a key that is trusted, or by one of those, given too, that such a key vouches for.

    Raises Unproven where there is none.
    """
    found, vouched = _signature_by(portal, wish, release, known.keys), list[signature.Key]()
    if found is None and wish.key is None:
        vouched = signature.vouched(portal.vouches(), known.keys)
        found = _signature_by(portal, wish, release, vouched)
    if found is None:
        where = "" if wish.key else f" If the portal announced a new key, remove {home.key_file(portal.address)}."
        raise Unproven(f"{release.model} has no signature by the key of {known.whose}.{where}")
    return found, vouched


def _signature_by(portal: Portal, wish: Wish, release: Release, keys: Sequence[signature.Key]) -> Optional[bytes]:
    for each in keys:
        with contextlib.suppress(Refused):
            asked = f"?key={each.fingerprint}"
            return portal.document(wish.model, release.commit, documents.SIGNATURE, asked)
    return None


def _keep_documents(portal: Portal, wish: Wish, got: Got, own: Path) -> list[Tensor]:
    """Store what `verify` needs; the tensors by name."""
    home.write(own / documents.RELEASE, got.release.raw, mode=0o644)
    home.write(own / documents.PORTAL, f"{portal.address}\n".encode(), mode=0o644)
    if not got.release.root:
        (own / documents.TENSORS).unlink(missing_ok=True)
        return []
    raw = portal.document(wish.model, got.release.commit, documents.TENSORS)
    known = documents.tensor_list(raw, got.release)
    home.write(own / documents.TENSORS, raw, mode=0o644)
    return known


def _look(folder: Path, files: Sequence[File], got: Got) -> list[File]:
    """The files that are not here yet."""
    missing = []
    for file in files:
        if examining.same(names.inside(folder, file.path), file):
            got.present.append(file.path)
        else:
            missing.append(file)
    return missing


def _clear(parts: Path, release: Release, got: Got) -> None:
    """Leave of earlier runs what this release still lacks; nothing would ever take the rest away."""
    here = set(got.present)
    lacking = {file.sha256 for file in release.files if file.path not in here}
    for path in parts.iterdir():
        if path.name != LOCK and (
            path.suffix not in (".part", ".json") or path.stem not in lacking or names.is_link(path)
        ):
            path.unlink()


def _require_room(folder: Path, missing: Sequence[File], parts: Path) -> None:
    begun = sum(
        (parts / f"{sha256}.part").stat().st_blocks * 512
        for sha256 in {file.sha256 for file in missing}
        if (parts / f"{sha256}.part").exists()
    )
    needed = sum(file.size for file in missing) - begun
    free = shutil.disk_usage(folder).free
    if needed > free:
        raise Usage(f"{needed:,} bytes are needed in {folder}, and {free:,} are free. Make room, or choose --to.")


def _fetch(portal: Portal, wish: Wish, got: Got, missing: Sequence[File], known: Sequence[Tensor]) -> None:
    twins: dict[str, list[File]] = {}  # files of one content come once
    for file in missing:
        twins.setdefault(file.sha256, []).append(file)
    wanted = [first for first, *_others in twins.values()]
    progress = Progress(sum(file.size for file in wanted), len(wanted), quiet=wish.quiet)
    turn = threading.Lock()

    def settle(arriving: Arriving) -> None:
        file = arriving.file
        if arriving.digest() == file.sha256:
            _, *others = twins[file.sha256]
            for other in others:
                arriving.copy_to(names.inside(wish.folder, other.path))
            arriving.move_to(names.inside(wish.folder, file.path))
            with turn:
                got.fetched += [file.path, *(other.path for other in others)]
            return
        fault = examining.changed(arriving.part_path, file, known)
        arriving.forget()  # so that the next run begins anew
        with turn:
            got.faults.append(fault)

    fetching = Fetching(portal, got.release, wish.model, progress, threads=wish.threads)
    try:
        fetching.run(wanted, wish.folder / names.OWN / PARTS, settle)
    except OSError as fault:
        raise ClientError(f"{wish.folder} cannot be written: {fault.strerror}. What is here is kept.") from fault
    finally:
        progress.end()
