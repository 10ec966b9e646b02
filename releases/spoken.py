"""Sentences that were kept, in the language of whoever reads them now."""

from __future__ import annotations

from django.utils.formats import get_format, number_format
from django.utils.translation import gettext as _

from releases.sentences import Sentence, Some, restored


def spoken(kept: object) -> str:
    """A sentence, or what `kept()` made of one, in the present language; English where it was never translated."""
    found = kept if isinstance(kept, Sentence) else restored(kept)
    return _(found.text) % {name: _spoken(value) for name, value in found.values.items()}


def _spoken(value: str | int | float | Sentence | Some) -> str:
    if isinstance(value, Sentence):
        return spoken(value)
    if isinstance(value, Some):
        named = ", ".join(_spoken(each) for each in value.named)
        return _("%(named)s and %(n)s more") % {"named": named, "n": _spoken(value.more)} if value.more else named
    if isinstance(value, int):
        return number_format(value, force_grouping=True)
    return f"{value:g}".replace(".", str(get_format("DECIMAL_SEPARATOR"))) if isinstance(value, float) else value
