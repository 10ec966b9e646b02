"""What the process that looks into weights says of a small file, kept for the next test that publishes the same bytes: to
start it costs 0.03 s of a processor, and each model is looked into twice on its way."""

from __future__ import annotations

import copy
import hashlib
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, BinaryIO, Final
from unittest import mock

from releases.inspection import asking

_SMALL: Final = 1 << 20
"""Bytes: what may be read whole to be known again."""
_asked: Final = asking.ask
_said: dict[tuple[str, bytes], dict[str, Any]] = {}


@contextmanager
def remembered() -> Iterator[None]:
    """Meanwhile no bytes are looked into that were found fit before. For what a test begins with, never for its subject."""
    if asking.ask is not _asked:  # a test has put something of its own there
        yield
        return
    with mock.patch.object(asking, "ask", _ask):
        yield


def _ask(job: str, source: BinaryIO, size: int) -> dict[str, Any]:
    if size > _SMALL:
        return _asked(job, source, size)
    source.seek(0)
    key = (job, hashlib.sha256(source.read()).digest())
    if key not in _said:
        source.seek(0)
        _said[key] = _asked(job, source, size)
    return copy.deepcopy(_said[key])
