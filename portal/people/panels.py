"""Sections of a page that the apps above register, because the page's own app knows nothing of what they hold."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Final, Generic, ParamSpec

from portal.people.models import User

About = ParamSpec("About")
"""What a page is about, which is what its sections are told."""
Context = Callable[About, dict[str, Any]]


@dataclass(frozen=True, slots=True)
class Panel(Generic[About]):
    """One section: a template that draws a `.row`, and what it needs to know."""

    order: int
    template: str
    context: Context[About]


class Panels(Generic[About]):
    """The sections of one page."""

    def __init__(self) -> None:
        self._panels: dict[str, Panel[About]] = {}

    def register(self, template: str, *, order: int) -> Callable[[Context[About]], Context[About]]:
        """Register a section, from AppConfig.ready; the decorated function returns the template's context."""

        def kept(function: Context[About]) -> Context[About]:
            self._panels[template] = Panel(order, template, function)
            return function

        return kept

    def of(self, *about: About.args, **named: About.kwargs) -> list[tuple[str, dict[str, Any]]]:
        """(template, context) of every section, in order."""
        return [(p.template, p.context(*about, **named)) for p in sorted(self._panels.values(), key=lambda p: p.order)]


_mine: Final = Panels[[User]]()
panel = _mine.register
panels_of = _mine.of
"""What `/me/` shows of a person."""
