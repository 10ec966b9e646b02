"""A real browser on a live server: one Chromium for each module, one fresh profile for each test.

Playwright's own loop runs in this thread: Django would take it for asynchronous code, so it is told otherwise, and it
ends with the module, so that asynchronous tests can run in the same worker afterwards.
"""

from __future__ import annotations

import os
import zlib
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from axe_playwright_python.sync_playwright import Axe
from django.conf import settings as django_settings
from django.core.cache import cache
from django.test import Client
from playwright.sync_api import Browser, ConsoleMessage, Page, sync_playwright

from infra.walk.chromium import FLAGS, executable
from infra.walk.walker import LOOKS, Look, wear
from portal.people.models import User

os.environ["DJANGO_ALLOW_ASYNC_UNSAFE"] = "true"

NARROW = Look("narrow", 320, 640, "light")

AxeCheck = Callable[..., None]
Holds = Callable[[Page, str], None]
COLOURS_IN = [pytest.param(1, id="one look"), pytest.param(2, id="both looks", marks=pytest.mark.drill)]
"""In how many looks each page's colours are judged, which takes three fifths of axe's time: day and night take turns, so that
each theme is on half of all pages, and in the drill both are on every page."""
_VIOLATIONS = """colours => axe.run({
    resultTypes: ['violations'], selectors: false, rules: {'color-contrast': {enabled: colours}},
}).then(found => found.violations)"""
"""What is wrong is shown by its own markup: to work out a selector for every element that was looked at takes a twentieth."""


@pytest.fixture(autouse=True)
def _forgotten() -> None:
    """Rates of sign-up and mail are counted per address, and the tests' people share theirs."""
    cache.clear()


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    with sync_playwright() as playwright:
        path = executable(playwright)
        if path is None:
            pytest.skip("no Chromium: install Debian's chromium, or run `playwright install chromium`")
        chromium = playwright.chromium.launch(executable_path=path, args=FLAGS)
        yield chromium
        chromium.close()


@pytest.fixture
def open_page(browser: Browser) -> Iterator[Callable[[Look], Page]]:
    """Open a fresh profile in some look; the test fails if a page logs an error or breaks the security policy."""
    contexts, complaints = [], []

    def complain(message: ConsoleMessage) -> None:
        if message.type in {"error", "warning"} and "Failed to load resource" not in message.text:
            complaints.append(message.text)

    def opener(look: Look) -> Page:
        context = browser.new_context(viewport=look.viewport, color_scheme=look.theme, reduced_motion="reduce")
        contexts.append(context)
        page = context.new_page()
        page.set_default_timeout(15_000)
        page.on("console", complain)
        page.on("pageerror", lambda error: complaints.append(str(error)))
        return page

    yield opener
    for context in contexts:
        context.close()
    assert complaints == []


@pytest.fixture
def page(open_page: Callable[[Look], Page]) -> Page:
    return open_page(LOOKS[0])


@pytest.fixture(scope="session")
def axe_check() -> AxeCheck:
    """Fail on any violation of WCAG 2.2 AA or of axe's best practices; of contrast unless `colours` is False."""
    script = Axe().axe_script

    def check(page: Page, *, colours: bool = True) -> None:
        if not page.evaluate("'axe' in window"):  # half a megabyte, once for each page that is opened
            page.evaluate(script)
        found = page.evaluate(_VIOLATIONS, colours)
        lines = [
            f"{v['id']}: {v['help']}\n    " + "\n    ".join(n["html"][:300] for n in v["nodes"][:5]) for v in found
        ]
        assert not found, f"{page.url}\n" + "\n".join(lines)

    return check


def each_look(page: Page) -> Iterator[Look]:
    """The open page by day on a desk, by night on a phone, and at 320 pixels. It is loaded once: of our scripts only the
    curves' asks how wide the window is, and their page is opened in each look."""
    for look in (LOOKS[0], LOOKS[3], NARROW):
        wear(page, look)
        yield look


@pytest.fixture(scope="session", params=COLOURS_IN)
def holds(request: pytest.FixtureRequest, axe_check: AxeCheck) -> Holds:
    """Fail unless the open page is accessible and no wider than its window in each look; keep its pictures by this name."""

    def check(page: Page, name: str) -> None:
        judged = LOOKS[0] if zlib.crc32(name.encode()) % 2 else LOOKS[3]
        for look in each_look(page):
            assert_no_sideways_scroll(page)
            if look is not NARROW:
                axe_check(page, colours=request.param == 2 or look is judged)
            keep(page, f"{name}-{look.name}")

    return check


def keep(page: Page, name: str) -> None:
    """A picture for whoever asks for one by SHOTS=<folder>."""
    if "SHOTS" in os.environ:
        page.screenshot(path=str(Path(os.environ["SHOTS"]) / f"{name}.png"), full_page=True)


def sign_in(page: Page, live_server: Any, user: User) -> None:
    """The session of this person, without the form."""
    client = Client()
    client.force_login(user)
    name = django_settings.SESSION_COOKIE_NAME
    page.context.add_cookies([{"name": name, "value": client.cookies[name].value, "url": live_server.url}])


def press(page: Page, name: str) -> None:
    """Press a button and wait for the page that it leads to: a click alone returns before the answer is there."""
    with page.expect_navigation():
        page.get_by_role("button", name=name).click()


_WIDEST = """[...document.querySelectorAll("main *, header *, footer *")]
    .filter(e => e.getBoundingClientRect().right > document.documentElement.clientWidth + 1 && !e.closest(".scroll"))
    .slice(-1).map(e => e.outerHTML.slice(0, 200)).join("")"""
"""The innermost of those that reach beyond the window."""


def assert_no_sideways_scroll(page: Page) -> None:
    """The page itself must not scroll sideways (WCAG 1.4.10); regions inside it may."""
    over = page.evaluate("document.documentElement.scrollWidth - document.documentElement.clientWidth")
    assert over <= 0, f"{page.url} is {over} px wider than the window: {page.evaluate(_WIDEST)}"
