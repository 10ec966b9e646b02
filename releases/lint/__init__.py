"""Release lint: what is wrong with a release as a whole, though each file is what its name says. No framework, no I/O.

A rule is a function from a candidate to sentences, each of which says what to do; they are kept as they are and said in
the language of whoever reads them. An **error** is a contradiction
among the files, which cannot be right, and stops publishing. A **warning** is something that readers will miss or
doubt; it is shown, and what stood open is written into the audit trail when somebody publishes all the same (ADR 14).
"""

from __future__ import annotations

from releases.lint import about, contents, ladder, weights
from releases.lint.candidate import Candidate, File, Public, Sibling
from releases.lint.rule import Finding, Rule, Severity

RULES: tuple[Rule, ...] = (*contents.RULES, *weights.RULES, *ladder.RULES, *about.RULES)

__all__ = ["RULES", "Candidate", "File", "Finding", "Public", "Rule", "Severity", "Sibling", "lint"]


def lint(candidate: Candidate) -> list[Finding]:
    """Every finding of every rule, in the rules' order."""
    return [Finding(rule.name, rule.severity, said) for rule in RULES for said in rule.look(candidate)]
