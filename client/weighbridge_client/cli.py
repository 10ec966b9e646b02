"""The command `weighbridge`. Its exit statuses are those of errors.py, listed in docs/client.md."""

from __future__ import annotations

import argparse
import errno
import json
import sys
from collections.abc import Sequence
from dataclasses import asdict
from io import TextIOWrapper
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, Optional

from weighbridge_client import __version__, errors, home

if TYPE_CHECKING:
    from weighbridge_client.examining import Fault
    from weighbridge_client.getting import Got
    from weighbridge_client.verifying import Verdict

_STATUSES = """\
exit status: 0 as released · 1 not as released · 2 asked wrongly, or no room · 3 refused by the portal ·
4 not reached · 5 nothing wrong found, and nothing proven (no signature, no key, no documents) · 130 interrupted"""


def main(arguments: Optional[Sequence[str]] = None) -> int:
    """Run one command; the exit status."""
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, TextIOWrapper):
            stream.reconfigure(errors="backslashreplace")  # a folder may have a name that this terminal cannot write
    asked = _parser().parse_args(arguments)
    status: int
    told: dict[str, Any]
    try:
        status, told = asked.run(asked)
    except _ENDS as fault:
        status, told = _ended(fault)
    if asked.json:
        print(json.dumps({**told, "status": status}))
    elif told.get("sentence"):
        print(told["sentence"], file=sys.stderr if status else sys.stdout)
    return status


_ENDS: Final = (errors.ClientError, OSError, KeyboardInterrupt)
"""What ends a command with a sentence."""


def _ended(fault: BaseException) -> tuple[int, dict[str, Any]]:
    """The exit status of a command that one of _ENDS has ended, and what is told of it."""
    if isinstance(fault, errors.ClientError):
        return fault.status, {"ok": False, "sentence": fault.sentence}
    if isinstance(fault, OSError):
        where = f"{fault.filename} cannot be used: " if fault.filename else ""
        full = fault.errno in (errno.ENOSPC, errno.EDQUOT)
        then = "Make room, and run it again" if full else "Run it again"
        sentence = f"{where}{fault.strerror or fault}. {then}: nothing that is here was lost."
        return errors.USAGE, {"ok": False, "sentence": sentence}
    return errors.INTERRUPTED, {"ok": False, "sentence": "Stopped. Run it again: it goes on where it was."}


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="weighbridge",
        description="Download releases of a Weighbridge portal, go on after any interruption, and prove every byte.",
        epilog=_STATUSES,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--version", action="version", version=f"weighbridge {__version__}")
    commands = parser.add_subparsers(required=True, metavar="COMMAND")
    _login_options(commands.add_parser("login", help="get a token with a browser, on this machine or another"))
    _get_options(commands.add_parser("get", help="download a model, or what of it is not here yet"))
    _verify_options(commands.add_parser("verify", help="check a folder against its release, offline"))
    return parser


def _login_options(command: argparse.ArgumentParser) -> None:
    _common(command)
    command.add_argument("--replace", action="store_true", help="write over the token of another hub")
    command.set_defaults(run=_login)


def _get_options(command: argparse.ArgumentParser) -> None:
    _common(command)
    _proof(command)
    command.add_argument("model", help="lab/model")
    command.add_argument("--revision", default="main", help="a commit, tag or branch (main)")
    command.add_argument("--to", type=Path, metavar="FOLDER", help="where to (a folder named as the model)")
    command.add_argument(
        "--include", action="append", default=[], metavar="PATTERN", help="only files such as '*.json'"
    )
    command.add_argument("--exclude", action="append", default=[], metavar="PATTERN", help="no files such as these")
    command.add_argument(
        "--threads", type=_count, default=0, metavar="N", help="parts at a time (by processors, 4 to 8)"
    )
    command.add_argument("--quiet", action="store_true", help="no progress")
    command.set_defaults(run=_get)


def _verify_options(command: argparse.ArgumentParser) -> None:
    _common(command)
    _proof(command)
    command.add_argument("folder", type=Path)
    command.add_argument("--revision", default="", help="the commit that it must be")
    command.add_argument("--include", action="append", default=[], metavar="PATTERN", help="only these need be there")
    command.add_argument("--ignore", action="append", default=[], metavar="PATTERN", help="these may be there too")
    command.set_defaults(run=_verify)


def _common(command: argparse.ArgumentParser) -> None:
    command.add_argument("--portal", default="", metavar="URL", help="the portal (HF_ENDPOINT, or the last login's)")
    command.add_argument("--json", action="store_true", help="one JSON object instead of sentences")


def _proof(command: argparse.ArgumentParser) -> None:
    command.add_argument("--key", type=Path, metavar="FILE", help="the public key that must have signed (PEM)")
    command.add_argument("--unsigned", action="store_true", help="do without a signature: digests alone")


def _count(text: str) -> int:
    if not text.isdigit() or not 1 <= int(text) <= 32:
        raise argparse.ArgumentTypeError("give a number from 1 to 32")
    return int(text)


def _login(asked: argparse.Namespace) -> tuple[int, dict[str, Any]]:
    from weighbridge_client.login import login  # noqa: PLC0415 - each command loads what it needs
    from weighbridge_client.portal import Portal  # noqa: PLC0415

    def say(line: str) -> None:
        print(line, file=sys.stderr, flush=True)

    path = login(Portal(home.portal(asked.portal)), say, replace=asked.replace)
    return 0, {"ok": True, "sentence": f"Logged in. The token is in {path}; hf reads it there too.", "file": str(path)}


def _get(asked: argparse.Namespace) -> tuple[int, dict[str, Any]]:
    from weighbridge_client import fetching, getting, names, trust  # noqa: PLC0415
    from weighbridge_client.portal import Portal  # noqa: PLC0415

    threads = asked.threads or fetching.default_threads()
    portal = Portal(home.portal(asked.portal), connections=threads)
    wish = getting.Wish(
        model=asked.model,
        revision=asked.revision,
        folder=asked.to or Path(names.model(asked.model).partition("/")[2]),
        include=asked.include,
        exclude=asked.exclude,
        key=asked.key,
        unsigned=asked.unsigned,
        threads=threads,
        quiet=asked.quiet or asked.json,
    )
    learnt = trust.Learnt()
    try:
        got = getting.get(portal, wish, learnt)
    except _ENDS as fault:
        if not learnt:
            raise
        status, told = _ended(fault)
        news = {"key": None, "of": learnt.of, "binds_release": False, **learnt.told()}
        return status, told | {"signature": news, "sentence": "\n".join([*learnt.sentences(), told["sentence"]])}
    told = _told(got, got.faults) | {
        "folder": str(got.folder),
        "fetched": got.fetched,
        "present": got.present,
        "withdrawn": got.withdrawn or None,
        "before": got.before or None,
    }
    if told["signature"]:
        told["signature"] |= learnt.told()
    keys = learnt.sentences()
    if got.faults:
        return errors.BAD, told | {"sentence": "\n".join([_sentences(got.faults), *keys])}
    count = len(got.fetched) + len(got.present)
    proof = " ".join([_proven(got.signed is not None, got.whose) if got.signed else got.unproven, *keys])
    where = f"{got.release.model} {got.release.commit[:12]} is in {got.folder}: {_files(count)}, all as released. "
    lay = f" It took the place of {got.before[:12]}." if got.before else ""
    gone = (
        f"\nThis release was withdrawn on {got.withdrawn[:10]}: {_page(portal.address, got)} says why."
        if got.withdrawn
        else ""
    )
    return 0, told | {"sentence": where + proof + lay + gone}


def _page(portal: str, got: Got) -> str:
    return f"{portal}/{got.release.model}/tree/{got.release.commit}"


def _verify(asked: argparse.Namespace) -> tuple[int, dict[str, Any]]:
    from weighbridge_client import verifying  # noqa: PLC0415

    question = verifying.Question(
        folder=asked.folder,
        revision=asked.revision,
        include=asked.include,
        ignore=asked.ignore,
        key=asked.key,
        portal=asked.portal,
        unsigned=asked.unsigned,
    )
    verdict = verifying.verify(question)
    told = _told(verdict, verdict.faults) | {"checked": verdict.checked}
    if verdict.faults:
        return errors.BAD, told | {"sentence": _sentences(verdict.faults)}
    what = f"{verdict.release.model} {verdict.release.commit[:12]}: {_files(verdict.checked)}, all as released. "
    return 0, told | {"sentence": what + _proven(verdict.signed is not None, verdict.whose)}


def _told(found: Got | Verdict, faults: Sequence[Fault]) -> dict[str, Any]:
    return {
        "ok": not faults,
        "model": found.release.model,
        "commit": found.release.commit,
        "signature": {"key": found.signed.fingerprint, "of": found.whose, "binds_release": found.signed.binds_release}
        if found.signed
        else None,
        "faults": [asdict(fault) for fault in faults],
    }


def _proven(signed: bool, whose: str) -> str:  # noqa: FBT001 - the one thing that it says
    return f"Signed by the key of {whose}." if signed else "The signature was not looked at."


def _sentences(faults: Sequence[Fault]) -> str:
    return "\n".join(fault.sentence for fault in faults)


def _files(count: int) -> str:
    return "1 file" if count == 1 else f"{count} files"
