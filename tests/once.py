"""What one process of a run has made and later ones may take over. `make test` names a folder for it, and removes it at
its end; without one everything is made anew, so that nothing outlives the code that made it."""

from __future__ import annotations

import fcntl
import os
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path


def _folder() -> Path | None:
    named = os.environ.get("TEST_RUN")
    return Path(named) if named else None


def left(name: str) -> Path | None:
    """What was left under this name, a file or a folder, whole; None where nothing was."""
    folder = _folder()
    return folder / name if folder and (folder / name).exists() else None


def leave(name: str, make: Callable[[Path], None]) -> None:
    """Have `make` write it to a path that is not there yet, unless it was left already or nobody comes later."""
    folder = _folder()
    if folder is None or left(name):
        return
    place = Path(tempfile.mkdtemp(dir=folder))
    make(place / name)
    try:
        (place / name).rename(folder / name)
        place.rmdir()
    except OSError:
        if not left(name):  # else another process was quicker
            raise


@contextmanager
def first(name: str) -> Iterator[bool]:
    """Whether this process is the one to make it. Who comes meanwhile waits until it is left, which costs no processor, or
    until the first has failed, and is then the first."""
    folder = _folder()
    if folder is None:
        yield True
        return
    with (folder / f"{name}.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        made = left(name) is not None
        if made:
            fcntl.flock(lock, fcntl.LOCK_UN)
        yield not made
