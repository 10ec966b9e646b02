"""Walks the stops: one window for each person, signed in once."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any, Final
from urllib.parse import urljoin

from playwright.sync_api import Browser, ConsoleMessage, Page, ViewportSize

from infra.walk.stops import NOBODY, WALK, Act, Stop

PATIENCE_MS: Final = 20_000


@dataclass(frozen=True, slots=True)
class Look:
    """One way to look at a page: width and height in CSS pixels, theme light or dark."""

    name: str
    width: int
    height: int
    theme: str

    @property
    def viewport(self) -> ViewportSize:
        """As Playwright wants it."""
        return {"width": self.width, "height": self.height}


LOOKS: Final = tuple(
    Look(f"{kind}-{theme}", width, height, theme)
    for kind, width, height in (("desktop", 1280, 800), ("phone", 390, 844))
    for theme in ("light", "dark")
)


def wear(page: Page, look: Look) -> None:
    """Look at an open page in this way, without loading it anew."""
    page.set_viewport_size(look.viewport)
    page.emulate_media(color_scheme="dark" if look.theme == "dark" else "light")


@dataclass(slots=True)
class Walker:
    """A walk through the demo at `base_url`; `demo` is the content of its demo.json."""

    browser: Browser
    base_url: str
    demo: dict[str, Any]
    looks: tuple[Look, ...] = LOOKS
    windows: dict[str, Page] = field(default_factory=dict)
    complaints: list[str] = field(default_factory=list)
    """What the browser complained of: script errors, breaches of the security policy, missing parts of a page."""

    def walk(self) -> Iterator[tuple[Stop, Look, Page]]:
        """Yield each stop in each look, with the page open; do the acts on the way.

        A page is loaded once and then looked at in every look; whoever takes it from here must not leave it.
        """
        for step in WALK:
            page = self.window(step.who)
            wear(page, self.looks[0])
            self._go(page, step.path, step.follow)
            if isinstance(step, Act):
                step.do(page)
                continue
            if step.prepare:
                step.prepare(page)
            for look in self.looks:
                wear(page, look)
                yield step, look, page

    def window(self, who: str) -> Page:
        """Return the window of a person, opened and signed in at first need."""
        if who not in self.windows:
            page = self.browser.new_context(reduced_motion="reduce").new_page()
            page.set_default_timeout(PATIENCE_MS)
            page.on("console", lambda message: self._note(page, message))
            page.on("pageerror", lambda error: self.complaints.append(f"{page.url}: {error}"))
            if who != NOBODY:
                self._sign_in(page, who)
            self.windows[who] = page
        return self.windows[who]

    def _note(self, page: Page, message: ConsoleMessage) -> None:
        """Keep an error, unless it is only the status of the page itself (404 and 422 are pages of the walk too)."""
        address = message.location.get("url", "")
        if message.type == "error" and not ("Failed to load resource" in message.text and address == page.url):
            self.complaints.append(f"{page.url}: {message.text} {address}")

    def close(self) -> None:
        """Close every window."""
        for page in self.windows.values():
            page.context.close()
        self.windows.clear()

    def _sign_in(self, page: Page, who: str) -> None:
        account = next(user for user in self.demo["users"] if user["email"].split("@")[0] == who)
        page.goto(f"{self.base_url}/account/login/")
        page.fill("#id_login", account["email"])
        page.fill("#id_password", account["password"])
        page.locator("main button").first.click()
        page.wait_for_url("**/me/")

    def _go(self, page: Page, path: str, follow: tuple[str, ...]) -> None:
        models = {"open": self._model(gated=False), "gated": self._model(gated=True)}
        page.goto(self.base_url + path.format(**models))
        for link in follow:
            target = page.locator(link).first.get_attribute("href") or ""
            page.goto(urljoin(page.url, target))

    def _model(self, *, gated: bool) -> str:
        return str(next(model["id"] for model in self.demo["models"] if model["gated"] is gated))
