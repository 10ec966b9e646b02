"""Mail through a mail service: a server that speaks Postmark's API, and what its answers make of a mail."""

from __future__ import annotations

import json
import threading
from http.server import BaseHTTPRequestHandler, HTTPServer

import pytest
from django.db import transaction

from portal import env
from portal.errors import Misconfigured
from portal.mail import registry, sending
from portal.mail.models import Sent, State
from portal.outbox import delivery
from portal.outbox.models import Message


class Postmark(HTTPServer):
    """Answers as the service does; `answer` is the next one, `got` what it was sent."""

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), Api)
        self.answer: tuple[int, dict] = (200, {})
        self.got: list[dict] = []


class Api(BaseHTTPRequestHandler):
    def do_POST(self) -> None:
        self.server.got.append(json.loads(self.rfile.read(int(self.headers["Content-Length"]))))
        status, body = self.server.answer
        self.send_response(status)
        self.send_header("Content-Type", "application/json")
        self.end_headers()
        self.wfile.write(json.dumps(body).encode())

    def log_message(self, *args: object) -> None:
        """Say nothing."""


@pytest.fixture
def postmark(settings):
    with Postmark() as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        chosen = env.mail("postmark://server-token@")
        settings.EMAIL_BACKEND = chosen["EMAIL_BACKEND"]
        settings.ANYMAIL = {**chosen["ANYMAIL"], "POSTMARK_API_URL": f"http://127.0.0.1:{server.server_port}/"}
        yield server
        server.shutdown()
        thread.join()


def send(mara) -> Message:
    letter = registry.letter("application_submitted")
    with transaction.atomic():
        sending.send(to=mara.email, template=letter.name, context=dict(letter.sample), key="test")
    message = Message.objects.latest("id")
    delivery.deliver(message.pk)
    message.refresh_from_db()
    return message


def test_what_the_service_takes_is_remembered_under_the_services_id(mara, postmark):
    postmark.answer = 200, {"To": mara.email, "MessageID": "b7bc2f4a-e38e-4336", "ErrorCode": 0, "Message": "OK"}
    assert send(mara).delivered_at
    assert Sent.objects.get().message_id == "b7bc2f4a-e38e-4336"
    (got,) = postmark.got
    assert got["Subject"] == "We have your application A-2026-0417"
    assert {"List-Unsubscribe", "List-Unsubscribe-Post"} <= {header["Name"] for header in got["Headers"]}


def test_an_address_that_the_service_refuses_ends_the_mail_and_waits_for_the_services_word(mara, postmark):
    inactive = "You tried to send to recipient(s) that have been marked as inactive. Found inactive addresses: "
    postmark.answer = 422, {"ErrorCode": 406, "Message": f"{inactive}{mara.email}. Inactive recipients are ones that …"}
    assert send(mara).delivered_at
    assert Sent.objects.get().state == State.REFUSED


@pytest.mark.parametrize("status", [401, 429, 500, 503])
def test_a_service_that_is_out_of_order_is_tried_again(mara, postmark, status):
    postmark.answer = status, {"ErrorCode": 10, "Message": "No."}
    message = send(mara)
    assert message.ended_at is None
    assert str(status) in message.last_error
    assert not Sent.objects.exists()


@pytest.mark.parametrize(
    ("url", "setting", "value"),
    [
        ("sendgrid://SG.key@", "SENDGRID_API_KEY", "SG.key"),
        ("brevo://xkeysib@", "BREVO_API_KEY", "xkeysib"),
        ("mailgun://key%2F1@mg.lab.example", "MAILGUN_API_KEY", "key/1"),
        ("mailgun://key@mg.lab.example", "MAILGUN_SENDER_DOMAIN", "mg.lab.example"),
        (
            "amazon_ses://AKIA1:one%2Ftwo+@eu-central-1",
            "AMAZON_SES_CLIENT_PARAMS",
            {"aws_access_key_id": "AKIA1", "aws_secret_access_key": "one/two+", "region_name": "eu-central-1"},
        ),
    ],
)
def test_a_service_is_chosen_by_its_address(url, setting, value):
    chosen = env.mail(url)
    assert chosen["ANYMAIL"][setting] == value
    assert chosen["EMAIL_BACKEND"] == f"anymail.backends.{url.partition(':')[0]}.EmailBackend"


@pytest.mark.parametrize(
    ("url", "needs"),
    [
        ("postmark://", "name its key: postmark://key@"),
        ("mailgun://key@", "name its key and domain"),
        ("amazon_ses://key:secret@", "name amazon_ses://key:secret@region"),
        ("pigeon://x", "look like smtp://"),
        ("smtp://", "look like smtp://"),
    ],
)
def test_an_address_that_lacks_something_says_what(url, needs):
    with pytest.raises(Misconfigured, match=f"MAIL_URL must {needs}"):
        env.mail(url)
