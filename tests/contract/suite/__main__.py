"""Run Hugging Face's own client tests against a portal that this starts, and compare with what is expected.

`python -m tests.contract.suite <path of a huggingface_hub checkout> [pytest's -k]`. The checkout is only read. Exit
status 1 when a test fails that is not listed in expected.yaml, or passes although it is.
"""

from __future__ import annotations

import argparse
import sys
import tempfile
from pathlib import Path

from tests.contract.suite import portal, running
from tests.contract.suite.expected import Expected


def main() -> int:
    """Start, run, compare, say."""
    parser = argparse.ArgumentParser(prog="python -m tests.contract.suite", description=__doc__)
    parser.add_argument("checkout", type=Path, help="a checkout of huggingface_hub; its tests/ is read")
    parser.add_argument("-k", default="", help="only tests whose names match, as pytest's -k")
    given = parser.parse_args()
    expected = Expected.read()
    with tempfile.TemporaryDirectory(prefix="wb-suite-", dir="/tmp") as folder, portal.running() as people:
        results = running.run(given.checkout, Path(folder), people, expected.selection, only=given.k)
    report = expected.compare(results, whole=not given.k)
    sys.stdout.writelines(f"{line}\n" for line in report.lines)
    return 0 if report.as_expected else 1


if __name__ == "__main__":
    sys.exit(main())
