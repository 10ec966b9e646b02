"""What people look up most, on a phone: nothing of a row is out of sight, and what can be done to it least of all."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from django.urls import reverse
from playwright.sync_api import Page

from infra.walk.walker import LOOKS, Look
from portal.access import actions
from portal.tokens import actions as tokens
from portal.tokens.scopes import Kind
from releases.costs.forms import MachineForm
from tests.browser.conftest import AxeCheck
from tests.browser.test_access_pages import sign_in
from tests.portal import world

pytestmark = [pytest.mark.browser, pytest.mark.django_db(transaction=True)]

PHONE = LOOKS[3]
BEYOND = """() => [...document.querySelectorAll('.scroll :is(th, td, a, button)')].filter(part => part.checkVisibility() &&
  part.getBoundingClientRect().right > part.closest('.scroll').getBoundingClientRect().right + 1).map(part => part.outerHTML)"""
"""The parts of a table that somebody would have to scroll sideways for."""


@pytest.mark.parametrize("place", ["the lab's grants", "my grants", "my tokens", "my team", "my addresses"])
def test_on_a_phone_every_column_of_a_daily_list_is_in_sight(
    live_server, open_page: Callable[[Look], Page], axe_check: AxeCheck, place: str
) -> None:
    w = world.build()
    holder = world.person("Mara Lindqvist", "mara.lindqvist@northfield.example")
    grant = w.granted(holder)
    tokens.issue(by=holder, kind=Kind.QUERY, label="notebook", project=grant.project)
    actions.invite(by=holder, application=grant.application, name="Ana Duarte", email="ana.duarte@northfield.example")
    who, path = {
        "the lab's grants": (w.manager, reverse("access:grants")),
        "my grants": (holder, reverse("access:mine")),
        "my tokens": (holder, reverse("tokens:list")),
        "my team": (holder, reverse("access:team", args=[grant.application.pk])),
        "my addresses": (holder, reverse("account_email")),
    }[place]
    page = open_page(PHONE)
    sign_in(page, live_server, who)
    page.goto(live_server.url + path)
    assert page.locator(".scroll tbody tr").count() >= 1
    assert page.evaluate(BEYOND) == []
    axe_check(page)


def test_the_mark_of_a_wrong_field_stays_out_of_the_field_beside_it(
    live_server, open_page: Callable[[Look], Page]
) -> None:
    page = open_page(PHONE)
    page.goto(live_server.url + "/gallery/")
    page.evaluate(
        """() => { document.querySelector('main').innerHTML = `<div class="split filters">
          <div class="field" id="well"><label for="a">A</label><input id="a"></div>
          <div class="field bad" id="ill"><label for="b">B</label><input id="b"></div></div>` }"""
    )
    well, ill = (page.locator(name).bounding_box() for name in ("#well", "#ill"))
    assert well["x"] + well["width"] < ill["x"]


FITS = """field => {
  document.querySelector('main').innerHTML = `<div class="split filters">
    <div class="field">${field}</div><div class="field"><label for="n">Accelerators</label><input id="n"></div></div>`
  const select = document.querySelector('select'), pen = document.createElement('canvas').getContext('2d')
  pen.font = getComputedStyle(select).font
  return [...select.options].every(one => pen.measureText(one.text).width + 48 <= select.clientWidth)
}"""


def test_the_name_of_an_accelerator_is_read_whole_on_a_phone(live_server, open_page: Callable[[Look], Page]) -> None:
    page = open_page(PHONE)
    page.goto(live_server.url + "/gallery/")
    field = MachineForm({})["accelerator"]
    assert page.evaluate(FITS, f"{field.label_tag()}{field}")
