"""Files become a revision: look, copy, commit, check, publish. Repeating it changes nothing.

Look refuses what could never be published before a byte is copied. Copy takes each file into the store and notes it
in a journal, so that a run that was killed goes on with the file it was at. Commit names the tree: the same files
give the same revision, however often and from wherever they come.
"""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from datetime import datetime
from pathlib import Path
from typing import BinaryIO

from django.conf import settings

from portal.errors import Invalid
from portal.people.models import User
from releases import actions, formats, git, names
from releases.actions import NewFile
from releases.actions.rights import require_staff, require_there
from releases.models import Model, Revision
from releases.sources import Found, Source, named
from releases.spoken import spoken
from releases.storage import store

Report = Callable[[str, int, int], None]
"""Told (path, bytes done, bytes of the file) as copying goes on."""


@dataclass(frozen=True, slots=True)
class Looked:
    """A source whose files could be published, as far as their names and heads tell."""

    source: Source
    files: list[Found]


def ingest(
    source: str | Path | Looked,
    *,
    model: Model,
    by: User | None,
    message: str = "",
    publish: bool = False,
    at: datetime | None = None,
    report: Report | None = None,
) -> Revision:
    """The revision of `model` that holds exactly the files of `source`; published when asked for.

    A source is a folder, `s3://bucket/prefix` or `hub:https://host/namespace/name@revision` (releases.sources), or one that
    was looked at before. Raises
    Invalid with a sentence for the publisher, NotAllowed or NotFound before a byte is copied; nothing is published then. Safe
    to kill and to repeat.
    """
    require_staff(by, model.lab)
    require_there(model)
    looked = source if isinstance(source, Looked) else look(source)
    place, journal = looked.source, Journal(looked.source, model)
    files = [journal.recall(file) or journal.note(file, _take(place, file, report)) for file in looked.files]
    revision, _new = actions.commit(model=model, files=files, by=by, message=message or "Ingest files", at=at)
    revision = actions.check(revision=revision, by=by)
    if revision.findings:
        told = [spoken(finding) for finding in revision.findings]
        raise Invalid(" ".join(told), fields={"files": told})
    journal.close()
    return actions.publish(revision=revision, by=by) if publish else revision


def look(source: str | Path) -> Looked:
    """The source and its files, by path. Raises Invalid for none at all, links, devices, unsafe names and forbidden formats."""
    place = named(source)
    found = sorted(place.files(), key=lambda file: file.path)
    if not found:
        raise Invalid(f"There is no file in {source}.")
    names.check_paths(file.path for file in found)
    for file in found:
        with _opened(place, file) as content:
            formats.check(file.path, file.size, content)
    return Looked(place, found)


class Journal:
    """What a former, interrupted run has stored: one JSON line per file, beside the store's staging area."""

    def __init__(self, source: Source, model: Model) -> None:
        key = hashlib.sha256(f"{model.pk}\0{source.name}".encode()).hexdigest()[:32]
        self._path = Path(settings.STORE_PATH) / "staging" / f"journal-{key}.jsonl"
        self._lines = dict(self._read())

    def recall(self, file: Found) -> NewFile | None:
        """The file as it was stored, if it has not changed since and the store still holds it."""
        stored = self._lines.get(repr(file))
        return stored if stored and store().size(stored.sha256) == stored.size else None

    def note(self, file: Found, stored: NewFile) -> NewFile:
        """Remember a stored file; on disk before this returns."""
        self._path.parent.mkdir(parents=True, exist_ok=True)
        with self._path.open("a", encoding="utf-8") as lines:
            lines.write(json.dumps([repr(file), asdict(stored)]) + "\n")
            lines.flush()
            os.fsync(lines.fileno())
        return stored

    def close(self) -> None:
        """The work is done: nothing needs remembering."""
        self._path.unlink(missing_ok=True)

    def _read(self) -> Iterator[tuple[str, NewFile]]:
        if not self._path.exists():
            return
        for line in self._path.read_text(encoding="utf-8").splitlines():
            try:
                key, stored = json.loads(line)
                yield key, NewFile(**stored)
            except (ValueError, TypeError):
                continue  # the line that was being written when the run was killed


@contextmanager
def _opened(source: Source, file: Found) -> Iterator[BinaryIO]:
    try:
        with source.open(file) as content:
            yield content
    except OSError as fault:
        raise Invalid(f"{file.path} did not arrive: {fault}. Ingest again: what has arrived before is kept.") from fault


def _take(source: Source, file: Found, report: Report | None) -> NewFile:
    done = 0

    def moved(size: int) -> None:
        nonlocal done
        done += size
        if report:
            report(file.path, done, file.size)

    with _opened(source, file) as content:
        sha256, size = store().put(content, moved=moved)
        if size != file.size:
            raise Invalid(f"{file.path} changed while it was being copied. Ingest it again when it rests.")
        actions.repair(sha256=sha256, source=content)
    lfs = git.is_lfs(file.path, size)
    with store().open(sha256) as held:
        blob = git.blob_id_of(held, size) if file.sha1 or not lfs else ""
    if file.sha256 not in {"", sha256} or file.sha1 not in {"", blob}:
        raise Invalid(f"{file.path} is not the file that its source says it is: its SHA-256 is {sha256}.")
    return NewFile(file.path, size, sha256, git.blob_id(git.pointer(sha256, size)) if lfs else blob, lfs)
