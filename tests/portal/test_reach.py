"""What mail services tell, in their own shapes through the real address: bounces stop mail, and people put it right."""

from __future__ import annotations

import base64
import hashlib
import hmac
import json
import time
from smtplib import SMTPRecipientsRefused

import pytest
from django.core import mail
from django.db import transaction
from django.test import Client
from django.urls import reverse

from portal.audit.models import Entry
from portal.mail import reach, sending
from portal.mail.models import Sent, State, Told, Unreachable
from portal.outbox import delivery
from portal.outbox.models import Message
from portal.people.models import User
from tests.portal import world

SECRET = "events:a-long-random-secret"
KEY = "mailgun-signing-key"
SEALED = {"name": "Mara", "label": "laptop", "hint": "wb", "scopes": "x", "until": "2027-01-01", "path": "/me/tokens/"}


def basic(secret: str) -> str:
    return "Basic " + base64.b64encode(secret.encode()).decode()


@pytest.fixture
def service(settings):
    """Choose the mail service that may tell."""

    def choose(name: str) -> None:
        settings.MAIL_EVENTS, settings.MAIL_EVENTS_SECRET = name, SECRET
        settings.ANYMAIL = {"WEBHOOK_SECRET": SECRET, "MAILGUN_WEBHOOK_SIGNING_KEY": KEY}

    return choose


def tell(name: str, body: object, *, secret: str = SECRET, **headers: str):
    return Client(raise_request_exception=False).post(
        f"/mail/events/{name}/",
        json.dumps(body),
        "application/json",
        headers={"Authorization": basic(secret), **headers},
    )


def write_to(address: str, template: str = "token_made") -> Sent:
    """A mail that leaves, by the whole way; returns what is remembered of it."""
    context = SEALED if template == "token_made" else {"name": "Mara", "path": "/x/"}
    with transaction.atomic():
        sending.send(to=address, template=template, context=context, key="test")
    delivery.deliver(Message.objects.latest("id").pk)
    return Sent.objects.latest("id")


def postmark(kind: str, sent: Sent, number: int = 42, **more: object) -> dict:
    """The shape of Postmark's bounce webhook."""
    return {
        "RecordType": "Bounce", "ID": number, "Type": kind, "TypeCode": 1, "Name": kind, "Tag": "",
        "MessageID": sent.message_id, "Metadata": {}, "ServerID": 23, "MessageStream": "outbound",
        "Description": "The server was unable to deliver your message.", "Details": "smtp;550 5.1.1 unknown user",
        "Email": sent.address, "From": "weighbridge@lab.example", "BouncedAt": "2026-11-25T18:03:51Z",
        "DumpAvailable": True, "Inactive": True, "CanActivate": True, "Subject": "…", **more,
    }  # fmt: skip


def amazon(kind: str, sent: Sent, **told: object) -> tuple[dict, dict[str, str]]:
    """The shape of Amazon SNS around SES's event, and the headers that come with it."""
    event = {
        "notificationType": kind, kind.lower(): told,
        "mail": {"timestamp": "2026-11-25T18:00:00.000Z", "messageId": sent.message_id, "destination": [sent.address]},
    }  # fmt: skip
    body = {
        "Type": "Notification", "MessageId": "22b80b92-fdea-4c2c-8f9d-bdfb0c7bf324",
        "TopicArn": "arn:aws:sns:eu-west-1:123456789012:mail", "Message": json.dumps(event),
        "Timestamp": "2026-11-25T18:04:00.000Z", "SignatureVersion": "1", "Signature": "…",
    }  # fmt: skip
    return body, {"X-Amz-Sns-Message-Type": "Notification", "X-Amz-Sns-Message-Id": body["MessageId"]}


def mailgun(event: str, sent: Sent, key: str = KEY, **more: object) -> dict:
    """The shape of Mailgun's webhook, signed."""
    stamp, token = str(int(time.time())), hashlib.sha256(f"{event}{sent.pk}".encode()).hexdigest()[:50]
    signature = hmac.new(key.encode(), f"{stamp}{token}".encode(), hashlib.sha256).hexdigest()
    message = {"headers": {"message-id": sent.message_id.strip("<>"), "to": sent.address}, "size": 111}
    data = {"event": event, "id": "G9Bn5sl1TC6nu79C8C0bwg", "timestamp": time.time(), "recipient": sent.address}
    return {
        "signature": {"timestamp": stamp, "token": token, "signature": signature},
        "event-data": {**data, "message": message, "user-variables": {}, "tags": [], **more},
    }


def test_a_bounce_of_postmarks_stops_mail_and_everybody_sees_it(lyceum, mara, service):
    service("postmark")
    application = lyceum.applied(mara)
    sent = write_to(mara.email)
    assert tell("postmark", postmark("HardBounce", sent)).status_code == 200
    sent.refresh_from_db()
    assert sent.state == State.BOUNCED
    entry = Entry.objects.get(event="address.unreachable")
    assert (entry.target_id, entry.data) == (str(mara.pk), {"why": "bounced"})
    client = Client()
    client.force_login(mara)
    for page in ("/", "/me/", "/help/"):
        assert "Our mail does not reach you" in client.get(page).content.decode(), page
    client.force_login(lyceum.reviewers[0])
    assert (
        "Mail does not reach this person"
        in client.get(reverse("access:review", args=[application.pk])).content.decode()
    )
    assert write_to(mara.email).state == State.WITHHELD
    assert [m.extra_headers["Message-ID"] for m in mail.outbox if m.to == [mara.email]] == [sent.message_id]


def test_nobody_else_sees_a_banner(mara, stranger, service):
    service("postmark")
    tell("postmark", postmark("HardBounce", write_to(mara.email)))
    client = Client()
    client.force_login(stranger)
    assert "Our mail does not reach you" not in client.get("/me/").content.decode()


def test_what_helps_to_sign_in_is_sent_all_the_same(mara, service):
    service("postmark")
    tell("postmark", postmark("HardBounce", write_to(mara.email)))
    assert write_to(mara.email, "address_check").state == State.SENT
    assert write_to(mara.email).state == State.WITHHELD


def test_a_wrong_secret_is_refused_and_changes_nothing(mara, service):
    service("postmark")
    sent = write_to(mara.email)
    assert tell("postmark", postmark("HardBounce", sent), secret="events:guessed").status_code == 403
    bare = Client().post("/mail/events/postmark/", json.dumps(postmark("HardBounce", sent)), "application/json")
    assert bare.status_code == 401
    assert not Unreachable.objects.exists()


def test_a_service_that_is_not_ours_finds_no_door(mara, service, settings):
    service("postmark")
    sent = write_to(mara.email)
    assert tell("sendgrid", postmark("HardBounce", sent)).status_code == 404
    settings.MAIL_EVENTS_SECRET = ""
    assert tell("postmark", postmark("HardBounce", sent)).status_code == 404


def test_an_event_told_twice_counts_once(mara, service):
    service("postmark")
    body = postmark("HardBounce", write_to(mara.email))
    assert tell("postmark", body).status_code == 200
    assert reach.reached(address=mara.email)
    assert tell("postmark", body).status_code == 200, "a replay of yesterday's bounce"
    assert Told.objects.count() == 1
    assert not reach.is_unreachable(mara.email)


def test_a_soft_bounce_is_seen_and_stops_nothing(mara, service):
    service("postmark")
    sent = write_to(mara.email)
    tell("postmark", postmark("SoftBounce", sent))
    sent.refresh_from_db()
    assert sent.state == State.DELAYED
    assert write_to(mara.email).state == State.SENT


def test_a_message_nobody_knows_counts_for_an_address_that_we_wrote_to_alone(mara, service):
    service("postmark")
    sent = write_to(mara.email)
    unknown = postmark("HardBounce", sent, MessageID="00000000-0000-0000-0000-000000000000")
    assert tell("postmark", {**unknown, "ID": 1, "Email": "never@elsewhere.example"}).status_code == 200
    assert not Unreachable.objects.exists()
    assert tell("postmark", {**unknown, "ID": 2}).status_code == 200
    sent.refresh_from_db()
    assert sent.state == State.SENT
    assert reach.is_unreachable(mara.email)


@pytest.mark.parametrize("body", [[], {}, "x", None, {"RecordType": "Bounce"}, {"Message": 3}])
def test_nonsense_with_the_right_secret_is_no_fault_of_ours(service, db, body):
    service("postmark")
    assert tell("postmark", body).status_code in {200, 400}


def test_a_complaint_at_amazons_stops_mail(mara, service):
    service("amazon_ses")
    sent = write_to(mara.email)
    body, headers = amazon("Complaint", sent, complainedRecipients=[{"emailAddress": sent.address}])
    assert tell("amazon_ses", body, **headers).status_code == 200
    sent.refresh_from_db()
    assert sent.state == State.COMPLAINED
    assert Unreachable.objects.get().why == "complained"


@pytest.mark.parametrize("more", [{}, {"bounce": None}, {"bounce": "x"}, {"Type": ["SoftBounce"]}])
def test_a_bounce_with_odd_words_beside_it_is_a_bounce(mara, service, more):
    """A fault would have the service tell it again and again."""
    service("brevo")
    sent = write_to(mara.email)
    event = {"event": "hard_bounce", "email": sent.address, "ts_event": int(time.time()), "message-id": sent.message_id}
    assert tell("brevo", event | more).status_code == 200
    assert reach.is_unreachable(mara.email)


@pytest.mark.parametrize(("kind", "state"), [("Permanent", State.BOUNCED), ("Transient", State.DELAYED)])
def test_amazons_two_kinds_of_bounces_are_told_apart(mara, service, kind, state):
    service("amazon_ses")
    sent = write_to(mara.email)
    who = [{"emailAddress": sent.address, "diagnosticCode": "smtp; 550 5.1.1"}]
    body, headers = amazon("Bounce", sent, bounceType=kind, bounceSubType="General", bouncedRecipients=who)
    assert tell("amazon_ses", body, **headers).status_code == 200
    sent.refresh_from_db()
    assert sent.state == state
    assert reach.is_unreachable(mara.email) is (state == State.BOUNCED)


def test_amazon_is_asked_for_the_secret_before_it_shows_it(mara, service):
    service("amazon_ses")
    body, headers = amazon("Complaint", write_to(mara.email), complainedRecipients=[])
    answer = Client().post("/mail/events/amazon_ses/", json.dumps(body), "text/plain", headers=headers)
    assert (answer.status_code, answer["WWW-Authenticate"][:5]) == (401, "Basic")


def test_mailguns_signature_is_held_against_its_key(mara, service):
    service("mailgun")
    sent = write_to(mara.email)
    failed = {"severity": "permanent", "reason": "bounce", "delivery-status": {"code": 550, "message": "5.1.1"}}
    assert tell("mailgun", mailgun("failed", sent, key="guessed", **failed)).status_code == 403
    assert not reach.is_unreachable(mara.email)
    assert tell("mailgun", mailgun("failed", sent, **failed)).status_code == 200
    sent.refresh_from_db()
    assert sent.state == State.BOUNCED


def test_a_late_delivery_does_not_undo_a_bounce(mara, service):
    service("mailgun")
    sent = write_to(mara.email)
    tell("mailgun", mailgun("failed", sent, severity="permanent", reason="bounce"))
    tell("mailgun", mailgun("delivered", sent))
    sent.refresh_from_db()
    assert sent.state == State.BOUNCED


def test_a_server_that_knows_no_such_mailbox_ends_the_mail_and_one_that_is_busy_does_not(mara, monkeypatch):
    answer = {mara.email: (550, b"5.1.1 no such user")}

    def refuse(self, fail_silently=False):
        raise SMTPRecipientsRefused(answer)

    monkeypatch.setattr("django.core.mail.EmailMessage.send", refuse)
    for code, text in ((450, b"4.2.0 greylisted"), (554, b"5.7.1 relay access denied")):
        answer[mara.email] = (code, text)
        with transaction.atomic():
            sending.send(to=mara.email, template="token_made", context=SEALED, key="test")
        delivery.deliver(Message.objects.latest("id").pk)
        assert Message.objects.latest("id").ended_at is None
        assert not reach.is_unreachable(mara.email)
    answer[mara.email] = (550, b"5.1.1 no such user")
    assert write_to(mara.email).state == State.BOUNCED
    assert reach.is_unreachable(mara.email)


def test_a_person_puts_it_right_by_a_link(mara, stranger, service):
    service("postmark")
    client = Client()
    client.force_login(mara)
    assert client.post(reverse("people:ask_mail_check")).status_code == 409, "there is nothing to put right yet"
    tell("postmark", postmark("HardBounce", write_to(mara.email)))
    client.post(reverse("people:ask_mail_check"))
    path = Message.objects.filter(payload__template="address_check").latest("id").payload["context"]["path"]
    other = Client()
    other.force_login(stranger)
    assert other.post(path).status_code == 404
    assert reach.is_unreachable(mara.email)
    assert client.get(path).status_code == 200
    assert reach.is_unreachable(mara.email), "a scanner that opens the link changes nothing"
    client.post(path)
    assert not reach.is_unreachable(mara.email)
    assert "Our mail does not reach you" not in client.get("/me/").content.decode()
    assert Entry.objects.filter(event="address.reached").count() == 1
    assert client.post(path).status_code == 302, "twice is the same as once"
    assert write_to(mara.email).state == State.SENT


def test_another_first_address_puts_it_right_and_the_old_one_again_does_not(mara, service):
    from allauth.account.models import EmailAddress

    service("postmark")
    old, new = mara.email, "mara@new.example"
    tell("postmark", postmark("HardBounce", write_to(old)))
    for address in (old, new):
        EmailAddress.objects.create(user=mara, email=address, verified=True, primary=address == old)
    client = Client()
    client.force_login(User.objects.get(pk=mara.pk))
    client.post(reverse("account_reauthenticate"), {"password": world.PASSWORD})
    for address, reached in ((new, True), (old, False)):
        client.post(reverse("account_email"), {"email": address, "action_primary": ""})
        mara.refresh_from_db()
        assert mara.email == address
        assert (mara.unreachable_since is None) is reached


def test_the_operator_sees_addresses_and_mails_and_nobody_else_does(mara, operator, service):
    service("postmark")
    tell("postmark", postmark("HardBounce", write_to(mara.email)))
    client = world.browser(operator)
    for page in ("/admin/mail/unreachable/", "/admin/mail/sent/"):
        assert mara.email in client.get(page).content.decode()
    client.force_login(mara)
    assert client.get("/admin/mail/sent/").status_code == 302
