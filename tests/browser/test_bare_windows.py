"""What the tests' browser does for a window besides its page: a suite that opens hundreds pays for it each time."""

from __future__ import annotations

from pathlib import Path

import pytest
from playwright.sync_api import Browser, Page

pytestmark = pytest.mark.browser


def test_a_window_holds_its_page_and_none_of_the_browsers_own(browser: Browser, page: Page) -> None:
    page.goto("data:text/html,<title>Ours</title>")
    found = browser.new_browser_cdp_session().send("Target.getTargets", {"filter": [{}]})["targetInfos"]
    assert {one["type"] for one in found} <= {"browser", "page", "tab"}
    assert [one["title"] for one in found if one["type"] == "page"] == ["Ours"]


def test_what_playwright_turns_off_stays_off(browser: Browser) -> None:
    """Of two lists the browser heeds the last, which is ours: an update of Playwright may lengthen its own."""
    processes = browser.new_browser_cdp_session().send("SystemInfo.getProcessInfo")["processInfo"]
    (main,) = (one["id"] for one in processes if one["type"] == "browser")
    command = Path(f"/proc/{main}/cmdline").read_text().replace("\0", " ").split()
    theirs, ours = (set(one.partition("=")[2].split(",")) for one in command if one.startswith("--disable-features="))
    assert theirs < ours
