"""What each type of question keeps, refuses and reads like. A form's spec names the type; the engine is in forms.py."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import date
from typing import Any, Final

from django.core.exceptions import ValidationError
from django.core.validators import validate_email
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy, ngettext

from portal.access import form_spec
from portal.errors import Invalid
from portal.people.affiliation_actions import Place, institution_of
from portal.people.countries import countries

TEXT_LIMIT: Final = 20_000
"""No draft keeps more than this in one answer, whatever the field allows."""
PEOPLE_LIMIT: Final = 20
CAPABILITIES: Final = ("download", "query")
YES_NO: Final = (("no", gettext_lazy("No")), ("yes", gettext_lazy("Yes")))

Entry = dict[str, Any]
Answered = bool | str | list[str] | list[dict[str, str]] | dict[str, Any] | None
"""What one field may hold."""


def text_of(value: object) -> str:
    """Whatever was sent, as a text that a database and a page can hold."""
    text = value if isinstance(value, str) else "" if value is None else str(value)
    return text.replace("\r\n", "\n").replace("\x00", "")[:TEXT_LIMIT].strip()


def choices(entry: Entry) -> tuple[tuple[str, str], ...]:
    """(code, label) of what can be chosen; empty where one writes."""
    if entry["type"] == "country":
        return countries()
    if entry["type"] == "declaration":
        return tuple((code, str(label)) for code, label in YES_NO)
    return tuple((str(code), form_spec.spoken(str(label))) for code, label in entry.get("choices", ()))


def typed(entry: Entry, value: object) -> Answered:
    """The answer in the field's type, as it was typed; nothing is refused here."""
    kind = KINDS.get(entry["type"], TEXT)
    return kind.typed(value)


def problem(entry: Entry, value: Answered, allowed: set[str]) -> str:
    """What is wrong with an answer, in words that say what to do; empty when it can be sent."""
    kind = KINDS.get(entry["type"], TEXT)
    if not value:
        return str(kind.missing()) if entry.get("required") else ""
    return kind.problem(entry, value, allowed)


def words(entry: Entry, value: Answered) -> str:
    """The answer to be read."""
    return KINDS.get(entry["type"], TEXT).words(entry, value)


# --- Texts and choices ------------------------------------------------------------------------------------------


def _length_problem(entry: Entry, value: Answered, _allowed: set[str]) -> str:
    length, low, high = len(str(value)), entry.get("min", 0), entry.get("max", TEXT_LIMIT)
    if low <= length <= high:
        return ""
    if length < low:
        wanted = ngettext("Write at least %(low)s character.", "Write at least %(low)s characters.", low) % {"low": low}
    else:
        wanted = ngettext("Write at most %(high)s character.", "Write at most %(high)s characters.", high) % {
            "high": high
        }
    return wanted + " " + _("You have %(length)s.") % {"length": length}


def _choice_problem(entry: Entry, value: Answered, _allowed: set[str]) -> str:
    known = choices(entry)
    return _("Choose one of the list.") if known and value not in {code for code, _label in known} else ""


def _choice_words(entry: Entry, value: Answered) -> str:
    text = str(value or "")
    return dict(choices(entry)).get(text, text)


def _ticked(value: object) -> bool:
    return value in {True, "on", "true", "yes", "1"} if isinstance(value, bool | str) else False


def _chosen(value: object) -> list[str]:
    chosen = [value] if isinstance(value, str) else value if isinstance(value, list | tuple) else []
    return [name for name in CAPABILITIES if name in chosen]


def _capability_problem(_entry: Entry, value: Answered, allowed: set[str]) -> str:
    return (
        "" if isinstance(value, list) and set(map(str, value)) <= allowed else _("Choose among what this gate opens.")
    )


# --- Dates ------------------------------------------------------------------------------------------------------


def _date_problem(entry: Entry, value: Answered, _allowed: set[str]) -> str:
    try:
        day = date.fromisoformat(str(value))
    except ValueError:
        return _("Write a date as year-month-day, for example 2027-03-31.")
    earliest, latest = entry.get("earliest", "1900-01-01"), entry.get("latest", "2100-12-31")
    if not earliest <= day.isoformat() <= latest:
        return _("Choose a date from %(earliest)s to %(latest)s.") % {"earliest": earliest, "latest": latest}
    return ""


# --- People -----------------------------------------------------------------------------------------------------


def _people(value: object) -> list[dict[str, str]]:
    """One person a line, `name, address`; or the list that was made of it."""
    if isinstance(value, list):
        rows = [value_of for value_of in value if isinstance(value_of, dict)]
        pairs = [(text_of(row.get("name"))[:200], text_of(row.get("email"))[:254]) for row in rows]
    else:
        pairs = [_person(line) for line in text_of(value).splitlines()]
    return [{"name": name, "email": email} for name, email in pairs if name or email][: PEOPLE_LIMIT + 1]


def _person(line: str) -> tuple[str, str]:
    name, comma, email = line.rpartition(",")
    if not comma:
        return ("", line.strip()) if "@" in line else (line.strip()[:200], "")
    return name.strip()[:200], email.strip()[:254]


def _people_problem(entry: Entry, value: Answered, _allowed: set[str]) -> str:
    people = [row for row in value if isinstance(row, dict)] if isinstance(value, list) else []
    most = min(entry.get("max") or PEOPLE_LIMIT, PEOPLE_LIMIT)
    if len(people) > most:
        return _("Name at most %(most)s people.") % {"most": most}
    for row in people:
        if not row["name"]:
            return _("Write the name before %(email)s, with a comma between.") % {"email": row["email"]}
        if not _is_address(row["email"]):
            return _("Write the address of %(name)s after a comma: name, name@northfield.example.") % row
    addresses = [row["email"].lower() for row in people]
    twice = next((address for address in addresses if addresses.count(address) > 1), "")
    return _("%(email)s is there twice.") % {"email": twice} if twice else ""


def _is_address(text: str) -> bool:
    try:
        validate_email(text)
    except ValidationError:
        return False
    return True


def people_text(value: Answered) -> str:
    """A list of people as it is written: one a line."""
    rows = value if isinstance(value, list) else []
    return "\n".join(", ".join(part for part in (r["name"], r["email"]) if part) for r in rows if isinstance(r, dict))


# --- Institution ------------------------------------------------------------------------------------------------


def _institution(value: object) -> dict[str, str]:
    """{name, ror, site}: of the register where the id or the exact name is in it. Two queries at most."""
    said = value if isinstance(value, dict) else {"name": value}
    name, ror, site = (text_of(said.get(key))[:254] for key in ("name", "ror", "site"))
    if not name and not ror:
        return {}
    try:
        found = institution_of(Place(name, ror=ror))
    except Invalid:
        found = None
    if found:
        return {"name": found.name, "ror": found.ror, "site": ""}
    return {"name": name or ror, "ror": "", "site": site}


def _institution_problem(_entry: Entry, value: Answered, _allowed: set[str]) -> str:
    said = value if isinstance(value, dict) else {}
    if said.get("ror") or str(said.get("site", "")).startswith(("https://", "http://")):
        return ""
    return _("The register does not have exactly this. Choose from its list, or write the site of the institution.")


def _institution_words(_entry: Entry, value: Answered) -> str:
    if not isinstance(value, dict):
        return str(value or "")
    where = value.get("ror") or " ".join(filter(None, [value.get("site"), _("(not in the register)")]))
    return f"{value.get('name', '')}\n{where}" if value.get("name") else ""


# --- Files ------------------------------------------------------------------------------------------------------


def _file(value: object) -> dict[str, str]:
    """{id, name} of an attachment; only `actions.attach` makes one."""
    if not isinstance(value, dict) or not all(isinstance(value.get(key), str) for key in ("id", "name")):
        return {}
    return {"id": value["id"][:36], "name": text_of(value["name"])[:120]}


def _file_words(_entry: Entry, value: Answered) -> str:
    return str(value.get("name", "")) if isinstance(value, dict) else ""


def _fine(_entry: Entry, _value: Answered, _allowed: set[str]) -> str:
    return ""


@dataclass(frozen=True, slots=True)
class Kind:
    """One type of question: how it is kept, what is said where it is missing or wrong, how it reads."""

    typed: Callable[[object], Answered]
    missing: Callable[[], str]
    problem: Callable[[Entry, Answered, set[str]], str]
    words: Callable[[Entry, Answered], str]


TEXT: Final = Kind(text_of, lambda: _("Write an answer."), _length_problem, _choice_words)
CHOICE: Final = Kind(text_of, lambda: _("Choose one."), _choice_problem, _choice_words)
KINDS: Final[dict[str, Kind]] = {
    "text": TEXT,
    "long_text": TEXT,
    "choice": CHOICE,
    "country": CHOICE,
    "declaration": Kind(text_of, lambda: _("Choose yes or no."), _choice_problem, _choice_words),
    "checkbox": Kind(
        _ticked, lambda: _("Tick this to go on."), _fine, lambda _entry, value: _("yes") if value else _("no")
    ),
    "capabilities": Kind(
        _chosen,
        lambda: _("Choose at least one."),
        _capability_problem,
        lambda _entry, value: ", ".join(map(str, value)) if isinstance(value, list) else "",
    ),
    "date": Kind(text_of, lambda: _("Choose a date."), _date_problem, _choice_words),
    "person_list": Kind(
        _people, lambda: _("Name at least one person."), _people_problem, lambda _entry, value: people_text(value)
    ),
    "institution": Kind(_institution, lambda: _("Write where you work."), _institution_problem, _institution_words),
    "file": Kind(_file, lambda: _("Choose a PDF."), _fine, _file_words),
}
