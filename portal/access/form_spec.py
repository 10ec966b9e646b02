"""A gate's form as data: what a spec may say, and the default for research access. No database.

A spec is a list of sections `{name, title, intro, fields}`; a field is `{name, type, label, help, required, min, max,
choices, clause, prefill, earliest, latest}`. It is stored with its gate, versioned, and copied to each submission that answers it.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass, replace
from datetime import date
from typing import Any, Final

from django.utils.translation import gettext as _

from portal.storable import storable

Spec = list[dict[str, Any]]

TYPES: Final = frozenset(
    {
        *("text", "long_text", "choice", "country", "checkbox", "declaration", "capabilities"),
        *("date", "file", "person_list", "institution"),
    }
)
INPUT_LIMIT: Final = 25
"""No form asks more than this."""

PREFILLS: Final = frozenset({"name", "page", "organisation", "institution", "affiliation_class", "country", "position"})
"""What the portal knows already and need not be typed again."""


SECTION_KEYS: Final = ("name", "title", "intro", "fields")
_TEXTS: Final = frozenset({"text", "long_text"})
KEYS: Final[dict[str, frozenset[str]]] = {
    "name": TYPES,
    "type": TYPES,
    "label": TYPES,
    "help": TYPES,
    "required": TYPES,
    "prefill": TYPES,
    "clause": frozenset({"declaration"}),
    "min": _TEXTS,
    "max": _TEXTS | {"person_list"},
    "choices": frozenset({"choice"}),
    "earliest": frozenset({"date"}),
    "latest": frozenset({"date"}),
}
"""What a field may say, in the order in which it is written, and the types that may say it."""
_SECTION_NAME: Final = re.compile(r"[a-z][a-z0-9_-]{0,39}")
_FIELD_NAME: Final = re.compile(r"[a-z][a-z0-9_]{0,39}")
_TAKEN: Final = frozenset({"check", "find", "fix"})
"""Names that the applicant's pages use themselves."""


def fields(spec: Spec) -> Iterator[dict[str, Any]]:
    """Every field of a spec, in order."""
    for section in spec:
        yield from section["fields"]


def section(spec: Spec, name: str) -> dict[str, Any] | None:
    """The section of this name."""
    return next((part for part in spec if part["name"] == name), None)


def spoken(text: str) -> str:
    """A text of a spec in the reader's language, where it is one of the default form; a lab's own stays as written."""
    return _(text) if text else ""


def spoken_section(part: dict[str, Any]) -> dict[str, Any]:
    """The section with its title and introduction in the reader's language."""
    return {**part, "title": spoken(part["title"]), "intro": spoken(part.get("intro", ""))}


def texts(spec: Spec) -> Iterator[str]:
    """Every text of a spec that a person reads."""
    for part in spec:
        yield from (part["title"], part.get("intro", ""))
        for entry in part["fields"]:
            yield from (entry["label"], entry.get("help", ""))
            yield from (label for _code, label in entry.get("choices", ()))


def faults(spec: object) -> list[str]:
    """What is wrong with a spec, in words; empty when it can be used."""
    return [fault.text for fault in located_faults(spec)]


@dataclass(frozen=True, slots=True)
class Fault:
    """What is wrong, and where: the section, its field, and the key of it, as far as that can be said."""

    text: str
    section: int | None = None
    field: int | None = None
    key: str = ""


def located_faults(spec: object) -> list[Fault]:
    """Everything that is wrong with a spec, in its order. No fault means that it can be drawn, answered and read back."""
    if not isinstance(spec, list) or not spec or not all(isinstance(part, dict) for part in spec):
        return [Fault(_("A form is a list of sections."))]
    found: list[Fault] = []
    for index, part in enumerate(spec):
        found += [replace(fault, section=index) for fault in _section_faults(part)]
    if found:
        return found
    entries = [(i, j, entry) for i, part in enumerate(spec) for j, entry in enumerate(part["fields"])]
    found += [replace(fault, section=i, field=j) for i, j, entry in entries for fault in _field_faults(entry)]
    found += _twice(_("The name %(name)s is used twice."), [(entry.get("name"), i, j) for i, j, entry in entries])
    found += _twice(_("Two sections are called %(name)s."), [(part["name"], i, None) for i, part in enumerate(spec)])
    if len(entries) > INPUT_LIMIT:
        words = _("The form asks %(count)s questions; at most %(limit)s are allowed.")
        found.append(Fault(words % {"count": len(entries), "limit": INPUT_LIMIT}))
    for kind in ("capabilities", "institution"):
        asked = [(i, j) for i, j, entry in entries if entry.get("type") == kind]
        found += [Fault(_("A form asks for %(kind)s once.") % {"kind": kind}, i, j, "type") for i, j in asked[1:]]
    return found


def _twice(words: str, named: list[tuple[Any, int, int | None]]) -> list[Fault]:
    seen: set[str] = set()
    found = []
    for name, section, entry in named:
        if str(name) in seen:
            found.append(Fault(words % {"name": _written(name)}, section, entry, "name"))
        seen.add(str(name))
    return found


def _written(value: object) -> str:
    """What somebody wrote, in our quotes; whatever is no text as it is, for instance None."""
    return f"“{repr(value)[1:-1]}”" if isinstance(value, str) else repr(value)


def _section_faults(part: dict[str, Any]) -> list[Fault]:
    whole = all(isinstance(part.get(key), str) and part[key] for key in ("name", "title"))
    entries = part.get("fields")
    if not whole or not isinstance(entries, list) or not entries or not all(isinstance(e, dict) for e in entries):
        return [Fault(_("Section %(name)s needs a name, a title and fields.") % {"name": _written(part.get("name"))})]
    found = [
        Fault(_("A section has no %(key)s.") % {"key": _written(key)}, key=str(key))
        for key in part
        if key not in SECTION_KEYS
    ]
    if not _SECTION_NAME.fullmatch(part["name"]) or part["name"] in _TAKEN:
        found.append(
            Fault(
                _("%(name)s is not a name for a section. Use small letters and digits.")
                % {"name": _written(part["name"])},
                key="name",
            )
        )
    found += [
        Fault(_("The %(key)s is a text of at most %(most)s characters.") % {"key": key, "most": most}, key=key)
        for key, most in (("title", 120), ("intro", 1_000))
        if not _is_text(part.get(key, ""), most)
    ]
    return found


def _is_text(value: object, most: int) -> bool:
    return isinstance(value, str) and len(value) <= most and storable(value)


def _field_faults(entry: dict[str, Any]) -> list[Fault]:
    name, kind, found = entry.get("name"), entry.get("type"), []
    shown = {"name": _written(name), "type": _written(kind)}
    if not isinstance(name, str) or not _FIELD_NAME.fullmatch(name) or name in _TAKEN or name.startswith("none_of_"):
        found.append(Fault(_("%(name)s is not a name for a field.") % {"name": _written(name)}, key="name"))
    if not isinstance(kind, str) or kind not in TYPES:
        found.append(Fault(_("The field %(name)s has the unknown type %(type)s.") % shown, key="type"))
        return found
    found += [
        Fault(_("A field of the type %(type)s has no %(key)s.") % {"type": kind, "key": _written(key)}, key=str(key))
        for key in entry
        if key not in KEYS or kind not in KEYS[key]
    ]
    if not entry.get("label"):
        found.append(Fault(_("The field %(name)s needs a label.") % shown, key="label"))
    if kind == "capabilities" and name != "capabilities":
        found.append(Fault(_("The question for capabilities is called capabilities."), key="name"))
    if not isinstance(entry.get("required", False), bool):
        found.append(Fault(_("required is true or false."), key="required"))
    if str(entry.get("prefill", "name")) not in PREFILLS:
        found.append(
            Fault(
                _("The field %(name)s cannot be prefilled from %(source)s.")
                % (shown | {"source": _written(entry["prefill"])}),
                key="prefill",
            )
        )
    found += [
        Fault(_("The %(key)s is a text of at most %(most)s characters.") % {"key": key, "most": most}, key=key)
        for key, most in (("label", 300), ("help", 500), ("clause", 40))
        if not _is_text(entry.get(key, ""), most)
    ]
    return found + _choice_faults(entry) + _bound_faults(entry)


def _choice_faults(entry: dict[str, Any]) -> list[Fault]:
    if entry["type"] != "choice":
        return []
    choices = entry.get("choices")
    if not choices:
        return [Fault(_("The field %(name)s needs choices.") % {"name": _written(entry.get("name"))}, key="choices")]
    pairs = isinstance(choices, list) and all(
        isinstance(pair, list | tuple) and len(pair) == 2 and all(_is_text(each, 200) and each for each in pair)
        for pair in choices
    )
    if not pairs:
        return [Fault(_("Each choice is a code and a label, both texts: [phd, Doctoral student]."), key="choices")]
    if len({code for code, _label in choices}) < len(choices):
        return [Fault(_("Two choices have the same code."), key="choices")]
    return []


def _bound_faults(entry: dict[str, Any]) -> list[Fault]:
    found = []
    for low, high, fits, words in (
        ("min", "max", _is_count, _("%(key)s is a number from 0 to 20000.")),
        ("earliest", "latest", _is_day, _("%(key)s is a date: “2027-03-31”, in quotes.")),
    ):
        bad = [key for key in (low, high) if key in entry and not fits(entry[key])]
        found += [Fault(words % {"key": key}, key=key) for key in bad]
        if not bad and low in entry and high in entry and entry[low] > entry[high]:
            found.append(Fault(_("%(low)s is more than %(high)s.") % {"low": low, "high": high}, key=low))
    return found


def _is_count(value: object) -> bool:
    return isinstance(value, int) and not isinstance(value, bool) and 0 <= value <= 20_000


def _is_day(value: object) -> bool:
    try:
        return isinstance(value, str) and date.fromisoformat(value).isoformat() == value
    except ValueError:
        return False


def tidy(spec: Spec) -> Spec:
    """The same form without keys that say nothing, every key in its place: two specs that ask alike are equal."""
    return [
        {**_tidied(part, SECTION_KEYS), "fields": [_tidied(entry, tuple(KEYS)) for entry in part["fields"]]}
        for part in spec
    ]


def _tidied(entry: dict[str, Any], keys: tuple[str, ...]) -> dict[str, Any]:
    kept = {key: entry[key] for key in keys if key != "fields" and entry.get(key) not in (None, "", False)}
    return kept | ({"choices": [list(pair) for pair in kept["choices"]]} if "choices" in kept else {})


def declarations(spec: Spec, answers: dict[str, Any]) -> list[str]:
    """Names of the declarations that were answered with yes."""
    asked = (entry["name"] for entry in fields(spec) if entry["type"] == "declaration")
    return [name for name in asked if answers.get(name) == "yes"]


def inputs_left(spec: Spec, answers: dict[str, Any]) -> int:
    """How many inputs are still empty. A section's declarations count as one: they can be answered together."""
    empty = [(part["name"], entry) for part in spec for entry in part["fields"] if not answers.get(entry["name"])]
    together = {name for name, entry in empty if entry["type"] == "declaration"}
    return len(together) + len([entry for _name, entry in empty if entry["type"] != "declaration"])


def institution_field(spec: Spec) -> str:
    """Name of the question for the institution; empty where none is asked."""
    return next((entry["name"] for entry in fields(spec) if entry["type"] == "institution"), "")


def none_of(part: dict[str, Any]) -> str:
    """Name of the box that answers all declarations of a section with no."""
    return f"none_of_{part['name']}"


def changed(spec: Spec, before: dict[str, Any], after: dict[str, Any]) -> set[str]:
    """Names of the fields whose answers differ between two submissions."""
    return {entry["name"] for entry in fields(spec) if before.get(entry["name"]) != after.get(entry["name"])}


def _text(name: str, label: str, help_text: str = "", **rest: Any) -> dict[str, Any]:
    return {"name": name, "type": "text", "label": label, "help": help_text, "required": True, "max": 200, **rest}


def _long(name: str, label: str, help_text: str, low: int, high: int, **rest: Any) -> dict[str, Any]:
    bounds = {"min": low, "max": high}
    return {"name": name, "type": "long_text", "label": label, "help": help_text, "required": True, **bounds, **rest}


def _choice(name: str, label: str, choices: list[list[str]], help_text: str = "", **rest: Any) -> dict[str, Any]:
    wanted = {"required": True, "choices": choices}
    return {"name": name, "type": "choice", "label": label, "help": help_text, **wanted, **rest}


def _declaration(name: str, label: str, clause: str) -> dict[str, Any]:
    return {"name": name, "type": "declaration", "label": label, "clause": clause, "help": "", "required": True}


def research() -> Spec:
    """The default form for noncommercial research access: four sections, 20 questions; with the check, five screens."""
    return [
        {
            "name": "you",
            "title": "You",
            "intro": "Who will hold the access, and where the work is done.",
            "fields": [*_you(), *_institution()],
        },
        {"name": "purpose", "title": "Purpose", "intro": "What the work is, and what it needs.", "fields": _purpose()},
        {
            "name": "uses",
            "title": "Uses",
            "intro": "The agreement forbids or limits each of these. A “yes” is not a refusal: it asks for a closer reading.",
            "fields": _uses(),
        },
        {"name": "custody", "title": "Custody", "intro": "How the weights would be kept.", "fields": _custody()},
    ]


def _you() -> list[dict[str, Any]]:
    roles = [
        ["faculty", "Faculty"],
        ["postdoc", "Postdoctoral researcher"],
        ["phd", "Doctoral student"],
        ["student", "Other student"],
        ["staff", "Research staff or engineer"],
        ["policy", "Policy or civil society"],
        ["independent", "Independent researcher"],
    ]
    return [
        _text("legal_name", "Full name", "As you will sign.", prefill="name", max=120),
        _choice("role", "Role", roles, prefill="position"),
        _text(
            "profile",
            "A page about your work",
            "An institutional page, ORCID record or publication list.",
            required=False,
            prefill="page",
        ),
    ]


def _institution() -> list[dict[str, Any]]:
    classes = [
        ["academia", "Academia"],
        ["government", "Government"],
        ["civil_society", "Civil society"],
        ["industry_research", "Industry research laboratory"],
        ["other", "Other"],
    ]
    return [
        {
            "name": "institution",
            "type": "institution",
            "label": "Institution",
            "help": "Start typing: the register knows most of them.",
            "required": True,
            "prefill": "institution",
        },
        _choice("affiliation_class", "Kind of institution", classes, prefill="affiliation_class"),
        {
            "name": "country",
            "type": "country",
            "label": "Country of work",
            "help": "",
            "required": True,
            "prefill": "country",
        },
    ]


def _purpose() -> list[dict[str, Any]]:
    return [
        _text("title", "Project title"),
        _long("summary", "Summary", "Two or three sentences that a stranger would understand.", 120, 800),
        _long("method", "Method", "What you will do with the model, and what you expect to learn.", 120, 4000),
        {
            "name": "capabilities",
            "type": "capabilities",
            "label": "What do you need?",
            "help": "Ask for what the work needs.",
            "required": True,
        },
        _text("funding", "Funding", "Funder and grant number, or “none”.", required=False),
    ]


def _uses() -> list[dict[str, Any]]:
    return [
        _declaration("commercial", "Commercial product or service", "2(a)"),
        _declaration("military", "Military or nuclear", "2(b)"),
        _declaration("surveillance", "Surveillance, or research on it", "2(c)"),
        _declaration("biometric", "Biometric identification", "2(d)"),
        _declaration("privacy", "Data about identifiable people", "2(e)"),
        _declaration("redistribution", "Passing weights to others", "3"),
    ]


def _custody() -> list[dict[str, Any]]:
    return [
        _long(
            "storage",
            "Where the weights will rest",
            "Machine or cluster, who administers it, how it is protected.",
            20,
            2000,
        ),
        {
            "name": "deletion",
            "type": "checkbox",
            "label": "I will delete the weights when access ends, and say so",
            "help": "",
            "required": True,
        },
        {
            "name": "accuracy",
            "type": "checkbox",
            "label": "What I have written is true and complete",
            "help": "",
            "required": True,
        },
    ]
