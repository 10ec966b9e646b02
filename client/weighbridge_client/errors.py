"""What can go wrong, each with the status that the command ends with. Every message says what to do next."""

from __future__ import annotations

BAD: int = 1
USAGE: int = 2
REFUSED: int = 3
UNREACHABLE: int = 4
UNPROVEN: int = 5
INTERRUPTED: int = 130


class ClientError(Exception):
    """Base of all: one sentence, and the command's exit status."""

    status = USAGE

    def __init__(self, sentence: str) -> None:
        super().__init__(sentence)
        self.sentence = sentence


class Usage(ClientError):
    """What was asked cannot be done as it was asked."""


class Refused(ClientError):
    """The portal answered no: not signed in, no right, revoked, or there is no such thing."""

    status = REFUSED


class Unreachable(ClientError):
    """The portal or its store did not answer, or broke off again and again."""

    status = UNREACHABLE


class Bad(ClientError):
    """Something is not what was released: a file, a document, the signature, or the key."""

    status = BAD


class Unproven(ClientError):
    """Nothing was shown to be wrong, and nothing to be right: a document or a key is missing."""

    status = UNPROVEN
