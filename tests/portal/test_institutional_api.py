"""Institutional agreements by program: asked for, offered, signed, a roster that is kept; each by whom it belongs to."""

from __future__ import annotations

import pytest
from django.test import Client

from portal.access.models import Grant
from portal.people.actions import suspend
from portal.people.models import User
from portal.tokens.scopes import Kind, Scope
from tests.portal import seats, world
from tests.portal.test_access_api import client, post
from tests.portal.world import browser

ASKED = {"office": "vice-rector for research", "purpose": "Dissertations.", "seats": 2, "days": 730}


@pytest.fixture
def ingrid(db: None) -> User:
    return seats.at_home("Ingrid Solberg")


@pytest.fixture
def manager(lyceum) -> Client:
    return client(lyceum.manager, Kind.SERVICE, {Scope.MANAGE})


def test_an_official_asks_a_manager_offers_by_token_and_the_official_signs(lyceum, ingrid, manager):
    official = browser(ingrid)
    made = post(official, "/api/v1/gates/lyceum-large/institutional", **ASKED)
    assert (made.status_code, made.json()["state"], made.json()["institution"]) == (201, "asked", seats.HOME)
    url = f"/api/v1/institutional/{made.json()['id']}"
    assert [row["state"] for row in manager.get("/api/v1/institutional", {"show": "waiting"}).json()["results"]] == [
        "asked"
    ]
    assert post(manager, f"{url}/approve", seats=1, days=365).json()["state"] == "offered"
    told = official.get(url).json()
    assert (told["seats"], told["to_sign"], told["agreement"]["text"]) == (1, True, world.TEXT)
    sign = {"typed_name": ingrid.name, "text_sha256": told["agreement"]["text_sha256"]}
    assert post(manager, f"{url}/sign", **sign).json()["code"] == "insufficient_scope"
    assert post(official, f"{url}/sign", **sign | {"typed_name": "Somebody"}).json()["fields"]["typed_name"]
    signed = post(official, f"{url}/sign", **sign).json()
    assert (signed["state"], signed["to_sign"]) == ("in_force", False)
    assert signed["receipt"]
    assert official.get("/api/v1/me/institutional").json()["count"] == 1
    assert manager.get("/api/v1/institutional", {"show": "running"}).json()["count"] == 1


def test_a_manager_offers_unasked_and_takes_it_back(lyceum, ingrid, manager):
    offer = {"gate": "lyceum-large", "address": ingrid.email, "office": "rector", "seats": 5, "days": 365}
    assert post(manager, "/api/v1/institutional", **offer | {"gate": "harbour-large"}).json()["fields"]["gate"]
    assert post(manager, "/api/v1/institutional", **offer | {"address": "a@b.example"}).json()["fields"]["address"]
    made = post(manager, "/api/v1/institutional", **offer)
    assert (made.status_code, made.json()["state"]) == (201, "offered")
    assert post(manager, f"/api/v1/institutional/{made.json()['id']}/withdraw").json()["state"] == "withdrawn"


def test_a_manager_declines_with_words(lyceum, ingrid, manager):
    made = seats.asked(lyceum.gate, ingrid)
    url = f"/api/v1/institutional/{made.pk}"
    assert post(manager, f"{url}/decline").json()["fields"]["message"]
    assert post(manager, f"{url}/decline", message="Not this year.").json()["message"] == "Not this year."
    assert post(manager, f"{url}/approve", seats=1, days=365).json()["code"] == "wrong_state"


def test_people_are_invited_take_their_seats_and_lose_them(lyceum, ingrid):
    made, member = seats.in_force(lyceum, ingrid), seats.member("Jonas Weber")
    url, official = f"/api/v1/institutional/{made.pk}", browser(ingrid)
    sent = post(official, f"{url}/roster", addresses=[member.email, "jonas@gmail.com"]).json()
    assert [row["address"] for row in sent["invited"]] == [member.email]
    assert [row["address"] for row in sent["refused"]] == ["jonas@gmail.com"]
    link = f"/api/v1/institutional/invitations/{seats.secret('roster_invited', member.email)}"
    assert browser(world.person("Ida Fremd")).get(link).status_code == 404
    told = browser(member).get(link).json()
    assert (told["institution"], told["undertaking"][:9]) == (seats.HOME, "I work at")
    sign = {"typed_name": member.name, "text_sha256": told["agreement"]["text_sha256"]}
    assert post(client(member, Kind.DOWNLOAD), f"{link}/accept", **sign).json()["code"] == "insufficient_scope"
    grant = post(browser(member), f"{link}/accept", **sign)
    assert (grant.status_code, grant.json()["state"]) == (201, "active")
    (row,) = official.get(f"{url}/roster", {"q": "jonas"}).json()["results"]
    assert (row["name"], row["status"], row["grant"]) == (member.name, "seated", grant.json()["id"])
    assert post(official, f"{url}/roster/{row['id']}/remove").json()["status"] == "removed"
    assert not Grant.objects.active().filter(user=member).exists()
    assert [each["status"] for each in official.get(f"{url}/roster", {"gone": "true"}).json()["results"]] == ["removed"]


def test_somebody_asks_for_a_seat_and_is_admitted_or_refused(lyceum, ingrid, stranger):
    made, official = seats.in_force(lyceum, ingrid), browser(ingrid)
    url = f"/api/v1/institutional/{made.pk}"
    assert post(browser(stranger), f"{url}/join").json()["code"] == "no_evidence"
    for name, verb, status in (("Jonas Weber", "admit", "invited"), ("Ana Duarte", "refuse", "refused")):
        asked = post(browser(seats.at_home(name)), f"{url}/join")
        assert (asked.status_code, asked.json()["status"]) == (201, "asked")
        line = f"{url}/roster/{asked.json()['id']}"
        assert post(browser(stranger), f"{line}/{verb}").status_code == 404
        assert post(official, f"{line}/{verb}").json()["status"] == status
    assert official.get(f"{url}/roster").json()["count"] == 1


def test_an_invitation_is_sent_again_and_declined(lyceum, ingrid):
    made, member = seats.in_force(lyceum, ingrid), seats.member("Jonas Weber")
    (old,) = seats.invited(made, member)
    url = f"/api/v1/institutional/{made.pk}/roster"
    line = browser(ingrid).get(url).json()["results"][0]["id"]
    assert post(browser(ingrid), f"{url}/{line}/invite-again").json()["status"] == "invited"
    links = "/api/v1/institutional/invitations"
    assert post(browser(member), f"{links}/{old}/decline").status_code == 404, "the link of the mail before is dead"
    secret = seats.secret("roster_invited", member.email)
    assert post(browser(member), f"{links}/{secret}/decline").status_code == 204
    assert browser(ingrid).get(url).json()["count"] == 0


def test_the_lab_pauses_resumes_and_revokes(lyceum, ingrid, manager):
    made = seats.in_force(lyceum, ingrid)
    member = seats.member("Jonas Weber")
    seats.seated(made, member)
    url = f"/api/v1/institutional/{made.pk}"
    assert post(manager, f"{url}/suspend").json()["fields"]["reason"]
    assert post(manager, f"{url}/suspend", reason="A report.").json()["state"] == "suspended"
    assert not Grant.objects.active().exists()
    assert post(manager, f"{url}/resume").json()["state"] == "in_force"
    assert Grant.objects.active().count() == 1
    assert post(manager, f"{url}/revoke", reason="Passed on.").json()["state"] == "revoked"
    assert not Grant.objects.active().exists()


def test_the_roster_is_confirmed_as_it_was_read(lyceum, ingrid):
    made = seats.in_force(lyceum, ingrid)
    url, official = f"/api/v1/institutional/{made.pk}", browser(ingrid)
    assert post(official, f"{url}/attest", version=made.version).json()["code"] == "too_early"
    seats.shift(made, attest_by=10, lapses_at=40)
    read = official.get(url).json()
    assert read["to_attest"]
    seats.invited(made, seats.member("Jonas Weber"))
    assert post(official, f"{url}/attest", version=read["version"]).json()["code"] == "stale"
    again = official.get(url).json()["version"]
    done = post(official, f"{url}/attest", version=again).json()
    assert ([each["seated"] for each in done["attestations"]], done["to_attest"]) == ([0], False)


def test_an_official_ends_it_and_every_seat(lyceum, ingrid):
    made = seats.in_force(lyceum, ingrid)
    seats.seated(made, seats.member("Jonas Weber"))
    assert post(browser(ingrid), f"/api/v1/institutional/{made.pk}/end").json()["state"] == "ended"
    assert not Grant.objects.active().exists()


def test_to_a_stranger_a_reviewer_and_another_lab_it_is_not_there(lyceum, harbour, ingrid, stranger):
    made = seats.in_force(lyceum, ingrid)
    seats.invited(made, seats.member("Jonas Weber"))
    url = f"/api/v1/institutional/{made.pk}"
    foreign = client(harbour.manager, Kind.SERVICE, {Scope.MANAGE})
    assert foreign.get("/api/v1/institutional").json()["count"] == 0
    for other in (browser(stranger), browser(lyceum.reviewers[0]), foreign):
        assert other.get(url).status_code == 404
        assert post(other, f"{url}/suspend", reason="x").status_code == 404
        assert post(other, f"{url}/withdraw").status_code == 404
    for other in (browser(stranger), browser(harbour.manager), browser(lyceum.manager)):
        assert other.get(f"{url}/roster").status_code == 404
        assert post(other, f"{url}/end").status_code == 404
    token = client(ingrid, Kind.DOWNLOAD)
    assert token.get(url).json()["code"] == "insufficient_scope"
    assert token.get(f"{url}/roster").json()["code"] == "insufficient_scope"
    assert post(browser(ingrid), f"{url}/suspend", reason="x").status_code == 404, "an official is no manager"


def test_whoever_has_shown_no_institution_cannot_ask(lyceum, stranger):
    url = "/api/v1/gates/lyceum-large/institutional"
    assert post(browser(stranger), url, **ASKED).json()["code"] == "no_evidence"
    assert post(browser(stranger), url, **ASKED | {"seats": 0}).json()["fields"]["seats"]
    assert post(browser(stranger), "/api/v1/gates/nothing/institutional", **ASKED).status_code == 404


def test_an_offer_sent_twice_under_one_key_is_one(lyceum, ingrid, manager):
    offer = {"gate": "lyceum-large", "address": ingrid.email, "office": "rector", "seats": 5, "days": 365}
    first, again = (
        manager.post(
            "/api/v1/institutional", offer, content_type="application/json", headers={"Idempotency-Key": "offer-1"}
        )
        for _ in range(2)
    )
    assert (first.json(), again["Idempotent-Replayed"]) == (again.json(), "true")
    assert post(manager, "/api/v1/institutional", **offer).json()["code"] == "already_open"


def test_a_program_of_the_lab_names_another_official_and_nobody_elses_does(lyceum, harbour, ingrid, manager):
    cover, heir = seats.in_force(lyceum, ingrid), seats.at_home("Sofia Heir")
    url, said = f"/api/v1/institutional/{cover.pk}", {"address": heir.email, "office": "dean"}
    assert manager.get(url).json()["official_active"] is True
    suspend(user=ingrid, by=world.person("Root"), reason="Has left.")
    assert manager.get(url).json()["official_active"] is False
    theirs = client(harbour.manager, Kind.SERVICE, {Scope.MANAGE})
    assert post(theirs, f"{url}/official", **said).status_code == 404
    assert post(manager, f"{url}/official", **said | {"address": "a@b.example"}).json()["fields"]["address"]
    told = post(manager, f"{url}/official", **said).json()
    assert (told["official"]["name"], told["office"], told["official_active"]) == ("Sofia Heir", "dean", True)
