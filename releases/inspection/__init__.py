"""Reading what a stranger made, in a child process with caps. Everything here but `asking` runs in that child.

No Django, no settings: the child gets pieces of one file through a pipe and answers once, in JSON. It may not open a
file or a socket, and it dies at MEMORY_MAX or SECONDS_MAX.
"""

from __future__ import annotations

from typing import Final

from releases.sentences import Sentence

MEMORY_MAX: Final = 512 << 20
"""Bytes of address space."""
SECONDS_MAX: Final = 20
"""Of CPU."""
WALL_MAX: Final = 45
"""Seconds by the clock, waiting for the store included; then the child is killed."""


class Refused(ValueError):
    """The file is not what its name says; `part` completes the sentence "model.safetensors …"."""

    def __init__(self, part: Sentence) -> None:
        super().__init__(str(part))
        self.part = part
