"""A form's spec as a text that a person reads and writes: YAML, with each fault beside its line."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Any, Final

import yaml
from django.utils.formats import number_format
from django.utils.translation import gettext as _

from portal.access import form_spec
from portal.access.form_spec import Fault, Spec

LIMIT: Final = 60_000
"""Characters of a form's text: three times the longest that anybody would answer."""


@dataclass(frozen=True, slots=True)
class Wrong:
    """One fault with the line, counted from 1, that it is about; 0 where it is about the whole."""

    line: int
    text: str


def write(spec: Spec) -> str:
    """The spec as `read` takes it: a section or field a paragraph, so that versions can be compared."""
    paragraphs = []
    for part in form_spec.tidy(spec):
        head = [f"{key}: {_scalar(part[key])}" for key in form_spec.SECTION_KEYS if key in part and key != "fields"]
        paragraphs.append("\n".join(["- " + head[0], *("  " + line for line in head[1:]), "  fields:"]))
        paragraphs += [_field(entry) for entry in part["fields"]]
    return "\n\n".join(paragraphs) + "\n"


def _field(entry: dict[str, Any]) -> str:
    lines = [f"{key}: {_scalar(entry[key])}" for key in entry if key != "choices"]
    if "choices" in entry:
        lines += ["choices:", *(f"  - [{_scalar(code)}, {_scalar(label)}]" for code, label in entry["choices"])]
    return "\n".join(["    - " + lines[0], *("      " + line for line in lines[1:])])


def _scalar(value: object) -> str:
    """One value in one line. Inside brackets a plain text may not hold what ends it, so every text is quoted there."""
    if isinstance(value, str):
        plain = value.replace("_", "a").isalnum() and value.isascii() and not value[0].isdigit()
        return value if plain and value.lower() not in _WORDS else _quoted(value)
    return "true" if value is True else str(value)


_WORDS: Final = frozenset({"true", "false", "yes", "no", "on", "off", "null", "y", "n"})


def _quoted(text: str) -> str:
    dumped: str = yaml.safe_dump(text, default_style='"', allow_unicode=True, width=10**9)
    return dumped.strip()


def read(text: str) -> tuple[Spec, list[Wrong]]:
    """(spec, faults). Do not use a spec with faults."""
    if len(text) > LIMIT:
        return [], [
            Wrong(
                0,
                _("The form is too long: use at most %(limit)s characters.")
                % {"limit": number_format(LIMIT, force_grouping=True)},
            )
        ]
    try:
        pointing = _pointing(text)
        if pointing:
            return [], [Wrong(pointing, _("Write it out instead of pointing to it."))]
        root = yaml.compose(text, Loader=yaml.SafeLoader)
        spec = yaml.safe_load(text)
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        return [], [
            Wrong(
                mark.line + 1 if mark else 0,
                _("This cannot be read: %(problem)s.") % {"problem": _quotes(error.problem or error.context or "")},
            )
        ]
    except (yaml.YAMLError, ValueError, RecursionError):
        return [], [Wrong(0, _("This cannot be read as YAML."))]
    wrong = [Wrong(_line(root, fault), fault.text) for fault in form_spec.located_faults(spec)]
    return ([], wrong) if wrong else (form_spec.tidy(spec), [])


def _quotes(text: str) -> str:
    """The library's words with the quotes of our pages."""
    return re.sub("'(.*?)'", r"“\1”", text)


def _pointing(text: str) -> int:
    """The first line that points to another place; 0 where none does. An alias could make a small text a huge form."""
    events = yaml.parse(text, Loader=yaml.SafeLoader)
    return next((mark.line + 1 for event in events if _points(event) and (mark := event.start_mark)), 0)


def _points(event: yaml.Event) -> bool:
    merges = isinstance(event, yaml.ScalarEvent) and event.value == "<<" and event.implicit[0]
    return merges or isinstance(event, yaml.AliasEvent)


def _line(root: yaml.Node | None, fault: Fault) -> int:
    """The line of the section, field or key that a fault names; 0 when it is about the whole."""
    if fault.section is None or not isinstance(root, yaml.SequenceNode):
        return 0
    node = root.value[fault.section]
    if fault.field is not None:
        node = _value(node, "fields").value[fault.field]
    where = next((name for name, _node in node.value if name.value == fault.key), node) if fault.key else node
    line: int = where.start_mark.line
    return line + 1


def _value(node: yaml.MappingNode, key: str) -> yaml.Node:
    """What stands under a key: the last, where it is there twice, as in the data."""
    found: yaml.Node = [value for name, value in node.value if name.value == key][-1]
    return found
