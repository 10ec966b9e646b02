"""A number in a translated sentence is written as the reader's language has it: 10,000 or 10.000."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]


def _grouped(node: ast.expr | None) -> bool:
    """Whether it is `f"{number:,}"` and nothing else: what stands in for a placeholder."""
    if not isinstance(node, ast.JoinedStr) or len(node.values) != 1:
        return False
    part = node.values[0]
    return (
        isinstance(part, ast.FormattedValue) and part.format_spec is not None and "," in ast.unparse(part.format_spec)
    )


def english(source: str) -> Iterator[int]:
    """Lines on which a placeholder's value is grouped the English way, whoever reads it."""
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Dict):
            yield from (value.lineno for value in node.values if _grouped(value))


def test_no_placeholder_is_filled_with_an_english_number() -> None:
    found = [
        f"{path.relative_to(ROOT)}:{line}"
        for folder in ("portal", "releases", "inference")
        for path in sorted((ROOT / folder).rglob("*.py"))
        for line in english(path.read_text())
    ]
    assert found == [], "use number_format(…, force_grouping=True)"


def test_such_a_number_is_seen() -> None:
    assert [*english('_("At most %(n)s.") % {"n": f"{most:,}"}')] == [1]
    assert [*english('told = {"n": f"{most} of them", "m": most}; f"{most:,} rows"')] == []
