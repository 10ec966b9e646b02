"""What an error says: the connection is gone, the database is away for everybody, or it refused one statement."""

from __future__ import annotations

from typing import Final

from django.db import Error, InterfaceError, OperationalError

_TROUBLE_ON_THE_WAY: Final = "08"
_ENDED: Final = {"57P01", "57P02", "57P03", "57P04", "57P05", "25P03", "25P04"}
"""The server shuts down, has crashed, does not listen yet, has dropped the database, or was tired of waiting for us."""
_WITHOUT_ROOM: Final = "53"
"""No disk, no memory or no connection is left (the class of insufficient resources)."""
_READS_ONLY: Final = "25006"
"""It stands by for another server, which is written to."""


def is_lost(error: Error) -> bool:
    """Whether the connection is gone. A deadlock or a timeout is not that, though Django gives it the same type.

    It is told by what the server said, not by the state of the connection: Django has made a new one by now.
    """
    code = _code(error)
    if not code:
        return isinstance(error, InterfaceError | OperationalError)
    return code.startswith(_TROUBLE_ON_THE_WAY) or code in _ENDED


def is_away(error: BaseException | None) -> bool:
    """Whether nobody's statement would do better now: the connection is gone, or the server has no room or only reads."""
    if not isinstance(error, Error):
        return False
    return is_lost(error) or _code(error).startswith(_WITHOUT_ROOM) or _code(error) == _READS_ONLY


def _code(error: Error) -> str:
    return getattr(error.__cause__, "pgcode", None) or ""
