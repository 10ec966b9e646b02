"""Every page of a running demo, by day on a desk and by night on a phone: no violation that axe can find, nothing wider
than its window, and in the pseudo-locale no word of ours left in English, and room for longer ones."""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial

import pytest
from playwright.sync_api import Browser, Error, Page

from infra.walk.stops import WALK, Stop
from infra.walk.walker import LOOKS, Walker
from tests.browser.conftest import COLOURS_IN, NARROW, AxeCheck, assert_no_sideways_scroll
from tests.browser.pseudo_locale import left_in_english, read_again
from tests.stack import Stack

pytestmark = [pytest.mark.browser, pytest.mark.stack]
DAY, NIGHT = LOOKS[0], LOOKS[-1]
"""Both themes and both widths."""
ENGLISH = {"gallery", "api"}
"""For who builds pages or programs: what these describe, they describe in English."""


@pytest.mark.timeout(900)
@pytest.mark.parametrize("colours_in", COLOURS_IN)
def test_every_page_is_accessible_fits_and_is_translated(
    stack: Stack, browser: Browser, axe_check: AxeCheck, colours_in: int
) -> None:
    walker = Walker(browser, stack.base_url, stack.demo, looks=(DAY, NIGHT))
    complaints: list[str] = []
    seen = 0
    try:
        for stop, look, page in walker.walk():
            turn = NIGHT if seen // 2 % 2 else DAY
            drawn = colours_in == 2 or turn is NIGHT
            seen += 1
            accessible = partial(axe_check, colours=colours_in == 2 or look is turn)
            found = [*_shape(page)] if look is DAY else []
            found += [*_complaints_of(accessible, page), *_complaints_of(assert_no_sideways_scroll, page)]
            if look is NIGHT:
                page.set_viewport_size(NARROW.viewport)
                found += _complaints_of(assert_no_sideways_scroll, page)
                found += _in_pseudo_locale(page, stack.base_url, english=stop.name in ENGLISH, drawn=drawn)
            complaints += [f"{stop.name} ({look.name}): {text}" for text in found]
    finally:
        walker.close()
    assert not complaints + walker.complaints, "\n".join(complaints + walker.complaints)
    assert seen == 2 * sum(isinstance(step, Stop) for step in WALK)


def _complaints_of(check: AxeCheck, page: Page) -> list[str]:
    try:
        check(page)
    except AssertionError as error:
        return [str(error)]
    return []


def _shape(page: Page) -> Iterator[str]:
    """What every page must have, whatever it is about."""
    if page.locator("h1").count() != 1:
        yield f"{page.locator('h1').count()} first headings"
    if page.locator("[style]:not(#curves *)").count():  # the charts' script places what it draws
        yield "a style attribute, which the security policy refuses"
    if page.locator("main .btn.primary").count() > 1:
        yield "two primary buttons"
    if not page.title().endswith("· Weighbridge"):
        yield f"the title {page.title()!r}"


def _in_pseudo_locale(page: Page, base_url: str, *, english: bool, drawn: bool) -> list[str]:
    """Open the same address again in the pseudo-locale, or only read it, and leave the window as it was."""
    page.context.add_cookies([{"name": "language", "value": "en-xa", "url": base_url}])
    try:
        if not drawn:
            language, left = read_again(page)
            found = [] if english else [f"in English: {text}" for text in left]
            return found if language in {"en-xa", ""} else [*found, "in another language"]
        page.goto(
            page.url.partition("#")[0]
        )  # to a part of the page that is open, a browser goes without asking anybody
    except Error as refused:
        if "ERR_HTTP_RESPONSE_CODE_FAILURE" not in str(refused):
            raise
        return []  # what only a POST makes: a refusal without a body, nothing to show
    finally:
        page.context.clear_cookies(name="language")
    found = [] if english else [f"in English: {text}" for text in left_in_english(page)]
    if page.locator("html").get_attribute("lang") != "en-xa":
        found.append("in another language")
    return [*found, *(f"in the pseudo-locale: {text}" for text in _complaints_of(assert_no_sideways_scroll, page))]


def test_a_word_that_was_never_marked_is_found(page: Page) -> None:
    unmarked = "A button that cannot act says why beside it."
    page.set_content(f'<p>{unmarked}</p><p>⟦Šîĝñ <a href="#">îñ</a> ñöŵ⟧ Noor Bakker</p><p title="Notices">⟦å⟧</p>')
    assert left_in_english(page) == ["Notices"]
    page.set_content(f"<p>One primary on a page. {unmarked}</p>")
    assert left_in_english(page) == [f"One primary on a page. {unmarked}".rstrip(".")]


def test_it_is_found_in_a_page_that_is_only_read(page: Page) -> None:
    said = '<html lang="en-xa"><p>A button that cannot act says why beside it.</p><p>⟦Šîĝñ îñ⟧</p><p title="Notices">⟦å⟧</p>'
    page.route("https://models.example/**", lambda route: route.fulfill(body=said, content_type="text/html"))
    page.goto("https://models.example/page")
    assert read_again(page) == ("en-xa", ["Notices"])
