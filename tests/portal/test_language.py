"""A page and a mail in the language of whoever reads it, and of nobody else."""

from __future__ import annotations

import datetime
import uuid
from pathlib import Path

import django
import pytest
from babel.messages.mofile import read_mo
from django import forms
from django.core import mail
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.utils import translation

from portal.access import actions
from portal.access.application_models import Decline
from portal.audit.models import Entry
from portal.mail.sending import render
from portal.people.countries import countries
from portal.people.templatetags.weighbridge import said as sentences
from portal.tokens.forms import TokenForm
from portal.written import day, in_bytes
from tests.portal import world

pytestmark = pytest.mark.django_db
GERMAN = {"HTTP_ACCEPT_LANGUAGE": "de-AT,de;q=0.9,en;q=0.5"}


@pytest.fixture
def mara():
    return world.person("Mara Lindqvist", "mara@northfield.example")


@pytest.fixture
def browser(mara):
    client = Client()
    client.force_login(mara, "allauth.account.auth_backends.AuthenticationBackend")
    return client


def text(answer) -> str:
    return answer.content.decode()


def test_a_visitor_reads_what_the_browser_asks_for():
    answer = Client().get("/help/", **GERMAN)
    assert '<html lang="de">' in text(answer)
    assert "Zum Inhalt springen" in text(answer)
    assert answer["Content-Language"] == "de"


@pytest.mark.parametrize("asked", ["", "fr", "en-US,en;q=0.9", "*", "x" * 600])
def test_a_visitor_whose_language_we_do_not_speak_reads_english(asked):
    answer = Client().get("/help/", HTTP_ACCEPT_LANGUAGE=asked)
    assert '<html lang="en-gb">' in text(answer)


def test_no_cache_gives_a_page_to_a_reader_of_another_language():
    vary = Client().get("/help/")["Vary"].lower()
    assert "accept-language" in vary
    assert "cookie" in vary


def test_a_visitor_changes_the_language_in_the_foot_and_stays_on_the_page():
    visitor = Client()
    answer = visitor.post("/me/language/", {"language": "de", "next": "/help/?a=1"})
    assert answer["Location"] == "/help/?a=1"
    assert '<html lang="de">' in text(visitor.get("/help/"))
    assert '<html lang="de">' in text(visitor.get("/help/", HTTP_ACCEPT_LANGUAGE="en"))


def test_the_switch_sends_nobody_to_another_site():
    answer = Client().post("/me/language/", {"language": "de", "next": "https://elsewhere.example/"})
    assert answer["Location"] == "/"


def test_a_language_that_is_not_offered_changes_nothing(browser, mara):
    browser.post("/me/language/", {"language": "tlh"})
    mara.refresh_from_db()
    assert mara.language == "en-gb"
    assert '<html lang="en-gb">' in text(browser.get("/help/"))
    assert not Entry.objects.filter(event="user.updated").exists()


def test_a_language_is_changed_by_post_and_with_the_forms_token_alone(browser, mara):
    strict = Client(enforce_csrf_checks=True)
    strict.cookies = browser.cookies
    assert strict.post("/me/language/", {"language": "de"}).status_code == 403
    strict.get("/me/language/?language=de")
    mara.refresh_from_db()
    assert mara.language == "en-gb"


def test_what_a_person_chose_is_kept_and_holds_in_another_browser(browser, mara):
    browser.post("/me/language/", {"language": "de", "next": "/me/"})
    mara.refresh_from_db()
    assert mara.language == "de"
    assert Entry.objects.filter(event="user.updated", actor_id=str(mara.pk)).exists()
    elsewhere = Client()
    elsewhere.force_login(mara, "allauth.account.auth_backends.AuthenticationBackend")
    assert '<html lang="de">' in text(elsewhere.get("/me/", HTTP_ACCEPT_LANGUAGE="en"))


def test_the_profile_shows_the_language_of_mails(browser, mara):
    mara.language = "de"
    mara.save()
    page = text(browser.get("/me/profile/"))
    assert '<option value="de" lang="de" selected>Deutsch</option>' in page
    assert "An Sie" in page or "an Sie" in page


def test_a_program_is_answered_in_english_whatever_its_browser_reads(browser):
    browser.post("/me/language/", {"language": "de"})
    answer = browser.get(f"/api/v1/applications/{uuid.uuid4()}", **GERMAN)
    assert answer["Content-Language"] == "en-gb"
    assert answer.json()["title"].startswith("There is no such application")


def test_who_signs_up_in_german_is_written_to_in_german(django_capture_on_commit_callbacks):
    fields = {"name": "Noor", "email": "noor@northfield.example", "password1": "a-long-word-23"}
    with django_capture_on_commit_callbacks(execute=True):
        Client().post("/account/signup/", fields, **GERMAN)
    assert "Guten Tag Noor" in mail.outbox[0].body


def test_dates_and_sizes_are_written_as_the_language_has_them():
    moment = datetime.date(2026, 11, 23)
    assert ">23\u00a0Nov\u00a02026<" in day(moment)
    with translation.override("de"):
        assert ">23.\u00a0November\u00a02026<" in day(moment)
        assert in_bytes(12_404_512) == "12,4\u00a0MB"
        assert in_bytes(7_318) == "7.318\u00a0B"


def test_the_month_of_may_is_not_what_a_token_may_do(mara):
    with translation.override("de"):
        assert "31.\u00a0Mai\u00a02027" in day(datetime.date(2027, 5, 31))
        assert str(TokenForm(user=mara).fields["kind"].label) == "Darf"


def translations(folder):
    with (Path(folder) / "de/LC_MESSAGES/django.mo").open("rb") as compiled:
        return {each.id: each.string for each in read_mo(compiled) if isinstance(each.id, str) and not each.context}


def test_no_word_of_ours_stands_in_the_place_of_one_of_django_s(settings):
    """Both are looked up by the English text alone; a word of ours in another sense needs a context."""
    theirs, ours = translations(Path(django.__file__).parent / "conf/locale"), translations(settings.LOCALE_PATHS[0])
    assert "May" in theirs
    both = (theirs.keys() & ours.keys()) - {""}
    assert {text: ours[text] for text in both} == {text: theirs[text] for text in both}


@pytest.mark.parametrize(
    ("field", "typed", "what_to_do"),
    [
        (forms.EmailField(), "mara", "Schreiben Sie eine vollständige Adresse, zum Beispiel name@northfield.example."),
        (
            forms.URLField(assume_scheme="https"),
            "a page",
            "Schreiben Sie die vollständige Adresse einer Seite, zum Beispiel https://northfield.example/people.",
        ),
        (forms.IntegerField(max_value=3), "4", "Dieser Wert muss kleiner oder gleich 3 sein."),
    ],
)
def test_a_german_reader_is_told_what_an_address_looks_like_as_all_pages_address_them(field, typed, what_to_do):
    """Django REST Framework's catalogue has the same English sentences, and says “Gib …”."""
    with translation.override("de"):
        form = type("One", (forms.Form,), {"it": field})({"it": typed})
        assert sentences(form["it"]) == [what_to_do]


def test_a_german_applicant_and_an_english_reviewer_each_read_their_own_language(
    mara, browser, lyceum, django_capture_on_commit_callbacks
):
    browser.post("/me/language/", {"language": "de", "next": "/"})
    form = text(browser.get(lyceum.gate.get_absolute_url() + "custody/"))
    assert "Wo die Gewichte liegen werden" in form
    mara.refresh_from_db()
    with django_capture_on_commit_callbacks(execute=True):
        sent = lyceum.applied(mara)
        actions.decline(
            by=lyceum.reviewers[0],
            application=sent,
            reason=Decline.IDENTITY,
            message="Write to us from your institution.",
        )
    subjects = {message.to[0]: message for message in mail.outbox if sent.reference in message.subject}
    theirs = subjects[mara.email]
    assert theirs.subject == f"Entscheidung über Ihren Antrag {sent.reference}"
    assert "Wir konnten nicht bestätigen, wer Sie sind" in theirs.body
    assert '<html lang="de"' in theirs.alternatives[0].content
    assert subjects[lyceum.reviewers[0].email].subject.startswith("To review:")
    status = text(browser.get(sent.get_absolute_url()))
    assert "Abgelehnt" in status
    assert "Write to us from your institution." in status


def test_a_refusal_is_said_in_the_language_of_the_page(mara, browser, lyceum):
    browser.post("/me/language/", {"language": "de"})
    answer = browser.get("/applications/00000000-0000-0000-0000-000000000000/")
    assert answer.status_code == 404
    assert "Diesen Antrag gibt es nicht, oder es ist nicht Ihrer." in text(answer)


def test_a_day_in_a_mail_is_written_as_the_language_has_it():
    told = {"name": "Mara", "day": "2026-12-09", "path": "/me/data/", "base_url": "https://models.example"}
    assert "9 Dec 2026" in render("erasure_requested", told).subject
    with translation.override("de"):
        assert "9. Dezember 2026" in render("erasure_requested", told).subject


def test_countries_are_named_in_the_language_and_in_its_order():
    with translation.override("de"):
        names = [name for _code, name in countries()]
    assert names.index("Ägypten") < names.index("Albanien") < names.index("Zypern")
    assert dict(countries())["DE"] == "Germany"


def test_a_page_costs_no_query_more_for_a_person_with_a_setting(mara, browser):
    with CaptureQueriesContext(connection) as plain:
        Client().get("/help/")
    mara.language = "de"
    mara.save()
    browser.get("/help/")
    with CaptureQueriesContext(connection) as own:
        browser.get("/help/")
    assert sum(query["sql"].startswith('SELECT "people_user"') for query in own) == 1
    assert not [query for query in plain if '"people_user"' in query["sql"]]
