"""The forms that are used most, without a mouse: each control has a name, is reached in the order that it is read in, and
shows where the reader is."""

from __future__ import annotations

import itertools
from collections.abc import Callable
from typing import Any

import pytest
from django.urls import reverse
from playwright.sync_api import Page

from infra.walk.walker import LOOKS, Look
from releases import actions as releases
from tests.browser.conftest import sign_in
from tests.browser.hands import TABS
from tests.portal import world

pytestmark = [pytest.mark.browser, pytest.mark.django_db(transaction=True)]

REACHABLE = """() => {
  const stop = radio => {
    const group = [...document.getElementsByName(radio.name)]
    return group.find(one => one.checked) || group[0]
  }
  return [...document.querySelectorAll('main :is(a[href], button, input, select, textarea, summary)')]
  .filter(part => part.checkVisibility() && !part.disabled && part.type !== 'hidden' && part.tabIndex >= 0)
  .filter(part => part.type !== 'radio' || part === stop(part))
  .length
}"""
"""How many stops there are: of the radio buttons of one name the chosen one, or the first where none is."""
HERE = """() => {
  const part = document.activeElement
  if (!part || !part.closest('main')) return null
  const all = [...document.querySelectorAll('*')], style = getComputedStyle(part), box = part.getBoundingClientRect()
  const shown = part.matches('.seg input') ? getComputedStyle(part.closest('label') || part.nextElementSibling) : style
  const name = part.getAttribute('aria-label') || [...part.labels || []].map(one => one.innerText).join(' ') || part.innerText
    || (part.getAttribute('aria-labelledby') || '').split(' ').map(id => document.getElementById(id)?.innerText || '').join(' ')
  return {
    place: all.indexOf(part), control: part.matches('a, button, input, select, textarea, summary'), name: name.trim(),
    ring: shown.outlineStyle !== 'none' && parseFloat(shown.outlineWidth) >= 2,
    seen: box.bottom > 0 && box.top < innerHeight && box.width > 0, what: part.outerHTML.slice(0, 160),
  }
}"""
HEADINGS = "[...document.querySelectorAll('main :is(h1, h2, h3, h4)')].filter(h => h.checkVisibility()).map(h => +h.tagName[1])"


def stops(page: Page) -> list[dict[str, Any]]:
    """Where the tabulator stops within the page's matter, from its beginning to its end."""
    page.evaluate("document.querySelector('.skip').focus()")  # a page with errors begins at their summary
    found: list[dict[str, Any]] = []
    for _ in range(2 * TABS):
        page.keyboard.press("Tab")
        here = page.evaluate(HERE)
        if here:
            found.append(here)
        elif found:
            return found
    raise AssertionError(f"The keyboard does not come out of {page.url}")


def assert_used_without_a_mouse(page: Page) -> None:
    """Names, order, marks of focus and headings of the page that is open."""
    found = stops(page)
    controls = [each for each in found if each["control"]]
    assert len(controls) == page.evaluate(REACHABLE), [each["what"] for each in controls]
    assert [each["what"] for each in controls if not each["name"]] == [], "each has a name"
    assert [each["what"] for each in found if not each["ring"]] == [], "each shows that it is the one"
    assert [each["what"] for each in found if not each["seen"]] == [], "and none is reached out of sight"
    places = [each["place"] for each in found]
    assert places == sorted(places), "in the order in which they are read"
    levels = page.evaluate(HEADINGS)
    assert levels[0] == 1
    assert all(after - before <= 1 for before, after in itertools.pairwise(levels)), levels


@pytest.mark.parametrize("look", [LOOKS[0], LOOKS[3]], ids=["desktop", "phone"])
@pytest.mark.parametrize("form", ["apply", "apply with errors", "decide", "token", "upload"])
def test_a_form_is_filled_without_a_mouse(
    live_server, open_page: Callable[[Look], Page], form: str, look: Look
) -> None:
    w = world.build()
    waiting = w.applied(world.person("Sam Sent"))
    releases.open_model(lab=w.lab, name="mine", by=w.manager, summary="A small model.")
    nobody, section = world.person("Ida Fremd"), w.gate.form_spec[1]["name"]
    who, path = {
        "apply": (nobody, reverse("access:apply_section", args=[w.gate.slug, section])),
        "apply with errors": (nobody, reverse("access:apply_section", args=[w.gate.slug, section]) + "?fix=1"),
        "decide": (w.reviewers[0], reverse("access:review", args=[waiting.pk])),
        "token": (nobody, reverse("tokens:list")),
        "upload": (w.manager, f"/{w.lab.slug}/mine/upload"),
    }[form]
    page = open_page(look)
    sign_in(page, live_server, who)
    page.goto(live_server.url + path)
    assert_used_without_a_mouse(page)
