"""Runs the stages of a training as child processes, restarts a killed one, and books their CPU time."""

import os
import signal
import subprocess
import sys
from pathlib import Path

from releases.training import records
from releases.training.recipe import Recipe

COMPARE = "compare"
STAGES = ("train", "export", "evaluate", "pack")
REPEAT = ("train", "export", COMPARE)
RESTARTS = 5


class StageFailedError(Exception):
    """A stage ended with an error that a restart does not heal."""


def run(recipe: Recipe, command: list[str], out: Path, stages: tuple[str, ...] = STAGES) -> None:
    """Do these stages in order. `command` starts a stage when its name is appended."""
    folder = out / recipe.name
    folder.mkdir(parents=True, exist_ok=True)
    for stage in stages:
        for _ in range(RESTARTS):
            status = child([*command, "--stage", stage], folder / "ledger.json", booked=stage not in {"pack", COMPARE})
            if status == 0:
                break
            if status != -signal.SIGKILL:
                raise StageFailedError(f"{recipe.name}: stage {stage} ended with status {status}.")
            note_kill(recipe, folder)
        else:
            raise StageFailedError(f"{recipe.name}: stage {stage} was killed {RESTARTS} times.")


def child(command: list[str], ledger: Path, *, booked: bool) -> int:
    """Run one process to its end; return its status. Its CPU time goes into the ledger, even if it was killed.

    Packing is not booked: what it writes states the CPU time, so packing again would change its own archive.
    """
    process = subprocess.Popen([sys.executable, *command], env={**os.environ, "OMP_NUM_THREADS": "1"})
    _, status, usage = os.wait4(process.pid, 0)
    process.returncode = os.waitstatus_to_exitcode(status)
    if not booked:
        return process.returncode
    book = records.Ledger(ledger)
    book.update(cpu_seconds=round(book.facts["cpu_seconds"] + usage.ru_utime + usage.ru_stime, 2))
    return process.returncode


def note_kill(recipe: Recipe, folder: Path) -> None:
    """Write down that the process is gone: it could not do so itself."""
    metrics = records.read(folder / "metrics.jsonl")
    step = metrics[-1]["step"] if metrics else 0
    text = "The supervisor saw the training process end by signal 9 and starts another one."
    records.Logbook(folder / "logbook.jsonl", recipe.name).write("restart", "warning", text, step=step)
