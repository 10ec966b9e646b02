"""What somebody may write into an entry, checked and in its types."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import Any, Final

from django.utils.formats import number_format
from django.utils.translation import gettext as _

from portal.errors import Invalid
from releases.chronicles import stamps, values
from releases.chronicles.drafts import RAW_MAX, RUN_MAX, TEXT_MAX, TITLE_MAX, VALUES_MAX
from releases.logbook_models import Confidence, Kind, Severity

_TEXTS: Final = {"raw_stamp": RAW_MAX, "run": RUN_MAX, "title": TITLE_MAX, "text": TEXT_MAX, "source": 2_000}
_CHOICES: Final = {"kind": (Kind.values, "note"), "severity": (Severity.values, "info")}
NAMES: Final = (*_TEXTS, *_CHOICES, "at", "confidence", "step", "before", "after")


def checked(said: Mapping[str, Any]) -> dict[str, Any]:
    """Every field of an entry, from what was said of it. Raises Invalid, field by field.

    `at` with its `confidence` says the time; without it, it is read from `raw_stamp`. `run` is a run's name.
    """
    problems: dict[str, list[str]] = {}
    told: dict[str, Any] = {name: str(said.get(name) or "").replace("\0", "").strip() for name in _TEXTS}
    for name, most in _TEXTS.items():
        if len(told[name]) > most:
            problems[name] = [_("At most %(n)s characters.") % {"n": number_format(most, force_grouping=True)}]
    for name, (among, default) in _CHOICES.items():
        told[name] = said.get(name) or default
        if told[name] not in among:
            problems[name] = [_("Choose among: %(choices)s.") % {"choices": ", ".join(among)}]
    if not told["title"] and not told["text"]:
        problems["title"] = [_("Write a title, or a text.")]
    told["step"] = said.get("step")
    if told["step"] is not None and not 0 <= told["step"] < 2**63:
        problems["step"] = [_("A step is a whole number from 0.")]
    for name in ("before", "after"):
        told[name] = dict(said.get(name) or {})
        if not values.fit(told[name]):
            bounds = {"n": number_format(VALUES_MAX, force_grouping=True), "deep": values.DEEPEST}
            problems[name] = [_("At most %(n)s characters, and %(deep)s tables and lists in one another.") % bounds]
    told |= _time(told["raw_stamp"], said.get("at"), said.get("confidence") or "", problems)
    if problems:
        raise Invalid(_("The entry was not written."), fields=problems)
    return told


def as_json(value: Any) -> Any:  # noqa: ANN401 any field's value
    """A field's value as the audit trail keeps it."""
    if isinstance(value, datetime):
        return value.isoformat()
    return value if value is None or isinstance(value, str | int | dict) else str(value)


def _time(raw: str, at: datetime | None, confidence: str, problems: dict[str, list[str]]) -> dict[str, Any]:
    if confidence and confidence not in Confidence.values:
        problems["confidence"] = [_("Choose among: %(choices)s.") % {"choices": ", ".join(Confidence.values)}]
    if at is not None:
        if confidence == Confidence.UNKNOWN:
            problems["confidence"] = [_("A time that is given is not unknown.")]
        return {"at": at, "confidence": confidence or Confidence.MINUTE.value}
    read = stamps.read(raw) if raw and confidence != Confidence.UNKNOWN else stamps.Stamp(raw)
    if confidence and confidence != Confidence.UNKNOWN and read.at is None:
        problems["at"] = [_("The time cannot be read from the text above. Give it in UTC.")]
    return {"at": read.at, "confidence": confidence if read.at and confidence else read.confidence}
