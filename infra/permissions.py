"""`python -m infra.permissions`: write docs/permissions.md from the tables that the actions themselves ask.

Who may do what in which state is said once, in the state tables; this page is their picture, and a test holds it
against them. Add a table here when a new one comes.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from inference import allocation, disclosure, signal_states
from inference import batch_lifecycle as batches
from inference import evaluation_lifecycle as evaluation_runs
from portal.access import handovers, institutional, lifetime, members, referees, workflow
from portal.tokens import devices
from releases import conversion_lifecycle, lifecycle, logbook_lifecycle, opening
from releases import evaluation_verdicts as verdicts
from releases import harm_lifecycle as harm

PAGE: Final = Path(__file__).resolve().parents[1] / "docs" / "permissions.md"
HEAD: Final = """\
# Permissions

Written by `python -m infra.permissions` from the state tables; do not edit. A cell names who may do it and the state
that follows. An empty cell is refused, whoever asks: with *conflict* to a party of the object, with *not found* to
everybody else.

Which address answers whom, by method and credential, is declared in `tests/architecture/doors/`, and a test asks
every address: without an account, with each kind of token, as whoever has the wrong role or the wrong lab, and as one of
those who are let in or refused alike. In `make drill` it asks as everybody.
"""


@dataclass(frozen=True, slots=True)
class Table:
    """One state table, ready to be drawn: (state, verb) → (next state, who)."""

    title: str
    source: str
    states: tuple[str, ...]
    verbs: tuple[str, ...]
    rows: Mapping[tuple[str, str], tuple[str, Iterable[str]]]


TABLES: Final = (
    Table(
        "Applications",
        "portal/access/workflow.py",
        tuple(workflow.Status),
        tuple(workflow.Verb),
        {(str(at), str(verb)): (str(to), who) for (at, verb), (to, who) in workflow.TABLE.items()},
    ),
    Table(
        "Grants",
        "portal/access/lifetime.py",
        tuple(lifetime.State),
        tuple(lifetime.GrantVerb),
        {(str(at), str(verb)): (str(to), who) for (at, verb), (to, who) in lifetime.GRANTS.items()},
    ),
    Table(
        "Renewals",
        "portal/access/lifetime.py",
        tuple(lifetime.RenewalStatus),
        tuple(lifetime.RenewalVerb),
        {(str(at), str(verb)): (str(to), who) for (at, verb), (to, who) in lifetime.RENEWALS.items()},
    ),
    Table(
        "Members of a team",
        "portal/access/members.py",
        tuple(members.MemberStatus),
        tuple(members.MemberVerb),
        {(str(at), str(verb)): (str(to), who) for (at, verb), (to, who) in members.TABLE.items()},
    ),
    Table(
        "Projects handed over",
        "portal/access/handovers.py",
        tuple(handovers.HandoverStatus),
        tuple(handovers.HandoverVerb),
        {(str(at), str(verb)): (str(to), who) for (at, verb), (to, who) in handovers.TABLE.items()},
    ),
    Table(
        "Referees",
        "portal/access/referees.py",
        tuple(referees.RefereeStatus),
        tuple(referees.RefereeVerb),
        {(str(at), str(verb)): (str(to), who) for (at, verb), (to, who) in referees.TABLE.items()},
    ),
    Table(
        "Institutional agreements",
        "portal/access/institutional.py",
        tuple(institutional.Status),
        tuple(institutional.Verb),
        {(str(at), str(verb)): (str(to), who) for (at, verb), (to, who) in institutional.TABLE.items()},
    ),
    Table(
        "Lines of a roster",
        "portal/access/institutional.py",
        tuple(institutional.Line),
        tuple(institutional.LineVerb),
        {(str(at), str(verb)): (str(to), who) for (at, verb), (to, who) in institutional.LINES.items()},
    ),
    Table(
        "Allocation requests",
        "inference/allocation.py",
        tuple(allocation.Status),
        tuple(allocation.Verb),
        {(str(at), str(verb)): (str(to), who) for (at, verb), (to, who) in allocation.TABLE.items()},
    ),
    Table(
        "Device logins",
        "portal/tokens/devices.py",
        tuple(devices.State),
        tuple(devices.Verb),
        {(str(at), str(verb)): (str(to), who) for (at, verb), (to, who) in devices.TABLE.items()},
    ),
    Table(
        "Revisions",
        "releases/lifecycle.py",
        tuple(lifecycle.State),
        tuple(lifecycle.Verb),
        {(str(at), str(verb)): (str(step.to), step.roles) for (at, verb), step in lifecycle.TABLE.items()},
    ),
    Table(
        "Planned openings",
        "releases/opening.py",
        tuple(opening.State),
        tuple(opening.Verb),
        {(str(at), str(verb)): (str(to), who) for (at, verb), (to, who) in opening.TABLE.items()},
    ),
    Table(
        "Conversions",
        "releases/conversion_lifecycle.py",
        tuple(conversion_lifecycle.Stage),
        tuple(conversion_lifecycle.Verb),
        {(str(at), str(verb)): (str(to), who) for (at, verb), (to, who) in conversion_lifecycle.TABLE.items()},
    ),
    Table(
        "Logbooks",
        "releases/logbook_lifecycle.py",
        tuple(logbook_lifecycle.State),
        tuple(logbook_lifecycle.Verb),
        {(str(at), str(verb)): (str(to), who) for (at, verb), (to, who) in logbook_lifecycle.TABLE.items()},
    ),
    Table(
        "Misuse signals",
        "inference/signal_states.py",
        tuple(signal_states.State),
        tuple(signal_states.Verb),
        {(str(at), str(verb)): (str(to), who) for (at, verb), (to, who) in signal_states.TABLE.items()},
    ),
    Table(
        "Disclosures of kept content",
        "inference/disclosure.py",
        tuple(disclosure.State),
        tuple(disclosure.Verb),
        {(str(at), str(verb)): (str(to), who) for (at, verb), (to, who) in disclosure.TABLE.items()},
    ),
    Table(
        "Batches",
        "inference/batch_lifecycle.py",
        tuple(batches.State),
        tuple(batches.Verb),
        {(str(at), str(verb)): (str(to), who) for (at, verb), (to, who) in batches.TABLE.items()},
    ),
    Table(
        "Evaluation runs",
        "inference/evaluation_lifecycle.py",
        tuple(evaluation_runs.State),
        tuple(evaluation_runs.Verb),
        {(str(at), str(verb)): (str(to), who) for (at, verb), (to, who) in evaluation_runs.TABLE.items()},
    ),
    Table(
        "Reproductions of scores",
        "releases/evaluation_verdicts.py",
        tuple(verdicts.State),
        tuple(verdicts.Verb),
        {(str(at), str(verb)): (str(to), who) for (at, verb), (to, who) in verdicts.TABLE.items()},
    ),
    Table(
        "Reports of harm",
        "releases/harm_lifecycle.py",
        tuple(harm.State),
        tuple(harm.Verb),
        {(str(at), str(verb)): (str(to), who) for (at, verb), (to, who) in harm.TABLE.items()},
    ),
)


def page() -> str:
    """The whole document."""
    return HEAD + "".join(_section(table) for table in TABLES)


def _section(table: Table) -> str:
    head = ["verb", *(_words(state) for state in table.states)]
    lines = [_line(head), _line(["---"] * len(head))]
    lines += [_line([f"**{_words(verb)}**", *(_cell(table, at, verb) for at in table.states)]) for verb in table.verbs]
    return f"\n## {table.title}\n\nFrom `{table.source}`.\n\n" + "\n".join(lines) + "\n"


def _cell(table: Table, at: str, verb: str) -> str:
    if (at, verb) not in table.rows:
        return ""
    to, who = table.rows[at, verb]
    return f"{', '.join(sorted(who))} → {_words(to)}"


def _words(name: str) -> str:
    return name.replace("_", " ")


def _line(cells: Iterable[str]) -> str:
    return "| " + " | ".join(cells) + " |"


if __name__ == "__main__":
    PAGE.write_text(page())
