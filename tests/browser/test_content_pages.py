"""The pages of kept content in a browser: with nothing, one and many rows they hold for axe and at 320 px."""

from __future__ import annotations

import json
from collections.abc import Callable
from datetime import timedelta

import pytest
from django.conf import settings as django_settings
from django.utils import timezone
from playwright.sync_api import Page, expect

from inference import disclosing
from inference.content_models import Disclosure, KeptContent
from inference.disclosure import State, Verb
from inference.gateway.sealing import seal
from infra.walk.walker import Look
from portal.people.actions import give_role
from portal.people.models import Role
from tests.browser.conftest import NARROW, Holds, press
from tests.inference.bench import GATED, build
from tests.inference.content import KEY, PRIVATE_KEY, sign_with_logging, with_device
from tests.portal import world

pytestmark = [pytest.mark.browser, pytest.mark.django_db(transaction=True)]

SAID = {
    "asked": json.dumps({"model": GATED, "prompt": "Where does the canary sing? " * 12, "max_tokens": 64}),
    "answered": json.dumps({"choices": [{"index": 0, "text": "In the mine, as long as the air is good.\n" * 30}]}),
    "cut": False,
}


def test_two_managers_find_their_way_with_nothing_one_and_many(
    live_server, open_page: Callable[[Look], Page], holds: Holds, settings
) -> None:
    settings.CONTENT_KEY, settings.CONTENT_PRIVATE_KEY = KEY, PRIVATE_KEY
    made = build()
    lab, noor, ines = made.world.lab, made.world.manager, world.person("Ines Almeida")
    give_role(user=ines, lab=lab, role=Role.ADMINISTRATOR, by=None)
    sign_with_logging(made)
    page = open_page(NARROW)
    name = django_settings.SESSION_COOKIE_NAME
    page.context.add_cookies([{"name": name, "value": with_device(noor).cookies[name].value, "url": live_server.url}])

    def looks(state: str, path: str = "/review/content/") -> None:
        if path:
            page.goto(f"{live_server.url}{path}")
        holds(page, f"content-{state}")

    looks("none")
    expect(page.get_by_role("main")).to_contain_text("Nothing is kept")
    names = [f"req-019abc{n:06x}0123456789abcdef0123" for n in range(20)]
    now = timezone.now()
    KeptContent.objects.bulk_create(
        KeptContent(
            request_id=one, lab=lab, user_id=str(made.researcher.pk), project_id=str(made.project.pk), model=GATED, key=KEY,
            sealed=seal(json.dumps(SAID).encode(), KEY, one), expires_at=now + timedelta(days=30),
        )
        for one in names
    )  # fmt: skip
    page.goto(f"{live_server.url}/review/content/")
    press(page, "Ask")
    expect(page.get_by_role("main")).to_contain_text(
        "Say why their content must be read. Whoever allows it decides on this."
    )
    looks("refused", "")
    asked = disclosing.ask(by=ines, lab=lab, request_ids=names, reason="A report of misuse on this day.")
    looks("one")
    looks("asked", asked.get_absolute_url())
    disclosing.answer(by=noor, found=asked, verb=Verb.ALLOW)
    looks("allowed", asked.get_absolute_url())
    with page.expect_navigation():
        page.get_by_role("button", name=f"Read {names[0]}").click()
    expect(page.get_by_role("main")).to_contain_text("as long as the air is good")
    looks("read", "")
    Disclosure.objects.bulk_create(
        Disclosure(lab=lab, project_id=str(made.project.pk), asked_by=ines, reason="Again.", state=State.WITHDRAWN)
        for _ in range(120)
    )
    looks("many")
