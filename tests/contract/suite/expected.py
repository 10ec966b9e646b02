"""Which tests are run, which of them fail here, and why they must."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from fnmatch import fnmatchcase
from pathlib import Path

import yaml

FILE = Path(__file__).with_name("expected.yaml")


@dataclass(frozen=True)
class Report:
    """What to print, and whether all went as expected."""

    lines: list[str]
    as_expected: bool


@dataclass(frozen=True)
class Expected:
    """The selection as pytest's arguments, and for each test that must fail its reason."""

    selection: list[str]
    reasons: dict[str, str]

    @classmethod
    def read(cls, path: Path = FILE) -> Expected:
        """expected.yaml: `run` has files and, where not all of a file, its classes; `fails` has reasons and their tests."""
        said = yaml.safe_load(path.read_text())
        selection = [
            "::".join([file, *([part] if part else [])])
            for file, parts in said["run"].items()
            for part in parts or [None]
        ]
        reasons: dict[str, str] = {}
        for group in said["fails"]:
            for test in group["tests"]:
                if test in reasons:
                    raise ValueError(f"{test} is listed twice")
                reasons[test] = group["because"]
        return cls(selection, reasons)

    def reason(self, test: str) -> str | None:
        """Why this test must fail; None when it must not."""
        return next((why for pattern, why in self.reasons.items() if fnmatchcase(test, _literal(pattern))), None)

    def compare(self, results: dict[str, str], *, whole: bool) -> Report:
        """Every failure with its reason, then what nobody expected. `whole`: all tests ran, so none may be missing."""
        failed = {test: said for test, said in results.items() if said not in {"passed", "skipped"}}
        explained = Counter(why for test in failed if (why := self.reason(test)))
        surprises = [f"UNEXPECTED FAILURE {test}: {said}" for test, said in failed.items() if not self.reason(test)]
        surprises += [
            f"UNEXPECTED PASS {test}: listed as failing because {self.reason(test)}"
            for test, said in results.items()
            if said == "passed" and self.reason(test)
        ]
        if whole:
            unseen = [p for p in self.reasons if not any(fnmatchcase(test, _literal(p)) for test in results)]
            surprises += [f"NOT RUN {pattern}: listed as failing" for pattern in unseen]
        told = [f"{count:4} failed as they must: {why}" for why, count in explained.most_common()]
        counted = Counter(said if said in {"passed", "skipped"} else "failed" for said in results.values())
        totals = f"{counted['passed']} passed, {counted['failed']} failed, {counted['skipped']} skipped"
        return Report([*told, *surprises, totals], not surprises and bool(results))


def _literal(pattern: str) -> str:
    """Square brackets of a parametrised test mean themselves; `*` matches anything."""
    return pattern.replace("[", "[[]")
