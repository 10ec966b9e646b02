"""What a document names: commands with their options, modules, targets, files, settings, addresses, links."""

from __future__ import annotations

import argparse
import importlib.util
import re
import shlex
from collections.abc import Iterator
from pathlib import Path
from typing import Final, NamedTuple

from django.core.management import get_commands, load_command_class

from portal import asgi
from tests.architecture import walk
from weighbridge_client import cli

ROOT: Final = Path(__file__).resolve().parents[2]
ROOMS: Final = [
    each
    for each in ROOT.iterdir()
    if each.is_dir() and each.name[0] != "." and each.name not in {"node_modules", "build"}
]
FILES: Final = sorted(
    str(each.relative_to(ROOT)) for room in [ROOT, *ROOMS] for each in room.glob("*" if room == ROOT else "**/*")
)
PAGES: Final = [Path(name) for name in FILES if name.endswith(".md") and not name.startswith("tests/")]
FOLDERS: Final = {room.name for room in ROOMS}
OTHERS_MODULES: Final = {"lm_eval", "guidellm", "inspect_ai"}
"""Programs that docs/clients.md drives."""
OTHERS_FILES: Final = {"code/train.py"}
"""Of a release, in an example."""
OTHERS_ADDRESSES: Final = {
    *("/", "/api/", "/.well-known/openid-configuration"),
    *("/cancel", "/batch", "/curves", "/curves.json", "/curves.csv", "/curves.svg"),
}
"""Words for many, a provider's, and ends of an address that stands before them on the page."""
EXAMPLES: Final = {"lyceum", "meta"}
_CODE: Final = re.compile(r"^```\w*\n(.*?)^```|`([^`\n]+)`|^    (\$ .*)$", re.MULTILINE | re.DOTALL)
_FILE: Final = re.compile(r"(?<![\w./…*{}<>-])[\w.-]+(?:/[\w.-]+)*\.(?:py|lua|js|css|sh|toml|conf|yaml)(?![\w.])")
_PARAMETER: Final = r"\*"
_SETTING: Final = re.compile(r"\b[A-Z][A-Z0-9]+(?:_[A-Z0-9]+)+\b")


class Written(NamedTuple):
    """A piece of code as a page has it, and where."""

    where: str
    text: str


def codes(page: Path) -> Iterator[Written]:
    """Each line of code of a page, in the text or in a block; one of a shell with its continuations."""
    text = (ROOT / page).read_text()
    for found in _CODE.finditer(text):
        where = f"{page}:{text.count(chr(10), 0, found.start()) + 1}"
        for line in (found[1] or found[2] or found[3]).replace("\\\n", "").splitlines():
            yield Written(where, line)


def wrong_command(text: str) -> str:
    """What no parser of ours knows in the commands of this line; empty where it knows all."""
    for program, rest in re.findall(r"(manage\.py|^(?:\$ )?weighbridge|python -m|make)(?: ([^|&;#()]*))?", text):
        words = shlex.split(rest.replace("'", "").replace('"', ""))
        if not words or not re.fullmatch(r"[a-z][\w.]*", words[0]):
            continue
        if wrong := _CHECKS[program.removeprefix("$ ")](*words):
            return wrong
    return ""


def _manage(name: str, *rest: str) -> str:
    if name not in get_commands():
        return f"manage.py has no {name}"
    command = load_command_class(get_commands()[name], name)
    return _unknown(command.create_parser("manage.py", name), rest)


def _client(name: str, *rest: str) -> str:
    return _unknown(cli._parser(), (name, *rest))


def _module(name: str, *rest: str) -> str:
    if name in OTHERS_MODULES:
        return ""
    if name.split(".")[0] not in FOLDERS or importlib.util.find_spec(name) is None:
        return f"there is no module {name}"
    if name == "bench" and (strange := [each for each in rest if re.fullmatch(r"[a-z]+", each)]):
        return next((f"there is no bench {each}" for each in strange if f"bench/{each}/run.py" not in FILES), "")
    return ""


def _target(name: str, *_rest: str) -> str:
    known = re.findall(r"^([a-z]+):", (ROOT / "Makefile").read_text(), re.MULTILINE)
    return "" if name in known else f"make has no target {name}"


_CHECKS: Final = {"manage.py": _manage, "weighbridge": _client, "python -m": _module, "make": _target}


def _unknown(parser: argparse.ArgumentParser, words: tuple[str, ...]) -> str:
    """The first option, or name of a subcommand, that a parser lacks."""
    below = next((each for each in parser._actions if isinstance(each, argparse._SubParsersAction)), None)
    if below is not None and words:
        return _unknown(below.choices[words[0]], words[1:]) if words[0] in below.choices else f"no {words[0]}"
    options = {word.split("=")[0] for word in words if word.startswith("--")}
    return ", ".join(sorted(f"no option {each}" for each in options - parser._option_string_actions.keys()))


def missing_files(text: str) -> list[str]:
    """Files of our kinds that this code names and that are not here, under that name or in some folder."""
    return [
        name
        for name in _FILE.findall(text)
        if name not in OTHERS_FILES and not any(each == name or each.endswith(f"/{name}") for each in FILES)
    ]


def _routes() -> set[str]:
    """Every address without its parameters; those that catch whatever is left are none."""
    plain = {"/" + walk._PARAMETER.sub("*", route).replace("\\", "").rstrip("/") for route in walk.routes()}
    return plain - {"/*", "/admin/*", "/api/*", "/api/v1/*"}


ROUTES: Final = _routes()


def missing_addresses(text: str) -> list[str]:
    """The address that this code is, alone or after a method, if nothing answers there."""
    found = re.match(r"(?:(?:GET|POST|PUT|DELETE|HEAD)(?: and [A-Z]+)? )?(/[\w.{}<>…/-]*)", text)
    if not found or found[1] in OTHERS_ADDRESSES or found[1].split("/")[1] in asgi.GATEWAY + asgi.BLOBS + asgi.PRIVATE:
        return []
    return [] if any(map(_shape(found[1]).fullmatch, ROUTES)) else [found[1]]


def _shape(address: str) -> re.Pattern[str]:
    """The routes that an address may stand for."""
    parts = address.strip("/").split("/")
    return re.compile("/" + "/".join(_part(part, first=number == 0) for number, part in enumerate(parts)))


def _part(part: str, *, first: bool) -> str:
    """A name in braces is a parameter, that of a model two (behind the beginning, one or two); a word is itself or, behind
    the beginning, a parameter."""
    if part == "…":
        return ".+"
    if first and part in EXAMPLES:
        return _PARAMETER
    words = re.split(r"([{<]\w+[}>]|A\.\.\.B)", part)
    if len(words) == 1:
        return re.escape(part) if first else f"(?:{re.escape(part)}|{_PARAMETER})"
    model = r"\*/\*" if first else r"\*(?:/\*)?"
    names = [model if name in {"{id}", "{model}"} else _PARAMETER for name in words[1::2]]
    return "".join(re.escape(word) + name for word, name in zip(words[::2], [*names, ""], strict=True))


def missing_links(page: Path) -> list[str]:
    """Links of a page, beside itself and its neighbours', that lead to no file or to no heading."""
    found = []
    for link in re.findall(r"\]\(([^)\s]+)\)", (ROOT / page).read_text()):
        name, _, heading = link.partition("#")
        target = (ROOT / page.parent / name) if name else ROOT / page
        if not re.match(r"https?:", link) and not (target.exists() and heading in {"", *headings(target)}):
            found.append(link)
    return found


def headings(page: Path) -> set[str]:
    """The anchors of its headings, as they are made where Markdown is shown."""
    words = re.findall(r"^#+ (.*)$", page.read_text(), re.MULTILINE) if page.suffix == ".md" else []
    return {re.sub(r"[^\w -]", "", each.lower()).strip().replace(" ", "-") for each in words}


def missing_settings(text: str) -> list[str]:
    """Names in the form of a setting that no source of ours and no manifest has."""
    return [name for name in _SETTING.findall(text) if not _SOURCES & {name, name.removesuffix("_FILE")}]


_SOURCES: Final = {
    setting
    for name in FILES
    if name == "Makefile" or name.endswith((".py", ".lua", ".sh", ".yaml", ".yml", ".toml"))
    if name != "tests/architecture/test_named.py"  # which invents some
    for setting in _SETTING.findall((ROOT / name).read_text())
}
