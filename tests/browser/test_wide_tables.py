"""A table that is wider than the screen says so, to the eye and to the keyboard; one that fits says nothing."""

from __future__ import annotations

from collections.abc import Callable
from io import BytesIO

import pytest
from PIL import Image
from playwright.sync_api import Page

from infra.walk.walker import LOOKS, Look
from tests.browser.conftest import NARROW

pytestmark = [pytest.mark.browser, pytest.mark.django_db(transaction=True)]

EDGES = """() => [...document.querySelectorAll('.scroll')].map(region => ({
  wide: region.scrollWidth > region.clientWidth,
  reached: region.tabIndex === 0 && region.getAttribute('role') === 'region' && !!region.getAttribute('aria-label'),
}))"""


def edge(page: Page) -> tuple[int, ...]:
    """The colour at the right edge of the first region's first line, above its words: three parts of 0 to 255."""
    box = page.locator(".scroll").first.bounding_box()
    shot = page.screenshot(clip={"x": box["x"] + box["width"] - 3, "y": box["y"] + 1, "width": 2, "height": 2})
    return Image.open(BytesIO(shot)).convert("RGB").getpixel((0, 0))


def apart(one: tuple[int, ...], other: tuple[int, ...]) -> int:
    return max(abs(a - b) for a, b in zip(one, other, strict=True))


@pytest.mark.parametrize("theme", ["light", "dark"])
def test_a_table_cut_at_the_edge_is_shaded_there_until_its_end_is_reached(
    live_server, open_page: Callable[[Look], Page], theme: str
) -> None:
    page = open_page(Look("narrow", NARROW.width, NARROW.height, theme))
    page.goto(live_server.url + "/gallery/")
    region = page.locator(".scroll").first
    region.scroll_into_view_if_needed()
    cut = edge(page)
    region.evaluate("region => { region.scrollLeft = region.scrollWidth }")
    assert apart(edge(page), cut) > 10


def test_a_table_that_fits_has_no_shade_at_its_edge(live_server, open_page: Callable[[Look], Page]) -> None:
    page = open_page(LOOKS[0])
    page.goto(live_server.url + "/gallery/")
    page.locator(".scroll").first.scroll_into_view_if_needed()
    drawn = edge(page)
    page.locator(".scroll").first.evaluate("region => { region.style.background = 'none' }")
    assert apart(edge(page), drawn) <= 1  # a gradient is rounded otherwise than a plain ground


def test_the_keyboard_reaches_every_wide_table(live_server, open_page: Callable[[Look], Page]) -> None:
    page = open_page(NARROW)
    page.goto(live_server.url + "/gallery/")
    regions = page.evaluate(EDGES)
    assert any(each["wide"] for each in regions)
    assert all(each["reached"] for each in regions)


TABLE = """columns => {
  document.querySelector('main').innerHTML = `<div class="scroll" id="drawn"><table>
    <thead><tr>${'<th>Bytes</th>'.repeat(columns)}</tr></thead>
    <tbody><tr><th scope="row">laboratory/a-model-with-a-rather-long-name-5m</th>${'<td class="num">154 TB</td>'.repeat(columns - 1)}</tr></tbody>
  </table></div>`
  const region = document.getElementById('drawn')
  return region.scrollWidth > region.clientWidth
}"""


@pytest.mark.parametrize(("columns", "scrolls"), [(2, False), (3, False), (4, False), (5, True)])
def test_a_table_of_few_columns_shows_all_of_them_on_a_phone(
    live_server, open_page: Callable[[Look], Page], columns: int, scrolls: bool
) -> None:
    page = open_page(NARROW)
    page.goto(live_server.url + "/gallery/")
    assert page.evaluate(TABLE, columns) is scrolls


@pytest.mark.parametrize("media", ["print", "screen"])
def test_on_paper_nothing_is_cut_at_the_edge(live_server, open_page: Callable[[Look], Page], media: str) -> None:
    page = open_page(Look("A4 within its margins", 658, 900, "light"))
    page.goto(live_server.url + "/gallery/")
    page.evaluate(TABLE, 12)
    page.emulate_media(media=media)
    cut = page.evaluate(
        """() => [...document.querySelectorAll('.scroll, pre')].some(part =>
          part.checkVisibility() && part.scrollWidth > part.clientWidth + 1)"""
    )
    assert cut is (media == "screen")


NAMES = """name => {
  document.querySelector('main').innerHTML = `<div class="sheet"><div class="scroll"><table>
    <thead><tr><th>Application</th><th>For</th><th>Sent</th><th>State</th></tr></thead>
    <tbody><tr><th scope="row">A-2026-0001</th><td>${name}</td><td class="nowrap">27 Nov 2026</td><td class="nowrap">granted</td></tr></tbody>
  </table></div></div>`
  const region = document.querySelector('.scroll'), state = region.querySelector('td:last-child')
  return [region.scrollWidth <= region.clientWidth, state.getBoundingClientRect().right <= region.getBoundingClientRect().right + 1]
}"""


@pytest.mark.parametrize(
    "name", ["Pico-OPT, largest size", "Donaudampfschifffahrtselektrizitätenhauptbetriebswerk" * 2]
)
def test_a_name_without_spaces_moves_no_column_out_of_sight(
    live_server, open_page: Callable[[Look], Page], name: str
) -> None:
    page = open_page(Look("tablet", 900, 900, "light"))
    page.goto(live_server.url + "/gallery/")
    assert page.evaluate(NAMES, name) == [True, True]


def test_on_a_phone_the_words_of_a_head_are_broken_before_a_column_is_cut(
    live_server, open_page: Callable[[Look], Page]
) -> None:
    page = open_page(LOOKS[2])
    page.goto(live_server.url + "/gallery/")
    page.evaluate(
        """() => { document.querySelector('main').innerHTML = `<div class="sheet"><div class="scroll"><table>
          <thead><tr><th>May I …</th><th>Answer</th><th>Why, and on which condition</th></tr></thead>
          <tbody><tr><th>study it, evaluate it, and publish what I find?</th><td><span class="st">on a condition</span></td>
          <td>Research, teaching and public-interest work that is not commercial.</td></tr></tbody></table></div></div>` }"""
    )
    assert page.locator(".scroll").evaluate("region => region.scrollWidth <= region.clientWidth")


def test_on_a_phone_the_sizes_of_files_with_long_names_stay_in_sight_beside_their_digests(
    live_server, open_page: Callable[[Look], Page]
) -> None:
    page = open_page(LOOKS[2])
    page.goto(live_server.url + "/gallery/")
    page.evaluate(
        """() => { document.querySelector('main').innerHTML = `<div class="sheet"><div class="scroll"><table>
          <thead><tr><th>File</th><th class="num">Size</th><th>SHA-256</th></tr></thead>
          <tbody><tr><th scope="row">code/releases/training/evaluation.py</th><td class="num">14.6&nbsp;kB&nbsp;(14.2&nbsp;KiB)</td>
          <td><span class="digest">${'9ad87d03'.repeat(8)}</span></td></tr></tbody></table></div></div>` }"""
    )
    size, region = page.locator("td.num").bounding_box(), page.locator(".scroll").bounding_box()
    assert page.locator("tbody th").bounding_box()["width"] >= 144  # and the path is not broken at each few letters
    assert size["x"] + size["width"] <= region["x"] + region["width"]
