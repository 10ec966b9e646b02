"""JSON in, JSON out."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import IO, Any, Final

from django.utils.translation import gettext as _
from rest_framework import exceptions, negotiation, parsers
from rest_framework.renderers import BaseRenderer
from rest_framework.request import Request

from portal.errors import Invalid
from portal.storable import mended, storable

_framework: Final = parsers.JSONParser()


class Json(parsers.BaseParser):
    """What the framework's parser reads, which would fall over a body that is nested past all measure, and over texts
    that cannot be kept.

    It is no JSONParser itself: of those the framework takes the body as Django does a form's, which may have 2.5 MB
    whatever the operation says (Operation.most).
    """

    media_type = "application/json"

    def parse(
        self, stream: IO[bytes], media_type: str | None = None, parser_context: Mapping[str, Any] | None = None
    ) -> dict[str, Any]:
        """The body. Raises ParseError for whatever is not JSON, Invalid for texts that cannot be kept."""
        try:
            said: dict[str, Any] = _framework.parse(stream, media_type, parser_context)
        except RecursionError:
            raise exceptions.ParseError("This is nested too deeply.") from None
        if storable(said):
            return said
        wrong = _("A text has a NUL in it, or half of a character. Send whole characters.")
        named = said if isinstance(said, dict) else {}
        raise Invalid(wrong, fields={mended(name): [wrong] for name in named if not storable({name: named[name]})})


class OnlyJson(negotiation.DefaultContentNegotiation):
    """Answers are JSON whatever a client would rather have."""

    def select_renderer(
        self, request: Request, renderers: Iterable[BaseRenderer], format_suffix: str | None = None
    ) -> tuple[BaseRenderer, str]:
        """The only one."""
        only = next(iter(renderers))
        return only, str(only.media_type)
