"""What a page keeps on a small screen and on paper: the scale of a figure, the words of a text, the answers of a form."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from playwright.sync_api import Page

from infra.walk.walker import LOOKS, Look

pytestmark = [pytest.mark.browser, pytest.mark.django_db(transaction=True)]
PHONE, DESKTOP = LOOKS[2], LOOKS[0]

FIGURE = """<figure class="chart"><figcaption>Tokens by day</figcaption>
  <svg class="scale" viewBox="0 0 56 270"><text x="8" y="60">2 M</text></svg>
  <div class="scroll latest" tabindex="0" role="region" aria-label="Figure"><svg viewBox="0 0 920 270"></svg></div></figure>"""
TEXT = """<div class="code words"><pre><code>You may use, study, evaluate, fine-tune and modify the Model for
noncommercial research, and publish what you find.</code></pre></div>"""
FORM = """<section class="row"><div class="body"><form method="get">
  <div class="field"><label for="a">Accelerators</label><p class="hint">How many.</p><input id="a" value="16"></div>
  <div class="field"><label for="b">Price</label><input id="b"></div>
  <div class="field"><label for="c">Kind</label><select id="c"><option value="">all</option></select></div>
</form></div></section>"""
WAYS = """<div class="tabs"><fieldset class="seg"><label><input type="radio" name="w" checked>curl</label><label><input type="radio" name="w">aria2</label></fieldset>
  <div class="panel"><div class="code"><pre aria-label="curl"><code>$ curl</code></pre></div></div>
  <div class="panel"><div class="code"><pre aria-label="aria2"><code>$ aria2c</code></pre></div></div></div>"""
TITLE = """<div class="row open title"><div class="body"><h1>Close out</h1><form><p>Statement</p><p class="actions"><button class="btn">Attest</button></p></form></div>
  <header><p class="note">G-2026-0001</p></header></div>"""
EMPTY = '<section><div class="empty"><h2>No batch yet</h2></div></section><section class="row"><div class="body"><p>Next</p></div></section>'


@pytest.fixture
def drawn(live_server, open_page: Callable[[Look], Page]) -> Callable[[Look, str], Page]:
    """Open the gallery in some look, with this in place of its matter."""

    def draw(look: Look, matter: str) -> Page:
        page = open_page(look)
        page.goto(live_server.url + "/gallery/")
        page.evaluate("matter => { document.querySelector('main').innerHTML = matter }", matter)
        return page

    return draw


def box(page: Page, what: str) -> dict[str, float]:
    found = page.locator(what).first.bounding_box()
    assert found
    return dict(found)


def test_on_a_phone_a_figure_that_begins_at_its_latest_day_keeps_its_scale_in_sight(drawn) -> None:
    page = drawn(PHONE, FIGURE)
    scale, figure, whole = box(page, ".scale"), box(page, ".latest svg"), box(page, ".chart")
    assert figure["x"] < 0  # its own numbers are beyond the edge
    assert scale["x"] == whole["x"]
    assert abs(scale["y"] - figure["y"]) < 1
    assert abs(scale["height"] - figure["height"]) < 1


def test_where_a_figure_is_seen_whole_its_scale_stands_once(drawn) -> None:
    assert not drawn(DESKTOP, FIGURE).locator(".scale").is_visible()


@pytest.mark.parametrize(("kind", "cut"), [("code words", False), ("code", True)])
def test_on_a_phone_a_text_is_broken_into_lines_and_a_command_is_not(drawn, kind: str, cut: bool) -> None:
    page = drawn(PHONE, TEXT.replace("code words", kind))
    assert page.locator("pre").evaluate("pre => pre.scrollWidth > pre.clientWidth") is cut


def test_on_paper_a_form_that_the_page_answers_is_without_boxes_and_without_what_is_empty(drawn) -> None:
    page = drawn(DESKTOP, FORM)
    assert page.locator(".field:visible").count() == 3
    page.emulate_media(media="print")
    assert page.locator(".field:visible label").all_inner_texts() == ["Accelerators"]
    assert page.locator("#a").evaluate("field => getComputedStyle(field).borderTopWidth") == "0px"
    assert not page.locator(".hint").is_visible()


def test_on_paper_a_form_that_is_still_to_be_filled_in_keeps_its_questions_and_boxes(drawn) -> None:
    page = drawn(DESKTOP, FORM.replace('"get"', '"post"'))
    page.emulate_media(media="print")
    assert page.locator(".field:visible label").all_inner_texts() == ["Accelerators", "Price", "Kind"]
    assert page.locator("#b").evaluate("field => getComputedStyle(field).borderTopWidth") == "1px"
    assert page.locator(".hint").is_visible()


def test_on_paper_each_way_stands_under_its_own_name(drawn) -> None:
    page = drawn(DESKTOP, WAYS)
    names = "() => [...document.querySelectorAll('pre')].map(pre => getComputedStyle(pre, '::before').content)"
    assert page.evaluate(names) == ["none", "none"]
    page.emulate_media(media="print")
    assert page.evaluate(names) == ['"curl"', '"aria2"']
    assert not page.locator(".seg").is_visible()


def test_a_note_stands_beside_the_heading_and_not_beside_a_button_below_it(drawn) -> None:
    page = drawn(DESKTOP, TITLE)
    assert box(page, ".note")["y"] < box(page, "h1")["y"] + box(page, "h1")["height"]
    page.evaluate("document.querySelector('form').outerHTML = '<p>One</p><p>Two</p><p>Three</p>'")
    assert box(page, ".note")["y"] > box(page, "h1")["y"] + box(page, "h1")["height"]  # beside words it ends with them


@pytest.mark.parametrize("look", [DESKTOP, PHONE], ids=["desktop", "phone"])
def test_what_stands_in_place_of_a_list_stands_where_all_matter_does(drawn, look: Look) -> None:
    page = drawn(look, f'<div class="sheet">{EMPTY}</div>')
    assert box(page, ".empty")["x"] == box(page, ".body")["x"]


def test_on_paper_a_table_of_many_columns_keeps_its_words_whole_and_within_the_page(drawn) -> None:
    heads = "".join(
        f"<th>{head}</th>"
        for head in ("Of", "Task", "Metric", "Value", "n", "Shots, prompt", "Harness", "Run by", "Measured again")
    )
    cells = "<td>held-out modules</td><td><code>next_token_accuracy</code></td><td class='num'>14.2&nbsp;%&nbsp;to&nbsp;30.0&nbsp;%</td><td class='num'>246,211</td><td>not stated</td><td>releases.training.evaluation<span class='note'>Python 3.11.7, torch 2.13.0+cpu</span></td><td>Lyceum Laboratory</td><td>not yet</td>"
    page = drawn(
        Look("A4 within its margins", 658, 900, "light"),
        f"<div class='scroll'><table><thead><tr>{heads}</tr></thead><tbody><tr><th>pico-opt-300k</th>{cells}</tr></tbody></table></div>",
    )
    page.emulate_media(media="print")
    assert page.locator(".scroll").evaluate("region => region.scrollWidth - region.clientWidth") == 0
    assert page.locator("code").evaluate("code => code.getClientRects().length") == 1


def test_on_paper_a_digest_in_a_narrow_table_is_broken_and_not_cut(drawn) -> None:
    row = f"<tr><th>weights</th><td><code>{'9ad87d03' * 8}</code></td><td><code>{'9ad87d03' * 8}</code></td></tr>"
    page = drawn(
        Look("A4 within its margins", 658, 900, "light"),
        f"<div class='scroll'><table><thead><tr><th>Parameter</th><th>Before</th><th>After</th></tr></thead><tbody>{row}</tbody></table></div>",
    )
    page.emulate_media(media="print")
    assert page.locator(".scroll").evaluate("region => region.scrollWidth - region.clientWidth") == 0
