"""One conversion, carried out by a worker: sources out of the store, the program in its folder, results into it."""

from __future__ import annotations

import hashlib
import logging
import os
import re
import shutil
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any, BinaryIO, Final, cast
from uuid import UUID

from django.conf import settings
from django.utils import timezone

from portal.errors import WeighbridgeError
from releases import formats, git
from releases.actions import NewFile, files_of
from releases.conversion import actions, receipts, runner
from releases.conversion.wishes import Wish
from releases.conversion_lifecycle import Stage
from releases.conversion_models import Conversion
from releases.proofs import digests, merkle
from releases.sentences import Sentence
from releases.storage import store

logger = logging.getLogger(__name__)
GROWTH: Final = 4
"""How many times the bytes of its sources a conversion may write: F16 to F32 doubles, shared tensors are written out."""
ROOM: Final = 64 << 20
_PIECE: Final = 1 << 20
_TELL_S: Final = 1.0
_FOLDER: Final = re.compile(r"([0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12})_[0-9.]+")
"""The folder of a conversion's run: its id, and when it began."""


def carry_out(pk: UUID) -> None:
    """Convert what is queued under this id; whatever happens, the row says so in the end."""
    _sweep()
    conversion = actions.begin(pk=pk)
    if conversion is None:
        return
    try:
        actions.require_wanted(conversion)
        with _scratch(conversion) as scratch:
            _convert(conversion, scratch)
    except runner.Ended:
        logger.info("conversion %s was cancelled", pk)
    except runner.Failed as fault:
        actions.fail(conversion=conversion, problem=fault.told)
    except formats.Unfit as fault:
        actions.fail(conversion=conversion, problem=fault.said)
    except WeighbridgeError as fault:
        # Said in this worker's language, which is the one that sentences are written in: most are in the catalogues.
        actions.fail(conversion=conversion, problem=Sentence(fault.message.replace("%", "%%")))
    except Exception:
        problem = Sentence("Something went wrong on our side. Try again, and tell the operator if it stays so.")
        actions.fail(conversion=conversion, problem=problem)
        raise


def _convert(conversion: Conversion, scratch: Path) -> None:
    wish = Wish.of(conversion.operation, conversion.files, conversion.options)
    held = files_of(conversion.source)
    inputs = [held[path] for path in wish.files]
    log = Log(conversion)
    for number, file in enumerate(inputs):
        _fetch(file, scratch / "in" / str(number), log)
    size = sum(file.size for file in inputs)
    job = {
        "operation": wish.operation,
        "options": {"shards": wish.shards, "dtype": wish.dtype, "architecture": wish.architecture},
        "files": [{"path": file.path, "at": str(number)} for number, file in enumerate(inputs)],
        "closed_in_already": settings.CONVERTER_CLOSED_IN,
    }
    bounds = runner.Bounds(settings.CONVERSION_SECONDS, settings.CONVERSION_MEMORY_MIB << 20, disk=GROWTH * size + ROOM)
    ear = runner.Ear(log.say, log.moved, log.write)
    report = runner.run(Path(settings.CONVERTER_PYTHON), scratch, job, bounds, ear)
    found = dict[str, bytes]()
    outputs = [_keep(scratch / "out" / Path(path).name, path, found, log) for path in wish.results()]
    told = _agree(report, found)
    log.write()
    actions.finish(conversion=conversion, inputs=inputs, outputs=outputs, report=told)


class Log:
    """What is told of a running conversion, written down once a second."""

    def __init__(self, conversion: Conversion) -> None:
        self._of, self._lines, self._written = conversion, list[tuple[str, str]](), 0.0
        self._done = self._total = 0

    def say(self, line: str) -> None:
        """A line with the time."""
        self._lines.append((timezone.now().isoformat(timespec="seconds"), line))
        del self._lines[: -actions.LOG_MAX]

    def moved(self, done: int, total: int) -> None:
        """Bytes passed, of all."""
        self._done, self._total = done, total

    def write(self) -> bool:
        """Put it into the row; whether to go on."""
        self._written = time.monotonic()
        return actions.progress(conversion=self._of, done=self._done, total=self._total, log=self._lines)

    def pause(self) -> None:
        """Between two pieces of a copy: write when it is time. Raises runner.Ended when it was cancelled."""
        if time.monotonic() - self._written > _TELL_S and not self.write():
            raise runner.Ended


@contextmanager
def _scratch(conversion: Conversion) -> Iterator[Path]:
    """A folder for this run alone, gone afterwards."""
    began = conversion.began_at.timestamp() if conversion.began_at else 0
    folder = Path(settings.CONVERSION_PATH) / f"{conversion.pk}_{began:.6f}"
    for name in ("in", "out"):
        (folder / name).mkdir(parents=True, mode=0o700)
    try:
        yield folder
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def _sweep() -> None:
    """Remove what killed workers left: folders of conversions that do not run."""
    for folder in Path(settings.CONVERSION_PATH).glob("*_*"):
        ours = _FOLDER.fullmatch(folder.name)  # anything else is another's, and stays
        if ours and not Conversion.objects.filter(pk=ours[1], stage=Stage.RUNNING).exists():
            shutil.rmtree(folder, ignore_errors=True)


def _fetch(file: NewFile, target: Path, log: Log) -> None:
    """A copy of a source, held against its digest: never the store's own file, which the program must not reach."""
    digest = hashlib.sha256()
    log.say(f"Fetching {file.path}.")
    with store().open(file.sha256) as source, target.open("xb") as copy:
        while piece := source.read(_PIECE):
            digest.update(piece)
            copy.write(piece)
            log.pause()
    if digest.hexdigest() != file.sha256:
        raise runner.Failed(
            Sentence("The store's copy of %(path)s does not match its digest. Upload it again.", path=file.path)
        )


def _keep(made: Path, path: str, found: dict[str, bytes], log: Log) -> NewFile:
    """A result in the store, as a file of a revision; its tensors' digests go into `found`.

    The file is held to everything that a publisher's is. Raises Failed for anything but a plain file, Invalid.
    """
    with _opened(made) as opened:
        source = cast("BinaryIO", _Heard(opened, log))
        size = os.fstat(opened.fileno()).st_size
        places = digests.layout(path, formats.check(path, size, source).tensors)
        found |= {place.name: bytes.fromhex(digest) for place, digest in digests.take(source, places).tensors}
        sha256, size = store().put(source)
        lfs = git.is_lfs(path, size)
        source.seek(0)
        content = git.pointer(sha256, size) if lfs else source.read()
    log.say(f"Kept {path}.")
    return NewFile(path, size, sha256, git.blob_id(content), lfs)


class _Heard:
    """A file whose reader is heard of, however long it reads, and stops when the conversion was cancelled."""

    def __init__(self, file: BinaryIO, log: Log) -> None:
        self._file, self._log = file, log

    def read(self, size: int = -1) -> bytes:
        """The next bytes. Raises runner.Ended."""
        self._log.pause()
        return self._file.read(size)

    def seek(self, offset: int, whence: int = 0) -> int:
        """As of any file."""
        return self._file.seek(offset, whence)

    def tell(self) -> int:
        """As of any file."""
        return self._file.tell()


def _agree(report: dict[str, Any], found: dict[str, bytes]) -> dict[str, Any]:
    """The report, held to its form, and its weight id against our own, which other code computes without torch."""
    told = receipts.shaped(report)
    _count, own = merkle.root(found[name] for name in sorted(found, key=str.encode))
    if told is None:
        raise runner.Failed(
            Sentence("The program told what no receipt can say. Nothing was kept; tell the portal's operator.")
        )
    if told["tensors"]["after"] != own:
        raise runner.Failed(
            Sentence("The program told another weight id than its files have. Nothing was kept; tell the operator.")
        )
    return told


@contextmanager
def _opened(made: Path) -> Iterator[BinaryIO]:
    handle: Any = None
    with suppress(OSError):
        handle = os.open(made, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK)
    if handle is None:
        raise runner.Failed(
            Sentence("The program said that it was done and left no result. Tell the portal's operator.")
        )
    with os.fdopen(handle, "rb") as source:
        yield source
