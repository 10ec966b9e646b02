"""Links that stand one above another can be told apart by a finger; on a desk they stay as close as the text is."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from playwright.sync_api import Page

from infra.walk.walker import LOOKS, Look
from tests.browser.conftest import NARROW

pytestmark = [pytest.mark.browser, pytest.mark.django_db(transaction=True)]

APART = """() => {
  document.querySelector('main').innerHTML = '<p class="note">Who.<br><a href="#a">One</a><br><a href="#b">Two</a></p>'
  const [one, two] = [...document.querySelectorAll('main a')].map(link => link.getBoundingClientRect().top)
  return two - one
}"""


@pytest.mark.parametrize(("look", "enough"), [(NARROW, True), (LOOKS[0], False)], ids=["phone", "desktop"])
def test_links_one_above_another_are_a_finger_apart_on_a_phone(
    live_server, open_page: Callable[[Look], Page], look: Look, enough: bool
) -> None:
    page = open_page(look)
    page.goto(live_server.url + "/gallery/")
    assert (page.evaluate(APART) >= 24) is enough
