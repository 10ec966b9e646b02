"""Whether an error says that the connection is gone, or that the server refused one statement and still listens."""

from __future__ import annotations

from typing import Final

from django.db import Error, InterfaceError, OperationalError

_TROUBLE_ON_THE_WAY: Final = "08"
_ENDED: Final = {"57P01", "57P02", "57P03", "57P04", "57P05", "25P03", "25P04"}
"""The server shuts down, has crashed, does not listen yet, has dropped the database, or was tired of waiting for us."""


def is_lost(error: Error) -> bool:
    """Whether the connection is gone. A deadlock or a timeout is not that, though Django gives it the same type.

    It is told by what the server said, not by the state of the connection: Django has made a new one by now.
    """
    code = getattr(error.__cause__, "pgcode", None)
    if code is None:
        return isinstance(error, InterfaceError | OperationalError)
    return code.startswith(_TROUBLE_ON_THE_WAY) or code in _ENDED
