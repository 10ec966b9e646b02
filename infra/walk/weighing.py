"""What a page costs somebody who comes for the first time over a slow line: bytes on the wire, and when it is to be seen."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Final

from playwright.sync_api import Browser

ROUND_TRIP_MS: Final = 150
DOWN: Final = 1_600_000
"""Bits a second."""
UP: Final = 750_000
LINE: Final = f"{DOWN / 1e6:g} Mbit/s, {ROUND_TRIP_MS} ms a round trip"
"""What Chromium's own tools call “slow 4G”. The processor is as it is."""
CHART_LIBRARY: Final = "/vendor/uplot/"
_TIMES: Final = """() => new Promise(resolve => new PerformanceObserver(list => {
    const [page] = performance.getEntriesByType("navigation");
    const [first] = performance.getEntriesByName("first-contentful-paint");
    resolve([page.responseStart, first.startTime, list.getEntries().at(-1).startTime, page.loadEventEnd]);
}).observe({ type: "largest-contentful-paint", buffered: true }))"""


@dataclass(frozen=True, slots=True)
class Weight:
    """One first visit. Bytes are as they came over the wire, heads included; times are milliseconds from the start."""

    files: dict[str, int]
    answered: float
    """The page's first byte."""
    first: float
    """The first words (first contentful paint)."""
    largest: float
    """The largest part of what is in view."""
    loaded: float

    @property
    def own(self) -> int:
        """Bytes of all but the chart library."""
        return sum(size for address, size in self.files.items() if CHART_LIBRARY not in address)


def weigh(browser: Browser, address: str, *, slow: bool = True) -> Weight:
    """Open the page in a fresh profile, over the slow line or as fast as it goes."""
    context = browser.new_context(viewport={"width": 1280, "height": 800})
    try:
        page = context.new_page()
        line = context.new_cdp_session(page)
        line.send("Network.enable")
        if slow:
            speed = {"downloadThroughput": DOWN / 8, "uploadThroughput": UP / 8}
            line.send("Network.emulateNetworkConditions", {"offline": False, "latency": ROUND_TRIP_MS} | speed)
        names: dict[str, str] = {}
        files: dict[str, int] = {}

        def answered(event: dict[str, Any]) -> None:
            names[event["requestId"]] = event["response"]["url"]

        def came(event: dict[str, Any]) -> None:
            name = names.get(event["requestId"], event["requestId"])
            files[name] = files.get(name, 0) + int(event["encodedDataLength"])

        line.on("Network.responseReceived", answered)
        line.on("Network.loadingFinished", came)
        page.goto(address, wait_until="networkidle")
        return Weight(files, *page.evaluate(_TIMES))
    finally:
        context.close()
