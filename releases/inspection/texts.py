"""Reads JSON and YAML that a stranger may have made.

YAML's aliases can name billions of values in a few lines, and its merge keys copy them: what a document means is
counted on its graph, before anything is built.
"""

from __future__ import annotations

import json
from typing import Any, BinaryIO, Final

import yaml

from releases.inspection import Refused, pickles, templates
from releases.sentences import Sentence

VALUES_MAX: Final = 1_000_000
"""Values of a YAML document, aliases counted each time they are used."""
_FAST: Final = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
"""libyaml; what nests too deeply ends its process, so it is for the child alone."""


def read(source: BinaryIO, size: int, job: str) -> dict[str, Any]:
    """Remarks on a text, once it can be read as what it says. Raises Refused."""
    pickles.refuse(source, size)
    source.seek(0)
    content = source.read(size)
    return {"notices": [remark.kept() for remark in check(content, job)]}


def check(content: bytes, job: str) -> list[Sentence]:
    """Remarks on a JSON or YAML text. Raises Refused when it cannot be read."""
    try:
        found = read_yaml(content.decode(), loader_class=_FAST) if job == "yaml" else json.loads(content)
    except (ValueError, RecursionError, yaml.YAMLError) as fault:
        detail = str(fault).splitlines()[0] if str(fault) else "too deeply nested"
        raise Refused(Sentence("cannot be read: %(fault)s", fault=detail)) from fault
    said = found.get("chat_template") if isinstance(found, dict) else None
    return templates.remarks("chat_template", json.dumps(said)) if said else []


def read_yaml(text: str, most: int = VALUES_MAX, loader_class: Any = yaml.SafeLoader) -> Any:  # noqa: ANN401 whatever YAML can say
    """The document, made of plain values alone. Raises yaml.YAMLError, or ValueError when it means too many values."""
    loader = loader_class(text)
    try:
        node = loader.get_single_node()
        if node is None:
            return None
        _weigh(node, most)
        return loader.construct_document(node)
    finally:
        loader.dispose()


def _weigh(root: yaml.Node, most: int) -> None:
    """Raise ValueError when the document means more than `most` values, or holds itself."""
    weights: dict[int, int] = {}
    open_, todo = set[int](), [(root, False)]
    while todo:
        node, done = todo.pop()
        below = _below(node)
        if done:
            open_.discard(id(node))
            weights[id(node)] = 1 + sum(weights[id(child)] for child in below)
            if weights[id(node)] > most:
                raise ValueError("it means too many values")
        elif id(node) in open_:
            raise ValueError("it holds itself")
        elif id(node) not in weights:
            open_.add(id(node))
            todo.append((node, True))
            todo += [(child, False) for child in below]


def _below(node: yaml.Node) -> list[yaml.Node]:
    if isinstance(node, yaml.MappingNode):
        return [part for pair in node.value for part in pair]
    return list(node.value) if isinstance(node, yaml.SequenceNode) else []
