"""What the lab's page of a grant shows of its project: sections that the apps above register; a project knows no use."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from portal.people.models import User
from portal.projects.models import Project

Context = Callable[[Project, User], dict[str, Any]]


@dataclass(frozen=True, slots=True)
class Panel:
    """One section: a template that draws a `.row`, and what it needs to know about a project and who looks at it."""

    order: int
    template: str
    context: Context


_panels: dict[str, Panel] = {}


def project_panel(template: str, *, order: int) -> Callable[[Context], Context]:
    """Register a section, from AppConfig.ready; the decorated function returns the template's context."""

    def register(function: Context) -> Context:
        _panels[template] = Panel(order, template, function)
        return function

    return register


def panels_of(project: Project, user: User) -> list[tuple[str, dict[str, Any]]]:
    """Return (template, context) of every section, in order."""
    return [(p.template, p.context(project, user)) for p in sorted(_panels.values(), key=lambda p: p.order)]
