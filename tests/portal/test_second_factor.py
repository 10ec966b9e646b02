"""Second factors: set up, asked for, asked again before a signature or a decision, and needed by staff."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest
import time_machine
from allauth.account.models import EmailAddress
from allauth.mfa.models import Authenticator
from allauth.mfa.recovery_codes.internal.auth import RecoveryCodes
from allauth.mfa.totp.internal.auth import (
    TOTP,
    format_hotp_value,
    generate_totp_secret,
    hotp_value,
    yield_hotp_counters_from_time,
)
from django.test import Client
from django.urls import reverse
from django.utils import timezone

from portal.audit.models import Entry
from portal.people.models import Membership, User
from tests.portal import world

pytestmark = pytest.mark.django_db


def code_of(secret: str) -> str:
    """What an app would show now, by allauth's own arithmetic."""
    counter = next(iter(yield_hotp_counters_from_time()))
    return format_hotp_value(hotp_value(secret, counter))


def can_sign_in(user: User) -> User:
    EmailAddress.objects.create(user=user, email=user.email, verified=True, primary=True)
    return user


def signed_in(user: User) -> Client:
    """By the form, so that the session knows when."""
    client = Client()
    answer = client.post("/account/login/", {"login": user.email, "password": world.PASSWORD})
    assert answer.status_code == 302, answer.content.decode()
    return client


def an_hour_later(client: Client) -> None:
    """Age what the session remembers of signing in."""
    session = client.session
    session["account_authentication_methods"] = [
        {**each, "at": each["at"] - 3600} for each in session["account_authentication_methods"]
    ]
    session.save()


def with_app(user: User) -> str:
    secret = generate_totp_secret()
    TOTP.activate(user, secret)
    return secret


def test_an_app_is_set_up_with_a_real_code_and_the_trail_hears_of_it(mara, django_capture_on_commit_callbacks):
    client = signed_in(can_sign_in(mara))
    asked = client.get(reverse("mfa_activate_totp"))
    client.post(asked["Location"], {"password": world.PASSWORD})
    page = client.get(reverse("mfa_activate_totp"))
    secret = page.context["form"].secret
    wrong = client.post(reverse("mfa_activate_totp"), {"code": "000000"})
    assert wrong.status_code == 200
    assert not Authenticator.objects.exists()
    with django_capture_on_commit_callbacks(execute=True):
        done = client.post(reverse("mfa_activate_totp"), {"code": code_of(secret)})
    assert done.status_code == 302
    assert Authenticator.objects.filter(type="totp").exists()
    kinds = set(Entry.objects.filter(event="second_factor.added").values_list("data__kind", flat=True))
    assert "totp" in kinds


def test_with_an_app_the_password_alone_does_not_open_the_account(mara):
    secret = with_app(can_sign_in(mara))
    client = Client()
    answer = client.post("/account/login/", {"login": mara.email, "password": world.PASSWORD})
    assert answer["Location"].startswith(reverse("mfa_authenticate"))
    assert client.get("/me/").status_code == 302
    assert "passkey" in client.get(reverse("mfa_authenticate")).content.decode()
    assert client.post(reverse("mfa_authenticate"), {"code": "000000"}).status_code == 200
    assert client.post(reverse("mfa_authenticate"), {"code": code_of(secret)}).status_code == 302
    assert client.get("/me/").status_code == 200


@pytest.mark.parametrize("later_s", [1, 45, 59])
def test_a_code_of_an_app_opens_the_account_once_though_it_would_hold_for_ninety_seconds(mara, later_s):
    secret = with_app(can_sign_in(mara))
    beginning = datetime(2026, 11, 27, 12, 0, tzinfo=UTC)
    with time_machine.travel(beginning + timedelta(seconds=30), tick=False):
        code = code_of(secret)  # of the half minute before
    for after_s, expected in ((0, 302), (later_s, 200)):
        with time_machine.travel(beginning + timedelta(seconds=after_s), tick=False):
            client = Client()
            client.post("/account/login/", {"login": mara.email, "password": world.PASSWORD})
            assert client.post(reverse("mfa_authenticate"), {"code": code}).status_code == expected


def test_a_recovery_code_works_once(mara):
    with_app(can_sign_in(mara))
    codes = RecoveryCodes.activate(mara).get_unused_codes()
    for expected in (302, 200):
        client = Client()
        client.post("/account/login/", {"login": mara.email, "password": world.PASSWORD})
        assert client.post(reverse("mfa_authenticate"), {"code": codes[0]}).status_code == expected


def test_signing_asks_for_the_password_and_then_goes_on_by_itself(lyceum, mara, settings):
    settings.STEP_UP = True
    application = lyceum.approved(can_sign_in(mara))
    client = signed_in(mara)
    path = reverse("access:sign", args=[application.pk])
    page = client.get(path)
    assert page.status_code == 200, "reading asks nothing"
    data = {"typed_name": mara.name, "capacity": "for myself", "text_sha256": lyceum.version.sha256}
    asked = client.post(path, data)
    assert asked["Location"].startswith("/account/reauthenticate/")
    assert not mara.signatures.exists()
    assert client.post(asked["Location"], {"password": "wrong"}).status_code == 200
    assert not mara.signatures.exists()
    client.post(asked["Location"], {"password": world.PASSWORD})
    assert mara.signatures.count() == 1


def test_who_has_just_confirmed_is_not_asked_and_an_hour_later_is(lyceum, mara, settings):
    settings.STEP_UP = True
    application = lyceum.approved(can_sign_in(mara))
    path = reverse("access:sign", args=[application.pk])
    data = {"typed_name": mara.name, "capacity": "for myself", "text_sha256": lyceum.version.sha256}
    client = signed_in(mara)
    client.post("/account/reauthenticate/", {"password": world.PASSWORD})
    an_hour_later(client)
    assert client.post(path, data)["Location"].startswith("/account/reauthenticate/")
    client.post("/account/reauthenticate/", {"password": world.PASSWORD})
    client.post(path, data)
    assert mara.signatures.count() == 1


def test_deciding_asks_again_on_the_page_and_refuses_the_sessions_api(lyceum, mara, settings):
    settings.STEP_UP = True
    application = lyceum.applied(mara)
    secret = with_app(can_sign_in(lyceum.reviewers[0]))
    client = signed_in(lyceum.reviewers[0])
    client.post(reverse("mfa_authenticate"), {"code": code_of(secret)})
    an_hour_later(client)
    answer = client.post(f"/api/v1/applications/{application.pk}/approve", {}, content_type="application/json")
    assert (answer.status_code, answer.json()["code"]) == (403, "step_up_needed")
    asked = client.post(reverse("access:review", args=[application.pk]), {"verb": "approve"})
    assert "reauthenticate" in asked["Location"]
    assert not application.reviews.exists()


def test_without_the_setting_nobody_is_asked_again(lyceum, mara):
    application = lyceum.applied(mara)
    client = signed_in(can_sign_in(lyceum.reviewers[0]))
    an_hour_later(client)
    client.post(reverse("access:review", args=[application.pk]), {"verb": "approve"})
    assert application.reviews.count() == 1


def test_staff_need_a_second_factor_once_the_days_of_grace_are_over(lyceum, mara, settings):
    settings.STAFF_SECOND_FACTOR = True
    reviewer = can_sign_in(lyceum.reviewers[0])
    client = signed_in(reviewer)
    assert client.get("/review/").status_code == 200, "in grace"
    Membership.objects.filter(user=reviewer).update(starts_at=timezone.now() - timedelta(days=15))
    assert client.get("/review/")["Location"] == reverse("mfa_index")
    answer = client.get("/api/v1/applications", headers={"accept": "application/json"})
    assert (answer.status_code, answer.json()["code"]) == (403, "second_factor_missing")
    assert client.get(reverse("mfa_index")).status_code == 200
    with_app(reviewer)
    assert client.get("/review/").status_code == 200
    assert signed_in(can_sign_in(mara)).get("/me/").status_code == 200, "people without a role are not asked"


def test_an_operator_needs_a_second_factor_though_without_a_role(db, settings):
    settings.STAFF_SECOND_FACTOR = True
    operator = can_sign_in(world.person("Olga Reyes"))
    User.objects.filter(pk=operator.pk).update(is_staff=True, is_superuser=True)
    client = signed_in(operator)
    assert client.get("/admin/").status_code == 200, "in grace"
    User.objects.filter(pk=operator.pk).update(joined_at=timezone.now() - timedelta(days=15))
    for path in ("/admin/", "/admin/people/user/", "/me/"):
        assert client.get(path)["Location"] == reverse("mfa_index")
    with_app(operator)
    assert client.get("/admin/").status_code == 200


def test_several_at_once_ask_for_the_password_too_and_lose_nothing(lyceum, mara, settings):
    settings.STEP_UP = True
    application = lyceum.applied(mara)
    client = signed_in(can_sign_in(lyceum.reviewers[0]))
    data = {
        "verb": "changes", "pick": f"{application.pk}:{application.version}", "message": "Which cluster?", "confirm": "1",
    }  # fmt: skip
    asked = client.post(reverse("access:together"), data)
    assert asked["Location"].startswith("/account/reauthenticate/")
    application.refresh_from_db()
    assert application.status == "submitted"
    client.post(asked["Location"], {"password": world.PASSWORD})
    application.refresh_from_db()
    assert (application.status, application.message) == ("changes_requested", "Which cluster?")


def test_a_passkey_without_its_key_opens_nothing(mara):
    can_sign_in(mara)
    client = Client()
    options = client.get(reverse("mfa_login_webauthn"), headers={"accept": "application/json"}).json()
    assert options["request_options"]["publicKey"]["userVerification"] == "required"
    for credential in ("", "{}", '{"id": "x", "response": {}}', "null"):
        answer = client.post(reverse("mfa_login_webauthn"), {"credential": credential})
        assert answer["Location"] == "/account/login/"
    assert client.get("/me/").status_code == 302
