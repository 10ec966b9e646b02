"""Apply, review, sign, revoke and make tokens in a browser; axe on every page in every state."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any

import pytest
from allauth.socialaccount.models import SocialAccount
from django.urls import reverse
from playwright.sync_api import Page

from infra.walk.walker import LOOKS, Look
from portal.access import actions
from portal.access.application_models import Application, Decline
from portal.access.review_models import Vote
from portal.people.models import User
from portal.tokens import actions as tokens
from portal.tokens.scopes import Kind
from tests.browser.conftest import AxeCheck, Holds, keep, press, sign_in
from tests.portal import world

pytestmark = [pytest.mark.browser, pytest.mark.django_db(transaction=True)]

Opener = Callable[[Look], Page]


def every_state() -> list[tuple[User, str, str]]:
    """(person, path, name) of every page of access in every state."""
    w = world.build()
    staff, manager = w.reviewers[2], w.manager
    found: list[tuple[User, str, str]] = []

    def seen(name: str, application: Application) -> None:
        found.append((application.applicant, application.get_absolute_url(), f"status-{name}"))
        found.append((staff, reverse("access:review", args=[application.pk]), f"review-{name}"))

    drafter = world.person("Dora Draft")
    draft = actions.save_draft(by=drafter, gate=w.gate, answers={"title": "One", "summary": "Too short."})
    found.append((drafter, draft.get_absolute_url(), "status-draft"))
    found += [
        (drafter, reverse("access:apply_section", args=[w.gate.slug, part["name"]]) + "?fix=1", f"apply-{part['name']}")
        for part in w.gate.form_spec
    ]
    found.append((drafter, reverse("access:apply_section", args=[w.gate.slug, "check"]), "apply-check"))
    found.append((drafter, reverse("access:withdraw", args=[draft.pk]), "withdraw"))
    seen("submitted", w.applied(world.person("Sam Sent")))
    half = w.applied(world.person("Rae Read"))
    SocialAccount.objects.create(user=half.applicant, provider="orcid", uid="0000-0001-5109-3700")
    actions.cast_vote(by=w.reviewers[0], application=half, vote=Vote.APPROVE, note="A sound plan.")
    actions.add_note(
        by=w.reviewers[1], application=half, text="I know the cluster: two administrators, encrypted disks."
    )
    seen("in-review", half)
    asked = w.applied(world.person("Cho Changed"))
    actions.request_changes(by=w.reviewers[0], application=asked, message="Which cluster will hold the weights?")
    seen("changes", asked)
    again = w.applied(world.person("Aya Again"))
    actions.request_changes(by=w.reviewers[0], application=again, message="Which cluster?")
    actions.save_draft(by=again.applicant, gate=w.gate, answers={"storage": "On the cluster of the department only."})
    seen("again", actions.submit(by=again.applicant, application=again))
    declined = w.applied(world.person("Dee Clined"), commercial="yes")
    actions.decline(by=w.reviewers[0], application=declined, reason=Decline.PURPOSE, message="This is a product.")
    seen("declined", declined)
    found.append((declined.applicant, reverse("access:appeal", args=[declined.pk]), "appeal"))
    for name, end in (("appealed", False), ("upheld", True)):
        appealed = w.applied(world.person(f"{name.title()} Appellant"))
        actions.decline(by=w.reviewers[0], application=appealed, reason=Decline.PURPOSE, message="This is a product.")
        actions.appeal(by=appealed.applicant, application=appealed, text="It is a course, and nothing is sold.")
        if end:
            actions.uphold(by=w.reviewers[1], application=appealed, message="The course is sold to companies.")
        appealed.refresh_from_db()
        seen(name, appealed)
        found.append((w.reviewers[0], reverse("access:review", args=[appealed.pk]), f"review-{name}-involved"))
    approved = w.approved(world.person("Abe Approved"))
    seen("approved", approved)
    found.append((approved.applicant, reverse("access:sign", args=[approved.pk]), "sign"))
    holder = world.person("Mara Lindqvist")
    grant = w.granted(holder)
    seen("granted", grant.application)
    tokens.issue(by=holder, kind=Kind.QUERY, label="notebook")
    old, _ = tokens.issue(by=holder, kind=Kind.DOWNLOAD, label="old laptop")
    tokens.revoke(by=holder, token=old)
    paused = w.granted(world.person("Sue Spended"))
    actions.suspend_grant(by=manager, grant=paused, reason="A question about custody.")
    ended = w.granted(world.person("Rev Oked"))
    actions.revoke_grant(by=manager, grant=ended, reason="The weights were passed on.")
    nobody, signature = world.person("Ida Fremd"), holder.signatures.get()
    actions.make_rules(
        by=manager, lab=w.lab, gate=None, text="block far when answer country is KP: Barred\n", reason="Law"
    )
    found += [
        (nobody, w.gate.get_absolute_url(), "apply-first"),
        (nobody, reverse("access:mine"), "mine-empty"),
        (nobody, reverse("tokens:list"), "tokens-empty"),
        (holder, w.gate.get_absolute_url(), "apply-held"),
        (holder, reverse("access:mine"), "mine"),
        (holder, reverse("people:me"), "me"),
        (holder, reverse("tokens:list"), "tokens"),
        (holder, reverse("tokens:revoke", args=[holder.tokens.first().pk]), "token-revoke"),
        (paused.user, reverse("access:mine"), "mine-suspended"),
        (staff, reverse("access:queue"), "queue"),
        (staff, reverse("access:queue") + "?q=nobody", "queue-nothing"),
        (staff, reverse("access:rules"), "rules"),
        (staff, reverse("access:absence"), "absence"),
        (staff, reverse("access:reasons"), "reasons"),
        (manager, reverse("access:reason", args=[w.lab.slug, "declined_purpose"]), "reason"),
        (manager, reverse("access:rules_of_gate", args=[w.lab.slug, w.gate.slug]), "rules-edit"),
        (manager, reverse("access:grants") + "?show=all", "grants"),
        *[(manager, reverse("access:grant", args=[each.pk]), f"grant-{each.state()}") for each in (grant, ended)],
        (nobody, w.version.get_absolute_url(), "agreement"),
        (nobody, signature.get_absolute_url(), "receipt"),
        (nobody, reverse("agreements:find"), "receipt-find"),
    ]
    return found


def test_every_page_in_every_state_is_accessible_and_holds_at_320_pixels(
    live_server: Any, page: Page, holds: Holds
) -> None:
    for user, path, name in every_state():
        page.context.clear_cookies()
        sign_in(page, live_server, user)
        page.goto(live_server.url + path)
        assert page.locator("h1").count() == 1, path
        holds(page, name)


def test_a_stranger_applies_by_keyboard_and_the_draft_saves_itself(
    live_server: Any, page: Page, axe_check: AxeCheck
) -> None:
    w, mara = world.build(), world.person("Mara Lindqvist")
    sign_in(page, live_server, mara)
    page.goto(live_server.url + w.gate.get_absolute_url())
    page.get_by_text("Change what we know already").press("Enter")
    page.get_by_label("Full name").press("End")
    page.get_by_label("Full name").press_sequentially(", PhD")
    page.get_by_text(re.compile(r"Saved \d\d:")).wait_for()
    assert Application.objects.get().answers["legal_name"] == "Mara Lindqvist, PhD"
    page.get_by_role("button", name="Save and continue").click()
    page.locator(".summary:focus").wait_for()  # an error summary takes the focus, once the page is there
    axe_check(page)
    page.get_by_role("link", name="Role: Choose one.").press("Enter")
    assert page.evaluate("document.activeElement.id") == "id_role"
    for part in w.gate.form_spec:
        _fill(page, part)
        page.get_by_role("button", name="Save and").press("Enter")
    page.get_by_role("heading", name="Check and send").wait_for()
    axe_check(page)
    page.get_by_role("button", name="Send application").press("Enter")
    page.get_by_role("heading", name="Waiting for a reviewer").wait_for()


def _fill(page: Page, part: dict[str, Any]) -> None:
    for entry in part["fields"]:
        name, value = entry["name"], world.ANSWERS.get(entry["name"], "")
        if entry["type"] in {"text", "long_text"}:
            page.locator(f"#id_{name}").fill(str(value).strip())
        elif entry["type"] == "institution":
            page.locator(f"#id_{name}").fill(value["name"])
            page.locator(f"#id_{name}").press("Escape")
            site = page.locator(f"#id_{name}_site")
            if not site.is_visible():
                page.get_by_text("Not in the register?").first.press("Enter")
            site.fill(value["site"])
        elif entry["type"] in {"choice", "country"}:
            page.locator(f"#id_{name}").select_option(value)
        elif entry["type"] == "declaration":
            choice = page.locator(f"input[name={name}][value={value}]")
            if not choice.is_visible():
                page.get_by_text("One of them does").press("Enter")
            choice.check()
        elif entry["type"] == "capabilities":
            for each in value:
                page.locator(f"#id_{name}_{each}").check()
        else:
            page.locator(f"#id_{name}").check()


def test_a_reviewer_decides_by_key_and_the_applicant_signs(
    live_server: Any, open_page: Opener, axe_check: AxeCheck
) -> None:
    w, mara = world.build(quorum=1), world.person("Mara Lindqvist")
    application = w.applied(mara)
    desk, hers = open_page(LOOKS[0]), open_page(LOOKS[0])
    sign_in(desk, live_server, w.reviewers[0])
    sign_in(hers, live_server, mara)
    desk.goto(live_server.url + reverse("access:queue"))
    desk.get_by_role("link", name=application.reference).click()
    desk.wait_for_url("**/review/*-*/", wait_until="load")
    desk.keyboard.press("d")
    assert desk.evaluate("document.activeElement.id") == "id_message", "a decline needs words first"
    desk.keyboard.type("a")
    assert not application.reviews.exists(), "keys are off while one types"
    desk.get_by_role("heading", level=1).click()
    desk.keyboard.press("a")
    desk.get_by_text("Approved. The applicant can sign now.").wait_for()
    hers.goto(live_server.url + application.get_absolute_url())
    hers.get_by_role("link", name="Read and sign").click()
    press(hers, "Sign agreement")
    axe_check(hers)
    hers.get_by_label("Type your full name").fill("Mara Lindqvist")
    hers.get_by_label("In what capacity?").fill("for myself")
    hers.get_by_role("button", name="Sign agreement").click()
    hers.get_by_role("heading", name="Receipt of signature").wait_for()
    axe_check(hers)


def test_a_reviewer_walks_the_queue_by_key_and_assigns_what_was_picked(
    live_server: Any, page: Page, axe_check: AxeCheck
) -> None:
    w = world.build()
    first, second = w.applied(world.person("Mara Lindqvist")), w.applied(world.person("Sam Sent"))
    sign_in(page, live_server, w.reviewers[0])
    page.goto(live_server.url + reverse("access:queue"))
    page.keyboard.press("j")
    assert page.evaluate("document.activeElement.textContent") == first.reference
    page.keyboard.press("x")
    page.keyboard.press("j")
    page.keyboard.press("x")
    assert page.locator("input[name=pick]:checked").count() == 2
    page.get_by_role("button", name="Assign…").click()
    page.get_by_text("Nothing has happened yet").wait_for()
    axe_check(page)
    keep(page, "together")
    page.get_by_role("button", name="Assign", exact=True).click()
    page.get_by_text("2 applications done.").wait_for()
    page.keyboard.press("j")
    page.keyboard.press("j")
    page.keyboard.press("k")
    page.keyboard.press("Enter")
    page.wait_for_url(f"**/review/{first.pk}/", wait_until="load")
    assert Application.objects.filter(assignee=w.reviewers[0]).count() == 2
    assert second.status == "submitted"


def test_a_token_is_shown_in_place_and_copied(live_server: Any, page: Page, axe_check: AxeCheck) -> None:
    mara = world.person("Mara Lindqvist")
    sign_in(page, live_server, mara)
    page.goto(live_server.url + reverse("tokens:list"))
    page.get_by_label("Name").fill("cluster")
    page.get_by_label("query models").check()
    page.get_by_role("button", name="Create token").click()
    page.get_by_text("it is shown once").wait_for()
    axe_check(page)
    keep(page, "token-made")
    page.get_by_role("link", name="I have stored it").click()
    page.get_by_role("link", name="Revoke cluster").click()
    page.get_by_role("button", name="Revoke token").click()
    page.get_by_text("see error 401 from now on").wait_for()
