"""Who comes for the first time over a slow line waits for few bytes: the release pages of the running demo."""

from __future__ import annotations

import pytest
from playwright.sync_api import Browser

from infra.walk.weighing import weigh
from tests.stack import Stack

pytestmark = [pytest.mark.browser, pytest.mark.stack]
BUDGET = 200_000
"""Bytes over the wire, heads included; the chart library, which the pages of curves ask for, would not count."""


@pytest.mark.parametrize("path", ["/families/lyceum/pico-opt/", "/families/meta/opt/", "{open}", "{gated}"])
def test_a_first_visit_stays_under_the_budget(stack: Stack, browser: Browser, path: str) -> None:
    names = {"open": "/" + stack.model(gated=False), "gated": "/" + stack.model(gated=True)}
    weight = weigh(browser, stack.base_url + path.format(**names), slow=False)
    told = "\n".join(f"{size:>7} {address}" for address, size in sorted(weight.files.items(), key=lambda f: -f[1]))
    assert weight.own <= BUDGET, told
    assert any(address.endswith(".woff2") for address in weight.files), "the faces are in it"


def test_texts_come_compressed_and_under_lasting_names(stack: Stack, browser: Browser) -> None:
    page = browser.new_page()
    try:
        seen = {}
        page.on("response", lambda answer: seen.update({answer.url.removeprefix(stack.base_url): answer.all_headers}))
        page.goto(f"{stack.base_url}/families/meta/opt/", wait_until="networkidle")
        sheets = [path for path in seen if path.partition("?")[0].endswith(".css")]
        assert len(sheets) == 1, "one round trip before anything is drawn"
        for path, headers in ((path, ask()) for path, ask in seen.items()):
            if path.startswith("/static/"):
                assert "immutable" in headers["cache-control"], path
            if not path.endswith(".woff2"):
                assert headers["content-encoding"] == "gzip", path
    finally:
        page.close()
