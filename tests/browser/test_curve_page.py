"""The picture of curves in a real browser: looked into by dragging, its marks opened, and read without a script."""

from __future__ import annotations

import re
import tarfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import Page, expect

from infra.walk.walker import LOOKS, Look
from releases import actions, chronicles
from releases.curves.actions import import_curves
from releases.logbook import actions as logbooks
from releases.logbook_models import Logbook
from tests.browser.conftest import NARROW, AxeCheck, assert_no_sideways_scroll
from tests.portal import world

pytestmark = [pytest.mark.browser, pytest.mark.django_db(transaction=True)]
SEED = Path(__file__).parents[2] / "releases" / "seed" / "pico-opt-5m.tar.xz"
PAGE = "/families/lyceum/pico/curves"


@pytest.fixture
def logbook(transactional_db: None) -> Logbook:
    """The log and the numbers of the trained family's larger model."""
    lab = world.build("lyceum").lab
    family = actions.open_family(lab=lab, slug="pico", title="Pico", by=None)
    book = logbooks.open_logbook(subject=family, by=None)
    with tarfile.open(SEED) as archive:
        log, numbers = (archive.extractfile(f"records/{name}.jsonl") for name in ("logbook", "metrics"))
        assert log
        assert numbers
        parsed = chronicles.read(log.read().decode(), name="logbook.jsonl")
        logbooks.import_entries(logbook=book, parsed=parsed, name="logbook.jsonl", by=None)
        import_curves(logbook=book, run="pico-opt-5m", file=numbers, source="metrics.jsonl", by=None)
    return book


def shown(page: Page) -> None:
    """Until the script has drawn the figure anew."""
    page.locator("[data-live] .lane a").first.wait_for()
    expect(page.locator("[data-busy]")).to_have_text("")


def test_dragging_looks_closer_and_a_mark_opens_its_entry(logbook: Logbook, live_server: Any, page: Page) -> None:
    page.goto(f"{live_server.url}{PAGE}?axis=step&series=loss,lr")
    shown(page)
    assert page.locator("[data-live] .u-over").count() == 2
    before = page.locator("#changes").inner_text()
    box = page.locator(".u-over").first.bounding_box()
    assert box
    page.mouse.move(box["x"] + box["width"] * 0.05, box["y"] + 50)
    page.mouse.down()
    page.mouse.move(box["x"] + box["width"] * 0.2, box["y"] + 50, steps=5)
    page.mouse.up()
    expect(page.locator("#range h2")).to_have_text("In this range")
    assert "from=" in page.url
    assert page.locator("#changes").inner_text() != before
    page.locator("[data-live] .lane a:visible").first.focus()
    page.keyboard.press("Enter")
    expect(page.locator("#picked h3")).not_to_have_text("")
    assert "pick=" in page.url
    assert re.search(r"\d{1,2} \w{3,4} \d{4}, \d\d:\d\d(:\d\d)? UTC", page.locator("#picked").inner_text())
    page.reload()
    shown(page)
    expect(page.locator("#picked h3")).not_to_have_text("")
    page.get_by_role("link", name="Show all").click()
    expect(page.locator("#range h2")).to_have_text("From first to last")


def test_another_axis_is_one_choice_away_and_back_is_back(logbook: Logbook, live_server: Any, page: Page) -> None:
    page.goto(f"{live_server.url}{PAGE}?axis=step")
    shown(page)
    page.get_by_text("wall clock", exact=True).click()
    expect(page.locator(".curves figcaption")).to_contain_text("no numbers came")
    page.go_back()
    expect(page.locator(".curves figcaption")).not_to_contain_text("no numbers came")


def test_the_picture_can_be_taken_along(logbook: Logbook, live_server: Any, page: Page) -> None:
    page.goto(f"{live_server.url}{PAGE}")
    shown(page)
    with page.expect_download() as download:
        page.get_by_role("link", name="PNG").click()
    assert Path(download.value.path()).read_bytes().startswith(b"\x89PNG")


@pytest.mark.parametrize("look", [*LOOKS, NARROW], ids=lambda look: look.name)
def test_the_page_is_accessible_and_fits(
    logbook: Logbook, live_server: Any, open_page: Callable[[Look], Page], axe_check: AxeCheck, look: Look
) -> None:
    page = open_page(look)
    page.goto(f"{live_server.url}{PAGE}?axis=at&pick=8")
    shown(page)
    axe_check(page)
    assert_no_sideways_scroll(page)
