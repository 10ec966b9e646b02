"""One rule stands between two sections where they are in one column; beside a hanging heading each part keeps its own."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from playwright.sync_api import Page

from infra.walk.walker import LOOKS, Look
from tests.browser.conftest import NARROW

pytestmark = [pytest.mark.browser, pytest.mark.django_db(transaction=True)]

EMPTY = """([before, side]) => {
  const section = body => `<section class="row"><div class="body">${body}</div></section>`
  document.querySelector('main').innerHTML = section(before + '<div class="empty">Nothing yet</div>') + section('Next')
  return getComputedStyle(document.querySelector('.empty'))[`border${side}Width`]
}"""
FORM = "<form></form>"


@pytest.fixture(params=[NARROW, LOOKS[0]], ids=["phone", "desktop"])
def look(request: pytest.FixtureRequest) -> Look:
    return request.param


def test_an_empty_part_at_the_end_of_a_section_draws_a_second_rule_only_beside_a_heading(
    live_server, open_page: Callable[[Look], Page], look: Look
) -> None:
    page = open_page(look)
    page.goto(live_server.url + "/gallery/")
    assert page.evaluate(EMPTY, [FORM, "Bottom"]) == ("0px" if look is NARROW else "1px")


def test_a_section_that_is_empty_draws_no_rule_of_its_own_and_an_empty_part_below_a_form_does(
    live_server, open_page: Callable[[Look], Page], look: Look
) -> None:
    page = open_page(look)
    page.goto(live_server.url + "/gallery/")
    assert [page.evaluate(EMPTY, ["", side]) for side in ("Top", "Bottom")] == ["0px", "0px"]
    assert page.evaluate(EMPTY, [FORM, "Top"]) == "1px"
