"""An operator exchanges a secret: what it signed holds for as long as the former one is named, and no longer."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import jwt
import pytest
from django.test import Client
from django.urls import reverse
from django.utils import timezone

from inference import internal
from inference.contract import INTROSPECT_PATH
from portal import signing
from portal.audit import roots
from portal.outbox.models import Message
from portal.people import reach
from portal.people.models import User
from portal.webhooks import actions as webhooks
from portal.webhooks.models import Endpoint, SecretState
from releases import actions as releases
from releases.harm import actions as harm
from tests.portal.test_audit_roots import days
from tests.portal.test_device_login import approve, begun, polled
from tests.portal.test_webhooks import EVENTS, Receiver, _signed_with, receiver, relay  # noqa: F401
from tests.portal.world import World, browser

pytestmark = pytest.mark.django_db
OLD, NEW = "the former secret of this test", "the present secret of this test"
Exchange = Callable[..., None]


@pytest.fixture
def exchange(settings: Any) -> Exchange:
    """Puts NEW in OLD's place, which stays named behind it unless it is `dropped`."""
    former = {
        "SECRET_KEY": "SECRET_KEY_FALLBACKS",
        "RECEIPT_SIGNING_KEY": "FORMER_RECEIPT_SIGNING_KEYS",
        "INTERNAL_SECRET": "FORMER_INTERNAL_SECRETS",
    }
    for name in former:
        setattr(settings, name, OLD)

    def to_the_new_one(*, dropped: bool = False) -> None:
        for name, names in former.items():
            setattr(settings, name, NEW)
            setattr(settings, names, [] if dropped else [OLD])

    return to_the_new_one


# --- SECRET_KEY ---------------------------------------------------------------------------------------------------
@pytest.mark.parametrize("dropped", [False, True])
def test_a_person_stays_signed_in_while_the_former_key_is_named(exchange: Exchange, mara: User, dropped: bool) -> None:
    hers = browser(mara)
    exchange(dropped=dropped)
    assert hers.get("/me/").status_code == (302 if dropped else 200)
    exchange(dropped=True)
    assert hers.get("/me/").status_code == (302 if dropped else 200), "a visit in between renews the session"


@pytest.mark.parametrize("dropped", [False, True])
def test_a_link_that_was_mailed_and_one_to_a_report_of_harm_lead_on(
    exchange: Exchange, lyceum: World, mara: User, dropped: bool
) -> None:
    User.objects.filter(pk=mara.pk).update(unreachable_since=timezone.now())
    reach.ask_check(by=mara)
    mailed = Message.objects.get(payload__template="address_check").payload["context"]["path"]
    model = releases.open_model(lab=lyceum.lab, name="mine", by=lyceum.manager, summary="Mine.")
    report = harm.receive(subject=model, about="privacy", text="It named a person and where they live.", publish="all")
    followed = report.status_path()
    exchange(dropped=dropped)
    assert browser(mara).get(mailed).status_code == (404 if dropped else 200)
    assert Client().get(followed).status_code == (404 if dropped else 200)


@pytest.mark.parametrize("dropped", [False, True])
def test_a_program_that_waits_for_its_person_gets_its_token(exchange: Exchange, mara: User, dropped: bool) -> None:
    told = begun()
    exchange(dropped=dropped)
    approve(browser(mara), told["user_code"])
    status, answer = polled(told)
    assert (status, "access_token" in answer) == ((400, False) if dropped else (200, True))


# --- Webhooks -----------------------------------------------------------------------------------------------------
def shown(lyceum: World, endpoint: Endpoint) -> str:
    """The list, and then the webhook's own page, as its manager sees them."""
    hers = browser(lyceum.manager)
    return (hers.get("/webhooks/").content + hers.get(endpoint.get_absolute_url()).content).decode()


@pytest.mark.django_db(transaction=True)
def test_a_labs_server_verifies_with_its_secret_until_a_new_one_is_there(
    exchange: Exchange, settings: Any, lyceum: World, mara: User, stranger: User, receiver: Receiver  # noqa: F811
) -> None:  # fmt: skip
    endpoint, first = webhooks.add_endpoint(by=lyceum.manager, lab=lyceum.lab, url=receiver.url, events=EVENTS)
    assert "needs a new secret" not in shown(lyceum, endpoint)
    exchange()
    lyceum.applied(mara)
    relay()
    assert _signed_with(first, *receiver.seen[0])
    assert "needs a new secret" in shown(lyceum, endpoint)
    assert "Make a new secret soon" in shown(lyceum, endpoint)
    endpoint, second = webhooks.rotate_secret(by=lyceum.manager, endpoint=endpoint)
    lyceum.applied(stranger)
    relay()
    assert all(_signed_with(each, *receiver.seen[1]) for each in (first, second)), "for a day both do"
    assert "needs a new secret" not in shown(lyceum, endpoint)
    settings.SECRET_KEY_FALLBACKS = []
    assert endpoint.secret_state == SecretState.PRESENT


@pytest.mark.django_db(transaction=True)
def test_a_lab_that_did_nothing_is_told_that_its_secret_signs_no_more(
    exchange: Exchange,
    lyceum: World,
    mara: User,
    receiver: Receiver,  # noqa: F811
) -> None:
    endpoint, first = webhooks.add_endpoint(by=lyceum.manager, lab=lyceum.lab, url=receiver.url, events=EVENTS)
    exchange(dropped=True)
    lyceum.applied(mara)
    relay()
    assert not _signed_with(first, *receiver.seen[0])
    assert "Your server’s secret signs no more" in shown(lyceum, endpoint)


def test_managers_are_asked_for_a_new_secret_once_for_each_exchange(
    exchange: Exchange, settings: Any, lyceum: World
) -> None:
    endpoint, _secret = webhooks.add_endpoint(
        by=lyceum.manager, lab=lyceum.lab, url="https://lyceum.example/hook", events=EVENTS
    )
    stopped, _secret = webhooks.add_endpoint(
        by=lyceum.manager, lab=lyceum.lab, url="https://lyceum.example/old", events=EVENTS
    )
    webhooks.stop_endpoint(by=lyceum.manager, endpoint=stopped)
    assert webhooks.ask_for_new_secrets() == 0
    exchange()
    assert [webhooks.ask_for_new_secrets(), webhooks.ask_for_new_secrets()] == [1, 0]
    settings.SECRET_KEY, settings.SECRET_KEY_FALLBACKS = "a third secret of this test", [NEW, OLD]
    assert [webhooks.ask_for_new_secrets(), webhooks.ask_for_new_secrets()] == [1, 0]
    webhooks.rotate_secret(by=lyceum.manager, endpoint=endpoint)
    assert webhooks.ask_for_new_secrets() == 0


# --- RECEIPT_SIGNING_KEY ------------------------------------------------------------------------------------------
def test_a_receipt_is_genuine_while_its_key_is_named_and_intact_afterwards(
    exchange: Exchange, lyceum: World, mara: User
) -> None:
    lyceum.granted(mara)
    address = mara.signatures.get().get_absolute_url()
    former = Client().get(reverse("agreements:key")).json()
    exchange()
    assert "This receipt is genuine" in Client().get(address).content.decode()
    published = Client().get(reverse("agreements:key")).json()
    assert published["former_public_keys"] == [former["public_key"]]
    assert published["public_key"] not in (former["public_key"], "")
    exchange(dropped=True)
    page = Client().get(address).content.decode()
    assert "under a key that is not ours" in page
    assert "This receipt is genuine" not in page


@pytest.mark.parametrize("dropped", [False, True])
def test_a_passport_given_before_is_checked_with_the_published_keys(exchange: Exchange, dropped: bool) -> None:
    given = signing.token({"sub": "mara"}, kind="vnd.ga4gh.passport+jwt")
    exchange(dropped=dropped)
    later = signing.token({"sub": "mara"}, kind="vnd.ga4gh.passport+jwt")
    published = jwt.PyJWKSet.from_dict(Client().get("/.well-known/jwks.json").json())
    known = {key.key_id for key in published.keys}
    assert jwt.get_unverified_header(later)["kid"] in known
    kid = jwt.get_unverified_header(given)["kid"]
    assert (kid in known) != dropped
    if not dropped:
        assert jwt.decode(given, published[kid], ["ES256"])["sub"] == "mara"


def test_the_daily_roots_verify_under_the_key_of_their_day(exchange: Exchange) -> None:
    days(2)
    exchange()
    assert roots.verify() == (1, [])
    assert Client().get("/audit/roots.json").json()["former_public_keys"] == signing.former_public_keys()
    exchange(dropped=True)
    assert "is signed by a key that is not ours" in roots.verify()[1][0]


# --- INTERNAL_SECRET ----------------------------------------------------------------------------------------------
@pytest.mark.parametrize(("shown_secret", "dropped", "status"), [
    (NEW, False, 400), (OLD, False, 400), (OLD, True, 403), ("", False, 403), (f"{NEW} {OLD}", False, 403),
])  # fmt: skip
def test_a_gateway_that_was_not_restarted_yet_is_answered(
    exchange: Exchange, db: None, shown_secret: str, dropped: bool, status: int
) -> None:
    exchange(dropped=dropped)
    assert internal.respond("POST", INTROSPECT_PATH, f"Bearer {shown_secret}".encode(), b"no JSON")[0] == status
