"""Device login: a program asks, a person with a browser answers, and exactly one token comes of it."""

from __future__ import annotations

import threading
from datetime import timedelta

import pytest
import time_machine
from django.db import connection
from django.test import Client
from django.utils import timezone

from portal.audit.models import Entry
from portal.errors import NotFound
from portal.outbox.models import Message
from portal.people.actions import suspend
from portal.tokens import actions, device_actions, devices
from portal.tokens.authentication import identify
from portal.tokens.device_api import GRANT
from portal.tokens.device_models import DeviceLogin
from portal.tokens.models import AccessToken
from portal.tokens.scopes import Kind
from tests.portal import world

pytestmark = pytest.mark.django_db
HF = "26be6b09-91c5-47da-9861-d2d2bb7a7e36"


def begun(client_id: str = HF, **headers: str) -> dict:
    answer = Client(headers=headers).post("/oauth/device", {"client_id": client_id})
    assert answer.status_code == 200, answer.content
    return answer.json()


def polled(told: dict, client_id: str = HF) -> tuple[int, dict]:
    sent = {"grant_type": GRANT, "device_code": told["device_code"], "client_id": client_id}
    answer = Client().post("/oauth/token", sent)
    assert answer["Cache-Control"] == "no-store"
    return answer.status_code, answer.json()


def approve(browser: Client, code: str, **changes: str):
    sent = {"code": code, "label": "cluster", "kind": "dl", "days": "7", "approve": "1", **changes}
    return browser.post("/device/answer/", sent)


def test_a_person_types_the_code_sees_who_asks_and_the_program_gets_its_token(mara):
    told = begun(**{"User-Agent": "unknown/None; hf_hub/1.31.0; python/3.11"})
    assert told["expires_in"] == 600
    assert told["verification_uri"].endswith("/device/")
    assert polled(told) == (400, {"error": "authorization_pending", "error_description": "Nobody has answered yet."})
    browser = world.browser(mara)
    filled = browser.get("/device/?" + told["verification_uri_complete"].partition("?")[2])
    assert told["user_code"] in filled.content.decode()
    page = browser.post("/device/", {"code": told["user_code"].lower().replace("-", " ")}).content.decode()
    for seen in (told["user_code"], "hf", "hf_hub/1.31.0", "127.0.0.1", "download weights"):
        assert seen in page
    assert approve(browser, told["user_code"]).status_code == 200
    status, given = polled(told)
    assert (status, given["token_type"], given["scope"]) == (200, "Bearer", "download")
    assert timedelta(days=6) < timedelta(seconds=given["expires_in"]) <= timedelta(days=7)
    credential = identify(f"Bearer {given['access_token']}")
    assert (credential.user, credential.token.label) == (mara, "cluster")
    assert polled(told)[1]["error"] == "invalid_grant"
    assert AccessToken.objects.filter(user=mara).count() == 1


def test_the_answer_is_in_the_trail_and_in_the_mail_and_no_code_is_stored(mara):
    told = begun()
    approve(world.browser(mara), told["user_code"])
    _, given = polled(told)
    events = list(Entry.objects.filter(actor_id=str(mara.pk)).order_by("at").values_list("event", flat=True))
    assert events[-2:] == ["device_login.approved", "token.issued"]
    assert "token_made" in str(list(Message.objects.values_list("key", "payload")))
    stored = str([list(m.objects.values_list()) for m in (DeviceLogin, AccessToken, Entry, Message)])
    for secret in (told["device_code"], told["user_code"], told["user_code"].replace("-", ""), given["access_token"]):
        assert secret not in stored


def test_the_person_chooses_what_the_token_may_do_within_their_rights(mara, lyceum):
    told = begun()
    assert approve(world.browser(mara), told["user_code"], kind="pub").status_code == 422
    assert polled(told)[1]["error"] == "authorization_pending"
    assert approve(world.browser(lyceum.manager), told["user_code"], kind="pub").status_code == 200
    assert polled(told)[1]["scope"] == "download publish"


def test_a_name_that_is_taken_is_said_beside_the_field_and_the_page_proposes_a_free_one(mara):
    actions.issue(by=mara, kind=Kind.DOWNLOAD, label="hf")
    told, browser = begun(), world.browser(mara)
    assert 'value="hf 2"' in browser.post("/device/", {"code": told["user_code"]}).content.decode()
    refused = approve(browser, told["user_code"], label="hf")
    assert refused.status_code == 422
    assert "You have a token called" in refused.content.decode()


def test_who_refuses_gives_no_token(mara):
    told = begun()
    answer = world.browser(mara).post("/device/answer/", {"code": told["user_code"], "refuse": "1"})
    assert "gets no token" in answer.content.decode()
    assert polled(told)[1]["error"] == "access_denied"
    assert not AccessToken.objects.exists()
    assert Entry.objects.filter(event="device_login.refused").exists()
    with pytest.raises(NotFound):
        device_actions.approve(by=mara, user_code=devices.typed(told["user_code"]), kind=Kind.DOWNLOAD, label="x")


def test_a_code_lives_ten_minutes(mara):
    told = begun()
    with time_machine.travel(timezone.now() + devices.LIFE + timedelta(seconds=1), tick=False):
        assert polled(told)[1]["error"] == "expired_token"
        assert approve(world.browser(mara), told["user_code"]).status_code == 422


def test_who_was_suspended_since_gives_no_token(mara, lyceum):
    told = begun()
    approve(world.browser(mara), told["user_code"])
    suspend(user=mara, by=lyceum.manager, reason="x")
    assert polled(told)[1]["error"] == "access_denied"


def test_polls_that_come_too_early_are_slowed_down_and_later_ones_go_on():
    told = begun()
    with time_machine.travel(timezone.now(), tick=False) as clock:
        assert polled(told)[1]["error"] == "authorization_pending"
        clock.shift(1)
        assert polled(told)[1]["error"] == "slow_down"
        clock.shift(6)
        assert polled(told)[1]["error"] == "slow_down"
        clock.shift(15)
        assert polled(told)[1]["error"] == "authorization_pending"


def test_a_program_that_never_waits_is_slowed_down_to_its_codes_life_and_no_further():
    told = begun()
    DeviceLogin.objects.update(interval_s=devices.LONGEST_INTERVAL_S - 1, polled_at=timezone.now())
    for _ in range(2):
        status, answer = polled(told)
        assert (status, answer["error"]) == (400, "slow_down")
        assert "Wait 600 seconds" in answer["error_description"]


def test_a_person_has_ten_tries_in_five_minutes_and_then_the_right_code_is_refused_too(mara):
    told, browser = begun(), world.browser(mara)
    for _ in range(10):
        wrong = browser.post("/device/", {"code": devices.make_user_code()})
        assert wrong.status_code == 422
        assert "No program waits with this code" in wrong.content.decode()
    late = browser.post("/device/", {"code": told["user_code"]})
    assert "many codes" in late.content.decode()
    assert "many codes" in approve(browser, told["user_code"]).content.decode()
    assert polled(told)[1]["error"] == "authorization_pending"


def test_an_address_begins_thirty_logins_in_five_minutes():
    for _ in range(30):
        begun()
    refused = Client().post("/oauth/device", {"client_id": HF})
    assert (refused.status_code, refused["Retry-After"], refused.json()["error"]) == (429, "300", "slow_down")


def test_behind_our_own_proxies_each_visitor_is_counted_for_themselves(settings):
    settings.TRUSTED_PROXIES = 2
    for _ in range(30):
        begun(**{"X-Forwarded-For": "192.0.2.66, 198.51.100.7, 10.0.0.3"})
    assert DeviceLogin.objects.latest("pk").place == "198.51.100.7", "which the person who answers is shown"
    busy = Client(headers={"X-Forwarded-For": "192.0.2.67, 198.51.100.7, 10.0.0.4"})
    assert busy.post("/oauth/device", {"client_id": HF}).status_code == 429, (
        "what a visitor writes before it is not read"
    )
    begun(**{"X-Forwarded-For": "198.51.100.8, 10.0.0.3"})


@pytest.mark.parametrize("said", ["198.51.100.7", "nonsense, 10.0.0.3", f"{'9' * 60}, 10.0.0.3"])
def test_of_a_header_that_our_proxies_cannot_have_written_nothing_is_believed(settings, said):
    settings.TRUSTED_PROXIES = 2
    begun(**{"X-Forwarded-For": said})
    assert DeviceLogin.objects.get().place == "127.0.0.1"


def test_where_no_proxy_is_ours_a_visitor_has_no_second_address(settings):
    for number in range(30):
        begun(**{"X-Forwarded-For": f"198.51.100.{number}"})
    assert (
        Client(headers={"X-Forwarded-For": "198.51.100.99"}).post("/oauth/device", {"client_id": HF}).status_code == 429
    )


def test_nobody_answers_who_is_not_signed_in_and_the_code_survives_the_sign_in():
    told = begun()
    led = Client().get(f"/device/?code={told['user_code']}")
    assert led.status_code == 302
    assert told["user_code"] in led["Location"]
    assert approve(Client(), told["user_code"]).status_code == 302
    assert polled(told)[1]["error"] == "authorization_pending"


def test_approving_asks_again_who_one_is_where_step_up_is_on(mara, settings):
    settings.STEP_UP = True
    told = begun()
    asked = approve(world.browser(mara), told["user_code"])
    assert asked.status_code == 302
    assert "reauthenticate" in asked["Location"]
    assert polled(told)[1]["error"] == "authorization_pending"


@pytest.mark.parametrize(
    ("sent", "error"),
    [
        ({}, "unsupported_grant_type"),
        ({"grant_type": "refresh_token", "refresh_token": "x"}, "unsupported_grant_type"),
        ({"grant_type": GRANT}, "invalid_request"),
        ({"grant_type": GRANT, "device_code": "x" * 101, "client_id": HF}, "invalid_request"),
        ({"grant_type": GRANT, "device_code": "invented", "client_id": HF}, "invalid_grant"),
        ({"grant_type": GRANT, "device_code": "a\0b", "client_id": "\0"}, "invalid_request"),
    ],
)
def test_what_is_no_poll_is_refused_in_the_words_of_oauth(sent, error):
    answer = Client().post("/oauth/token", sent)
    assert (answer.status_code, answer.json()["error"]) == (400, error)
    assert answer.json()["error_description"]


def test_another_program_cannot_collect_with_the_code(mara):
    told = begun()
    approve(world.browser(mara), told["user_code"])
    assert polled(told, client_id="somebody-else")[1]["error"] == "invalid_grant"
    assert polled(told)[0] == 200


@pytest.mark.parametrize("client_id", ["", "x" * 101, "a\nb"])
def test_a_program_says_its_name(client_id):
    answer = Client().post("/oauth/device", {"client_id": client_id})
    assert (answer.status_code, answer.json()["error"]) == (400, "invalid_request")
    assert Client().get("/oauth/device").status_code == 405


@pytest.mark.parametrize("text", ["", "BCDF-GHJ", "BCDF-GHJKL", "ABCD-EFGH", "12345678", "ＢＣＤＦ-ＧＨＪＫ", "\0" * 8])
def test_what_is_no_code_is_said_beside_the_field(mara, text):
    answer = world.browser(mara).post("/device/", {"code": text})
    assert answer.status_code == 422
    assert any(said in answer.content.decode() for said in ("eight letters", "Null characters", "required"))


@pytest.mark.django_db(transaction=True)
def test_fifty_pollers_race_for_one_token(mara):
    told = begun()
    device_actions.approve(by=mara, user_code=devices.typed(told["user_code"]), kind=Kind.DOWNLOAD, label="x")
    start, answers = threading.Barrier(50), []

    def poll() -> None:
        start.wait()
        answers.append(device_actions.poll(device_code=told["device_code"], client_id=HF))
        connection.close()

    pollers = [threading.Thread(target=poll) for _ in range(50)]
    for each in pollers:
        each.start()
    for each in pollers:
        each.join()
    assert sum(bool(answer.secret) for answer in answers) == 1
    assert {answer.error for answer in answers if not answer.secret} == {"invalid_grant"}
    assert AccessToken.objects.count() == 1
