"""The try-it page in a real browser, through the real gateway, to a stand-in for the engine."""

from __future__ import annotations

import shutil
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest
import redis
import uvicorn
from django.conf import settings as django_settings
from django.test import Client
from playwright.sync_api import Page, expect

from inference import actions
from inference.actions import Serving
from inference.contract import Limits
from inference.gateway.app import Gateway
from inference.gateway.server import config
from infra.walk.walker import LOOKS, Look
from portal.counters import client as limits_store
from tests.browser.conftest import NARROW, AxeCheck, assert_no_sideways_scroll
from tests.browser.test_keyboard_forms import assert_used_without_a_mouse
from tests.contract import hub as hubs
from tests.inference.bench import GATED, Bench, build
from tests.inference.gateway import rig
from tests.inference.listener import listening
from tests.stack import free_port

pytestmark = pytest.mark.browser


@pytest.fixture
def engine() -> Iterator[rig.Engine]:
    engine = rig.Engine()
    yield engine
    engine.stop()


@pytest.fixture(scope="module")
def control(django_db_setup: None) -> Iterator[Path]:
    """The folder with the socket of the control plane's listener."""
    folder = Path(tempfile.mkdtemp(prefix="wb-try-", dir="/tmp"))
    with listening(folder, rig.SECRET):
        yield folder
    shutil.rmtree(folder, ignore_errors=True)


@pytest.fixture
def portal(transactional_db: None, settings: Any, monkeypatch: pytest.MonkeyPatch, control: Path) -> Iterator[str]:
    """The one public port, with a gateway of its own, beside that listener."""
    application, port = hubs.portal(), free_port()
    settings.BASE_URL = f"http://127.0.0.1:{port}"
    monkeypatch.setenv("INTERNAL_SECRET", rig.SECRET)
    monkeypatch.setenv("INTERNAL_SOCKET", str(control / "internal.sock"))
    monkeypatch.setattr("portal.asgi._gateway", Gateway())
    server = uvicorn.Server(config(application, port=port, log_level="warning", lifespan="on"))
    thread = threading.Thread(target=server.run, daemon=True)
    thread.start()
    while not server.started:
        time.sleep(0.02)
    yield settings.BASE_URL
    server.should_exit = True
    thread.join(20)


@pytest.fixture
def store() -> Iterator[redis.Redis]:
    connection = limits_store()
    connection.flushdb()
    yield connection
    connection.flushdb()


@pytest.fixture
def bench(store: redis.Redis, portal: str, engine: rig.Engine) -> Bench:
    made = build()
    serving = Serving(engine.url, "vllm 0.32.0", "fake", 4096, True, 12)
    actions.serve(by=None, model=made.gated_model, commit=made.gated_model.revisions.get().commit, serving=serving)
    rig.settle_routes()
    return made


def opened(page: Page, portal: str, user: Any) -> Page:
    """The page, as this person."""
    client = Client()
    client.force_login(user)
    name = django_settings.SESSION_COOKIE_NAME
    page.context.add_cookies([{"name": name, "value": client.cookies[name].value, "url": portal}])
    page.goto(f"{portal}/{GATED}/try")
    return page


def send(page: Page, prompt: str) -> None:
    page.get_by_label("Prompt").fill(prompt)
    page.get_by_role("button", name="Send").click()


def spends_the_only_one(portal: str, bench: Bench) -> bool:
    """Whether a request beside the page was answered, and was all that a minute allows."""
    body = {"model": GATED, "prompt": "x", "max_tokens": 1}
    headers = {"Authorization": f"Bearer {bench.secret}"}
    answer = httpx.post(f"{portal}/v1/completions", json=body, headers=headers)
    return (answer.status_code, answer.headers.get("x-ratelimit-limit-requests")) == (200, "1")


def test_an_answer_streams_with_the_chance_of_each_token(
    portal: str, bench: Bench, engine: rig.Engine, open_page: Callable[[Look], Page], axe_check: AxeCheck
) -> None:
    page = opened(open_page(LOOKS[0]), portal, bench.researcher)
    axe_check(page)
    page.get_by_label("Completion").check(force=True)
    page.get_by_label("Seed").fill("7")
    page.get_by_label("Stop at").fill("END\nEOF")
    page.get_by_label("Longest").fill("6")
    send(page, "def mean(")
    page.get_by_text("Complete: 6 tokens.").wait_for()
    answer = page.get_by_role("listbox", name="Answer")
    assert answer.inner_text() == " tok" * 6
    seen = engine.truth()["bodies"][-1]
    assert (seen["prompt"], seen["seed"], seen["stop"], seen["logprobs"]) == ("def mean(", 7, ["END", "EOF"], 5)
    foot = page.locator("[data-foot]").inner_text()
    assert "= 9 tokens" in foot
    assert "1,999,991 tokens left in this period" in foot
    assert "request req-" in foot
    receipt = page.get_by_role("link", name="Signed receipt").get_attribute("href")
    assert receipt.startswith("/me/usage/receipts/req-")
    answer.focus()
    page.keyboard.press("ArrowRight")
    assert "Token 2 of 6" in page.locator("[data-detail]").inner_text()
    assert "74.8" in page.locator("[data-detail]").inner_text()
    chosen = answer.get_by_role("option", selected=True)
    assert chosen.get_attribute("aria-label") == "tok, 74.8%; instead: other 20.2%, new line 3.0%"
    page.get_by_text("Every token as a table").click()
    expect(page.locator("[data-table] tbody tr")).to_have_count(
        6
    )  # listed when the browser tells of the opening, later
    axe_check(page)
    for look in (LOOKS[1], LOOKS[2], NARROW):
        page.set_viewport_size(look.viewport)
        page.emulate_media(color_scheme=look.theme)
        assert_no_sideways_scroll(page)
        axe_check(page)


def test_a_conversation_is_stopped_and_goes_on(portal: str, bench: Bench, engine: rig.Engine, page: Page) -> None:
    opened(page, portal, bench.researcher)
    page.get_by_label("Longest").fill("400")
    page.get_by_label("Show the chance").uncheck()
    send(page, "Count. #itl=20")
    page.get_by_text("Writing:").wait_for()
    page.keyboard.press("Escape")
    page.get_by_text("Stopped after").wait_for()
    rig.wait_for(lambda: engine.truth()["aborted"] == 1)
    assert page.locator("[data-said]").inner_text().startswith(" tok")
    page.get_by_label("Longest").fill("2")
    send(page, "Go on.")
    page.get_by_text("Complete: 2 tokens.").wait_for()
    roles = [message["role"] for message in engine.truth()["bodies"][-1]["messages"]]
    assert roles == ["user", "assistant", "user"]
    assert engine.truth()["bodies"][-1].get("logprobs") is None
    page.get_by_role("button", name="Begin anew").click()
    assert page.locator("[data-answer]").is_hidden()


def test_what_stands_in_the_way_is_said_in_words(portal: str, bench: Bench, page: Page) -> None:
    opened(page, portal, bench.researcher)
    send(page, "")
    assert "Check “Prompt”" in page.get_by_role("alert").inner_text()
    page.get_by_label("Longest").fill("4096")
    send(page, "too long")
    page.get_by_role("alert").get_by_text("longer together than the model can read").wait_for()
    page.get_by_label("Longest").fill("4")
    actions.set_allowance(by=bench.world.manager, project=bench.project, limits=Limits(tokens_per_day=10))
    send(page, "once")
    page.get_by_text("Complete: 4 tokens.").wait_for()
    send(page, "twice")
    page.get_by_role("alert").get_by_text("Your allowance is spent").wait_for()
    assert page.get_by_role("alert").get_by_role("link").get_attribute("href") == "/me/usage/"
    assert page.get_by_label("Prompt").input_value() == "twice"
    actions.set_allowance(by=bench.world.manager, project=bench.project, limits=Limits(requests_per_minute=1))
    rig.wait_for(lambda: spends_the_only_one(portal, bench))
    send(page, "again")
    page.get_by_role("alert").get_by_text("Your limit for a short time is reached").wait_for()
    assert "Try again in" in page.get_by_role("alert").inner_text()


def test_a_page_left_open_after_signing_out_asks_to_sign_in(portal: str, bench: Bench, page: Page) -> None:
    opened(page, portal, bench.researcher)
    page.get_by_label("Longest").fill("2")
    send(page, "before")
    page.get_by_text("Complete: 2 tokens.").wait_for()
    other = page.context.new_page()
    other.goto(f"{portal}/account/logout/")
    with other.expect_navigation():
        other.get_by_role("main").get_by_role("button").first.click()
    send(page, "after")
    alert = page.get_by_role("alert")
    alert.get_by_text("You are signed out").wait_for()
    assert alert.get_by_role("link").get_attribute("href").startswith("/account/login/?next=")
    assert page.get_by_label("Prompt").input_value() == "after"


def test_without_script_a_command_is_shown(portal: str, bench: Bench, browser: Any) -> None:
    context = browser.new_context(java_script_enabled=False)
    page = opened(context.new_page(), portal, bench.researcher)
    assert "curl" in page.get_by_role("main").inner_text()
    assert not page.locator("#try").is_visible()
    context.close()


def test_a_model_is_tried_without_a_mouse(portal: str, bench: Bench, page: Page) -> None:
    assert_used_without_a_mouse(opened(page, portal, bench.researcher))
