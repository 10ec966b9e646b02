"""What the command says to somebody who is there, and to somebody who is not."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
SCRIPT = """
import sys
from infra.embedded.__main__ import _say
sys.stdin.read()
_say("Stopping …")
_say("Stopped.")
sys.stderr.write("all is stopped")
"""


def _run(*, listening: bool) -> tuple[str, str, int]:
    process = subprocess.Popen(
        [sys.executable, "-c", SCRIPT], cwd=ROOT, text=True,
        stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE,
    )  # fmt: skip
    assert process.stdin
    assert process.stdout
    assert process.stderr
    if not listening:
        process.stdout.close()
    process.stdin.close()
    said = process.stdout.read() if listening else ""
    wrong = process.stderr.read()
    return said, wrong, process.wait(30)


def test_a_stack_whose_terminal_is_gone_stops_in_order_all_the_same() -> None:
    assert _run(listening=False) == ("", "all is stopped", 0)


def test_somebody_who_is_there_hears_it() -> None:
    assert _run(listening=True) == ("Stopping …\nStopped.\n", "all is stopped", 0)
