"""The tests themselves: copied, told our endpoint and people, and run with the installed client of line 1."""

from __future__ import annotations

import re
import shutil
import subprocess
from pathlib import Path
from xml.etree import ElementTree

from tests.contract import clients
from tests.contract.suite.portal import People

LEFT_OUT = "not production and not xet and not git_lfs and not inference"
INI = """
[pytest]
addopts = -Werror::FutureWarning -q --no-header --strict-markers -p no:cacheprovider --timeout 120
asyncio_default_fixture_loop_scope = function
markers =
    xet
    no_xet
    inference
    production
    git_lfs
    vcr
    deprecated
"""

PULL_REQUEST = (r"(?s)\n +(?:self\.)?api\.upload_file\((?:(?!\n\n).)*?create_pr=True,?\s*\)", "")
DATA_SET = (r",\n? *repo_type=\"dataset\"", "")
ADAPTED = {
    "test_hf_file_system.py": [
        PULL_REQUEST, DATA_SET, (r"datasets/\{", "{"),
        (r"(?s)\n +(?:self\.)?api\.delete_file\(\s*path_in_repo=\"\.gitattributes\".*?\n +\)", ""),
    ],
    "test_hf_api.py": [
        (r"(?s)(class TestListGitCommits.*?)\n +api\.upload_file\([^\n]*create_pr=True\)", r"\1"),
        (r"(?s)(class TestHfApiPrivate.*?)\n[^\n]*create_repo[^\n]*dataset\"\)(.*?)\n[^\n]*delete_repo[^\n]*dataset\"\)", r"\1\2"),
        (r"repo_factory\(\"dataset\"\)(?=\n +api\.auth_check)", "repo_factory()"),
    ],
}  # fmt: skip
"""Set-up in which pull requests, data sets and hidden files stand beside what is tested: left out, or done on models."""


CONFTEST = """

@pytest.fixture(autouse=True)
def cards_are_checked_here(monkeypatch):
    import httpx

    theirs, send = ENDPOINT_PRODUCTION + "/api/validate-yaml", httpx.Client.request

    def request(self, method, url, **more):
        return send(self, method, ENDPOINT_STAGING + "/api/validate-yaml" if url == theirs else url, **more)

    monkeypatch.setattr(httpx.Client, "request", request)
"""
"""This line of the client has cards checked by the public hub, whatever its endpoint."""


def run(checkout: Path, folder: Path, people: People, selection: list[str], *, only: str = "") -> dict[str, str]:
    """What became of each selected test: its id → "passed", "skipped", or the first line of what went wrong."""
    python = clients.without_xet()
    shutil.copytree(checkout / "tests", folder / "tests", ignore=shutil.ignore_patterns("cassettes"))
    (folder / "pytest.ini").write_text(INI)
    _introduce(folder / "tests" / "testing_constants.py", people)
    with (folder / "tests" / "conftest.py").open("a") as conftest:
        conftest.write(CONFTEST)
    for name, changes in ADAPTED.items():
        _adapt(folder / "tests" / name, changes)
    found = folder / "results.xml"
    subprocess.run(
        [
            str(python), "-m", "pytest", *(f"tests/{name}" for name in selection), "-n", "2", "--dist", "loadfile",
            "-m", LEFT_OUT, f"--junitxml={found}", *(["-k", only] if only else []),
        ],
        cwd=folder, env=_environment(python, folder, people), check=False,
    )  # fmt: skip
    return _results(found)


def _introduce(constants: Path, people: People) -> None:
    """Our people and address in place of theirs."""
    ours = {
        "ENDPOINT_STAGING": people.endpoint, "TOKEN": people.token, "USER": people.user,
        "FULL_NAME": people.user, "OTHER_TOKEN": people.other_token, "OTHER_USER": people.other_user,
    }  # fmt: skip
    text = constants.read_text()
    for name, value in ours.items():
        text, count = re.subn(rf"(?m)^{name} = .*$", f"{name} = {value!r}", text)
        if count != 1:
            raise SystemExit(f"{constants} does not name {name}: is this a checkout of huggingface_hub?")
    constants.write_text(text)


def _adapt(file: Path, changes: list[tuple[str, str]]) -> None:
    text = file.read_text()
    for pattern, replacement in changes:
        text, count = re.subn(pattern, replacement, text)
        if not count:
            raise SystemExit(f"{file.name} has nothing like {pattern}: adapt tests/contract/suite/running.py to it.")
    file.write_text(text)


def _environment(python: Path, folder: Path, people: People) -> dict[str, str]:
    """Nothing of ours but the endpoint, which `HUGGINGFACE_CO_STAGING` would override, and the first person's token.

    Drafts are seen with it alone, where the tests read without a token what they have just made.
    """
    more = {"HF_HUB_DISABLE_XET": "1", "HF_TOKEN": people.token}
    return clients.Client(python, folder, people.endpoint).environment(**more)


def _results(found: Path) -> dict[str, str]:
    results = {}
    for case in ElementTree.parse(found).iter("testcase"):
        module, _, place = case.get("classname", "").removeprefix("tests.").partition(".")
        told = [child for child in case if child.tag in {"failure", "error", "skipped"}]
        name = "::".join(filter(None, (f"{module}.py", place, case.get("name"))))
        results[name] = _outcome(told[0]) if told else "passed"
    return results


def _outcome(told: ElementTree.Element) -> str:
    said = (told.get("message") or told.tag).strip().splitlines()
    return "skipped" if told.tag == "skipped" else (said[0] if said else told.tag)[:200]
