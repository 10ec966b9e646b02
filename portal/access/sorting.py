"""Triage at work: which rules are in force, the facts of an application, and what other rules would have said."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Final
from uuid import UUID

from django.db.models import Q, QuerySet

from portal.access import form_spec, triage
from portal.access.application_models import Application, Submission
from portal.access.gate_models import Gate
from portal.access.rule_models import RuleSet
from portal.people.countries import COUNTRIES
from portal.people.models import Affiliation, Lab

PAST: Final = 500
"""The newest applications that a dry run looks at."""


def in_force(gate: Gate) -> tuple[int, list[triage.Rule]]:
    """(version, rules) for this gate today: its own newest set, else the lab's, else what every lab begins with."""
    return in_force_at([gate])[gate.pk]


def in_force_at(gates: Sequence[Gate]) -> dict[int, tuple[int, list[triage.Rule]]]:
    """The same for several gates, by their ids. One query, however many."""
    whose = Q(gate__in=gates) | Q(gate=None, lab__in={gate.lab_id for gate in gates})
    newest = RuleSet.objects.filter(whose).order_by("lab_id", "gate_id", "-version").distinct("lab_id", "gate_id")
    sets = {(each.lab_id, each.gate_id): (each.version, each.rules()) for each in newest}
    first = (1, triage.read(triage.FIRST)[0])
    return {gate.pk: sets.get((gate.lab_id, gate.pk)) or sets.get((gate.lab_id, None), first) for gate in gates}


def sorted_by(lab: Lab, gate: Gate | None) -> QuerySet[Gate]:
    """The gates that rules for this gate, or for the lab, are in force at: the lab's are where a gate has none of its own."""
    gates = Gate.objects.filter(lab=lab)
    return gates.filter(pk=gate.pk) if gate else gates.exclude(pk__in=RuleSet.objects.exclude(gate=None).values("gate"))


def of_version(lab: Lab, version: int) -> list[triage.Rule]:
    """The rules of one version of a lab; none when there is no such version."""
    if version == 1:
        return triage.read(triage.FIRST)[0]
    found = RuleSet.objects.filter(lab=lab, version=version).first()
    return found.rules() if found else []


def form_of(lab: Lab, gate: Gate | None) -> triage.Form:
    """What rules for this gate, or for all of the lab's, may ask about. One query; gates with the same form are one."""
    specs = Gate.objects.filter(lab=lab).order_by().values_list("form_spec", flat=True).distinct()
    answers: dict[str, frozenset[str]] = {}
    declared: set[str] = set()
    for entry in (entry for spec in ([gate.form_spec] if gate else specs) for entry in form_spec.fields(spec)):
        choices = COUNTRIES if entry["type"] == "country" else entry.get("choices", ())
        codes = frozenset(str(code) for code, _label in choices)
        answers[entry["name"]] = answers.get(entry["name"], frozenset()) | codes
        declared |= {entry["name"]} if entry["type"] == "declaration" else set()
    return triage.Form(answers, frozenset(declared))


def facts_of(spec: form_spec.Spec, answers: dict[str, Any], email: str, place: Affiliation | None) -> triage.Facts:
    """What the rules are asked about."""
    said = answers.get(form_spec.institution_field(spec))
    elsewhere = bool(place and isinstance(said, dict) and said.get("name") != place.organisation)
    verified = bool(place and place.is_verified and not elsewhere)
    return triage.Facts(
        email=email,
        declared=tuple(form_spec.declarations(spec, answers)),
        answers=answers,
        institution_verified=verified,
        domains=tuple(place.institution.mail_domains()) if place and verified and place.institution else (),
    )


def sort(application: Application, answers: dict[str, Any]) -> None:
    """Set the lane, and keep the version and the names of the rules that matched."""
    place = Affiliation.objects.filter(user=application.applicant_id, ends_at=None).select_related("institution")
    facts = facts_of(application.gate.form_spec, answers, application.applicant.email, place.first())
    version, rules = in_force(application.gate)
    application.lane, matched = triage.sort(rules, facts)
    application.triage = {"version": version, "rules": matched}


def explain(application: Application) -> list[triage.Rule]:
    """The rules that put an application into its lane, as they were then, most cautious first."""
    stored = application.triage
    rules = of_version(application.gate.lab, stored.get("version", 1)) if stored else []
    return triage.explain(rules, stored.get("rules", []))


@dataclass(frozen=True, slots=True)
class Move:
    """An application that other rules would have put elsewhere."""

    application: Application
    before: str
    after: str
    because: list[triage.Rule]


@dataclass(frozen=True, slots=True)
class DryRun:
    """What rules would have done: how many were looked at, how many per lane now and then, and which would move."""

    looked_at: int
    lanes: list[tuple[str, int, int]]
    moves: list[Move]


def dry_run(rules: Sequence[triage.Rule], gates: QuerySet[Gate]) -> DryRun:
    """The newest applications of these gates under the rules in force and under `rules`, both with today's facts.

    Answers are those of the last round; address and institution are as they are now. Flat: five queries at most.
    """
    rows = list(
        Application.objects.filter(gate__in=gates, submitted_at__isnull=False)
        .select_related("applicant", "gate")
        .order_by("-submitted_at", "pk")[:PAST]
    )
    known = {pk: rules for pk, (_version, rules) in in_force_at([row.gate for row in rows]).items()}
    sent = _last_sent(rows)
    current = Affiliation.objects.filter(user__in=[row.applicant_id for row in rows], ends_at=None)
    current = current.select_related("institution").prefetch_related("institution__reviewed_domains")
    places = {place.user_id: place for place in current}
    before, after, moves = Counter[str](), Counter[str](), []
    for row in rows:
        facts = facts_of(
            sent[row.pk].form_spec, sent[row.pk].answers, row.applicant.email, places.get(row.applicant_id)
        )
        old = triage.sort(known[row.gate_id], facts)[0]
        new, matched = triage.sort(rules, facts)
        before[old] += 1
        after[new] += 1
        if old != new:
            moves.append(Move(row, old, new, triage.explain(rules, matched)))
    return DryRun(len(rows), [(lane, before[lane], after[lane]) for lane in reversed(triage.CAUTION)], moves)


def _last_sent(rows: Sequence[Application]) -> dict[UUID, Submission]:
    found = Submission.objects.filter(application__in=rows).order_by("round")
    return {sent.application_id: sent for sent in found}
