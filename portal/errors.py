"""Everything that can go wrong, with no HTTP inside. Each edge translates to its client's dialect.

WeighbridgeError
├── Misconfigured      the operator must change a setting
├── NotSignedIn        who is asking is not known, and must be
├── BadToken           a token was shown that is malformed, unknown, expired or revoked
├── NotAllowed         known, and refused, with reasons
├── NotFound           there is nothing there, or nothing that this person may know of
├── Invalid            the input is wrong, field by field
│   └── Unprocessable  well formed, and at odds with what was sent before
├── Conflict           the thing has changed, or is in a state that does not allow this
├── TooLarge           over a published bound
├── TooMany            more often, or more, than is given in a time; says when to come again
└── Unavailable        a part of ours is not there now; try again after a while
    └── NotSetUp       the operator has not set that part up; trying again does not help
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Reason:
    """One condition that was not met, in words for the reader and a code for programs.

    `message` is read in a terminal too, so it may name the address `url`. A page has a button for that: `said` is what it
    says in place of the message, `step` what the button says; empty where the message and usual words do. `closed`: it is
    given to nobody, whatever the reader does.
    """

    code: str
    message: str
    url: str = ""
    said: str = ""
    step: str = ""
    closed: bool = False


class WeighbridgeError(Exception):
    """Base of all; `message` is one line that says what happened and what to do next."""

    code = "error"

    def __init__(self, message: str, *, code: str = "") -> None:
        super().__init__(message)
        self.message = message
        self.code = code or self.code


class Misconfigured(WeighbridgeError):
    """A setting is missing, contradictory or unsafe."""

    code = "misconfigured"


class NotSignedIn(WeighbridgeError):
    """Nobody is signed in and no token was shown."""

    code = "not_signed_in"


class BadToken(WeighbridgeError):
    """The token is malformed, unknown, expired or revoked; `code` says which."""

    code = "invalid_token"


class NotAllowed(WeighbridgeError):
    """Known and refused. `reasons` lists every condition that was not met; `why` is where all of them are shown."""

    code = "not_allowed"

    def __init__(self, message: str, *, reasons: Sequence[Reason] = (), code: str = "", why: str = "") -> None:
        super().__init__(message, code=code)
        self.reasons = tuple(reasons)
        self.why = why


class NotFound(WeighbridgeError):
    """Nothing there, or nothing that this person may know of."""

    code = "not_found"


class Invalid(WeighbridgeError):
    """Wrong input; `fields` maps a field's name to its messages."""

    code = "invalid"

    def __init__(self, message: str, *, fields: Mapping[str, Sequence[str]] | None = None, code: str = "") -> None:
        super().__init__(message, code=code)
        self.fields = {name: list(messages) for name, messages in (fields or {}).items()}


class Unprocessable(Invalid):
    """Well formed in itself, and at odds with what was sent before."""

    code = "unprocessable"


class Conflict(WeighbridgeError):
    """The thing changed since it was read, or its state does not allow this."""

    code = "conflict"


class TooLarge(WeighbridgeError):
    """Over a published bound."""

    code = "too_large"


class TooMany(WeighbridgeError):
    """More often, or more, than is given in a time; `retry_after_s` says when it would be answered."""

    code = "too_many"

    def __init__(self, message: str, *, retry_after_s: int, code: str = "") -> None:
        super().__init__(message, code=code)
        self.retry_after_s = retry_after_s


class Unavailable(WeighbridgeError):
    """A part of ours is not there now; `retry_after_s` says when to try again, 0 where that does not help."""

    code = "unavailable"

    def __init__(self, message: str, *, retry_after_s: int = 2, code: str = "") -> None:
        super().__init__(message, code=code)
        self.retry_after_s = retry_after_s


class NotSetUp(Unavailable):
    """A part that this portal does not have until its operator sets it up: trying again does not help."""

    code = "not_set_up"

    def __init__(self, message: str, *, code: str = "") -> None:
        super().__init__(message, retry_after_s=0, code=code)
