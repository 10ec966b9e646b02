"""Bytes of files, in parallel parts. Each part has a link of its own, and each retry a fresh one."""

from __future__ import annotations

import os
import threading
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Optional

from urllib3.exceptions import HTTPError

from weighbridge_client.documents import File, Release
from weighbridge_client.errors import Bad, Refused, Unreachable
from weighbridge_client.parts import Arriving
from weighbridge_client.portal import Later, Portal
from weighbridge_client.progress import Progress

TRIES = 6
"""Tries in a row that bring no byte before we give up; progress begins the count anew."""
_PIECE = 1 << 20
_LONGEST_WAIT_S = 8.0
_WORTH_WAITING_S = 360.0
"""A rate opens again within minutes and is waited for; a cap of a day is told at once."""
Settle = Callable[[Arriving], None]


class Fetching:
    """One run: so many threads take the next part of the next file until all are there, or one of them fails for good."""

    def __init__(self, portal: Portal, release: Release, model: str, progress: Progress, *, threads: int) -> None:
        self._portal, self._release, self._model = portal, release, model
        self._progress, self._threads = progress, threads
        self._stop = threading.Event()
        self._turn = threading.Lock()
        self._failure: Optional[BaseException] = None

    def run(self, files: Sequence[File], parts: Path, settle: Settle) -> None:
        """Fetch all; `settle` gets each file when it is whole. Raises what the first failing part raised."""
        jobs = self._jobs(files, parts, settle)
        workers = [threading.Thread(target=self._work, args=(jobs, settle), daemon=True) for _ in range(self._threads)]
        for worker in workers:
            worker.start()
        try:
            for worker in workers:
                worker.join()
        except BaseException:
            self._stop.set()
            raise
        if self._failure is not None:
            raise self._failure

    def _jobs(self, files: Sequence[File], parts: Path, settle: Settle) -> Iterator[tuple[Arriving, int]]:
        """Every part that is missing, file by file; what an earlier run has completed is settled on the way."""
        for file in files:
            arriving = Arriving(file, parts)
            arriving.open()
            missing = arriving.missing()
            came = sum(end - start for start, end in map(arriving.span, missing))
            self._progress.found(file.size - came)
            if not missing:
                self._settle(arriving, settle)
            for number in missing:
                yield arriving, number

    def _work(self, jobs: Iterator[tuple[Arriving, int]], settle: Settle) -> None:
        try:
            while not self._stop.is_set():
                with self._turn:
                    job = next(jobs, None)
                if job is None:
                    return
                arriving, number = job
                self._part(arriving, number)
                if arriving.finish(number):
                    self._settle(arriving, settle)
        except BaseException as failure:  # noqa: BLE001 - it is raised again in the thread that waits
            with self._turn:
                self._failure = self._failure or failure
            self._stop.set()

    def _settle(self, arriving: Arriving, settle: Settle) -> None:
        """Hand it over; where parts of an earlier run are in it and it is wrong, all of it comes again first."""
        if arriving.resumed and arriving.digest() != arriving.file.sha256:
            arriving.forget()
            arriving.open()
            self._progress.arrived(-arriving.file.size)
            for number in range(arriving.count):
                self._part(arriving, number)
                arriving.finish(number)
        settle(arriving)
        self._progress.one_ready()

    def _part(self, arriving: Arriving, number: int) -> None:
        at, end = arriving.span(number)
        tries = 0
        while at < end:
            if self._stop.is_set():
                raise Unreachable("Stopped.")
            before, wait, told = at, 0.0, "it broke off"
            try:
                for piece in self._pieces(arriving.file, at, end):
                    arriving.write(at, piece)
                    at += len(piece)
                    self._progress.arrived(len(piece))
            except Later as later:
                wait, told = later.after_s, later.sentence
                if wait > _WORTH_WAITING_S:
                    ends = Refused if later.limited else Unreachable
                    raise ends(f"{told} What is here is kept; run it again then.") from later
                self._progress.waits(wait, told)
            except HTTPError:
                pass  # the connection broke; what came is written
            tries = 0 if at > before else tries + 1
            if tries >= TRIES:
                raise Unreachable(
                    f"{arriving.file.path} does not come: {told} What is here is kept; run it again later."
                )
            if at < end:
                self._stop.wait(wait or min(_LONGEST_WAIT_S, 0.25 * 2**tries))

    def _pieces(self, file: File, at: int, end: int) -> Iterator[bytes]:
        wanted = f"bytes={at}-{end - 1}"
        link = self._portal.link(self._model, self._release.commit, file.path, wanted)
        with self._portal.opened(link, wanted) as answer:
            given = answer.headers.get("Content-Range", "")
            if given != f"bytes {at}-{end - 1}/{file.size}":
                raise Bad(f"The store gave {given!r} of {file.path}, which has {file.size:,} bytes in the release.")
            left = end - at
            while left > 0 and not self._stop.is_set():
                piece = answer.read(min(_PIECE, left), decode_content=False)
                if not piece:
                    return
                left -= len(piece)
                yield piece


def default_threads() -> int:
    """More than the processors hide the way to the portal; many more only fight for the disk."""
    return min(8, max(4, os.cpu_count() or 4))
