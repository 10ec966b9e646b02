"""Triage: rules as data that sort applications into lanes. They advise; they never decide. No database.

A rule is one line that a person can read and write:

    amber student when answer role is student, phd: A student

lane, name, one or more conditions joined by “and”, and what a reviewer reads. TESTS is all that a condition can say.
Each rule says what it found, so that a reviewer sees the fact and its source and not a bare colour. The lane is the
most cautious one that any matching rule asks for; `block` asks to decline, which only a person can do.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import Any, Final

from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from portal.people.domains import FREE_MAIL, belongs

CAUTION: Final = ("green", "amber", "red", "block")
LIMIT: Final = 40
"""No set has more rules: nobody would read them."""


@dataclass(frozen=True, slots=True)
class Facts:
    """What is known when an application is sent."""

    email: str
    declared: tuple[str, ...]
    """Names of the restricted uses that were answered with yes."""
    answers: Mapping[str, Any]
    institution_verified: bool
    domains: tuple[str, ...] = ()
    """Mail domains of the verified institution."""

    @property
    def domain(self) -> str:
        """The part of the address after the @."""
        return self.email.rpartition("@")[2].lower()


@dataclass(frozen=True, slots=True)
class Test:
    """One thing that a condition can ask: where its fact comes from, whether it names values, and how it is asked."""

    source: str
    asks: Callable[[Facts, str, tuple[str, ...]], bool]
    takes_values: bool = False


def _said(facts: Facts, field: str) -> str:
    return str(facts.answers.get(field) or "")


TESTS: Final[dict[tuple[str, str], Test]] = {
    ("declarations", "any"): Test("declarations", lambda f, _, __: bool(f.declared)),
    ("declarations", "include"): Test(
        "declarations", lambda f, _, values: bool(set(f.declared) & set(values)), takes_values=True
    ),
    ("answer", "is"): Test("answers", lambda f, field, values: _said(f, field) in values, takes_values=True),
    ("answer", "is not"): Test("answers", lambda f, field, values: _said(f, field) not in values, takes_values=True),
    ("answer", "empty"): Test("answers", lambda f, field, _: not _said(f, field)),
    ("address", "public"): Test("account", lambda f, _, __: f.domain in FREE_MAIL),
    ("address", "on institution"): Test("affiliation", lambda f, _, __: belongs(f.domain, f.domains)),
    ("address", "at"): Test("account", lambda f, _, values: belongs(f.domain, values), takes_values=True),
    ("institution", "verified"): Test("affiliation", lambda f, _, __: f.institution_verified),
    ("institution", "unverified"): Test("affiliation", lambda f, _, __: not f.institution_verified),
}
"""(fact, test): everything a condition can say. `answer` also names its field."""


SOURCES: Final = {
    "declarations": gettext_lazy("declarations"),
    "answers": gettext_lazy("answers"),
    "account": gettext_lazy("account"),
    "affiliation": gettext_lazy("affiliation"),
}
"""What a reader calls the source of a fact."""


@dataclass(frozen=True, slots=True)
class Condition:
    """One test of one fact."""

    fact: str
    test: str
    field: str = ""
    values: tuple[str, ...] = ()

    def holds(self, facts: Facts) -> bool:
        """Whether it is so."""
        return TESTS[self.fact, self.test].asks(facts, self.field, self.values)

    def __str__(self) -> str:
        said = " ".join(part for part in (self.fact, self.field, self.test) if part)
        return f"{said} {', '.join(self.values)}" if self.values else said


@dataclass(frozen=True, slots=True)
class Rule:
    """When all its conditions hold, its lane is asked for and `found` is shown with its sources."""

    id: str
    lane: str
    found: str
    when: tuple[Condition, ...]

    @property
    def source(self) -> str:
        """Where its facts come from."""
        return ", ".join(dict.fromkeys(str(SOURCES[TESTS[each.fact, each.test].source]) for each in self.when))

    @property
    def words(self) -> str:
        """What was found, in the reader's language where it is one of the first rules; a lab's own as written."""
        return _(self.found)

    def matches(self, facts: Facts) -> bool:
        """Whether every condition holds."""
        return all(each.holds(facts) for each in self.when)

    def __str__(self) -> str:
        return f"{self.lane} {self.id} when {' and '.join(map(str, self.when))}: {self.found}"


@dataclass(frozen=True, slots=True)
class Form:
    """What rules may ask about: each field with its possible answers (none: free text), and the declarations."""

    answers: Mapping[str, frozenset[str]]
    declarations: frozenset[str]


_LINE: Final = re.compile(r"(?P<lane>\S+)\s+(?P<id>\S+)\s+when\s+(?P<when>[^:]+):\s*(?P<found>.+)")
_ID: Final = re.compile(r"[a-z][a-z0-9-]{0,39}")


class Fault(Exception):
    """What is wrong with one line, in words."""


def read(text: str, form: Form | None = None) -> tuple[list[Rule], list[str]]:
    """(rules, faults): one rule a line; blank lines and lines that begin with # say nothing. Do not use rules with faults.

    Without `form`, as for rules that were read once already, any field and any answer will do.
    """
    rules: list[Rule] = []
    faults: list[str] = []
    for number, line in enumerate(text.replace("\r\n", "\n").split("\n"), 1):
        if not line.strip() or line.lstrip().startswith("#"):
            continue
        try:
            rules.append(_rule(line.strip(), form, {rule.id for rule in rules}))
        except Fault as fault:
            faults.append(_("Line %(number)s: %(fault)s") % {"number": number, "fault": fault})
    if not rules and not faults:
        faults.append(_("Write at least one rule."))
    if len(rules) > LIMIT:
        faults.append(
            _("There are %(count)s rules; at most %(limit)s can be read.") % {"count": len(rules), "limit": LIMIT}
        )
    return rules, faults


def _rule(line: str, form: Form | None, taken: set[str]) -> Rule:
    parts = _LINE.fullmatch(line)
    if parts is None:
        raise Fault(_("Write it as “lane name when condition: what was found”."))
    lane, name = parts["lane"].lower(), parts["id"].lower()
    if lane not in CAUTION:
        raise Fault(_("“%(lane)s” is no lane. Use %(known)s.") % {"lane": lane, "known": ", ".join(reversed(CAUTION))})
    if not _ID.fullmatch(name):
        raise Fault(
            _("“%(name)s” is no name for a rule. Use letters, digits and hyphens, at most 40.") % {"name": name}
        )
    if name in taken:
        raise Fault(_("Two rules are called “%(name)s”.") % {"name": name})
    conditions = tuple(_condition(each.strip(), form) for each in re.split(r"\s+and\s+", parts["when"].strip()))
    return Rule(name, lane, parts["found"].strip()[:200], conditions)


def _condition(text: str, form: Form | None) -> Condition:
    fact, _space, rest = text.partition(" ")
    if fact not in {known for known, _test in TESTS}:
        raise Fault(
            _("“%(fact)s” is nothing that is known. Use %(known)s.")
            % {"fact": fact, "known": ", ".join(dict.fromkeys((known for known, _ in TESTS)))}
        )
    field = ""
    if fact == "answer":
        field, _space, rest = rest.strip().partition(" ")
        if form and field not in form.answers:
            raise Fault(
                _("The form has no field “%(field)s”. It has %(known)s.")
                % {"field": field, "known": ", ".join(sorted(form.answers))}
            )
    for test in sorted((test for known, test in TESTS if known == fact), key=len, reverse=True):
        if rest.strip() == test or rest.strip().startswith(test + " "):
            return _asked(fact, test, field, rest.strip()[len(test) :], form)
    tests = ", ".join(test for known, test in TESTS if known == fact)
    raise Fault(
        _("“%(text)s” cannot be asked about %(fact)s. Use %(tests)s.")
        % {"text": rest.strip(), "fact": fact, "tests": tests}
    )


def _asked(fact: str, test: str, field: str, rest: str, form: Form | None) -> Condition:
    values = tuple(value.strip().lower() if fact == "address" else value.strip() for value in rest.split(","))
    values = tuple(value for value in values if value)
    if TESTS[fact, test].takes_values != bool(values):
        said = " ".join(part for part in (fact, field, test) if part)
        if TESTS[fact, test].takes_values:
            raise Fault(_("“%(said)s” needs at least one value.") % {"said": said})
        raise Fault(_("“%(said)s” takes no value.") % {"said": said})
    known = _known(fact, field, form)
    strange = [value for value in values if known and value not in known]
    if strange:
        raise Fault(_("“%(value)s” is not among %(known)s.") % {"value": strange[0], "known": ", ".join(sorted(known))})
    return Condition(fact, test, field, values)


def _known(fact: str, field: str, form: Form | None) -> frozenset[str]:
    if form is None or fact not in {"answer", "declarations"}:
        return frozenset()
    return form.answers[field] if fact == "answer" else form.declarations


def write(rules: Iterable[Rule]) -> str:
    """The rules as `read` takes them."""
    return "".join(f"{rule}\n" for rule in rules)


def sort(rules: Iterable[Rule], facts: Facts) -> tuple[str, list[str]]:
    """(lane, names of the rules that matched). Without any match the lane is amber."""
    matched = [rule for rule in rules if rule.matches(facts)]
    lane = max((rule.lane for rule in matched), key=CAUTION.index, default="amber")
    return lane, [rule.id for rule in matched]


def explain(rules: Iterable[Rule], names: Iterable[str]) -> list[Rule]:
    """The rules of these names, most cautious first."""
    wanted = set(names)
    return sorted((rule for rule in rules if rule.id in wanted), key=lambda rule: -CAUTION.index(rule.lane))


FIRST: Final = """\
red restricted-use when declarations any: The work touches a use that the agreement limits
red industry when answer affiliation_class is industry_research: Industry research laboratory
red free-mail when address public: The address is with a public mail service
amber independent when answer role is independent: Independent researcher
amber student when answer role is student, phd: A student
amber institution-unverified when institution unverified: The institution has not been verified
green institution-verified when institution verified: The institution has been verified
green address-on-domain when address on institution: The address is on the institution's domain
"""
"""Version 1: what every lab begins with."""
