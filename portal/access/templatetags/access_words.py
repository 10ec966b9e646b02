"""What a grant opens, in the reader's language."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Final

from django import template
from django.utils.translation import pgettext_lazy

register = template.Library()

SHORT: Final = {
    "download": pgettext_lazy("a grant opens", "download"),
    "query": pgettext_lazy("a grant opens", "query"),
}


@register.filter
def opens(capabilities: Iterable[str]) -> str:
    """Capabilities as short words, for a line or a cell."""
    return ", ".join(str(SHORT[each]) for each in capabilities)
