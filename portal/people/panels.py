"""What `/me/` shows: fragments that the apps above register, because people know nothing of rights or tokens."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from portal.people.models import User

Context = Callable[[User], dict[str, Any]]


@dataclass(frozen=True, slots=True)
class Panel:
    """One section of the page: a template that draws a `.row`, and what it needs to know about a person."""

    order: int
    template: str
    context: Context


_panels: dict[str, Panel] = {}


def panel(template: str, *, order: int) -> Callable[[Context], Context]:
    """Register a section, from AppConfig.ready; the decorated function returns the template's context."""

    def register(function: Context) -> Context:
        _panels[template] = Panel(order, template, function)
        return function

    return register


def panels_of(user: User) -> list[tuple[str, dict[str, Any]]]:
    """Return (template, context) of every section, in order."""
    return [(p.template, p.context(user)) for p in sorted(_panels.values(), key=lambda p: p.order)]
