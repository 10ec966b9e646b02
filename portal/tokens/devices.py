"""Device login (RFC 8628) without Django: its codes, its clients, and its states as one table."""

from __future__ import annotations

import re
import secrets
from collections.abc import Iterable
from datetime import timedelta
from enum import StrEnum
from typing import Final

LIFE: Final = timedelta(minutes=10)
INTERVAL_S: Final = 5
"""Seconds between two polls, and how many more after one that came too early (RFC 8628, section 3.5)."""
LONGEST_INTERVAL_S: Final = int(LIFE.total_seconds())
"""A program that never waits is not told to wait for longer than its code lives."""

ALPHABET: Final = "BCDFGHJKLMNPQRSTVWXZ"
"""Twenty consonants: nothing to mistake for a digit, and no words (RFC 8628, section 6.1)."""
LENGTH: Final = 8
"""34 bits; what makes it safe is that few tries are allowed while the code lives."""

CLIENTS: Final = {
    "weighbridge": "weighbridge",
    "26be6b09-91c5-47da-9861-d2d2bb7a7e36": "hf",
}
"""Names of the clients that we know, by the `client_id` they send; `hf` is huggingface_hub's own."""


class State(StrEnum):
    """Where a device login stands; past its ten minutes it is expired, whatever this says."""

    WAITING = "waiting"
    APPROVED = "approved"
    REFUSED = "refused"
    COLLECTED = "collected"


class Verb(StrEnum):
    """What can be done about one."""

    APPROVE = "approve"
    REFUSE = "refuse"
    COLLECT = "collect"


PERSON: Final = ("person",)
DEVICE: Final = ("device",)
TABLE: Final[dict[tuple[State, Verb], tuple[State, Iterable[str]]]] = {
    (State.WAITING, Verb.APPROVE): (State.APPROVED, PERSON),
    (State.WAITING, Verb.REFUSE): (State.REFUSED, PERSON),
    (State.APPROVED, Verb.COLLECT): (State.COLLECTED, DEVICE),
}


def after(state: str, verb: Verb) -> State | None:
    """The state that follows; None where the table has no such step."""
    step = TABLE.get((State(state), verb))
    return step[0] if step else None


def make_user_code() -> str:
    """What a person types, in capitals without its hyphen."""
    return "".join(secrets.choice(ALPHABET) for _ in range(LENGTH))


def shown(user_code: str) -> str:
    """The code as it is read: `BCDF-GHJK`."""
    return f"{user_code[:4]}-{user_code[4:]}"


def typed(text: str) -> str:
    """The code that somebody typed, whatever the case, hyphens and blanks; empty where it cannot be one."""
    code = re.sub(r"[\s\-–—.]", "", text).upper()
    return code if len(code) == LENGTH and set(code) <= set(ALPHABET) else ""


def client_name(client_id: str) -> str:
    """What we call a client; empty where we do not know it."""
    return CLIENTS.get(client_id, "")
