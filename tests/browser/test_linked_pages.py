"""There and back to a real OpenID Connect server in a real browser, under our security policy; and the pages under axe."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import pytest
from allauth.socialaccount.models import SocialAccount
from playwright.sync_api import Page

from infra.walk.walker import Look
from portal.people.affiliation_actions import Place, affiliate
from portal.people.models import User
from tests.browser.conftest import NARROW, AxeCheck, Holds, keep, sign_in
from tests.portal import openid, world
from tests.portal.openid import Provider

pytestmark = [pytest.mark.browser, pytest.mark.django_db(transaction=True)]
ID = "0000-0002-1825-0097"


@pytest.fixture(scope="module")
def provider() -> Iterator[Provider]:
    with openid.running() as running:
        yield running


def test_a_stranger_comes_by_a_provider_and_links_another(
    live_server, open_page: Callable[[Look], Page], holds: Holds, provider: Provider, settings
) -> None:
    settings.SOCIALACCOUNT_PROVIDERS = provider.listed(openid.PROVIDER, "orcid")
    provider.knows("ada", name="Ada Berg", email="ada@northfield.example", email_verified=True)
    provider.knows(ID, name="Ada Berg")
    page, base = open_page(NARROW), live_server.url

    def looks(name: str) -> None:
        holds(page, f"linked-{name}")

    def consent(sub: str) -> None:
        page.get_by_placeholder("sub").fill(sub)
        page.get_by_role("button", name="Authorize").click()

    page.goto(f"{base}/account/login/?next=/me/profile/")
    looks("login")
    page.get_by_role("button", name="Go on with Northfield University").click()
    consent("ada")
    page.get_by_role("heading", name="Create an account").wait_for()
    looks("signup")
    page.get_by_role("button", name="Create account").click()
    page.wait_for_url("**/me/profile/")
    page.get_by_role("link", name="Linked accounts").click()
    page.get_by_role("rowheader", name="Northfield University").wait_for()
    page.get_by_role("button", name="Link ORCID").click()
    page.get_by_role("heading", name="Confirm that it is you").wait_for()
    looks("confirm")
    page.get_by_role("button", name="Go on with Northfield University").click()
    consent("ada")
    consent(ID)
    page.get_by_role("link", name=ID).wait_for()
    looks("accounts")
    page.get_by_role("button", name="Unlink Northfield University").click()
    page.get_by_role("row", name="Northfield University").wait_for(state="detached")
    page.get_by_role("button", name="Unlink ORCID").click()
    page.get_by_text("Set a password first").first.wait_for()
    looks("last")
    assert User.objects.get().email == "ada@northfield.example"


def test_the_form_begins_with_what_is_known(live_server, open_page: Callable[[Look], Page], holds: Holds) -> None:
    gate, kaja = world.build().gate, world.person("Kaja Known")
    place = Place(
        "The Free Laboratory", site="https://www.place.example", country="NL", position="phd", klass="academia"
    )
    affiliate(by=kaja, place=place)
    SocialAccount.objects.create(user=kaja, provider="orcid", uid=ID)
    page = open_page(NARROW)
    sign_in(page, live_server, kaja)
    page.goto(live_server.url + gate.get_absolute_url())
    page.get_by_text(f"https://orcid.org/{ID}").wait_for()
    assert page.get_by_label("Full name").count() == 0, "it is known, and shown"
    holds(page, "known-first")
    page.get_by_role("link", name="Change You").click()
    page.get_by_text("Change what we know already").click()
    assert page.get_by_label("Full name").input_value() == "Kaja Known"
    holds(page, "known-change")


def test_the_pages_in_between(live_server, page: Page, axe_check: AxeCheck, provider: Provider, settings) -> None:
    settings.SOCIALACCOUNT_PROVIDERS = provider.listed()
    for path in ("northfield/login/", "northfield/login/callback/?state=x", "login/cancelled/"):
        page.goto(f"{live_server.url}/account/linked/{path}")
        axe_check(page)
        keep(page, f"linked-between-{path.split('/')[-2]}")
