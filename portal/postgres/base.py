"""A connection that was used a moment ago, and on which the server has said nothing since, is fit for use.

Django asks `SELECT 1` before each request. A server that goes down, or a pooler that lets go, closes the connection, which
can be seen on the socket without a round trip. What neither of them tells, such as a firewall that forgets a connection,
takes longer than LATELY_S; then the question is asked as always.
"""

from __future__ import annotations

import select
import time
from typing import Final

from django.db.backends.postgresql import base

LATELY_S: Final = 5.0


class DatabaseWrapper(base.DatabaseWrapper):
    """Django's, with a cheaper answer to whether the connection is usable."""

    _used_at = float("-inf")

    def is_usable(self) -> bool:
        """Whether the server answers; not asked of a quiet connection without a fault that was used within LATELY_S."""
        if self.connection is None:
            return False
        now = time.monotonic()
        lately = now - self._used_at < LATELY_S and not self.errors_occurred
        usable = (lately and self._is_quiet()) or bool(super().is_usable())
        self._used_at = now if usable else float("-inf")
        return usable

    def _is_quiet(self) -> bool:
        """Nothing waits to be read: neither the server's last words nor the end."""
        if self.connection.closed:
            return False
        heard = select.poll()
        heard.register(self.connection.fileno(), select.POLLIN)
        return not heard.poll(0)
