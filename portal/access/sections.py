"""What pages of grants and gates show from above: sections that whoever gives something out registers."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Generic, TypeVar

from django.http import HttpRequest
from django.template.loader import render_to_string

from portal.access.gate_models import Gate
from portal.access.models import Grant
from portal.people.models import User

T = TypeVar("T")
Context = Callable[[T, User], dict[str, Any]]


@dataclass(frozen=True, slots=True)
class Sections(Generic[T]):
    """Templates that draw a `.row` each, with what they need to know about one thing and who looks at it."""

    known: dict[str, Context[T]]

    def register(self, template: str) -> Callable[[Context[T]], Context[T]]:
        """Add one, from AppConfig.ready; the decorated function returns the template's context."""

        def add(function: Context[T]) -> Context[T]:
            self.known[template] = function
            return function

        return add

    def drawn(self, thing: T, viewer: User, request: HttpRequest) -> list[str]:
        """Each that has something to say, as HTML, in the order in which they were registered."""
        drawn = (render_to_string(name, tell(thing, viewer), request) for name, tell in self.known.items())
        return [section for section in drawn if section.strip()]


of_grant: Sections[Grant] = Sections({})
"""On the lab's page of a grant, and on its holder's."""
of_gate: Sections[Gate] = Sections({})
"""On the lab's page of a gate."""
of_queue: Sections[User] = Sections({})
"""On the review queue of one person: links in a line, to what waits for them elsewhere."""
