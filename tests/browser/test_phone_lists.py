"""What people look up most, on a phone: nothing of a row is out of sight, and what can be done to it least of all."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
from django.urls import reverse
from django.utils import timezone
from playwright.sync_api import Page

from inference import ledger
from inference.allocation_actions import ask_for_allocation
from infra.walk.walker import LOOKS, Look, wear
from portal.access import actions
from portal.access.application_models import Decline
from portal.people.models import User
from portal.tokens import actions as tokens
from portal.tokens.scopes import Kind
from releases import actions as releases
from releases.costs.forms import MachineForm
from releases.ingest import ingest
from tests.browser.conftest import NARROW, AxeCheck, sign_in
from tests.inference.bench import event
from tests.portal import seats, world
from tests.releases.folders import model_folder

pytestmark = [pytest.mark.browser, pytest.mark.django_db(transaction=True)]

PHONE = LOOKS[3]
BEYOND = """() => [...document.querySelectorAll('.scroll :is(th, td, a, button)')].filter(part => part.checkVisibility() &&
  part.getBoundingClientRect().right > part.closest('.scroll').getBoundingClientRect().right + 1).map(part => part.outerHTML)"""
"""The parts of a table that somebody would have to scroll sideways for."""


BROKEN = """() => [...document.querySelectorAll('.scroll time')].filter(day => day.getClientRects().length > 1).map(day => day.textContent)"""
"""Days that are broken into two lines, which happens within a word."""


def daily_lists(folder: Path) -> dict[str, tuple[User, str]]:
    """Each list with at least one row: its reader and its address."""
    w = world.build()
    holder = world.person("Mara Lindqvist", "mara.lindqvist@northfield.example")
    grant = w.granted(holder)
    tokens.issue(by=holder, kind=Kind.QUERY, label="notebook", project=grant.project)
    actions.invite(by=holder, application=grant.application, name="Ana Duarte", email="ana.duarte@northfield.example")
    waiting = w.applied(world.person("Bartholomew Featherstonehaugh"))
    model = releases.open_model(lab=w.lab, name="mine", by=w.manager)
    ingest(model_folder(folder / "mine", name="mine"), model=model, by=w.manager, publish=True)
    official = seats.at_home("Ingrid Solberg")
    cover = seats.in_force(w, official)
    seats.invited(cover, seats.member("Kaarel Tamm"))
    today = timezone.now().date()
    actions.name_substitute(by=w.reviewers[0], lab=w.lab, substitute=w.manager, starts_on=today, ends_on=today)
    ask_for_allocation(by=holder, project=grant.project, tokens_per_period=20_000_000, until=today, case="Evaluations.")
    return {
        "the lab's grants": (w.manager, reverse("access:grants")),
        "my grants": (holder, reverse("access:mine")),
        "my tokens": (holder, reverse("tokens:list")),
        "the rules that sort what comes": (w.reviewers[0], reverse("access:rules")),
        "my team": (holder, reverse("access:team", args=[grant.application.pk])),
        "my addresses": (holder, reverse("account_email")),
        "the lab's gates": (w.manager, reverse("access:gates")),
        "the review queue": (w.reviewers[0], reverse("access:queue")),
        "the lab's institutions": (w.manager, reverse("access:institutional_lab")),
        "the institutions that I sign for": (official, reverse("access:institutional_mine")),
        "my institution's roster": (official, cover.get_absolute_url()),
        "the institutions that I search": (official, reverse("people:institutions") + "?q=northfield"),
        "the evidence that I judge by": (w.reviewers[0], reverse("access:review", args=[waiting.pk])),
        "a model's files": (holder, f"{model.get_absolute_url()}/tree/main"),
        "who stands in for me": (w.reviewers[0], reverse("access:absence")),
        "what my project asked for": (holder, reverse("inference:allocation_requests", args=[grant.project_id])),
    }


@pytest.mark.parametrize(
    ("look", "language"), [(PHONE, "en"), (NARROW, "de")], ids=["phone in English", "narrow in German"]
)
def test_on_a_phone_every_column_of_a_daily_list_is_in_sight(
    live_server, open_page: Callable[[Look], Page], axe_check: AxeCheck, tmp_path: Path, look: Look, language: str
) -> None:
    lists, page = daily_lists(tmp_path), open_page(look)
    User.objects.update(language=language)
    for place, (who, path) in lists.items():
        who.refresh_from_db()
        page.context.clear_cookies()
        sign_in(page, live_server, who)
        page.goto(live_server.url + path)
        assert page.locator("html").get_attribute("lang").startswith(language), place
        assert page.locator(".scroll tbody tr").count() >= 1, place
        assert page.evaluate(BEYOND) == [], place
        assert page.evaluate(BROKEN) == [], place
        axe_check(page)


def test_on_a_phone_sums_of_use_are_read_without_scrolling_sideways(
    live_server, open_page: Callable[[Look], Page]
) -> None:
    w = world.build()
    holder = world.person("Mara Lindqvist", "mara.lindqvist@northfield.example")
    project = w.granted(holder).project
    at = int(timezone.now().timestamp() * 1000)
    row = {"project_id": str(project.pk), "prompt_tokens": 12_345_678, "completion_tokens": 9_876_543, "started_at": at}
    ledger.post([event(user_id=str(holder.pk), model="lyceum/a-model-with-a-name-of-some-length", **row)])
    page = open_page(NARROW)
    sign_in(page, live_server, holder)
    page.goto(live_server.url + reverse("inference:usage"))
    assert page.locator(".folds tbody td").count() >= 4
    assert page.evaluate(BEYOND.replace(".scroll :is", ".scroll .folds :is")) == []
    assert set(page.evaluate(SHAPE)) == {True}


SHAPE = """() => [...document.querySelectorAll('.folds tbody tr')].map(row => {
  const [name, next] = row.children
  return next.getBoundingClientRect().top >= name.getBoundingClientRect().bottom
})"""
"""Whether what names a row stands above the rest of it."""


def test_the_name_of_a_row_has_a_line_of_its_own_on_a_phone_and_not_on_a_desk(
    live_server, open_page: Callable[[Look], Page]
) -> None:
    w = world.build()
    w.applied(world.person("Bartholomew Featherstonehaugh"))
    page = open_page(NARROW)
    sign_in(page, live_server, w.reviewers[0])
    page.goto(live_server.url + reverse("access:queue"))
    assert page.evaluate(SHAPE) == [True]
    tree = page.context.new_cdp_session(page).send("Accessibility.getFullAXTree")["nodes"]
    told = [node.get("role", {}).get("value") for node in tree if not node.get("ignored")]
    assert told.count("columnheader") == 4
    assert "rowheader" in told  # it is a table for who hears it, however it is drawn
    wear(page, LOOKS[0])
    assert page.evaluate(SHAPE) == [False]


def test_on_a_phone_the_filters_are_folded_until_they_narrow_the_list_and_on_a_desk_they_stand_open(
    live_server, open_page: Callable[[Look], Page]
) -> None:
    w = world.build()
    w.applied(world.person("Bartholomew Featherstonehaugh"))
    page = open_page(PHONE)
    sign_in(page, live_server, w.reviewers[0])
    page.goto(live_server.url + reverse("access:queue"))
    name, first = page.get_by_label("Name or number"), page.locator("tbody tr").first
    assert not name.is_visible()
    assert first.bounding_box()["y"] < page.viewport_size["height"]  # somebody who looks in sees who waits
    page.get_by_text("Filter the queue").click()
    name.fill("Featherstonehaugh")
    name.press("Enter")
    page.wait_for_url("**q=Featherstonehaugh**")
    assert name.is_visible()
    wear(page, LOOKS[0])
    page.goto(live_server.url + reverse("access:queue"))
    assert name.is_visible()
    assert not page.get_by_text("Filter the queue").is_visible()


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


CUT = """() => [...document.querySelectorAll('select')].filter(select => select.checkVisibility()).flatMap(select => {
  const pen = document.createElement('canvas').getContext('2d')
  pen.font = getComputedStyle(select).font
  return [...select.options].map(one => one.text).filter(text => pen.measureText(text).width + 48 > select.clientWidth)
})"""
"""Choices that are wider than the field that shows them."""


@pytest.mark.parametrize("place", ["a letter", "a review"])
def test_a_reason_is_read_whole_on_a_small_phone(
    live_server, open_page: Callable[[Look], Page], axe_check: AxeCheck, place: str
) -> None:
    w = world.build()
    review = reverse("access:review", args=[w.applied(world.person("Mara Lindqvist")).pk])
    path = {"a letter": reverse("access:letter", args=["application_declined"]), "a review": review}[place]
    page = open_page(NARROW)
    sign_in(page, live_server, w.reviewers[0])
    page.goto(live_server.url + path)
    assert page.evaluate(CUT) == []
    reason = page.get_by_role("radio", name=str(Decline.IDENTITY.label))
    reason.check()
    label = page.get_by_text(str(Decline.IDENTITY.label), exact=True).last.bounding_box()
    assert label["x"] + label["width"] <= NARROW.width
    page.evaluate("document.querySelector('iframe')?.remove()")  # the letter itself, where no script runs, not even axe
    axe_check(page)


def test_a_reviewer_who_declines_by_key_is_led_to_the_reason_that_is_not_chosen_yet(
    live_server, open_page: Callable[[Look], Page]
) -> None:
    w = world.build()
    application = w.applied(world.person("Mara Lindqvist"))
    page = open_page(LOOKS[0])
    sign_in(page, live_server, w.reviewers[0])
    page.goto(live_server.url + reverse("access:review", args=[application.pk]))
    page.locator("#id_message").fill("Please apply from the address of your institute.")
    page.locator("h1").click()
    page.keyboard.press("d")
    assert page.evaluate("document.activeElement.name") == "reason"
    page.keyboard.press("Space")
    page.locator("h1").click()
    with page.expect_navigation():
        page.keyboard.press("d")
    application.refresh_from_db()
    assert (application.status, application.reason) == ("declined", Decline.IDENTITY)
