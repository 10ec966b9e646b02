"""The pages of misuse signals in a browser: both hold for axe and at 320 px, and an answer is given by keyboard."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from django.utils import timezone
from playwright.sync_api import Page, expect

from inference.signal_models import Signal
from infra.walk.walker import Look
from tests.browser.conftest import NARROW, Holds, press, sign_in
from tests.portal import world

pytestmark = [pytest.mark.browser, pytest.mark.django_db(transaction=True)]


def test_a_manager_answers_a_signal(live_server, open_page: Callable[[Look], Page], holds: Holds) -> None:
    lyceum = world.build()
    grant = lyceum.granted(world.person("Mara Lindqvist"))
    Signal.objects.create(
        lab=lyceum.lab, rule="burst", project_id=str(grant.project_id), model="lyceum/small",
        day=timezone.now().date(), figures={"tokens": 2_100_000, "usual": 40_000},
    )  # fmt: skip
    page = open_page(NARROW)
    sign_in(page, live_server, lyceum.manager)

    page.goto(f"{live_server.url}/review/")
    with page.expect_navigation():
        page.get_by_role("link", name="1 misuse signal is open").click()
    holds(page, "signals")
    with page.expect_navigation():
        page.get_by_role("link", name="Far more than usual").click()
    expect(page.get_by_role("main")).to_contain_text("2,100,000 tokens; usual for this project are 40,000 a day")
    press(page, "Dismiss")
    holds(page, "signal-error")
    page.get_by_label("Note").fill("A benchmark, agreed on by mail.")
    press(page, "Dismiss")
    expect(page.get_by_role("main")).to_contain_text("A benchmark, agreed on by mail.")
    holds(page, "signal")
