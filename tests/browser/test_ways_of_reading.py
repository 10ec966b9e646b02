"""Keyboard, no script, print, forced colours, copy buttons, drafts that save themselves: on the running demo."""

from __future__ import annotations

import re
from collections.abc import Iterator

import pytest
from playwright.sync_api import Browser, BrowserContext, Page, expect

from tests.browser.conftest import AxeCheck
from tests.stack import Stack

pytestmark = [pytest.mark.browser, pytest.mark.stack]


@pytest.fixture
def context(browser: Browser) -> Iterator[BrowserContext]:
    context = browser.new_context(viewport={"width": 1280, "height": 800}, reduced_motion="reduce")
    yield context
    context.close()


@pytest.fixture
def page(context: BrowserContext) -> Page:
    page = context.new_page()
    page.set_default_timeout(20_000)
    return page


def sign_in(page: Page, stack: Stack, role: str) -> None:
    email = stack.email(role)
    page.goto(f"{stack.base_url}/account/login/")
    page.get_by_label("E-mail address").fill(email)
    page.get_by_label("Password").fill(stack.password(email))
    page.get_by_role("button", name="Sign in").click()
    page.get_by_role("heading", name="Your access").wait_for()


def test_the_first_tab_stop_skips_to_the_content(stack: Stack, page: Page) -> None:
    page.goto(stack.base_url)
    page.keyboard.press("Tab")
    expect(page.get_by_role("link", name="Skip to content")).to_be_focused()
    page.keyboard.press("Enter")
    assert page.url.endswith("#main")


def test_every_focused_control_is_on_the_screen_and_outlined(stack: Stack, page: Page) -> None:
    page.goto(f"{stack.base_url}/account/signup/")
    for _ in range(9):
        page.keyboard.press("Tab")
        box, outline = page.evaluate(
            """() => { const e = document.activeElement, b = e.getBoundingClientRect();
            return [b.top >= 0 && b.bottom <= innerHeight, getComputedStyle(e).outlineWidth] }"""
        )
        assert box
        assert outline == "2px"


def test_sign_in_and_a_token_without_script(stack: Stack, browser: Browser) -> None:
    context = browser.new_context(java_script_enabled=False)
    page = context.new_page()
    page.set_default_timeout(20_000)
    sign_in(page, stack, "stranger")
    page.goto(f"{stack.base_url}/me/tokens/")
    page.get_by_label("Name").fill("no-script")
    page.get_by_role("button", name="Create token").click()
    expect(page.locator(".code code").first).to_contain_text(re.compile(r"wb_dl_\w{38}"))
    expect(page.get_by_role("button", name="Copy")).to_have_count(0)
    page.goto(f"{stack.base_url}/me/tokens/")
    assert "no-script" in page.inner_text("main")
    context.close()


def test_a_copy_button_leaves_the_prompt_behind(stack: Stack, context: BrowserContext, page: Page) -> None:
    context.grant_permissions(["clipboard-read", "clipboard-write"], origin=stack.base_url)
    page.goto(f"{stack.base_url}/{stack.model(gated=False)}")
    page.get_by_role("button", name="Copy").first.click()
    expect(page.get_by_role("button", name="Copied").first).to_be_visible()
    copied = page.evaluate("navigator.clipboard.readText()")
    assert f"hf download {stack.model(gated=False)}" in copied
    assert "$ " not in copied


def test_a_draft_saves_itself(stack: Stack, page: Page) -> None:
    page.goto(f"{stack.base_url}/{stack.model(gated=True)}")
    apply = page.get_by_role("link", name="Apply for access").get_attribute("href")
    sign_in(page, stack, "stranger")
    page.goto(f"{stack.base_url}{apply}you/")
    field = page.get_by_label("A page about your work")
    field.fill("https://northfield.example/people/bakker")
    with page.expect_response(lambda answer: "/apply/" in answer.url and answer.request.method == "POST"):
        field.press("End")
        field.type("/")
    expect(page.locator("#saved")).to_contain_text(re.compile(r"Saved \d\d:\d\d"))
    page.reload()
    expect(page.get_by_label("A page about your work")).to_have_value("https://northfield.example/people/bakker/")


def test_forced_colours_keep_every_page_readable(stack: Stack, page: Page, axe_check: AxeCheck) -> None:
    page.emulate_media(forced_colors="active")
    for path in ("/", "/gallery/", f"/{stack.model(gated=True)}"):
        page.goto(stack.base_url + path)
        axe_check(page)


def test_print_leaves_the_controls_out(stack: Stack, page: Page) -> None:
    page.goto(f"{stack.base_url}/{stack.model(gated=False)}")
    page.emulate_media(media="print")
    expect(page.locator(".masthead nav")).to_be_hidden()
    expect(page.get_by_role("button", name="Copy").first).to_be_hidden()
    expect(page.locator("h1")).to_be_visible()
    assert page.evaluate("getComputedStyle(document.body).color") == "rgb(0, 0, 0)"
