"""A page that follows something stops, with a sentence, when there is nothing to follow; a moment's silence does not stop it."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from django.contrib.sessions.models import Session
from playwright.sync_api import Browser, Page, expect

from releases import actions
from releases.conversion import actions as conversions
from releases.conversion_models import Conversion
from releases.ingest import ingest
from tests.browser.conftest import AxeCheck
from tests.browser.test_upload_pages import signed_in
from tests.contract import hub as hubs
from tests.portal import world
from tests.releases.checkpoints import checkpoint
from tests.releases.folders import model_folder
from tests.releases.test_conversion import BIN, WISH, stored

ENDED = "This page is not kept up to date any more"


@pytest.fixture
def portal(transactional_db: None, settings: Any) -> Iterator[str]:
    settings.CONVERTER_PYTHON = "/opt/converter/bin/python"
    with hubs.serving(hubs.portal()) as url:
        settings.BASE_URL = url
        yield url


@pytest.fixture
def lab(portal: str) -> world.World:
    return world.build("lyceum")


@pytest.fixture
def conversion(lab: world.World, tmp_path: Path) -> Conversion:
    """One that waits for the converter, of a draft of a model that was never published."""
    model = actions.open_model(lab=lab.lab, name="mine", by=lab.manager)
    ingest(model_folder(tmp_path / "mine", name="mine"), model=model, by=lab.manager, publish=False)
    change = actions.Change(files=[stored(BIN, checkpoint({"w": ([1.0, 2.0], [2])}))], gone=["model.safetensors"])
    draft = actions.amend(model=model, branch="main", change=change, by=lab.manager, message="Pickles")
    return conversions.request(revision=draft, wish=WISH, by=lab.manager)


@pytest.fixture
def page(browser: Browser) -> Iterator[Page]:
    """A browser's page, whose console may tell of refusals: htmx writes each there."""
    context = browser.new_context()
    made = context.new_page()
    faults: list[str] = []
    made.on("pageerror", lambda error: faults.append(str(error)))
    yield made
    context.close()
    assert faults == []


def again(page: Page, conversion: Conversion) -> None:
    """The page has asked once more."""
    with page.expect_response(f"**{conversion.get_absolute_url()}"):
        pass


def test_who_watches_a_conversion_whose_model_is_deleted_is_told_so_and_nothing_is_asked_any_more(
    portal: str, lab: world.World, conversion: Conversion, page: Page, axe_check: AxeCheck
) -> None:
    signed_in(page, portal, lab.manager)
    page.goto(portal + conversion.get_absolute_url())
    again(page, conversion)
    expect(page.get_by_text(ENDED)).to_have_count(0)
    actions.delete_model(model=conversion.model, by=lab.manager)
    expect(page.get_by_role("alert")).to_contain_text(f"{ENDED}: what it shows was deleted")
    assert page.locator("[hx-trigger]").count() == 0
    assert page.get_by_text("waits for the converter").is_visible(), "what it last knew"
    axe_check(page)


def test_who_was_signed_out_meanwhile_is_told_so_and_loses_nothing_that_the_page_showed(
    portal: str, lab: world.World, conversion: Conversion, page: Page
) -> None:
    signed_in(page, portal, lab.manager)
    page.goto(portal + conversion.get_absolute_url())
    again(page, conversion)
    Session.objects.all().delete()
    page.context.clear_cookies()
    expect(page.get_by_role("alert")).to_contain_text(f"{ENDED}, for you are signed out")
    assert page.locator("#conversion").is_visible()
    assert page.locator("[hx-trigger]").count() == 0


def test_a_server_that_is_away_for_a_moment_is_asked_again(
    portal: str, lab: world.World, conversion: Conversion, page: Page
) -> None:
    signed_in(page, portal, lab.manager)
    page.goto(portal + conversion.get_absolute_url())
    answers = iter([503, 429])

    def away(route: Any) -> None:
        status = next(answers, None)
        if status is None:
            route.continue_()
        else:
            route.fulfill(status=status, content_type="text/html", body="<h1>Later</h1>")

    page.route(f"**{conversion.get_absolute_url()}", away)
    for _ in range(3):
        again(page, conversion)
    expect(page.get_by_text(ENDED)).to_have_count(0)
    conversions.cancel(conversion=conversion, by=lab.manager)
    expect(page.locator("#conversion")).to_contain_text("cancelled")
