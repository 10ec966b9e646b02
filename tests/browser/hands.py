"""A person at a browser: every key and click is really made, counted, and given the time that a person takes for it.

The keys are pressed as fast as the browser takes them, so that a test is short; the clock is computed from them. It
follows the keystroke-level model (Card, Moran and Newell, 1980): a moderate typist strikes 200 keys a minute, pointing
takes 1.1 s and a click 0.2 s, a hand moves between keyboard and mouse in 0.4 s, and before each thing there are 1.35 s
to think. What the portal makes a person wait is measured and added. Reading is not in it.
"""

from __future__ import annotations

import time
from dataclasses import dataclass, field

from playwright.sync_api import Locator, Page

KEY_S = 60 / 200
POINT_S, CLICK_S, HOME_S, THINK_S = 1.1, 0.2, 0.4, 1.35
TABS = 80
"""More than any page has to walk through."""


@dataclass
class Hands:
    """One person's hands on one page."""

    page: Page
    keys: int = 0
    clicks: int = 0
    things: int = 0
    """Fields filled and buttons pressed: each takes a moment to think."""
    waited_s: float = 0
    _mouse: bool = field(default=False)
    _moves: int = 0

    @property
    def seconds(self) -> float:
        """What all of it takes a person."""
        hands = self.keys * KEY_S + self.clicks * (POINT_S + CLICK_S) + self._moves * HOME_S
        return hands + self.things * THINK_S + self.waited_s

    def click(self, target: Locator) -> None:
        """Point and click, and wait for what comes."""
        self._take(mouse=True)
        self.clicks += 1
        self.things += 1
        begun = time.perf_counter()
        target.click()
        self.page.wait_for_load_state()
        self.waited_s += time.perf_counter() - begun

    def write(self, target: Locator, text: str) -> None:
        """Click into a field and type, key by key."""
        self._take(mouse=True)
        self.clicks += 1
        self.things += 1
        target.click()
        self._type(text)

    def choose(self, target: Locator, value: str) -> None:
        """Open a list and pick from it: two clicks."""
        self._take(mouse=True)
        self.clicks += 2
        self.things += 1
        target.select_option(value)

    def go(self, target: Locator) -> None:
        """Reach it with the tabulator, from where the focus is."""
        self._take(mouse=False)
        wanted = target.element_handle()
        for _ in range(TABS):
            if self.page.evaluate("wanted => document.activeElement === wanted", wanted):
                return
            self.press("Tab")
        raise AssertionError(f"{target} cannot be reached with the keyboard on {self.page.url}")

    def press(self, key: str) -> None:
        """One key."""
        self.keys += 1
        self.page.keyboard.press(key)

    def enter(self, target: Locator, text: str) -> None:
        """Type into a field that is reached with the tabulator."""
        self.go(target)
        self.things += 1
        self._type(text)

    def submit(self, target: Locator) -> None:
        """Press Enter on a button or link that is reached with the tabulator, and wait for the next page."""
        self.go(target)
        self.things += 1
        begun = time.perf_counter()
        with self.page.expect_navigation():
            self.press("Enter")
        self.waited_s += time.perf_counter() - begun

    def _type(self, text: str) -> None:
        self._take(mouse=False)
        self.keys += len(text)
        self.page.keyboard.type(text)

    def _take(self, *, mouse: bool) -> None:
        self._moves += mouse is not self._mouse
        self._mouse = mouse
