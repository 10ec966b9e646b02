"""JSON in, JSON out."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from typing import IO, Any, Final

from django.utils.translation import gettext as _
from rest_framework import exceptions, negotiation
from rest_framework.parsers import BaseParser, JSONParser
from rest_framework.renderers import BaseRenderer
from rest_framework.request import Request

from portal.errors import Invalid
from portal.storable import finite, mended, storable

_framework: Final = JSONParser()


class Json(BaseParser):
    """What the framework's parser reads, which would fall over a body that is nested past all measure, and over texts
    and numbers that cannot be kept.

    It is no JSONParser itself: of those the framework takes the body as Django does a form's, which may have 2.5 MB
    whatever the operation says (Operation.most).
    """

    media_type = "application/json"

    def parse(
        self, stream: IO[bytes], media_type: str | None = None, parser_context: Mapping[str, Any] | None = None
    ) -> dict[str, Any]:
        """The body. Raises ParseError for whatever is not JSON, Invalid for what cannot be kept."""
        try:
            said: dict[str, Any] = _framework.parse(stream, media_type, parser_context)
        except RecursionError:
            raise exceptions.ParseError("This is nested too deeply.") from None
        _require(storable, said, _("A text has a NUL in it, or half of a character. Send whole characters."))
        _require(finite, said, _("A number is larger than any that can be kept. Send a smaller one."))
        return said


def _require(kept: Callable[[object], bool], said: object, wrong: str) -> None:
    if not kept(said):
        named = said if isinstance(said, dict) else {}
        raise Invalid(wrong, fields={mended(name): [wrong] for name in named if not kept({name: named[name]})})


class OnlyJson(negotiation.DefaultContentNegotiation):
    """Answers are JSON whatever a client would rather have; a body comes as its operation takes it, or is told how."""

    def select_parser(self, request: Request, parsers: Iterable[BaseParser]) -> BaseParser:
        """The one that reads this body. Raises UnsupportedMediaType for another type, and for a body that is packed."""
        coding = request.headers.get("Content-Encoding", "")
        if coding.lower() not in {"", "identity"}:
            raise exceptions.UnsupportedMediaType(coding, _("Send the body as it is, without a Content-Encoding."))
        found: BaseParser | None = super().select_parser(request, parsers)
        if found is None:
            wanted = _("Send the body as %(type)s.") % {"type": next(iter(parsers)).media_type}
            raise exceptions.UnsupportedMediaType(request.content_type, wanted)
        return found

    def select_renderer(
        self, request: Request, renderers: Iterable[BaseRenderer], format_suffix: str | None = None
    ) -> tuple[BaseRenderer, str]:
        """The only one."""
        only = next(iter(renderers))
        return only, str(only.media_type)
