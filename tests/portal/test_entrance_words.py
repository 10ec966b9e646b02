"""The pages by which people enter ask for an address in the portal's own words."""

from __future__ import annotations

import html
import re

import pytest
from allauth.account.forms import default_token_generator
from allauth.account.utils import user_pk_to_url_str
from django.test import Client

from tests.portal import world

pytestmark = pytest.mark.django_db


def labels(answer):
    found = re.findall(r"<label[^>]*>(.*?)</label>", answer.content.decode(), re.DOTALL)
    return [html.unescape(re.sub(r"<[^>]+>|\s+", " ", each)).strip() for each in found]


@pytest.mark.parametrize("path", ["/account/login/", "/account/signup/", "/account/password/reset/"])
def test_whoever_enters_is_asked_for_an_e_mail_address(path):
    asked = labels(Client().get(path))
    assert "E-mail address" in asked
    assert "Email" not in asked


def test_whoever_adds_an_address_is_asked_for_it_in_the_same_words(mara):
    browser = Client()
    browser.force_login(mara)
    asked = labels(browser.get("/account/email/"))
    assert "E-mail address" in asked
    assert "Email" not in asked


def test_whoever_forgot_the_password_finds_one_way_and_it_is_not_between_the_word_and_its_field():
    page = Client().get("/account/login/").content.decode()
    assert page.count('href="/account/password/reset/"') == 1
    assert page.index('id="id_password"') < page.index('href="/account/password/reset/"')


def test_a_person_signing_in_may_be_remembered_in_sentence_case():
    asked = labels(Client().get("/account/login/"))
    assert "Remember me" in asked
    assert "Remember Me" not in asked


def test_a_new_password_is_asked_for_in_sentence_case(mara):
    mara.set_password(world.PASSWORD)
    mara.save()
    browser = Client()
    browser.force_login(mara)
    asked = labels(browser.get("/account/password/change/"))
    assert {"Current password", "New password", "New password (again)"} <= set(asked)
    link = f"/account/password/reset/key/{user_pk_to_url_str(mara)}-{default_token_generator.make_token(mara)}/"
    asked = labels(Client().get(link, follow=True))
    assert {"New password", "New password (again)"} <= set(asked)


def test_the_wrong_password_is_still_refused_and_the_right_one_taken(mara):
    mara.set_password(world.PASSWORD)
    mara.save()
    mara.emailaddress_set.update_or_create(email=mara.email, defaults={"verified": True, "primary": True})
    sent = {"login": mara.email, "password": world.PASSWORD}
    assert Client().post("/account/login/", {**sent, "password": "not this one at all"}).status_code == 200
    assert Client().post("/account/login/", sent).status_code == 302
