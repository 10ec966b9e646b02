"""Every template compiles: a tag nobody loaded would else be found by whoever opens that page first."""

from __future__ import annotations

from pathlib import Path

from django.template import TemplateSyntaxError
from django.template.loader import get_template

TEMPLATES = Path(__file__).parents[2] / "templates"


def test_every_template_compiles() -> None:
    names = sorted(str(path.relative_to(TEMPLATES)) for path in TEMPLATES.rglob("*") if path.is_file())
    assert len(names) > 600, "or this test looks in the wrong place"
    broken = {}
    for name in names:
        try:
            get_template(name)
        except TemplateSyntaxError as error:
            broken[name] = str(error)
    assert broken == {}
