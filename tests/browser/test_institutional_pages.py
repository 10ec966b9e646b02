"""Every page of institutional agreements in every state: axe, and nothing wider than its window."""

from __future__ import annotations

from typing import Any

import pytest
from django.urls import reverse
from django.utils import timezone
from playwright.sync_api import Page

from portal.access import actions
from portal.people.models import EVIDENCE_LIFE, User
from tests.browser.conftest import AxeCheck, Holds, keep, sign_in
from tests.portal import seats, world

pytestmark = [pytest.mark.browser, pytest.mark.django_db(transaction=True)]


def every_state() -> list[tuple[User, str, str]]:
    """(person, path, name) of every page."""
    w, other = world.build(), world.build("harbour")
    official, nobody = seats.at_home("Ingrid Solberg"), world.person("Ida Fremd")
    cover = seats.in_force(w, official, seats=40)
    members = [seats.member(name) for name in ("Mara Lindqvist", "Tomas Hale", "Wilhelmina Featherstonehaugh-Oyelaran")]
    held = [seats.seated(cover, each) for each in members]
    waits = seats.member("Jonas Weber")
    link = seats.invited(cover, waits)[0]
    colleague = seats.at_home("Noor Bakker")
    asked = actions.ask_to_join(by=colleague, agreement=cover)
    actions.invite_to_roster(by=official, agreement=cover, text="gone@northfield.example")
    actions.remove_from_roster(by=official, line=cover.roster.get(address="gone@northfield.example"))
    waiting = seats.asked(other.gate, official, seats=120)
    second = seats.at_home("Marit Dahl", home="University of Saltmarsh")
    offered = seats.asked(w.gate, second)
    offered = actions.approve_institutional(by=w.manager, agreement=offered, seats=5, days=365)
    third = seats.at_home("Per Aasen", home="Commons Watch")
    late = seats.in_force(w, third)
    seats.seated(late, seats.at_home("Ola Nord", "ola@commonswatch.example", home="Commons Watch"))
    seats.shift(late, attest_by=-31, lapses_at=-1)
    fourth = seats.at_home("Ann Moe", home="Quillon Polytechnic")
    over = seats.in_force(w, fourth)
    fifth = seats.at_home("Liv Berg", home="Archive of Public Reason")
    due = seats.in_force(w, fifth)
    seats.shift(due, attest_by=-2, lapses_at=28)
    fifth.affiliations.update(verified_at=timezone.now() - EVIDENCE_LIFE)
    actions.revoke_institutional(by=w.manager, agreement=over, reason="The weights were passed on.")

    def own(name: str, agreement: Any) -> str:
        return reverse(f"access:{name}", args=[agreement.pk])

    return [
        (official, reverse("access:institutional_mine"), "mine"),
        (nobody, reverse("access:institutional_mine"), "mine-empty"),
        (official, reverse("access:ask_institutional", args=[w.gate.slug]), "ask"),
        (nobody, reverse("access:ask_institutional", args=[w.gate.slug]), "ask-unproved"),
        (official, own("institutional", cover), "roster"),
        (official, own("institutional", cover) + "?show=gone", "roster-gone"),
        (official, own("institutional", cover) + "?q=nobody", "roster-nothing"),
        (official, own("institutional", waiting), "asked"),
        (second, own("institutional", offered), "offered"),
        (second, own("sign_institutional", offered), "sign"),
        (official, own("invite_to_roster", cover), "invite"),
        (third, own("institutional", late), "lapsed"),
        (third, own("attest", late), "attest"),
        (fifth, own("attest", due), "attest-unproved"),
        (fifth, own("institutional", due), "late"),
        (fifth, reverse("people:me"), "me-to-attest"),
        (official, own("end_institutional", cover), "end"),
        (fourth, own("institutional", over), "revoked"),
        (colleague, own("join_institutional", cover), "join-asked"),
        (nobody, own("join_institutional", cover), "join-unproved"),
        (waits, reverse("access:seat_invitation", args=[link]), "invitation"),
        (members[0], held[0].get_absolute_url(), "grant-mine"),
        (late.roster.get().user, late.roster.get().grant.get_absolute_url(), "grant-mine-uncovered"),
        (w.manager, reverse("access:grant", args=[held[0].pk]), "grant"),
        (w.manager, reverse("access:institutional_lab"), "lab"),
        (w.manager, own("institutional_lab_one", cover), "lab-one"),
        (w.manager, own("institutional_lab_one", due), "lab-late"),
        (other.manager, own("institutional_lab_one", waiting), "lab-decide"),
        (w.manager, own("institutional_lab_one", offered), "lab-offered"),
        (w.manager, reverse("access:offer_institutional"), "lab-offer"),
        (asked.user or nobody, reverse("people:me"), "me"),
    ]


def test_every_page_in_every_state_is_accessible_and_holds_at_320_pixels(
    live_server: Any, page: Page, holds: Holds
) -> None:
    for user, path, name in every_state():
        page.context.clear_cookies()
        sign_in(page, live_server, user)
        page.goto(live_server.url + path)
        assert page.locator("h1").count() == 1, path
        assert page.locator("main .btn.primary").count() <= 1, path
        holds(page, f"institutional-{name}")


def test_a_paste_with_faults_says_so_where_the_focus_is(live_server: Any, page: Page, axe_check: AxeCheck) -> None:
    cover = seats.in_force(world.build())
    sign_in(page, live_server, cover.official)
    page.goto(live_server.url + reverse("access:invite_to_roster", args=[cover.pk]))
    page.get_by_label("Addresses").fill("mara@northfield.example\nnobody@gmail.com\nno address")
    page.get_by_role("button", name="Send invitations").press("Enter")
    page.get_by_text("1 invitation is on its way.").wait_for()
    page.locator(".summary:focus").wait_for()  # an error summary takes the focus, once the page is there
    assert page.get_by_label("Addresses").input_value() == "nobody@gmail.com\nno address"
    axe_check(page)
    keep(page, "institutional-invite-refused")
