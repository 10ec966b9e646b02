"""`python -m infra.messages update|missing|add|check|compile`: see docs/translating.md."""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Callable
from typing import Any, Final

from babel.messages.catalog import Message

from infra.messages import LANGUAGES, catalogues, stale
from infra.messages.sources import found


def main() -> int:
    """Run one command; 0 when all is well, 1 with what to do when it is not."""
    parser = argparse.ArgumentParser(prog="python -m infra.messages", description=__doc__)
    parser.add_argument("command", choices=sorted(COMMANDS))
    return COMMANDS[parser.parse_args().command]()


def update() -> int:
    """Take the sources' messages into every catalogue, and compile."""
    source = found()
    for locale in LANGUAGES:
        content = catalogues.updated(locale, source)
        catalogues.write(locale, content)
        left = sum(1 for _ in catalogues.missing(content))
        print(f"{locale}: {len(content)} messages, {left} to translate")
    catalogues.compile_all()
    return 0


def missing() -> int:
    """Print what is to be translated as JSON: source to translation, a list of forms where there is a plural."""
    source = found()
    for locale in LANGUAGES:
        content = catalogues.updated(locale, source)
        wanted: dict[str, Any] = {}
        for message in catalogues.missing(content):
            wanted[_name(message)] = list(message.id) if message.pluralizable else ""
        json.dump(wanted, sys.stdout, ensure_ascii=False, indent=1)
        print()
    return 0


def add() -> int:
    """Read the same JSON, filled in, from standard input, and write what is sound into the catalogue."""
    given = json.load(sys.stdin)
    content = catalogues.updated(LANGUAGES[0], found())
    known = {_name(message): message for message in content if message.id}
    wrong = [f"not in the sources: {name!r}" for name in given if name not in known]
    for name, text in given.items():
        if name in known and text:
            known[name].string = tuple(text) if isinstance(text, list) else text
            wrong += [f"{fault}: {name!r}" for fault in catalogues.broken(known[name])]
    if wrong:
        return _complain(wrong, "Nothing was written. Correct these and run the same command again.")
    catalogues.write(LANGUAGES[0], content)
    catalogues.compile_all()
    return 0


def check() -> int:
    """Say whether every catalogue is complete, sound and up to date with the sources."""
    source = found()
    wrong = [
        f"{locale}: {fault}" for locale in LANGUAGES for fault in catalogues.faults(catalogues.read(locale), source)
    ]
    step = "Run `make messages`, translate what `python -m infra.messages missing` lists (docs/translating.md)."
    return _complain(wrong, step) if wrong else 0


def compile_stale() -> int:
    """Compile, unless all is compiled already."""
    if stale():
        catalogues.compile_all()
    return 0


def _complain(wrong: list[str], step: str) -> int:
    print("\n".join([*wrong, step]))
    return 1


def _name(message: Message) -> str:
    """A message's name in JSON: its source, the context before it where it has one."""
    source = message.id[0] if message.pluralizable else message.id
    return f"{message.context}\u0004{source}" if message.context else str(source)


COMMANDS: Final[dict[str, Callable[[], int]]] = {
    "add": add,
    "check": check,
    "compile": compile_stale,
    "missing": missing,
    "update": update,
}

if __name__ == "__main__":
    sys.exit(main())
