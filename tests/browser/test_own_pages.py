"""One's own pages, grants and the lab's lists in every state, empty ones and errors too: axe, and 320 pixels."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta
from types import SimpleNamespace
from typing import Any

import pytest
from allauth.account.internal.flows.login import record_authentication
from django.conf import settings as django_settings
from django.contrib.sessions.backends.db import SessionStore
from django.urls import reverse
from django.utils import timezone
from playwright.sync_api import Page

from portal.access import actions
from portal.access.models import Grant
from portal.agreements import actions as agreements
from portal.agreements.models import ChangeClass
from portal.people.erasure import request_erasure
from portal.people.models import User
from portal.webhooks import actions as webhooks
from tests.browser.conftest import Holds, sign_in
from tests.portal import world

pytestmark = [pytest.mark.browser, pytest.mark.django_db(transaction=True), pytest.mark.timeout(300)]

State = tuple[User, str, str]
"""Who looks, at which path, and what it is called."""


def prove(page: Page, user: User) -> None:
    """Let the session know the password from just now, so that what asks for it again opens."""
    name = django_settings.SESSION_COOKIE_NAME
    key = next(cookie["value"] for cookie in page.context.cookies() if cookie["name"] == name)
    session = SessionStore(key)
    record_authentication(SimpleNamespace(session=session), user, "password", reauthenticated=True)
    session.save()


def own_pages() -> list[State]:
    """Of people who hold nothing, and of one who wishes to be erased."""
    fresh, leaving = world.person("Ida Fremd"), world.person("Lea Leaving")
    request_erasure(by=leaving)
    found = [
        (fresh, reverse(name), f"fresh-{name.partition(':')[2]}")
        for name in ("people:me", "people:profile", "people:address", "people:data", "people:erase")
    ]
    found += [(fresh, reverse(name), name) for name in ("account_logout", "account_email", "account_change_password")]
    found += [(leaving, reverse(f"people:{name}"), f"leaving-{name}") for name in ("data", "erase")]
    found += [
        (fresh, f"{reverse('agreements:find')}?sha256=nothing", "receipt-none"),
        (fresh, "/nobody/nothing/nowhere/", "not-found"),
        (fresh, f"{reverse('people:institutions')}?q=nothing+at+all", "institutions-none"),
        (fresh, reverse("people:confirm_address", args=["not-a-secret"]), "proof-unknown"),
    ]
    return found


def empty_lists() -> list[State]:
    """Of a lab to which nobody has come yet."""
    w = world.build("harbour")
    names = ("access:queue", "access:grants", "access:agreements", "access:rules", "access:reasons", "access:absence")
    found = [(w.manager, reverse(name), f"empty-{name.partition(':')[2]}") for name in (*names, "webhooks:list")]
    agreement = [w.lab.slug, w.agreement.slug]
    found += [
        (w.manager, reverse(f"access:{name}", args=agreement), f"empty-{name}")
        for name in ("agreement", "agreement_draft", "agreement_outstanding")
    ]
    webhooks.add_endpoint(by=w.manager, lab=w.lab, url="https://hooks.harbour.example/", events=["grant.given"])
    return [*found, (w.manager, reverse("webhooks:list"), "webhooks-one")]


def grants() -> list[State]:
    """Of holders whose grants stand everywhere that one can, and of their lab."""
    w = world.build(quorum=1, grant_days=365)
    long_ago, soon = timezone.now() - timedelta(days=300), timezone.now() + timedelta(days=9)
    made = {name: w.granted(world.person(name.title())) for name in ("far", "near", "sent", "ended", "paused", "over")}
    Grant.objects.filter(pk__in=[made["near"].pk, made["sent"].pk]).update(starts_at=long_ago, ends_at=soon)
    actions.renew(by=made["sent"].user, grant=made["sent"], report={"incidents": "A disk was lost, and found again."})
    Grant.objects.filter(pk=made["ended"].pk).update(starts_at=long_ago, ends_at=timezone.now() - timedelta(days=2))
    actions.suspend_grant(by=w.manager, grant=made["paused"], reason="A question about custody.")
    actions.revoke_grant(by=w.manager, grant=made["over"], reason="The weights were passed on.")
    found = []
    for name, grant in made.items():
        views = ("my_grant", "renew", "close_out")
        found += [(grant.user, reverse(f"access:{view}", args=[grant.pk]), f"{view}-{name}") for view in views]
        found.append((w.manager, reverse("access:grant", args=[grant.pk]), f"grant-{name}"))
    found += [
        (w.manager, f"{reverse('access:grants')}?show=all&waits=renewal", "grants-renewal"),
        (w.manager, f"{reverse('access:grants')}?q=nobody", "grants-nothing"),
    ]
    return found


def new_text() -> list[State]:
    """Of a holder whose agreement was changed, and of the lab that waits for the signature."""
    w = world.build(quorum=1)
    grant, agreement = w.granted(world.person("Mara Lindqvist")), [w.lab.slug, w.agreement.slug]
    agreements.publish_version(
        by=w.manager, agreement=w.agreement, text=f"{world.TEXT}3. More.\n", change_class=ChangeClass.BLOCKING
    )
    return [
        (grant.user, reverse("people:me"), "me-to-sign"),
        *[
            (grant.user, reverse(f"access:{view}", args=[grant.pk]), f"{view}-unsigned")
            for view in ("my_grant", "renew", "sign_again")
        ],
        (w.manager, reverse("access:agreement_outstanding", args=agreement), "outstanding"),
        (w.manager, reverse("access:agreement", args=agreement), "agreement-changed"),
    ]


@pytest.mark.parametrize("states", [own_pages, empty_lists, grants, new_text], ids=lambda states: states.__name__)
def test_every_state_is_accessible_and_holds_at_320_pixels(
    live_server: Any, page: Page, holds: Holds, states: Callable[[], list[State]]
) -> None:
    for user, path, name in states():
        page.context.clear_cookies()
        sign_in(page, live_server, user)
        prove(page, user)
        page.goto(live_server.url + path)
        assert page.locator("h1").count() == 1, path
        assert "/account/reauthenticate/" not in page.url, path
        holds(page, name)
