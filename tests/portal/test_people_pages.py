"""Profile, mailbox, language and error pages, without a browser."""

from __future__ import annotations

import pytest
from django.core.mail import EmailMultiAlternatives
from django.test import Client

from portal.audit.models import Entry
from portal.mailbox.backend import MailboxBackend
from portal.mailbox.models import Mail
from portal.people.actions import register
from portal.people.models import Affiliation

pytestmark = pytest.mark.django_db
UNLISTED = {"klass": "academia", "site": "https://www.northfield.example", "country": "NL"}


@pytest.fixture
def person():
    return register(email="mara@northfield.example", name="Mara Lindqvist", password="a-long-word-23")


@pytest.fixture
def browser(person):
    client = Client()
    client.force_login(person, "allauth.account.auth_backends.AuthenticationBackend")
    return client


@pytest.mark.parametrize("path", ["/me/", "/me/profile/"])
def test_own_pages_need_a_sign_in(path):
    answer = Client().get(path)
    assert answer.status_code == 302
    assert answer["Location"] == f"/account/login/?next={path}"


def test_a_profile_is_saved_and_recorded(browser, person):
    answer = browser.post("/me/profile/", {"name": "Mara L.", "organisation": "Northfield University", **UNLISTED})
    assert answer.status_code == 302
    person.refresh_from_db()
    assert person.name == "Mara L."
    assert Affiliation.objects.current().get(user=person).organisation == "Northfield University"
    assert Entry.objects.filter(event="user.updated").exists()


def test_a_second_institution_ends_the_first(browser, person):
    for place in ("Northfield University", "Lyceum Laboratory"):
        browser.post("/me/profile/", {"name": "Mara", "organisation": place, **UNLISTED})
    assert Affiliation.objects.filter(user=person).count() == 2
    assert Affiliation.objects.current().get(user=person).organisation == "Lyceum Laboratory"


def test_an_institution_without_its_kind_is_refused_beside_the_field(browser):
    answer = browser.post("/me/profile/", {"name": "Mara", "organisation": "Northfield University", "klass": ""})
    assert answer.status_code == 200
    assert 'href="#id_site"' in answer.content.decode()
    assert 'href="#id_klass"' in answer.content.decode()


def test_sign_up_records_the_person_and_mails_a_link(django_capture_on_commit_callbacks, settings):
    settings.EMAIL_BACKEND = "portal.mailbox.backend.MailboxBackend"
    fields = {"name": "Noor", "email": "Noor@Northfield.example", "password1": "a-long-word-23"}
    with django_capture_on_commit_callbacks(execute=True):
        answer = Client().post("/account/signup/", fields)
    assert answer["Location"] == "/account/confirm-email/"
    assert Entry.objects.filter(event="user.registered").count() == 1
    mail = Mail.objects.get()
    assert mail.to == ["noor@northfield.example"]
    assert "/account/confirm-email/" in mail.text
    assert "Noor" in mail.text


def test_an_unknown_address_cannot_be_told_from_a_known_one(person):
    known, unknown = (
        Client().post("/account/password/reset/", {"email": address})
        for address in ("mara@northfield.example", "nobody@northfield.example")
    )
    assert known.status_code == unknown.status_code == 302
    assert known["Location"] == unknown["Location"]


def _mail(to: str, subject: str = "Hello") -> None:
    message = EmailMultiAlternatives(subject, "See https://models.example/a?b=1&c=<2>", "from@x.example", [to])
    message.attach_alternative("<p>See</p>", "text/html")
    MailboxBackend().send_messages([message])


def test_the_mailbox_keeps_mail_and_finds_it_by_address():
    _mail("a@x.example", "To A")
    _mail("b@x.example", "To B")
    page = Client().get("/mailbox/?to=A@x.example").content.decode()
    assert "To A" in page
    assert "To B" not in page


def test_a_mail_is_shown_escaped_with_links_to_follow():
    _mail("a@x.example", "<i>Hello</i>")
    page = Client().get(f"/mailbox/{Mail.objects.get().pk}/").content.decode()
    assert "<i>Hello" not in page
    assert 'href="https://models.example/a?b=1' in page


def test_the_mailbox_exists_in_the_demo_only(settings):
    _mail("a@x.example")
    settings.MODE = "serve"
    assert Client().get("/mailbox/").status_code == 404
    assert Client().get(f"/mailbox/{Mail.objects.get().pk}/").status_code == 404
    assert Client().get("/gallery/").status_code == 404


def test_a_missing_page_is_a_page():
    answer = Client().get("/me/nothing/", headers={"accept": "text/html"})
    assert answer.status_code == 404
    assert "<h1>Nothing here</h1>" in answer.content.decode()


@pytest.mark.parametrize("path", ["/help/", "/gallery/", "/account/login/", "/mailbox/", "/account/signup/"])
def test_no_page_needs_inline_style_or_script(path):
    answer = Client().get(path)
    page = answer.content.decode()
    assert " style=" not in page
    assert "<style" not in page
    assert "<script>" not in page
    policy = answer["Content-Security-Policy"]
    assert "unsafe" not in policy
