"""What the documents name is there: commands with their options, modules, targets, files, settings, links."""

from __future__ import annotations

import argparse
import importlib.util
import re
import shlex
from collections.abc import Iterator
from pathlib import Path
from typing import Final, NamedTuple

import pytest
from django.core.management import get_commands, load_command_class

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
_CODE: Final = re.compile(r"^```\w*\n(.*?)^```|`([^`\n]+)`|^    (\$ .*)$", re.MULTILINE | re.DOTALL)
_FILE: Final = re.compile(r"(?<![\w./…*{}<>-])[\w.-]+(?:/[\w.-]+)*\.(?:py|lua|js|css|sh|toml|conf|yaml)(?![\w.])")
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
    if ROOT / name != Path(__file__)
    for setting in _SETTING.findall((ROOT / name).read_text())
}


@pytest.mark.parametrize("page", PAGES, ids=str)
def test_what_a_page_gives_to_run_is_there_with_its_options(page):
    assert [f"{where}: {wrong}" for where, text in codes(page) if (wrong := wrong_command(text))] == []


@pytest.mark.parametrize("page", PAGES, ids=str)
def test_files_and_settings_that_a_page_names_are_there(page):
    found = [(where, missing_files(text) + missing_settings(text)) for where, text in codes(page)]
    assert [each for each in found if each[1]] == []


@pytest.mark.parametrize("page", PAGES, ids=str)
def test_every_link_of_a_page_leads_somewhere(page):
    assert missing_links(page) == []


@pytest.mark.parametrize(
    ("right", "wrong"),
    [
        ("manage.py pool status --json", "manage.py pool statistics"),
        ("manage.py ingest f --model lab/name --publish", "manage.py ingest f --modell lab/name"),
        ("$ python manage.py scrub --all    # goes on", "$ python manage.py scour --all"),
        ("weighbridge verify folder --revision a41c", "weighbridge verify folder --revisions a41c"),
        ("BENCH_STORE=write python -m bench store --gib 2", "python -m bench stores"),
        (".venv-engine/bin/python -m releases.training --size 5m", "python -m releases.trainings"),
        ("python -m infra.messages add < new.json", "python -m infras.messages"),
        ("make drill", "make drills"),
    ],
)
def test_a_command_that_is_not_there_is_found(right, wrong):
    assert not wrong_command(right)
    assert wrong_command(wrong)


def test_a_file_a_setting_and_a_link_that_are_not_there_are_found(tmp_path):
    assert not missing_files("`counters.py`, scripts/counter.lua")
    assert missing_files("`counted.py`, scripts/counters.lua") == ["counted.py", "scripts/counters.lua"]
    assert not missing_settings("QUEUE_SECONDS=5 SIGN_IN_PROVIDERS_FILE=x")
    assert missing_settings("QUEUE_MINUTES=5") == ["QUEUE_MINUTES"]
    (tmp_path / "page.md").write_text(
        "# One thing, and `another`\n[a](#one-thing-and-another) [b](#two) [c](no.md) [d](page.md)"
    )
    assert missing_links(tmp_path / "page.md") == ["#two", "no.md"]


def test_the_first_page_leads_to_every_other():
    linked = {link.partition("#")[0] for link in re.findall(r"\]\(([^)\s]+)\)", (ROOT / "README.md").read_text())}
    assert {str(page) for page in PAGES if page.parent == Path("docs")} - linked == set()
