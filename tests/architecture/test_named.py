"""What the documents name is there."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from tests.architecture.names import (
    PAGES,
    ROOT,
    codes,
    missing_addresses,
    missing_files,
    missing_links,
    missing_settings,
    wrong_command,
)


@pytest.mark.parametrize("page", PAGES, ids=str)
def test_what_a_page_gives_to_run_is_there_with_its_options(page):
    assert [f"{where}: {wrong}" for where, text in codes(page) if (wrong := wrong_command(text))] == []


@pytest.mark.parametrize("page", PAGES, ids=str)
def test_files_and_settings_that_a_page_names_are_there(page):
    found = [(where, missing_files(text) + missing_settings(text)) for where, text in codes(page)]
    assert [each for each in found if each[1]] == []


@pytest.mark.parametrize("page", PAGES, ids=str)
def test_addresses_that_a_page_names_answer(page):
    assert [f"{where}: {each}" for where, text in codes(page) for each in missing_addresses(text)] == []


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


@pytest.mark.parametrize(
    ("right", "wrong"),
    [
        ("/review/signals/", "/reviews/signals/"),
        ("GET /api/v1/me/passport", "GET /api/v1/me/passports"),
        ("/api/v1/openings/…", "/api/v1/openings-planned/…"),
        ("/{model}/curves", "/{model}/curve"),
        ("/families/{lab}/{family}/cost/{size}", "/families/{lab}/{family}/costs/{size}"),
        ("/lyceum/pico-opt-5m", "/lyceums/pico-opt-5m"),
        ("POST /v1/completions", "POST /v2/completions"),
    ],
)
def test_an_address_that_does_not_answer_is_found(right, wrong):
    assert not missing_addresses(right)
    assert missing_addresses(wrong)


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
