"""`python -I -B …/releases/conversion/child/__main__.py SCRATCH`: closes itself in, then does what `job.json` says.

It tells how far it is by lines of JSON on its output, and at the end leaves `report.json`. Exit status: 0 done, 3
refused with a sentence in the report, 4 out of memory, 5 the barriers cannot be raised, with a sentence.
"""

from __future__ import annotations

import json
import platform
import sys
import time
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parents[3]))

from releases.conversion.child import sandbox
from releases.conversion.child.problems import Refused

DONE, REFUSED, NO_MEMORY, NO_BARRIER = 0, 3, 4, 5


def main() -> int:
    """Closed in, convert; the exit status."""
    scratch = Path(sys.argv[1])
    job = json.loads((scratch / "job.json").read_text(encoding="utf-8"))
    sandbox.limit(**job["limits"])
    try:
        sandbox.close_in(scratch, sandbox.of_python())
    except sandbox.NoBarrier as missing:
        if not job["closed_in_already"]:
            return _leave(scratch, NO_BARRIER, problem=str(missing))
    try:
        return _leave(scratch, DONE, **_work(job, scratch))
    except Refused as refused:
        return _leave(scratch, REFUSED, problem=refused.told.kept())
    except MemoryError:
        return NO_MEMORY
    except RuntimeError as fault:
        if "alloc" in str(fault):  # torch's own word for it
            return NO_MEMORY
        raise


def _work(job: dict[str, Any], scratch: Path) -> dict[str, Any]:
    import safetensors  # noqa: PLC0415 behind the barriers
    import torch  # noqa: PLC0415

    from releases.conversion.child.work import Work  # noqa: PLC0415

    torch.set_num_threads(1)
    versions = {"python": platform.python_version(), "torch": torch.__version__, "safetensors": safetensors.__version__}
    return {"tensors": Work(job, scratch, _say, _moved()).run(), "versions": versions}


def _leave(scratch: Path, status: int, **report: Any) -> int:
    (scratch / "report.json").write_text(json.dumps(report), encoding="utf-8")
    return status


def _say(line: str) -> None:
    _tell(say=line)


def _tell(**told: object) -> None:
    sys.stdout.write(json.dumps(told) + "\n")
    sys.stdout.flush()


def _moved() -> Any:  # noqa: ANN401
    last = 0.0

    def moved(done: int, total: int) -> None:
        nonlocal last
        if time.monotonic() - last > 0.2 or done == total:
            last = time.monotonic()
            _tell(done=done, all=total)

    return moved


if __name__ == "__main__":
    sys.exit(main())
