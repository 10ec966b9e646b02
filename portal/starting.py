"""How a process begins. What is imported stays: a collector of garbage that goes through all of it again and again takes a
quarter of the second that Django and the portal need (`python -X importtime`)."""

from __future__ import annotations

import gc
import os
from collections.abc import Iterator
from contextlib import contextmanager


@contextmanager
def imports() -> Iterator[None]:
    """Import with the portal's settings, and collect no garbage until it is done; what is there by then is never looked at."""
    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "portal.settings")
    gc.disable()
    try:
        yield
    finally:
        gc.freeze()
        gc.enable()
