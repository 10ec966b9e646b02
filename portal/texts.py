"""What people write in their own words, as it is kept: trimmed, with plain line ends, and no longer than there is room for."""

from __future__ import annotations

from collections.abc import Mapping

from django.utils.formats import number_format
from django.utils.translation import gettext as _

from portal.errors import Invalid


def within(most: int, texts: Mapping[str, str], *, wrong: str = "") -> dict[str, str]:
    """The texts by field, as they are kept.

    Raises Invalid about each that has more than `most` characters; `wrong` is said above the fields, where that is to be
    another sentence than theirs.
    """
    kept = {field: text.replace("\r\n", "\n").replace("\x00", "").strip() for field, text in texts.items()}
    long = [field for field, text in kept.items() if len(text) > most]
    if long:
        told = _("Use at most %(limit)s characters.") % {"limit": number_format(most, force_grouping=True)}
        raise Invalid(wrong or told, fields={field: [told] for field in long})
    return kept


def needed(most: int, field: str, text: str, *, missing: str, wrong: str = "") -> str:
    """One text that must not be empty; `missing` says what to write. Raises Invalid as within() does."""
    kept = within(most, {field: text}, wrong=wrong)[field]
    if not kept:
        raise Invalid(missing, fields={field: [missing]})
    return kept
