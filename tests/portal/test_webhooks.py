"""Webhooks against a real server: signed, tried again, never redirected, never to an address inside."""

from __future__ import annotations

import base64
import hashlib
import hmac
import json
import socket
import threading
import time
from datetime import timedelta
from http.server import BaseHTTPRequestHandler, HTTPServer

import pytest
from django.db import connection, transaction
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from portal import outward
from portal.errors import Conflict, Invalid, NotFound
from portal.outbox import delivery as outbox
from portal.outbox.models import Message
from portal.tokens.scopes import Kind, Scope
from portal.webhooks import actions, signing, wire
from portal.webhooks.models import Delivery, DeliveryState, Endpoint
from tests.portal.test_access_api import client as api_client
from tests.portal.test_access_api import post

pytestmark = pytest.mark.django_db(transaction=True)
EVENTS = ["application.submitted", "grant.given"]


class Receiver:
    """A server of the lab's, on this machine. `answer` is its next status; 302 points to `elsewhere`."""

    def __init__(self) -> None:
        self.seen, self.answer, self.elsewhere = [], 200, "http://127.0.0.1:1/"
        self.meanwhile = lambda: None
        receiver = self

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self):
                body = self.rfile.read(int(self.headers["Content-Length"]))
                receiver.seen.append(({name.lower(): value for name, value in self.headers.items()}, body))
                receiver.meanwhile()
                self.send_response(receiver.answer)
                if receiver.answer == 302:
                    self.send_header("Location", receiver.elsewhere)
                self.end_headers()

            def log_message(self, *_args):
                pass

        self.server = HTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self.server.server_port}/hook?of=lyceum"
        threading.Thread(target=self.server.serve_forever, args=(0.05,), daemon=True).start()


@pytest.fixture
def receiver():
    made = Receiver()
    yield made
    made.server.shutdown()
    made.server.server_close()


@pytest.fixture
def hooked(lyceum, receiver):
    endpoint, secret = actions.add_endpoint(by=lyceum.manager, lab=lyceum.lab, url=receiver.url, events=EVENTS)
    return endpoint, secret


def relay() -> int:
    """What the relay does, with every pause over."""
    Message.objects.filter(delivered_at=None).update(next_attempt_at=timezone.now())
    return outbox.deliver_due(slow=True)


def test_an_event_arrives_signed(lyceum, mara, receiver, hooked):
    lyceum.applied(mara)
    assert receiver.seen == [], "no reviewer's page waits for somebody's server"
    relay()
    (headers, body), secret = receiver.seen[0], hooked[1]
    said = json.loads(body)
    assert (said["type"], said["data"]["lab"], said["data"]["by"]) == ("application.submitted", "lyceum", str(mara.pk))
    assert mara.email not in body.decode()
    key = base64.b64decode(secret.removeprefix("whsec_"))
    signed = f"{headers['webhook-id']}.{headers['webhook-timestamp']}.".encode() + body
    mac = base64.b64encode(hmac.new(key, signed, hashlib.sha256).digest()).decode()
    assert headers["webhook-signature"] == f"v1,{mac}"
    assert abs(int(headers["webhook-timestamp"]) - timezone.now().timestamp()) < 60
    delivered = Delivery.objects.get()
    assert (delivered.state, delivered.attempts, delivered.code) == (DeliveryState.DELIVERED, 1, 200)
    assert (relay(), len(receiver.seen)) == (0, 1)


def test_only_chosen_events_of_its_own_lab(lyceum, harbour, mara, stranger, receiver, hooked):
    harbour.applied(stranger)
    lyceum.approved(mara)
    relay()
    assert [json.loads(body)["type"] for _, body in receiver.seen] == ["application.submitted"]


def test_nothing_is_told_of_what_was_rolled_back(lyceum, mara, receiver, hooked):
    with pytest.raises(RuntimeError), transaction.atomic():  # noqa: PT012 the rollback is what is tested
        lyceum.applied(mara)
        raise RuntimeError
    relay()
    assert (receiver.seen, Delivery.objects.count()) == ([], 0)


@pytest.mark.parametrize("status", [500, 404, 302])
def test_a_failure_is_tried_again_with_the_same_id(lyceum, mara, receiver, hooked, status):
    receiver.answer = status
    lyceum.applied(mara)
    relay()
    waiting = Delivery.objects.get()
    assert (waiting.state, waiting.code, waiting.problem) == (
        DeliveryState.WAITING,
        status,
        f"The answer was {status}.",
    )
    pause = Message.objects.get(topic=actions.TOPIC, delivered_at=None).next_attempt_at - timezone.now()
    assert 0 < pause.total_seconds() <= actions.PAUSES_S[0]
    assert outbox.deliver_due(slow=True) == 0, "not before its time"
    receiver.answer = 204
    relay()
    assert Delivery.objects.get().state == DeliveryState.DELIVERED
    assert receiver.seen[0][0]["webhook-id"] == receiver.seen[1][0]["webhook-id"]


def test_after_the_last_pause_it_has_failed_and_can_be_sent_again(lyceum, mara, receiver, hooked):
    receiver.answer = 500
    lyceum.applied(mara)
    while relay():
        pass
    failed = Delivery.objects.get()
    assert (failed.state, failed.attempts) == (DeliveryState.FAILED, len(actions.PAUSES_S) + 1)
    receiver.answer = 200
    actions.replay(by=lyceum.manager, delivery=failed)
    with pytest.raises(Conflict):
        actions.replay(by=lyceum.manager, delivery=failed)
    relay()
    assert Delivery.objects.get().state == DeliveryState.DELIVERED
    assert Endpoint.objects.get().failures == 0


def test_one_that_only_fails_is_stopped_and_its_managers_are_told(lyceum, mara, receiver, hooked, mailoutbox):
    Endpoint.objects.update(
        failures=actions.MOST_FAILURES - 1, failing_since=timezone.now() - actions.OUTAGE
    )  # fmt: skip
    receiver.answer = 500
    lyceum.applied(mara)
    mailoutbox.clear()
    relay()
    outbox.deliver_due()
    assert Endpoint.objects.get().stopped_at
    assert [(mail.to, mail.subject) for mail in mailoutbox] == [
        ([lyceum.manager.email], "A webhook of Lyceum Laboratory was stopped")
    ]
    relay()
    assert (Delivery.objects.get().state, len(receiver.seen)) == (DeliveryState.FAILED, 1)
    actions.start_endpoint(by=lyceum.manager, endpoint=Endpoint.objects.get())
    assert (Endpoint.objects.get().failures, Endpoint.objects.get().failing_since) == (0, None)


def test_what_waited_when_it_was_stopped_is_not_sent_when_it_is_started_again(lyceum, mara, stranger, receiver, hooked):
    """A manager who moves the server would meet events of half a day ago; each can be sent again, by hand."""
    receiver.answer = 500
    lyceum.applied(mara)
    relay()
    endpoint = actions.stop_endpoint(by=lyceum.manager, endpoint=Endpoint.objects.get())
    old = Delivery.objects.get()
    assert (old.state, old.problem) == (DeliveryState.FAILED, actions.STOPPED)
    receiver.answer = 200
    actions.start_endpoint(by=lyceum.manager, endpoint=endpoint)
    lyceum.applied(stranger)
    relay()
    assert len(receiver.seen) == 2, "the first attempt of the old one, and the new one"
    old.refresh_from_db()
    assert (old.state, old.attempts) == (DeliveryState.FAILED, 1)
    actions.replay(by=lyceum.manager, delivery=old)
    relay()
    assert len(receiver.seen) == 3


def test_what_arrives_while_it_is_stopped_has_arrived(lyceum, mara, receiver, hooked, monkeypatch):
    send = wire.post

    def slowly(*sent):
        actions.stop_endpoint(by=lyceum.manager, endpoint=Endpoint.objects.get())
        return send(*sent)

    monkeypatch.setattr(wire, "post", slowly)
    lyceum.applied(mara)
    relay()
    assert (Delivery.objects.get().state, Delivery.objects.get().code) == (DeliveryState.DELIVERED, 200)


def test_what_another_manager_has_just_deleted_is_told_to_be_gone(lyceum, mara, receiver, hooked):
    receiver.answer = 500
    lyceum.applied(mara)
    relay()
    seen, message = Endpoint.objects.get(), Delivery.objects.select_related("endpoint").get()
    actions.delete_endpoint(by=lyceum.manager, endpoint=Endpoint.objects.get())
    with pytest.raises(NotFound):
        actions.stop_endpoint(by=lyceum.manager, endpoint=seen)
    with pytest.raises(NotFound):
        actions.replay(by=lyceum.manager, delivery=message)


def test_a_short_outage_of_a_busy_labs_server_stops_nothing(lyceum, mara, receiver, hooked):
    Endpoint.objects.update(
        failures=3 * actions.MOST_FAILURES, failing_since=timezone.now() - actions.OUTAGE + timedelta(minutes=1)
    )
    receiver.answer = 503
    lyceum.applied(mara)
    relay()
    assert (Endpoint.objects.get().stopped_at, Delivery.objects.get().state) == (None, DeliveryState.WAITING)
    receiver.answer = 200
    relay()
    assert Delivery.objects.get().state == DeliveryState.DELIVERED
    assert Endpoint.objects.get().failing_since is None


def test_an_answer_that_is_no_http_is_a_failure_that_can_be_kept(lyceum, mara, hooked):
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        listener.listen()

        def babble():
            peer, _ = listener.accept()
            with peer:
                peer.recv(65536)
                peer.sendall(b"\0\0\0\r\n\r\n")

        threading.Thread(target=babble, daemon=True).start()
        Endpoint.objects.update(url=f"http://127.0.0.1:{listener.getsockname()[1]}/")
        lyceum.applied(mara)
        relay()
    waiting = Delivery.objects.get()
    assert (waiting.state, waiting.attempts, waiting.code) == (DeliveryState.WAITING, 1, None)
    assert waiting.problem.startswith("BadStatusLine")
    assert Endpoint.objects.get().failures == 1


def test_silence_and_closed_doors_are_failures(monkeypatch):
    monkeypatch.setattr(outward, "SILENCE_S", 0.2)
    with socket.socket() as silent:
        silent.bind(("127.0.0.1", 0))
        silent.listen()
        with pytest.raises(wire.NotSent, match="imed out"):
            wire.post(f"http://127.0.0.1:{silent.getsockname()[1]}/", b"{}", {})
        port = silent.getsockname()[1]
    with pytest.raises(wire.NotSent, match="refused"):
        wire.post(f"http://127.0.0.1:{port}/", b"{}", {})


def resolved(monkeypatch, *addresses):
    """Let every name have these addresses, in this order of the system's."""

    def told(host, port, *_of, **_more):
        meant = [host] if host in addresses else addresses
        return [(socket.AF_INET, socket.SOCK_STREAM, 6, "", (address, port)) for address in meant]

    monkeypatch.setattr(outward.socket, "getaddrinfo", told)


def test_a_server_that_answers_at_one_of_its_addresses_is_reached(receiver, monkeypatch):
    """As one with an IPv6 address too is to a portal without IPv6."""
    port = receiver.server.server_port
    real = socket.create_connection

    def connect(address, **more):
        if address[0] == "127.0.0.0":
            raise OSError(101, "Network is unreachable")
        return real(address, **more)

    monkeypatch.setattr(outward.socket, "create_connection", connect)
    resolved(monkeypatch, "127.0.0.0", "127.0.0.1")
    assert wire.post(f"http://hooks.lyceum.example:{port}/", b"{}", {}) == 200
    resolved(monkeypatch, "127.0.0.0", "127.0.0.0")
    with pytest.raises(wire.NotSent, match="unreachable"):
        wire.post(f"http://hooks.lyceum.example:{port}/", b"{}", {})


def test_a_name_with_many_silent_addresses_takes_no_more_time_than_one(monkeypatch):
    asked = []

    def connect(address, timeout):
        asked.append(address)
        time.sleep(timeout)
        raise TimeoutError("timed out")

    monkeypatch.setattr(outward, "SILENCE_S", 0.1)
    monkeypatch.setattr(outward, "WHOLE_S", 0.25)
    monkeypatch.setattr(outward.socket, "create_connection", connect)
    resolved(monkeypatch, *(f"127.0.0.{last}" for last in range(1, 200)))
    with pytest.raises(wire.NotSent, match="timed out"):
        wire.post("http://hooks.lyceum.example/", b"{}", {})
    assert len(asked) in {2, 3}


def test_a_server_that_drips_is_cut_off(monkeypatch):
    monkeypatch.setattr(outward, "WHOLE_S", 0.3)
    over = threading.Event()

    def drip(listener):
        peer, _ = listener.accept()
        with peer:
            peer.sendall(b"HTTP/1.1 200 OK\r\nX: ")
            while not over.wait(0.02):
                try:
                    peer.sendall(b"x")
                except OSError:
                    return

    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        listener.listen()
        thread = threading.Thread(target=drip, args=(listener,))
        thread.start()
        with pytest.raises(wire.NotSent):
            wire.post(f"http://127.0.0.1:{listener.getsockname()[1]}/", b"{}", {})
        over.set()
        thread.join(5)


def _signed_with(secret: str, headers: dict[str, str], body: bytes) -> bool:
    key = base64.b64decode(secret.removeprefix("whsec_"))
    signed = f"{headers['webhook-id']}.{headers['webhook-timestamp']}.".encode() + body
    mac = base64.b64encode(hmac.new(key, signed, hashlib.sha256).digest()).decode()
    return f"v1,{mac}" in headers["webhook-signature"].split()


def test_a_new_secret_and_the_one_before_both_sign_for_a_day(lyceum, mara, stranger, receiver, hooked):
    endpoint, first = hooked
    _, second = actions.rotate_secret(by=lyceum.manager, endpoint=endpoint)
    assert second != first
    lyceum.applied(mara)
    relay()
    assert all(_signed_with(each, *receiver.seen[0]) for each in (first, second))
    Endpoint.objects.update(rotated_at=timezone.now() - signing.OVERLAP)
    lyceum.applied(stranger)
    relay()
    assert [_signed_with(each, *receiver.seen[1]) for each in (first, second)] == [False, True]


def test_a_leaked_secret_ends_at_once_when_it_is_rotated_twice(lyceum, mara, receiver, hooked):
    endpoint, leaked = hooked
    actions.rotate_secret(by=lyceum.manager, endpoint=endpoint)
    actions.rotate_secret(by=lyceum.manager, endpoint=endpoint)
    lyceum.applied(mara)
    relay()
    assert not _signed_with(leaked, *receiver.seen[0])


def test_a_deleted_webhook_hears_nothing_more(lyceum, mara, receiver, hooked):
    lyceum.applied(mara)
    actions.delete_endpoint(by=lyceum.manager, endpoint=hooked[0])
    relay()
    assert (receiver.seen, Endpoint.objects.count(), Delivery.objects.count()) == ([], 0, 0)
    assert not Message.objects.filter(topic=actions.TOPIC, delivered_at=None).exists(), "nothing is left to be tried"


def test_what_waits_goes_to_the_new_address(lyceum, mara, receiver, hooked):
    endpoint = hooked[0]
    actions.change_endpoint(by=lyceum.manager, endpoint=endpoint, url="http://127.0.0.1:1/")
    lyceum.applied(mara)
    relay()
    assert receiver.seen == []
    with pytest.raises(Invalid):
        actions.change_endpoint(by=lyceum.manager, endpoint=endpoint, url="nowhere")
    actions.change_endpoint(by=lyceum.manager, endpoint=endpoint, url=receiver.url)
    relay()
    assert len(receiver.seen) == 1


def test_nothing_is_locked_while_the_labs_server_thinks(lyceum, mara, receiver, hooked):
    free = []

    def look():
        try:
            with transaction.atomic():
                free.append(Delivery.objects.select_for_update(nowait=True).count())
                free.append(Message.objects.select_for_update(nowait=True).filter(topic=actions.TOPIC).count())
        finally:
            connection.close()

    receiver.meanwhile = look
    lyceum.applied(mara)
    relay()
    assert free == [1, 1]
    assert Delivery.objects.get().state == DeliveryState.DELIVERED


def test_a_webhook_that_is_deleted_while_its_message_is_under_way_stays_deleted(lyceum, mara, receiver, hooked):
    def delete():
        try:
            actions.delete_endpoint(by=lyceum.manager, endpoint=hooked[0])
        finally:
            connection.close()

    receiver.meanwhile = delete
    lyceum.applied(mara)
    assert relay() == 1
    assert (len(receiver.seen), Endpoint.objects.count()) == (1, 0)


def test_the_pages_rotate_and_delete(lyceum, mara, hooked):
    client, page = Client(), hooked[0].get_absolute_url()
    client.force_login(lyceum.manager)
    shown = client.post(page, {"verb": "rotate"}).content.decode()
    assert "whsec_" in shown
    assert "whsec_" not in client.get(page).content.decode()
    assert client.get(f"{page}delete/").status_code == 200
    assert Endpoint.objects.count() == 1, "looking deletes nothing"
    stranger = Client()
    stranger.force_login(mara)
    assert stranger.post(f"{page}delete/").status_code == 404
    assert client.post(f"{page}delete/").status_code == 302
    assert Endpoint.objects.count() == 0


def test_programs_manage_webhooks_of_their_own_lab_alone(lyceum, harbour, mara, receiver):
    mine, theirs = (api_client(w.manager, Kind.SERVICE, {Scope.MANAGE}) for w in (lyceum, harbour))
    made = post(mine, "/api/v1/webhooks", lab="lyceum", url=receiver.url, events=EVENTS).json()
    url = f"/api/v1/webhooks/{made['id']}"
    assert "secret" not in mine.get(url).json()
    assert post(theirs, "/api/v1/webhooks", lab="lyceum", url=receiver.url, events=EVENTS).status_code == 404
    assert theirs.get("/api/v1/webhooks").json()["count"] == 0
    for verb in ("rotate-secret", "stop", "start"):
        assert post(theirs, f"{url}/{verb}").status_code == 404
    assert theirs.delete(url).status_code == 404
    assert post(mine, f"{url}/rotate-secret").json()["secret"] != made["secret"]
    changed = mine.patch(url, {"events": ["grant.given"]}, content_type="application/json").json()
    assert changed["events"] == ["grant.given"]
    assert mine.patch(url, {"events": ["no.such"]}, content_type="application/json").status_code == 400
    mine.patch(url, {"events": EVENTS}, content_type="application/json")
    lyceum.applied(mara)
    relay()
    (sent,) = mine.get(f"{url}/deliveries").json()["results"]
    assert (sent["state"], sent["code"]) == ("delivered", 200)
    assert post(theirs, f"{url}/deliveries/{sent['id']}/replay").status_code == 404
    assert post(mine, f"{url}/deliveries/{sent['id']}/replay").json()["state"] == "waiting"
    relay()
    assert len(receiver.seen) == 2
    assert post(mine, f"{url}/stop").json()["stopped_at"]
    assert post(mine, f"{url}/stop").status_code == 409
    assert post(mine, f"{url}/start").json()["stopped_at"] is None
    assert mine.delete(url).status_code == 204
    assert mine.get(url).status_code == 404


@pytest.mark.parametrize(
    "url",
    [
        "https://127.0.0.1/", "https://10.1.2.3/", "https://169.254.169.254/latest/", "https://[::1]/",
        "https://[::ffff:10.0.0.1]/", "https://localhost/", "https://0.0.0.0/", "https://192.168.1.1:8443/",
        "https://[fd00::1]/", "https://2130706433/", "https://100.64.0.1/",
    ],
)  # fmt: skip
def test_addresses_inside_are_never_reached(settings, url):
    settings.WEBHOOK_PRIVATE = False
    with pytest.raises(wire.NotSent, match="not a public address"):
        wire.post(url, b"{}", {})


@pytest.mark.parametrize(
    "url",
    [
        "http://example.org/", "ftp://example.org/", "https://", "https://a:b@example.org/", "x", "https://a:99999/",
        "https://example.org/größe", "https://example.org/a b", "https://example.org/?of=größe",
    ],
)  # fmt: skip
def test_other_addresses_are_told_what_is_wrong(lyceum, settings, url):
    settings.WEBHOOK_PRIVATE = False
    with pytest.raises(Invalid) as refused:
        actions.add_endpoint(by=lyceum.manager, lab=lyceum.lab, url=url, events=EVENTS)
    assert "url" in refused.value.fields


def test_only_the_labs_managers_have_them(lyceum, harbour, mara, hooked):
    endpoint = hooked[0]
    for person in (mara, lyceum.reviewers[0], harbour.manager):
        with pytest.raises(NotFound):
            actions.stop_endpoint(by=person, endpoint=endpoint)
        with pytest.raises(NotFound):
            actions.add_endpoint(by=person, lab=lyceum.lab, url=endpoint.url, events=EVENTS)
        client = Client()
        client.force_login(person)
        assert client.get(endpoint.get_absolute_url()).status_code == 404
        assert client.post(endpoint.get_absolute_url(), {"verb": "stop"}).status_code == 404
    assert endpoint.url not in client.get("/webhooks/").content.decode(), (
        "the other lab's manager has a list of his own"
    )
    assert Endpoint.objects.get().stopped_at is None


def test_the_pages_add_show_once_log_and_send_again(lyceum, mara, receiver):
    client = Client()
    client.force_login(lyceum.manager)
    asked = {"lab": str(lyceum.lab.pk), "url": receiver.url, "events": EVENTS}
    assert client.post("/webhooks/", {**asked, "url": "nowhere"}).status_code == 422
    assert "whsec_" in client.post("/webhooks/", asked).content.decode()
    assert "whsec_" not in client.get("/webhooks/").content.decode()
    endpoint = Endpoint.objects.get()
    lyceum.applied(mara)
    relay()
    page = client.get(endpoint.get_absolute_url()).content.decode()
    assert "application.submitted" in page
    assert "Send again" in page
    again = {"verb": "replay", "delivery": str(Delivery.objects.get().pk)}
    assert client.post(endpoint.get_absolute_url(), again).status_code == 302
    relay()
    assert len(receiver.seen) == 2
    for bad in ({"verb": "x"}, {"verb": "replay", "delivery": "'"}, {"verb": "replay"}):
        assert client.post(endpoint.get_absolute_url(), bad).status_code == 400


def test_the_log_costs_the_same_for_few_and_for_many(lyceum, hooked):
    client = Client()
    client.force_login(lyceum.manager)
    counted = []
    for n in (1, 120):
        Delivery.objects.bulk_create(
            Delivery(endpoint=hooked[0], event=EVENTS[0], body={}, state=DeliveryState.DELIVERED) for _ in range(n)
        )
        with CaptureQueriesContext(connection) as seen:
            assert client.get(hooked[0].get_absolute_url()).status_code == 200
        counted.append(len(seen))
    assert counted[0] == counted[1] <= 12
