"""The engine behind a gate's form: one spec renders, keeps drafts, validates and reads back; and the decision forms."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from django.utils.translation import gettext as _

from portal.access import field_types, form_spec
from portal.access.field_types import CAPABILITIES, Answered
from portal.people import identity
from portal.people.affiliation_actions import Place
from portal.people.models import Affiliation, Institution, User


def clean_draft(spec: form_spec.Spec, answers: Mapping[str, Any]) -> dict[str, Any]:
    """The answers that belong to the spec, as they were typed but in their types. Nothing is required here."""
    return {
        entry["name"]: field_types.typed(entry, answers[entry["name"]])
        for entry in form_spec.fields(spec)
        if entry["name"] in answers
    }


def complete(
    spec: form_spec.Spec,
    answers: Mapping[str, Any],
    *,
    allowed: Iterable[str] = CAPABILITIES,
) -> tuple[dict[str, Any], dict[str, list[str]]]:
    """(the answers to the spec's questions, problems by field). No problem means that it can be sent."""
    kept = clean_draft(spec, answers)
    return kept, _problems(form_spec.fields(spec), kept, set(allowed))


def section_problems(
    section: dict[str, Any], answers: Mapping[str, Any], allowed: Iterable[str]
) -> dict[str, list[str]]:
    """Problems of one section's answers, by field."""
    return _problems(section["fields"], answers, set(allowed))


def _problems(entries: Iterable[dict[str, Any]], answers: Mapping[str, Any], allowed: set[str]) -> dict[str, list[str]]:
    found = ((entry["name"], field_types.problem(entry, answers.get(entry["name"]), allowed)) for entry in entries)
    return {name: [problem] for name, problem in found if problem}


@dataclass(frozen=True, slots=True)
class Question:
    """One field ready to be drawn."""

    name: str
    type: str
    label: str
    help: str
    required: bool
    value: Answered
    errors: list[str]
    choices: tuple[tuple[str, str], ...]
    clause: str = ""
    min: int = 0
    max: int = 0
    earliest: str = ""
    latest: str = ""
    hits: list[Institution] | None = None
    """What the search without script found for this field; None where nobody searched."""

    @property
    def length(self) -> int:
        """Characters written so far."""
        return len(self.value) if isinstance(self.value, str) else 0

    @property
    def described_by(self) -> str:
        """Ids of what a screen reader says after the label."""
        counted = self.type in {"long_text", "person_list", "file"}
        parts = [("hint", self.help), ("err", self.errors), ("count", counted)]
        return " ".join(f"{part}_{self.name}" for part, there in parts if there)

    @property
    def written(self) -> str:
        """A list of people as it was typed."""
        return field_types.people_text(self.value)


def questions(
    section: dict[str, Any],
    answers: Mapping[str, Any],
    problems: Mapping[str, list[str]],
    allowed: Iterable[str],
    *,
    find: str = "",
) -> list[Question]:
    """The fields of one section, with what was answered and what is wrong; `find` names one to search the register for."""
    return [
        _question(entry, answers.get(entry["name"], ""), problems.get(entry["name"], []), allowed, find)
        for entry in section["fields"]
    ]


def _question(entry: dict[str, Any], value: Answered, errors: list[str], allowed: Iterable[str], find: str) -> Question:
    choices = field_types.choices(entry)
    if entry["type"] == "capabilities":
        words = {"download": _("Download the weights"), "query": _("Query through the API")}
        choices = tuple((name, words[name]) for name in CAPABILITIES if name in allowed)
    return Question(
        name=entry["name"],
        type=entry["type"],
        label=form_spec.spoken(entry["label"]),
        help=form_spec.spoken(entry.get("help", "")),
        required=bool(entry.get("required")),
        value=value,
        errors=list(errors),
        choices=choices,
        clause=entry.get("clause", ""),
        min=entry.get("min", 0),
        max=entry.get("max", 0),
        earliest=entry.get("earliest", ""),
        latest=entry.get("latest", ""),
        hits=_hits(value) if entry["type"] == "institution" and entry["name"] == find else None,
    )


def _hits(value: Answered) -> list[Institution]:
    return Institution.objects.matching(str(value.get("name", "")) if isinstance(value, dict) else "")


@dataclass(frozen=True, slots=True)
class Answer:
    """One answer to be read."""

    name: str
    type: str
    label: str
    text: str
    changed: bool = False
    before: str = ""
    file: str = ""
    """Id of the attachment, where the answer is one."""


def read_back(
    spec: form_spec.Spec, answers: Mapping[str, Any], before: Mapping[str, Any] | None = None
) -> list[tuple[str, list[Answer]]]:
    """(section title, answers in words) of what was sent; with `before`, what has changed since is marked."""
    differs = form_spec.changed(spec, dict(before), dict(answers)) if before is not None else set()
    return [
        (
            form_spec.spoken(part["title"]),
            [
                Answer(
                    name=entry["name"],
                    type=entry["type"],
                    label=form_spec.spoken(entry["label"]),
                    text=field_types.words(entry, answers.get(entry["name"])),
                    changed=entry["name"] in differs,
                    file=_file_id(entry, answers.get(entry["name"])),
                    before=field_types.words(entry, (before or {}).get(entry["name"]))
                    if entry["name"] in differs
                    else "",
                )
                for entry in part["fields"]
            ],
        )
        for part in spec
    ]


def _file_id(entry: dict[str, Any], value: Answered) -> str:
    return str(value.get("id", "")) if entry["type"] == "file" and isinstance(value, dict) else ""


def prefill(spec: form_spec.Spec, user: User) -> dict[str, Any]:
    """What the portal knows already, by field name."""
    known: dict[str, Any] = {"name": user.name, "page": user.page or identity.orcid_page(user)}
    place = _place(user)
    if place:
        known |= {
            "organisation": place.organisation,
            "institution": {"name": place.organisation, "ror": place.ror, "site": place.site},
            "affiliation_class": place.klass,
            "country": place.country,
            "position": place.position,
        }
    asked = ((entry["name"], known.get(entry["prefill"])) for entry in form_spec.fields(spec) if entry.get("prefill"))
    return {name: value for name, value in asked if value}


def _place(user: User) -> Place | None:
    """Where the person works as they say; else as their provider or their verified address says."""
    found = Affiliation.objects.filter(user=user, ends_at=None).select_related("institution").first()
    if found is None:
        return identity.suggested_place(user)
    ror = found.institution.ror if found.institution else ""
    return Place(found.organisation, ror, found.site, found.country, found.position, found.klass)


def still_known(
    section: dict[str, Any], answers: Mapping[str, Any], known: Mapping[str, Any], problems: Mapping[str, Any]
) -> set[str]:
    """Names of the answers that are as the portal knew them: they are shown, and need no question."""
    names = {entry["name"] for entry in section["fields"]} & known.keys() - problems.keys()
    return {name for name in names if answers.get(name) == known[name]}


@dataclass(frozen=True, slots=True)
class Group:
    """Questions that are drawn together: neighbouring declarations in one table, every other question alone."""

    questions: list[Question]

    @property
    def declares(self) -> bool:
        """Whether these are declarations."""
        return self.questions[0].type == "declaration"

    @property
    def all_no(self) -> bool:
        """Whether each was answered with no."""
        return all(question.value == "no" for question in self.questions)

    @property
    def needs_each(self) -> bool:
        """Whether the table must be open: one is wrong, or they were answered differently."""
        return any(question.errors or question.value for question in self.questions) and not self.all_no


def grouped(drawn: list[Question]) -> list[Group]:
    """The questions in the order of the form."""
    groups: list[Group] = []
    for question in drawn:
        if groups and groups[-1].declares and question.type == "declaration":
            groups[-1].questions.append(question)
        else:
            groups.append(Group([question]))
    return groups


def marked(problems: Mapping[str, list[str]], labels: Mapping[str, str]) -> dict[str, Any]:
    """What is wrong, as pages draw it: `located` for the summary above a form, `wrong` beside each control."""
    return {"located": located(problems, labels), "wrong": wrong(problems)}


def wrong(problems: Mapping[str, list[str]]) -> dict[str, dict[str, Any]]:
    """Problems by field, as the part that draws them beside the control wants them."""
    return {name: {"name": name, "errors": texts} for name, texts in problems.items()}


def located(problems: Mapping[str, list[str]], labels: Mapping[str, str]) -> list[tuple[str, str, str]]:
    """(address on this page, label, what is wrong): the summary above a form."""
    return [(f"#id_{name}", labels.get(name, ""), text) for name, texts in problems.items() for text in texts]
