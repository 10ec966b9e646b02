"""What the tests of content logging share: a pair of keys, a version that says so, and people with authenticators."""

from __future__ import annotations

import base64

from allauth.mfa.totp.internal.auth import (
    TOTP,
    format_hotp_value,
    generate_totp_secret,
    hotp_value,
    yield_hotp_counters_from_time,
)
from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PrivateKey
from django.test import Client
from django.urls import reverse

from portal.access import actions
from portal.agreements import actions as agreements
from portal.agreements.models import Version
from portal.people.models import User
from tests.inference.bench import Bench
from tests.portal import world

_PRIVATE = X25519PrivateKey.generate()
PRIVATE_KEY = base64.b64encode(_PRIVATE.private_bytes_raw()).decode()
KEY = base64.b64encode(_PRIVATE.public_key().public_bytes_raw()).decode()


def sign_with_logging(bench: Bench, *, logging: bool = True) -> Version:
    """The lab's next version says that content may be kept, and the researcher signs it."""
    lab, who = bench.world, bench.researcher
    version = agreements.publish_version(
        by=lab.manager, agreement=lab.agreement, text=world.TEXT + "3. More.", content_logging=logging
    )
    actions.sign_again(
        by=who, grant=bench.grant, typed_name=who.name, capacity="for myself", text_sha256=version.sha256
    )
    return version


def with_device(user: User) -> Client:
    """Their browser, in which they have just confirmed by an authenticator app."""
    secret = generate_totp_secret()
    TOTP.activate(user, secret)
    counter = next(iter(yield_hotp_counters_from_time()))
    return confirmed(user, "mfa_reauthenticate", code=format_hotp_value(hotp_value(secret, counter)))


def confirmed(user: User, page: str, **data: str) -> Client:
    """Their browser, in which they have just confirmed on this page."""
    client = Client()
    client.force_login(user)
    answer = client.post(f"{reverse(page)}?next=/me/", data)
    assert answer.status_code == 302, answer.content.decode()
    return client
