"""One rule stands between two sections where they are in one column; beside a hanging heading each part keeps its own."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from playwright.sync_api import Page

from infra.walk.walker import LOOKS, Look
from tests.browser.conftest import NARROW

pytestmark = [pytest.mark.browser, pytest.mark.django_db(transaction=True)]

RULE = "part => getComputedStyle(part).borderBottomWidth"


@pytest.mark.parametrize(("look", "width"), [(NARROW, "0px"), (LOOKS[0], "1px")], ids=["phone", "desktop"])
def test_an_empty_part_at_the_end_of_a_section_draws_a_second_rule_only_beside_a_heading(
    live_server, open_page: Callable[[Look], Page], look: Look, width: str
) -> None:
    page = open_page(look)
    page.goto(live_server.url + "/gallery/")
    assert page.locator(".row:not(:last-child) > .body > .empty:last-child").first.evaluate(RULE) == width
