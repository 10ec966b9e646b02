"""What is not written down does not exist: settings, events, reserved names, dependencies."""

from __future__ import annotations

import re
import tomllib
from pathlib import Path

import pytest
from django.core.management import get_commands
from django.urls import URLResolver, get_resolver

from portal import asgi
from portal.audit.events import Event
from portal.people.reserved import RESERVED
from releases.lint import RULES

ROOT = Path(__file__).resolve().parents[2]
READERS = re.compile(
    r"""env\.(?:text|required|flag|number|choice|origin|keys|names|address|contact|sender|secrets)\(\s*"([A-Z0-9_]+)\""""
)


def _variables() -> set[str]:
    sources = [ROOT / "portal" / "settings.py", ROOT / "inference" / "gateway" / "config.py"]
    found = set()
    for source in sources:
        text = source.read_text()
        found |= set(READERS.findall(text)) | set(
            re.findall(
                r"""(?:environ\.get|environ\[|_text|_required|_number|_flag|_address)\(?"([A-Z][A-Z0-9_]+)\"""", text
            )
        )
    return found


def test_every_setting_is_documented_and_no_other():
    documented = set(re.findall(r"^\| `([A-Z0-9_]+)`", (ROOT / "docs" / "settings.md").read_text(), re.MULTILINE))
    assert _variables() - documented == set(), "read by the code, absent from docs/settings.md"
    assert documented - _variables() - {"PORT", "HOST", "ENGINE"} == set(), "documented, read by nothing"


def _defaults() -> dict[str, str]:
    """Name → default, of each setting whose default is written in place: a number, a word, on or off."""
    shape = re.compile(
        r"""(?:env\.(?:text|number|choice|flag|sender)|_number)\(\s*"([A-Z0-9_]+)", (?:default=)?(?:0 if MODE == "test" else )?"""
        r"""("[^"]*"|[\d_]+|False)[,)]"""
    )
    sources = [ROOT / "portal" / "settings.py", ROOT / "inference" / "gateway" / "config.py"]
    found = [pair for source in sources for pair in shape.findall(source.read_text())]
    return {
        name: "0" if value == "False" else value.replace("_", "") if value[0] != '"' else value[1:-1]
        for name, value in found
    }


def test_a_default_is_told_as_it_is():
    rows = re.findall(r"^\| `([A-Z0-9_]+)` \| ([^|]*) \|", (ROOT / "docs" / "settings.md").read_text(), re.MULTILINE)
    told = {name: re.match(r"`([^`]*)`|", cell)[1] or "" for name, cell in rows}
    defaults = _defaults()
    assert len(defaults) > 35
    assert {name: (told[name], default) for name, default in defaults.items() if told[name] != default} == {}


def test_every_audit_event_is_documented_and_no_other():
    documented = set(re.findall(r"^\| `([a-z_]+\.[a-z_]+)`", (ROOT / "docs" / "audit.md").read_text(), re.MULTILINE))
    assert documented == {event.value for event in Event}


def test_every_command_is_documented():
    """What no page speaks of is either out of the operator's reach or there for nothing."""
    pages = "".join(page.read_text() for page in sorted((ROOT / "docs").glob("*.md")))
    ours = {name for name, app in get_commands().items() if app.split(".")[0] in {"portal", "releases", "inference"}}
    assert len(ours) > 20
    assert {name for name in ours if not re.search(rf"manage(?:\.py)? {name}\b", pages)} == set()


def test_every_rule_of_the_lint_is_documented_with_its_severity_and_no_other():
    rows = re.findall(r"^\| (`[^|]*) \| (error|warning) \|", (ROOT / "docs" / "hub.md").read_text(), re.MULTILINE)
    told = [(name, severity) for cell, severity in rows for name in re.findall(r"`([a-z-]+)`", cell)]
    assert sorted(told) == sorted((rule.name, rule.severity.value) for rule in RULES)


@pytest.mark.parametrize("event", list(Event))
def test_an_event_is_a_subject_and_a_verb(event):
    assert re.fullmatch(r"[a-z_]+\.[a-z_]+", event.value)


def test_every_dependency_carries_its_reason():
    text = (ROOT / "pyproject.toml").read_text()
    names = tomllib.loads(text)["project"]["dependencies"]
    for name in names:
        line = next(line for line in text.splitlines() if f'"{name}"' in line)
        assert "#" in line, f"{name} is there without a reason"


def test_locks_name_no_host_and_no_path():
    shape = re.compile(
        r"^(?:[A-Za-z0-9._\[\]-]+==[^ ]+(?: ;.*?)?(?: \\)?|    --hash=sha256:[0-9a-f]{64}(?: \\)?|\s*# via.*|\s*#   .*|)$"
    )
    for lock in (ROOT / "requirements").glob("*.txt"):
        for number, line in enumerate(lock.read_text().splitlines(), 1):
            assert shape.match(line), f"{lock.name}:{number}: {line}"


def test_no_lab_can_hide_an_address_of_the_portal():
    routes = {route.split("/", 1)[0] for route in _routes(get_resolver())}
    literal = {segment for segment in routes if segment and "<" not in segment and "(" not in segment}
    assert len(literal) > 10
    assert (literal | {*asgi.GATEWAY, *asgi.BLOBS, *asgi.PRIVATE}) - RESERVED == set()


def _routes(resolver, prefix=""):
    for pattern in resolver.url_patterns:
        route = prefix + str(pattern.pattern).lstrip("^")
        if isinstance(pattern, URLResolver):
            yield from _routes(pattern, route)
        else:
            yield route
