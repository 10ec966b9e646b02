"""The pages of teams and of confirmations, in every state, for the applicant, the named, and the reviewer."""

from __future__ import annotations

import re
from typing import Any

import pytest
from django.core import mail
from django.urls import reverse
from playwright.sync_api import Page

from portal.access import actions
from portal.access.referees import RefereeVerb
from portal.access.review_models import Vote
from portal.people.models import User
from tests.browser.conftest import AxeCheck, Holds, sign_in
from tests.portal import world
from tests.portal.test_team import verified

pytestmark = [pytest.mark.browser, pytest.mark.django_db(transaction=True)]


def secret_mailed(address: str) -> str:
    """The secret of the link in the newest mail to an address; mail leaves at once here."""
    body = [message.body for message in mail.outbox if message.to == [address]][-1]
    return re.search(r"/(?:invitations|confirmations)/([\w-]+)/", body)[1]


def states() -> list[tuple[User | None, str, str]]:
    """(person, path, name) of every page of a team and of referees."""
    w = world.build(quorum=1, confirmations=2)
    lead, ana, jo = (verified(world.person(name)) for name in ("Mara Lindqvist", "Ana Duarte", "Jo Reed"))
    cho = world.person("Cho Park")
    empty = w.applied(world.person("Sam Alone"))
    application = w.applied(lead)
    for who in (ana, jo, cho):
        actions.invite(by=lead, application=application, name=who.name, email=who.email)
    invitation = reverse("access:invitation", args=[secret_mailed(jo.email)])
    accept = {"typed_name": ana.name, "capacity": "for myself", "text_sha256": w.version.sha256}
    actions.accept_invitation(by=ana, secret=secret_mailed(ana.email), **accept)
    actions.decline_invitation(secret=secret_mailed(cho.email))
    asked = [
        actions.ask_referee(by=lead, application=application, name=name, email=email, relation="doctoral supervisor")
        for name, email in (("Ada Weiss", "ada@elsewhere.example"), ("Bo Lind", "bo@gmail.com"))
    ]
    comment = "I have worked with her for three years, and she keeps what she promises."
    actions.answer_referee(secret=secret_mailed(asked[0].email), answer=RefereeVerb.CONFIRM, comment=comment)
    granted = w.applied(jo)
    own = actions.invite(by=jo, application=granted, name=ana.name, email="ana@lab.example")
    actions.cast_vote(
        by=w.reviewers[0], application=granted, vote=Vote.APPROVE, without_confirmation="Known to the whole field."
    )
    grant = w.signed(jo, granted)
    actions.remove_member(by=jo, member=own)
    heir = verified(world.person("Eva Stein"))
    theirs = actions.invite(by=jo, application=granted, name=heir.name, email=heir.email)
    actions.accept_invitation(by=heir, secret=secret_mailed(heir.email), **accept | {"typed_name": heir.name})
    other = verified(world.person("Lea Moss"))
    alone, unled = w.applied(other), w.applied(world.person("Uma Free"))
    actions.cast_vote(by=w.reviewers[0], application=alone, vote=Vote.APPROVE, without_confirmation="Known.")
    w.signed(other, alone)
    actions.invite(by=other, application=alone, name=lead.name, email=lead.email)
    actions.accept_invitation(by=lead, secret=secret_mailed(lead.email), **accept | {"typed_name": lead.name})
    offer = actions.offer_handover(by=jo, application=granted, member=theirs)
    return [
        (empty.applicant, reverse("access:team", args=[empty.pk]), "team-empty"),
        (empty.applicant, reverse("access:referees", args=[empty.pk]), "referees-empty"),
        (empty.applicant, empty.get_absolute_url(), "status-unconfirmed"),
        (lead, reverse("access:team", args=[application.pk]), "team"),
        (lead, reverse("access:referees", args=[application.pk]), "referees"),
        (lead, application.get_absolute_url(), "status-team"),
        (None, invitation, "invitation"),
        (lead, invitation, "invitation-other-account"),
        (jo, f"{invitation}accept/", "undertaking"),
        (None, reverse("access:confirmation", args=[secret_mailed(asked[1].email)]), "confirmation"),
        (w.reviewers[1], reverse("access:review", args=[application.pk]), "review-team"),
        (w.reviewers[1], reverse("access:review", args=[granted.pk]), "review-waived"),
        (jo, reverse("access:team", args=[granted.pk]), "team-granted"),
        (jo, grant.get_absolute_url(), "grant-lead"),
        (jo, reverse("access:hand_over", args=[granted.pk]), "hand-over-offered"),
        (other, reverse("access:hand_over", args=[alone.pk]), "hand-over"),
        (unled.applicant, reverse("access:hand_over", args=[unled.pk]), "hand-over-nobody"),
        (heir, offer.get_absolute_url(), "take-over"),
        (heir, heir.grants.get().get_absolute_url(), "grant-offered"),
    ]


def test_every_page_is_accessible_and_holds_at_320_pixels(live_server: Any, page: Page, holds: Holds) -> None:
    for user, path, name in states():
        page.context.clear_cookies()
        if user:
            sign_in(page, live_server, user)
        page.goto(live_server.url + path)
        assert page.locator("h1").count() == 1, path
        holds(page, name)


def test_a_referee_answers_by_keyboard_and_a_member_signs(live_server: Any, page: Page, axe_check: AxeCheck) -> None:
    found = {name: (user, path) for user, path, name in states()}
    page.goto(live_server.url + found["confirmation"][1])
    page.get_by_label("Comment for the reviewers").fill("We shared an office.")
    page.get_by_role("button", name="I confirm").press("Enter")
    page.get_by_role("heading", name="Thank you").wait_for()
    axe_check(page)
    user, path = found["undertaking"]
    assert user is not None
    sign_in(page, live_server, user)
    page.goto(live_server.url + path)
    page.get_by_role("button", name="Sign agreement").press("Enter")
    page.locator(".summary:focus").wait_for()  # an error summary takes the focus, once the page is there
    axe_check(page)
    page.get_by_label("Type your full name").fill(user.name)
    page.get_by_label("In what capacity?").fill("for myself")
    page.get_by_role("button", name="Sign agreement").press("Enter")
    page.wait_for_url("**/receipts/**")


def test_a_lead_is_asked_before_somebodys_access_ends(live_server: Any, page: Page, holds: Holds) -> None:
    w = world.build(quorum=1)
    lead, ana = (verified(world.person(name)) for name in ("Mara Lindqvist", "Ana Duarte"))
    application = w.applied(lead)
    actions.invite(by=lead, application=application, name=ana.name, email=ana.email)
    accept = {"typed_name": ana.name, "capacity": "for myself", "text_sha256": w.version.sha256}
    actions.accept_invitation(by=ana, secret=secret_mailed(ana.email), **accept)
    actions.cast_vote(by=w.reviewers[0], application=application, vote=Vote.APPROVE)
    grant = w.signed(lead, application)
    sign_in(page, live_server, lead)
    page.goto(live_server.url + reverse("access:team", args=[grant.application_id]))
    page.get_by_role("button", name="Remove Ana Duarte").click()
    page.get_by_role("heading", name="Remove Ana Duarte from the team?").wait_for()
    holds(page, "member-remove")
    page.get_by_role("link", name="Keep them").click()
    page.get_by_role("button", name="Remove Ana Duarte").click()
    page.get_by_role("button", name="Remove from the team").click()
    page.get_by_text("Ana Duarte is off the team.").wait_for()
    assert ana.grants.get().state() == "ended"


def test_what_is_wrong_with_a_form_stands_clear_of_its_first_field(live_server: Any, page: Page) -> None:
    found = {name: (user, path) for user, path, name in states()}
    user, path = found["team-empty"]
    assert user is not None
    sign_in(page, live_server, user)
    page.goto(live_server.url + path)
    page.get_by_role("button", name="Ask them by mail").click()
    told, first = page.locator(".summary").bounding_box(), page.locator("main .field").first.bounding_box()
    assert told is not None
    assert first is not None
    assert first["y"] - (told["y"] + told["height"]) >= 24
