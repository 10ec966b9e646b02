"""`python -m infra.embedded demo|serve|stop|status|backup|upgrade|restore FILE|manage COMMAND …`: the whole stack on one machine."""

from __future__ import annotations

import argparse
import errno
import os
import signal
import sys
import time
from collections.abc import Callable
from pathlib import Path

from infra.embedded.home import ROOT, Home, Lock
from infra.embedded.prechecks import packages, python
from infra.embedded.problems import Problem


def main() -> int:
    """Run one command; 0 when it did what it says, 1 with a sentence and a next step when it could not."""
    parser = argparse.ArgumentParser(prog="python -m infra.embedded", description=__doc__)
    parser.add_argument("command", choices=[*sorted(_COMMANDS), *sorted(_WITH_MORE)])
    parser.add_argument(
        "more",
        nargs=argparse.REMAINDER,
        help="for restore: a file of backups/; for manage: a command of manage.py, and what it takes",
    )
    options = parser.parse_args()
    if (options.command in _WITH_MORE) != bool(options.more) or (
        options.command == "restore" and len(options.more) > 1
    ):
        parser.error("restore needs one copy, manage a command, and nothing else takes more")
    try:
        return _WITH_MORE[options.command](options.more) if options.more else _COMMANDS[options.command]()
    except Problem as problem:
        print(f"\n{problem.sentence}\n{problem.step}", file=sys.stderr)
    except OSError as error:
        print(f"\n{_about(error)}", file=sys.stderr)
    return 1


def _about(error: OSError) -> str:
    where = f" ({error.filename})" if error.filename else ""
    if error.errno == errno.ENOSPC:
        return f"The disk is full{where}.\nFree some space, or set WEIGHBRIDGE_HOME to a directory on another disk."
    return f"{error.strerror or error}{where}.\nThe logs of this home may say more: {Home.from_environment().logs}"


def _say(text: str) -> None:
    """Tell whoever started us. They may be gone, with their terminal: what is to be stopped in order must be all the same."""
    try:
        print(text, flush=True)
    except OSError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


def _start(mode: str) -> int:
    python()
    packages()
    from infra.embedded import serving  # noqa: PLC0415 packages() must be able to speak before anything is imported
    from infra.embedded.stack import Choices  # noqa: PLC0415
    from infra.embedded.supervisor import Supervisor  # noqa: PLC0415

    home = Home.from_environment()
    base = serving.with_settings(home, mode, os.environ)
    Supervisor(home, Choices.from_environment(mode, base), _say).run(base)
    return 0


def _upgrade() -> int:
    python()
    packages()
    from infra.embedded import upgrading  # noqa: PLC0415 see _start

    upgrading.run(Home.from_environment(), os.environ, _say)
    return 0


def _backup() -> int:
    python()
    packages()
    from infra.embedded import upgrading  # noqa: PLC0415 see _start

    upgrading.back_up(Home.from_environment(), os.environ, _say)
    return 0


def _restore(more: list[str]) -> int:
    python()
    packages()
    from infra.embedded import restoring  # noqa: PLC0415 see _start

    restoring.run(Home.from_environment(), os.environ, Path(more[0]).absolute(), _say)
    return 0


def _manage(more: list[str]) -> int:
    python()
    packages()
    from infra.embedded import managing  # noqa: PLC0415 see _start

    env = managing.environment(Home.from_environment(), os.environ)
    os.execve(sys.executable, [sys.executable, str(ROOT / "manage.py"), *more], env)


def _status() -> int:
    home = Home.from_environment()
    holder = Lock(home).holder()
    if holder is None:
        _say(f"Nothing runs in {home.path}.")
        return 3
    state = "ready" if holder.get("ready") else "starting"
    _say(f"{holder.get('mode')} is {state} at {holder.get('url')}, process {holder.get('pid')}, home {home.path}.")
    return 0


def _stop() -> int:
    home = Home.from_environment()
    lock = Lock(home)
    holder = lock.holder()
    if holder is None:
        _say(f"Nothing runs in {home.path}.")
        return 0
    if "pid" not in holder:
        raise Problem(f"{home.path} is being started this moment.", "Try again.")
    os.kill(int(str(holder["pid"])), signal.SIGTERM)
    end = time.monotonic() + 60
    while lock.holder() is not None:
        if time.monotonic() > end:
            raise Problem(f"Process {holder['pid']} has not stopped after 60 s.", f"See {home.logs}, or end it.")
        time.sleep(0.1)
    _say("Stopped.")
    return 0


_COMMANDS: dict[str, Callable[[], int]] = {
    "backup": _backup,
    "demo": lambda: _start("demo"),
    "serve": lambda: _start("serve"),
    "status": _status,
    "stop": _stop,
    "upgrade": _upgrade,
}

_WITH_MORE: dict[str, Callable[[list[str]], int]] = {"manage": _manage, "restore": _restore}

if __name__ == "__main__":
    sys.exit(main())
