"""What many tests begin with is built by the real actions once, and copied into the transactions of the tests that come
soon after. A lab costs 0.07 s of this process's processor to build, and the database's beside it."""

from __future__ import annotations

import pickle
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Final, TypeVar
from weakref import WeakSet

import time_machine
from django.conf import UserSettingsHolder, settings
from django.db import connection
from django.db.transaction import Atomic

from tests import snapshot

T = TypeVar("T")

AGE_S: Final = 10.0
"""How long a copy may be used: what a test holds against the clock is no older than on a machine that stands still."""


@dataclass(frozen=True)
class _Copy:
    rows: snapshot.Rows
    given: bytes
    """What was returned, pickled: each test has objects of its own, as new as those of the action that made them."""
    built: float


_copies: dict[tuple[Any, ...], _Copy] = {}
_met: WeakSet[Atomic] = WeakSet()
"""The transactions of tests that have a copy: what they count themselves is not forgotten at their next."""


def of(build: Callable[..., T], *named: Any, **more: Any) -> T:
    """What `build` gives, and the rows that it adds, from a copy where there is one. What it does may hang on nothing that
    it finds in the database, and what it is told must be hashable. ValueError where it changes a row that it finds."""
    if not _usual():
        return build(*named, **more)
    key = (build, named, tuple(sorted(more.items())))
    copy = _copies.get(key)
    if copy is None or time.monotonic() - copy.built > AGE_S:
        return _built(key, lambda: build(*named, **more))
    if connection.atomic_blocks[0] not in _met:
        snapshot.forget()
        _met.add(connection.atomic_blocks[0])
    snapshot.put(copy.rows)
    given: T = pickle.loads(copy.given)
    return given


def _built(key: tuple[Any, ...], build: Callable[[], T]) -> T:
    before, begun = snapshot.take(), time.monotonic()
    given = build()
    _copies[key] = _Copy(snapshot.added(before, snapshot.take()), pickle.dumps(given), begun)
    return given


def _usual() -> bool:
    """Whether the test has the clock and the settings that all have, and will be rolled back: what is done at a commit
    would be missing from a copy."""
    blocks = connection.atomic_blocks
    rolled_back = bool(blocks) and blocks[0]._from_testcase
    return (
        rolled_back
        and not time_machine.escape_hatch.is_travelling()
        and type(settings._wrapped) is not UserSettingsHolder
    )
