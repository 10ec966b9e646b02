"""Addresses of an account: given, confirmed, made the first one, taken away; also by two people, or in two windows, at once."""

from __future__ import annotations

import re

import pytest
from allauth.account.models import EmailAddress, EmailConfirmationHMAC
from allauth.socialaccount.models import SocialAccount
from django.contrib.auth.management.commands import changepassword
from django.core import mail
from django.core.management import call_command
from django.test import Client
from django.urls import reverse
from django.utils import timezone

from portal.audit.models import Entry
from portal.outbox import delivery
from portal.people import erasure
from portal.people.actions import give_role, suspend
from portal.people.erasure_models import ErasureRequest
from portal.people.models import Role, User
from tests.portal import world
from tests.portal.test_races import race

pytestmark = pytest.mark.django_db(transaction=True)
NEW = "mara@elsewhere.example"
OTHER = "another-good-phrase-77"


@pytest.fixture
def mara(db):
    return world.person("Mara Lindqvist")


@pytest.fixture
def ida(db):
    return world.person("Ida Fremd")


def signed_in(user, *, again=True):
    """Signed in with the password, and where `again` with the password given once more."""
    user.emailaddress_set.get_or_create(email=user.email, defaults={"verified": True, "primary": True})
    client = Client(raise_request_exception=False)
    assert client.post("/account/login/", {"login": user.email, "password": world.PASSWORD}).status_code == 302
    if again:
        client.post("/account/reauthenticate/", {"password": world.PASSWORD, "next": "/me/"})
    return client


def does(client, action, address):
    return client.post(reverse("account_email"), {"email": address, f"action_{action}": ""}, follow=True)


def link(address):
    return reverse("account_confirm_email", args=[EmailConfirmationHMAC(address).key])


def follow(address, client=None):
    return (client or Client(raise_request_exception=False)).post(link(address), follow=True)


def claimed(user, address=NEW):
    """An address that somebody has written among theirs, whose link nobody has followed."""
    return EmailAddress.objects.create(user=user, email=address)


def sign_up(address, name="Somebody"):
    sent = {"email": address, "name": name, "password1": world.PASSWORD}
    return Client(raise_request_exception=False).post("/account/signup/", sent)


def letters(address):
    while delivery.deliver_due():
        pass
    return [f"{each.subject} {each.body}" for each in mail.outbox if each.to == [address]]


def reset(address, password=OTHER):
    """A new password, by the link that the address is mailed; False where none comes."""
    mail.outbox.clear()
    Client().post("/account/password/reset/", {"email": address})
    found = [url for text in letters(address) for url in re.findall(r"/account/password/reset/key/\S+", text)]
    if not found:
        return False
    client = Client()
    page = client.get(found[0], follow=True)
    client.post(page.request["PATH_INFO"], {"password1": password, "password2": password})
    return True


def events(user):
    return list(Entry.objects.filter(actor_id=str(user.pk)).order_by("pk").values_list("event", flat=True))


def test_the_owner_hears_at_the_first_address_that_another_one_opens_the_account(mara):
    client = signed_in(mara)
    does(client, "add", NEW)
    mail.outbox.clear()
    assert follow(EmailAddress.objects.get(email=NEW)).status_code == 200
    assert any("addresses of your account were changed" in text for text in letters(mara.email))
    does(client, "primary", NEW)
    does(client, "remove", mara.email)
    assert events(mara)[-3:] == ["address.confirmed", "address.made_first", "address.removed"]
    assert "example" not in str(Entry.objects.filter(event__startswith="address.").values_list("data", flat=True))


def test_whoever_confirms_the_address_of_their_sign_up_is_not_warned_of_themselves(db):
    sign_up(NEW)
    mail.outbox.clear()
    follow(EmailAddress.objects.get(email=NEW))
    assert letters(NEW) == []


@pytest.mark.parametrize("action", ["add", "primary", "remove"])
def test_a_session_left_open_changes_no_address_until_the_password_is_given(mara, action):
    if action != "add":
        EmailAddress.objects.create(user=mara, email=NEW, verified=True)
    client = signed_in(mara, again=False)
    answer = does(client, action, NEW)
    assert answer.request["PATH_INFO"] == reverse("account_reauthenticate")
    mara.refresh_from_db()
    assert (mara.email == NEW, EmailAddress.objects.filter(email=NEW).exists()) == (False, action != "add")
    client.post(answer.redirect_chain[-1][0], {"password": world.PASSWORD}, follow=True)
    mara.refresh_from_db()
    there = EmailAddress.objects.filter(email=NEW).exists()
    assert {"add": there, "primary": mara.email == NEW, "remove": not there}[action], "what waited went on by itself"


def test_of_two_who_confirm_one_address_at_once_one_gets_it_and_the_other_is_told(mara, ida):
    for n in range(3):
        address = f"both{n}@place.example"
        rows = [claimed(user, address) for user in (mara, ida)]
        answers = race(*[lambda row=row: follow(row) for row in rows])
        assert [answer.status_code for answer in answers] == [200, 200]
        assert EmailAddress.objects.filter(email=address, verified=True).count() == 1
        assert sum("belongs to another account already" in answer.content.decode() for answer in answers) == 1


def test_an_address_that_is_removed_while_its_link_is_followed_does_not_come_back(mara, monkeypatch):
    from portal.people.adapters import AccountAdapter

    signed_in(mara)
    row = claimed(mara)
    plain = AccountAdapter.confirm_email

    def late(self, request, email_address):
        EmailAddress.objects.filter(pk=row.pk).delete()  # by its owner, in another window
        return plain(self, request, email_address)

    monkeypatch.setattr(AccountAdapter, "confirm_email", late)
    assert follow(row).status_code == 200
    assert not EmailAddress.objects.filter(email=NEW).exists()


def test_a_link_is_worth_nothing_once_its_owner_was_erased(mara):
    row = claimed(mara)
    url = link(row)
    erasure.request_erasure(by=mara)
    ErasureRequest.objects.update(due_at=timezone.now())
    assert erasure.erase(request=ErasureRequest.objects.get(), now=timezone.now())
    assert Client().post(url).status_code == 404
    assert not EmailAddress.objects.exists()


def test_a_link_opens_no_suspended_account(mara, ida):
    row = claimed(mara)
    suspend(user=mara, by=ida, reason="x")
    client = Client()
    follow(row, client)
    assert client.get("/me/").status_code == 302
    assert not reset(NEW)


def test_a_new_password_ends_links_that_somebody_else_may_have_asked_for(mara):
    signed_in(mara)
    url = link(claimed(mara, "evil@evil.example"))
    assert reset(mara.email)
    assert Client().post(url).status_code == 404
    assert not reset("evil@evil.example")
    assert EmailAddress.objects.filter(user=mara).count() == 1


def test_changing_the_password_ends_them_too_and_confirmed_addresses_stay(mara):
    client = signed_in(mara)
    claimed(mara, "evil@evil.example")
    EmailAddress.objects.create(user=mara, email=NEW, verified=True)
    client.post(
        reverse("account_change_password"), {"oldpassword": world.PASSWORD, "password1": OTHER, "password2": OTHER}
    )
    assert set(EmailAddress.objects.values_list("email", flat=True)) == {mara.email, NEW}


def test_who_only_claims_an_address_neither_keeps_its_owner_out_nor_gets_them_into_their_own_account(ida):
    claimed(ida, NEW)
    assert not reset(NEW), "the account is Ida's, whose address this is not"
    sign_up(NEW, "Mara Lindqvist")
    owner = User.objects.get(email=NEW)
    follow(owner.emailaddress_set.get())
    assert owner.emailaddress_set.get().verified
    follow(EmailAddress.objects.get(user=ida, email=NEW))
    assert not EmailAddress.objects.get(user=ida, email=NEW).verified


def test_a_sign_up_that_nobody_finished_does_not_keep_the_owner_from_their_address(mara):
    sign_up(NEW, "Squatter")
    squatter = User.objects.get(email=NEW)
    client = signed_in(mara)
    does(client, "add", NEW)
    follow(EmailAddress.objects.get(user=mara, email=NEW))
    assert does(client, "primary", NEW).status_code == 200
    mara.refresh_from_db()
    squatter.refresh_from_db()
    assert (mara.email, squatter.is_active) == (NEW, False)
    assert squatter.email.endswith("@erased.invalid")


def test_an_account_with_a_role_keeps_its_address_and_the_other_person_is_told(lyceum, mara):
    colleague = world.person("Noor", NEW)
    give_role(user=colleague, lab=lyceum.lab, role=Role.REVIEWER, by=None)
    client = signed_in(mara)
    old = mara.email
    does(client, "add", NEW)
    follow(EmailAddress.objects.get(user=mara, email=NEW))
    answer = does(client, "primary", NEW)
    assert answer.status_code == 200
    assert "Another account was made with this address" in answer.content.decode()
    mara.refresh_from_db()
    colleague.refresh_from_db()
    assert (mara.email, colleague.email) == (old, NEW)
    assert EmailAddress.objects.get(user=mara, primary=True).email == old, "whole or not at all"


def test_an_account_that_a_stranger_began_with_an_account_elsewhere_is_the_mailbox_owner_s_alone(db):
    sign_up(NEW)
    begun = User.objects.get(email=NEW)
    SocialAccount.objects.create(user=begun, provider="github", uid="squatter")
    assert reset(NEW)
    assert not SocialAccount.objects.exists()


def test_a_new_password_unlinks_nothing_of_whoever_has_been_in(mara):
    signed_in(mara)
    SocialAccount.objects.create(user=mara, provider="github", uid="mara")
    assert reset(mara.email)
    assert SocialAccount.objects.filter(user=mara).exists()


def passwords():
    return [(entry.actor_id, entry.target_id, entry.data) for entry in Entry.objects.filter(event="password.changed")]


def test_a_new_password_is_on_the_trail_and_a_wrong_old_one_is_not(mara):
    client = signed_in(mara)
    told = {"password1": OTHER, "password2": OTHER}
    client.post(reverse("account_change_password"), {"oldpassword": "not mine at all", **told})
    assert passwords() == []
    client.post(reverse("account_change_password"), {"oldpassword": world.PASSWORD, **told})
    assert passwords() == [(str(mara.pk), str(mara.pk), {"how": "changed"})]


def test_a_password_that_was_forgotten_is_on_the_trail_once_there_is_another(mara):
    signed_in(mara)
    assert reset(mara.email)
    assert passwords() == [(str(mara.pk), str(mara.pk), {"how": "by a link"})]


def test_a_password_given_on_the_server_is_on_the_trail_and_ends_links_that_wait(mara, monkeypatch):
    claimed(mara, "evil@evil.example")
    monkeypatch.setattr(changepassword.Command, "_get_pass", lambda *_said: OTHER)
    call_command("changepassword", mara.email)
    assert passwords() == [("", str(mara.pk), {"how": "on the server"})]
    assert User.objects.get(pk=mara.pk).check_password(OTHER)
    assert not EmailAddress.objects.filter(email="evil@evil.example").exists()
