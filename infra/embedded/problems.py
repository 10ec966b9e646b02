"""A start that cannot go on, as one clear sentence and the next step."""

from __future__ import annotations


class Problem(Exception):
    """Why the stack cannot start (or stop), and what to do about it.

    Both are shown as they are, without a traceback.
    """

    def __init__(self, sentence: str, step: str) -> None:
        super().__init__(f"{sentence} {step}")
        self.sentence = sentence
        self.step = step
