"""JSON in, JSON out."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import IO, Any

from rest_framework import exceptions, negotiation, parsers
from rest_framework.renderers import BaseRenderer
from rest_framework.request import Request


def storable(said: object) -> bool:
    """Whether the database can keep every text of what JSON said: none has a NUL, or half of a character."""
    rest = [said]
    while rest:  # not by calls of itself: it may be nested as deeply as the parser goes
        each = rest.pop()
        if isinstance(each, str) and not _whole(each):
            return False
        if isinstance(each, dict):
            rest += [*each, *each.values()]
        elif isinstance(each, list):
            rest += each
    return True


def _whole(text: str) -> bool:
    return "\0" not in text and (text.isascii() or not any("\ud800" <= c <= "\udfff" for c in text))


class Json(parsers.JSONParser):
    """The framework's, which would fall over a body that is nested past all measure, and over texts that cannot be kept."""

    def parse(
        self, stream: IO[bytes], media_type: str | None = None, parser_context: Mapping[str, Any] | None = None
    ) -> dict[str, Any]:
        """The body. Raises ParseError for whatever is not JSON."""
        try:
            said: dict[str, Any] = super().parse(stream, media_type, parser_context)
        except RecursionError:
            raise exceptions.ParseError("This is nested too deeply.") from None
        if not storable(said):
            raise exceptions.ParseError("A text has a NUL in it, or half of a character. Send whole characters.")
        return said


class OnlyJson(negotiation.DefaultContentNegotiation):
    """Answers are JSON whatever a client would rather have."""

    def select_renderer(
        self, request: Request, renderers: Iterable[BaseRenderer], format_suffix: str | None = None
    ) -> tuple[BaseRenderer, str]:
        """The only one."""
        only = next(iter(renderers))
        return only, str(only.media_type)
