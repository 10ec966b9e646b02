"""“May I …?”: what a licence allows, as data. Of well-known licences from here, of a lab's own from its card.

A card tells the terms of its own licence under `license_terms`: for each question of QUESTIONS an answer (yes, no, if) or
a table of `answer`, `note` and `clause`; and under `duties` a list of sentences. It is a summary; the text governs.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

from django.utils.functional import Promise
from django.utils.translation import gettext_lazy as _

from releases import licences

QUESTIONS: Final[dict[str, Promise]] = {
    "research": _("study it, evaluate it, and publish what I find?"),
    "commercial": _("use it in a product, or to earn money?"),
    "change": _("change it, or train it further?"),
    "pass_on": _("give copies to others?"),
    "derive": _("give others what I made from it?"),
    "outputs": _("use what it writes as I like?"),
    "sensitive": _("use it for weapons, surveillance or biometrics?"),
}
YES: Final = "yes"
NO: Final = "no"
IF: Final = "if"
_NOTE_MAX: Final = 400
_DUTIES_MAX: Final = 20
_KEEP: Final = _("Keep the licence and its notices with every copy.")
_CHANGED: Final = _("Say what you changed.")
_NAME: Final = _("Name its makers, the licence, and what you changed.")
_SAME: Final = _("Under the same licence alone.")
_MONEY: Final = _("Not for commercial advantage or payment.")
_SILENT: Final = _("The licence does not speak of it.")
_NO_FIELD: Final = _("The licence forbids no field of use; the law still holds.")
_PATENTS: Final = _("Whoever sues over patents in it loses the licence for those.")
_NO_WARRANTY: Final = _("It comes without warranty.")


@dataclass(frozen=True, slots=True)
class Answer:
    """One row: the question, yes, no or if, and perhaps a sentence, a clause, a source."""

    question: Promise
    answer: str
    note: str | Promise = ""
    clause: str = ""
    source: Any = None


@dataclass(frozen=True, slots=True)
class Terms:
    """What a licence allows and asks for."""

    answers: tuple[Answer, ...]
    duties: tuple[str | Promise, ...]
    by_lab: bool
    """Whether the lab says so of its own licence, and not we of a well-known one."""

    def __bool__(self) -> bool:
        return bool(self.answers)


_FREE: Final[dict[str, tuple[str, Any]]] = {
    "research": (YES, ""), "commercial": (YES, ""), "change": (YES, ""), "pass_on": (IF, _KEEP), "derive": (IF, _KEEP),
    "outputs": (YES, _SILENT), "sensitive": (YES, _NO_FIELD),
}  # fmt: skip
_BY: Final = _FREE | {"pass_on": (IF, _NAME), "derive": (IF, _NAME)}
_NOT_FOR_MONEY: Final = _BY | {"research": (IF, _MONEY), "commercial": (NO, _MONEY), "change": (IF, _MONEY)}
_KNOWN: Final[dict[str, tuple[dict[str, tuple[str, Any]], tuple[Promise, ...]]]] = {
    "MIT": (_FREE, (_KEEP, _NO_WARRANTY)),
    "BSD-2-Clause": (_FREE, (_KEEP, _NO_WARRANTY)),
    "BSD-3-Clause": (_FREE, (_KEEP, _NO_WARRANTY)),
    "Apache-2.0": (_FREE, (_KEEP, _CHANGED, _PATENTS, _NO_WARRANTY)),
    "CC0-1.0": (_FREE | {"pass_on": (YES, ""), "derive": (YES, "")}, (_NO_WARRANTY,)),
    "CC-BY-4.0": (_BY, (_NAME, _NO_WARRANTY)),
    "CC-BY-SA-4.0": (_BY | {"derive": (IF, _SAME)}, (_NAME, _SAME, _NO_WARRANTY)),
    "CC-BY-NC-4.0": (_NOT_FOR_MONEY, (_NAME, _MONEY, _NO_WARRANTY)),
    "CC-BY-NC-SA-4.0": (_NOT_FOR_MONEY | {"derive": (IF, _SAME)}, (_NAME, _MONEY, _SAME, _NO_WARRANTY)),
}
"""By SPDX id: answers, and what is asked in return."""


def terms(licence: licences.Licence, card: Mapping[str, Any]) -> Terms:
    """The terms of a licence; empty where neither we nor the card tell any."""
    if licence.spdx in _KNOWN:
        answers, duties = _KNOWN[licence.spdx]
        rows = (Answer(QUESTIONS[key], answer, note) for key, (answer, note) in answers.items())
        return Terms(tuple(rows), duties, by_lab=False)
    told = card.get("license_terms")
    return _of_card(told) if isinstance(told, dict) and not licence.spdx else Terms((), (), by_lab=True)


def sourced(rows: list[dict[str, Any]]) -> Terms:
    """Those of a family that is hosted elsewhere, each with its source (releases.entries)."""
    answers = [
        Answer(QUESTIONS[row["ask"]], _word(row["answer"]), row.get("note", ""), source=row["source"]) for row in rows
    ]
    return Terms(tuple(answers), (), by_lab=False)


def _of_card(told: Mapping[str, Any]) -> Terms:
    rows = []
    for key, question in QUESTIONS.items():
        said = told.get(key)
        table = said if isinstance(said, dict) else {"answer": said}
        if answer := _word(table.get("answer")):
            rows.append(Answer(question, answer, _text(table.get("note")), _text(table.get("clause"))[:40]))
    asked = told.get("duties")
    duties = [text for each in (asked if isinstance(asked, list) else []) if (text := _text(each))]
    return Terms(tuple(rows), tuple(duties[:_DUTIES_MAX]), by_lab=True)


def _word(value: object) -> str:
    """yes, no, if; YAML makes truths of the first two."""
    if isinstance(value, bool):
        return YES if value else NO
    return value if isinstance(value, str) and value in {YES, NO, IF} else ""


def _text(value: object) -> str:
    told = str(value) if isinstance(value, int) and not isinstance(value, bool) else value
    return told.strip()[:_NOTE_MAX] if isinstance(told, str) else ""
