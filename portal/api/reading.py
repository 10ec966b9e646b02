"""The description of the API as a page shows it."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import Any, Final

from portal.api.description import document

Text = list[tuple[str, bool]]
"""Pieces of a text, each with whether it is code."""
METHODS: Final = ("get", "post", "put", "patch", "delete")


@dataclass(frozen=True, slots=True)
class Part:
    """A parameter, or a field of a body or an answer."""

    name: str
    kind: str
    required: bool
    about: Text


@dataclass(frozen=True, slots=True)
class Described:
    """One operation."""

    name: str
    method: str
    path: str
    summary: str
    about: list[Text]
    """Paragraphs."""
    parameters: list[Part]
    takes: list[Part]
    gives: list[Part]
    answers: list[tuple[str, Text]]
    example: str


@dataclass(frozen=True, slots=True)
class Subject:
    """Operations about one thing."""

    name: str
    about: str
    operations: list[Described]


def subjects() -> list[Subject]:
    """Every operation under its subject, in the order of the document's tags."""
    made = document()
    found = [
        _described(path, method, operation)
        for path, methods in made["paths"].items()
        for method, operation in methods.items()
        if method in METHODS
    ]
    return [
        Subject(tag["name"], tag["description"], [each for name, each in found if name == tag["name"]])
        for tag in made["tags"]
    ]


def _described(path: str, method: str, operation: dict[str, Any]) -> tuple[str, Described]:
    body = operation.get("requestBody", {}).get("content", {}).get("application/json", {})
    examples = [each["value"] for each in body.get("examples", {}).values()]
    answers = operation["responses"]
    answer = next(each for status, each in answers.items() if status.startswith("2"))
    gives = answer.get("content", {}).get("application/json", {}).get("schema", {})
    return operation["tags"][0], Described(
        name=operation["operationId"],
        method=method.upper(),
        path=path,
        summary=operation["summary"],
        about=[_pieces(text) for text in operation["description"].split("\n\n")[1:]],
        parameters=[_parameter(each) for each in operation.get("parameters", [])],
        takes=_fields(body.get("schema", {})),
        gives=_fields(gives),
        answers=[(status, _pieces(_resolved(each).get("description", ""))) for status, each in answers.items()],
        example=json.dumps(examples[0], indent=2, ensure_ascii=False) if examples else "",
    )


def _pieces(text: str) -> Text:
    return [(piece, place % 2 == 1) for place, piece in enumerate(text.split("`"))]


def _parameter(each: dict[str, Any]) -> Part:
    return Part(each["name"], _kind(each["schema"]), each.get("required", False), _pieces(each.get("description", "")))


def _fields(schema: dict[str, Any]) -> list[Part]:
    """The fields of an object, one level deep."""
    whole = _resolved(schema)
    required = whole.get("required", [])
    return [
        Part(name, _kind(each), name in required, _pieces(each.get("description", "")))
        for name, each in whole.get("properties", {}).items()
    ]


def _resolved(schema: dict[str, Any]) -> dict[str, Any]:
    kind, _, name = schema.get("$ref", "").removeprefix("#/components/").partition("/")
    return dict(document()["components"][kind][name]) if name else schema


def _kind(schema: dict[str, Any]) -> str:
    """A type in a word or two: “text”, “list of Person”, “one of: red, green”."""
    if "$ref" in schema:
        return str(schema["$ref"].rpartition("/")[2])
    for joined in ("allOf", "oneOf", "anyOf"):
        if joined in schema:
            return " or ".join(_kind(each) for each in schema[joined])
    if "enum" in schema:
        return ", ".join("null" if each is None else f"“{each}”" for each in schema["enum"])
    types = schema.get("type", "object")
    words = [str(schema.get("format", each)) if each == "string" else each for each in _listed(types)]
    inner = f" of {_kind(schema['items'])}" if "items" in schema else ""
    return " or ".join(words) + inner


def _listed(types: str | list[str]) -> list[str]:
    return list(types) if isinstance(types, list) else [str(types)]
