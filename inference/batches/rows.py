"""The lines of a batch's input: read one at a time, bounded, and checked before the first one is sent. No framework.

A line is at most LINE_BYTES long, so neither a file without line breaks nor one bomb of JSON takes more memory than
that; orjson refuses what is nested too deep. Nothing of a line's own text goes into a problem: only where, and what.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any, BinaryIO, Final

import orjson

from inference.gateway import request
from inference.gateway.errors import Refusal

ENDPOINTS: Final = ("/v1/chat/completions", "/v1/completions", "/v1/embeddings")
LINE_BYTES: Final = 4 * 1024 * 1024 + 4096
"""The gateway's bound of a body of token ids, and room for what is around it."""
CUSTOM_ID: Final = 256
"""Characters."""
PROBLEMS: Final = 100
"""After so many, the rest of the file is not looked at."""
DEFAULT_MAX_TOKENS: Final = 512
_MEMBERS: Final = frozenset({"custom_id", "method", "url", "body"})
_MARK: Final = b"\xef\xbb\xbf"


@dataclass(frozen=True, slots=True)
class Row:
    """One request: its line (from 1), the caller's name for it, the body, and the same as it goes to the gateway."""

    line: int
    custom_id: str
    body: dict[str, Any]
    content: bytes


@dataclass(frozen=True, slots=True)
class Problem(Exception):
    """What is wrong, in OpenAI's members; `line` is None where it is about the whole file."""

    code: str
    message: str
    line: int | None = None
    param: str | None = None

    def wire(self) -> dict[str, Any]:
        """As a client reads it."""
        return {"code": self.code, "message": self.message, "line": self.line, "param": self.param}


@dataclass(slots=True)
class Survey:
    """What the whole file amounts to."""

    model: str = ""
    rows: int = 0
    tokens: int = 0
    """An upper estimate: a third of the prompts' bytes, and all that may be generated."""
    problems: list[Problem] = field(default_factory=list)
    refused: int = 0
    """Rows that the gateway would refuse for their form. Each has that for its answer, unless all are of that kind."""
    refusals: list[Problem] = field(default_factory=list)
    """What is wrong with the first PROBLEMS of them."""


def lines(source: BinaryIO, *, most: int | None = None) -> Iterator[tuple[int, bytes]]:
    """(number, text) of every line that is not empty. Raises Problem past `most` lines, and at one that is too long."""
    number = 0
    while raw := source.readline(LINE_BYTES + 1):
        number += 1
        if most is not None and number > most:
            raise Problem("too_many_rows", f"A batch has at most {most:,} lines. Make several.")
        if len(raw) > LINE_BYTES:
            raise Problem("line_too_long", f"A line has at most {LINE_BYTES:,} bytes.", number)
        text = raw.removeprefix(_MARK) if number == 1 else raw
        if text.strip():
            yield number, text


def row(number: int, text: bytes, *, endpoint: str) -> Row:
    """One line, checked. Raises Problem."""
    try:
        value = orjson.loads(text)
    except orjson.JSONDecodeError as error:
        raise Problem("invalid_json_line", f"This line is not JSON in UTF-8 ({error.msg}).", number) from error
    if not isinstance(value, dict):
        raise Problem("invalid_json_line", "Each line is an object: custom_id, method, url, body.", number)
    if unknown := sorted(value.keys() - _MEMBERS):
        raise Problem(
            "unknown_parameter", "A line holds custom_id, method, url and body alone.", number, unknown[0][:64]
        )
    custom_id, body = value.get("custom_id"), value.get("body")
    if not isinstance(custom_id, str) or not 0 < len(custom_id) <= CUSTOM_ID:
        raise _missing(number, "custom_id", f"text of 1 to {CUSTOM_ID} characters")
    if value.get("method") != "POST":
        raise Problem("invalid_method", "The method is POST.", number, "method")
    if value.get("url") != endpoint:
        raise Problem("mismatched_url", f"The url is that of the batch: {endpoint}.", number, "url")
    if not isinstance(body, dict):
        raise _missing(number, "body", "the request, an object")
    if not isinstance(body.get("model"), str) or not 0 < len(body["model"]) <= 200:
        raise _missing(number, "body.model", "the name of the model")
    if body.get("stream"):
        raise Problem("invalid_value", "A batch has no streams. Leave stream out.", number, "body.stream")
    return Row(number, custom_id, body, _written(number, body))


def survey(source: BinaryIO, *, endpoint: str, most: int) -> Survey:
    """Read the whole file and check every line: JSON, members, names that come once, one model.

    A file of which the gateway would take no row, as where a field is mistyped in all of them, has these faults too.
    """
    found, seen = Survey(), set[str]()
    try:
        for number, text in lines(source, most=most):
            try:
                _count(found, row(number, text, endpoint=endpoint), seen, endpoint)
            except Problem as problem:
                found.problems.append(problem)
                if len(found.problems) >= PROBLEMS:
                    break
    except Problem as problem:
        found.problems.append(problem)
    if found.refused == found.rows and not found.problems:
        found.problems += found.refusals
    if not found.rows and not found.problems:
        found.problems.append(Problem("empty_file", "The file has no requests. Write one JSON object per line."))
    return found


def _count(found: Survey, one: Row, seen: set[str], endpoint: str) -> None:
    if one.custom_id in seen:
        raise Problem("duplicate_custom_id", "Another line has this custom_id.", one.line, "custom_id")
    seen.add(one.custom_id)
    found.model = found.model or one.body["model"]
    if one.body["model"] != found.model:
        raise Problem("mismatched_model", "All lines of a batch name one model.", one.line, "body.model")
    found.rows += 1
    found.tokens += estimate(one.body)
    if why := _refusal(one, endpoint):
        found.refused += 1
        found.refusals += [why][: PROBLEMS - len(found.refusals)]


def _refusal(one: Row, endpoint: str) -> Problem | None:
    """What the gateway would say of the row's form; its size, its model and all that may change are not looked at."""
    try:
        request.parse(endpoint.removeprefix("/v1/").replace("/", "."), one.body, 0, body_limit=0)
    except Refusal as why:
        return Problem(why.code, why.message, one.line, f"body.{why.param}" if why.param else "body")
    return None


def estimate(body: dict[str, Any]) -> int:
    """Tokens that a row may use, without asking an engine: an estimate, for the cap alone. An input becomes vectors, no text."""
    prompt = body.get("messages") or body.get("prompt") or body.get("input") or ""
    written = len(orjson.dumps(prompt)) // 3
    if "input" in body:
        return written
    most = next((n for name in ("max_completion_tokens", "max_tokens") if type(n := body.get(name)) is int), None)
    choices = body["n"] if type(body.get("n")) is int else 1
    return written + min(max(DEFAULT_MAX_TOKENS if most is None else most, 1), 2**20) * min(max(choices, 1), 128)


def _written(number: int, body: dict[str, Any]) -> bytes:
    try:
        return orjson.dumps(body)
    except orjson.JSONEncodeError as error:  # it reads four times as deep as it writes
        raise Problem("invalid_value", "This body is nested too deep.", number, "body") from error


def _missing(number: int, param: str, what: str) -> Problem:
    return Problem("missing_required_parameter", f"Give {param}: {what}.", number, param)
