"""What a token may be used for, in the reader's language."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Final

from django import template
from django.utils.functional import Promise
from django.utils.translation import gettext_lazy as _

from portal.tokens.scopes import Scope

register = template.Library()

WORDS: Final[dict[str, Promise]] = {
    Scope.DOWNLOAD: _("download weights"),
    Scope.QUERY: _("query models"),
    Scope.PUBLISH: _("publish models"),
    Scope.REVIEW: _("review applications"),
    Scope.MANAGE: _("manage what a lab has here"),
}


@register.filter
def uses(scopes: Iterable[str] | str) -> str:
    """Scopes in words, for a line or a cell. A letter carries them in one text, as they stand in the token.

    What is no scope stays as it is: a letter about somebody's account arrives whatever it says.
    """
    names = scopes.split(", ") if isinstance(scopes, str) else scopes
    return ", ".join(str(WORDS.get(name, name)) for name in names)
