"""A page asks for htmx where it uses it, and nowhere else: the library is a third of what a plain page weighs without faces."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

TEMPLATES = Path(__file__).parents[2] / "templates"
USES = re.compile(r"\bhx-(?:get|post|trigger|target|boost)\b")
INCLUDES = re.compile(r"\{% include \"([^\"]+)\"")
BASE = TEMPLATES / "base.html"


def _with_parts(page: Path, seen: set[Path]) -> Iterator[str]:
    """The page's own text, and that of what it includes."""
    if page in seen or not page.is_file():
        return
    seen.add(page)
    text = page.read_text()
    yield text
    for name in INCLUDES.findall(text):
        yield from _with_parts(TEMPLATES / name, seen)


def _pages() -> list[Path]:
    return [path for path in TEMPLATES.rglob("*.html") if path.read_text().startswith("{% extends")]


def test_every_page_that_uses_htmx_asks_for_it_and_no_other() -> None:
    uses, asks = set(), set()
    for page in _pages():
        texts = list(_with_parts(page, {BASE}))
        uses |= {page.relative_to(TEMPLATES)} if any(USES.search(text) for text in texts) else set()
        asks |= {page.relative_to(TEMPLATES)} if "{% htmx_script %}" in page.read_text() else set()
    assert uses == asks
    assert len(uses) > 3, "or this test looks in the wrong place"
    assert not USES.search(BASE.read_text())
    assert "htmx_script" not in BASE.read_text()
