"""A task's way through many rows: each by itself, so that one which cannot be done holds up none behind it."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterable
from typing import TypeVar

from portal.postgres.faults import is_away

logger = logging.getLogger(__name__)

Row = TypeVar("Row")


def sweep(rows: Iterable[Row], act: Callable[[Row], int]) -> int:
    """The sum of what `act` returned of each row. One that fails is logged with its trace; the next sweep finds it again.

    Raises what is wrong with the database itself: no row behind it could be done either.
    """
    done = 0
    for row in rows:
        try:
            done += act(row)
        except Exception as error:
            if is_away(error):
                raise
            logger.exception(
                "%s %s cannot be done; going on with the others", type(row).__name__, getattr(row, "pk", row)
            )
    return done
