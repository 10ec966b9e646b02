"""What the pages share on which an applicant keeps a list of people: members of a team, and referees."""

from __future__ import annotations

from collections.abc import Callable
from typing import TypeVar

from django.contrib import messages
from django.db.models import Model, QuerySet
from django.http import HttpRequest

from portal.errors import Conflict, Invalid, NotFound

Row = TypeVar("Row", bound=Model)


def posted(request: HttpRequest, deed: Callable[[], str]) -> dict[str, list[str]]:
    """Do what a POST asks for and say what was done; what is wrong with it, by field.

    A refusal that no field can mend is said on the page that follows.
    """
    try:
        messages.success(request, deed())
    except Invalid as error:
        return error.fields
    except Conflict as error:
        messages.error(request, error.message)
    return {}


def one_of(rows: QuerySet[Row], pk: str, absent: str) -> Row:
    """The row that a form names. Raises NotFound with `absent`."""
    found = rows.filter(pk=int(pk)).first() if pk.isascii() and pk.isdigit() and len(pk) < 18 else None
    if found is None:
        raise NotFound(absent)
    return found
