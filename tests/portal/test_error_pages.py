"""What a person is shown when a part of ours is not there."""

from __future__ import annotations

import re

import pytest
from django.contrib.auth.models import AnonymousUser
from django.test import RequestFactory

from portal import errors, http

pytestmark = pytest.mark.django_db


def page_of(error):
    request = RequestFactory().get("/")
    request.user = AnonymousUser()
    return http.page(request, error)


def test_a_page_that_is_not_there_now_says_when_to_try_again_to_people_and_programs():
    answer = page_of(errors.Unavailable("Closed for the moment.", retry_after_s=600))
    assert (answer.status_code, answer["Retry-After"]) == (503, "600")
    assert "Try again in 600 seconds." in answer.content.decode()


def test_a_page_that_cannot_say_when_draws_no_empty_paragraph():
    answer = page_of(errors.Unavailable("Closed for the moment.", retry_after_s=0))
    html = answer.content.decode()
    assert "Closed for the moment." in html
    assert "Try again in" not in html
    assert not re.search(r"<p[^>]*>\s*</p>", html)


def test_a_refusal_on_a_page_has_a_button_in_place_of_the_address_that_a_terminal_reads():
    way = "https://models.example/apply/large/"
    told = errors.Reason("apply", f"Apply at {way}", way, "Access is by application", "Apply for access")
    html = page_of(errors.NotAllowed(told.message, reasons=[told])).content.decode()
    assert f'<a class="btn primary" href="{way}">Apply for access</a>' in html
    assert html.count(way) == 1
    assert http.problem(errors.NotAllowed(told.message, reasons=[told]))["reasons"][0]["message"] == f"Apply at {way}"


def test_a_refusal_without_words_for_a_page_says_its_message_there_too():
    told = errors.Reason("own_application", "This is your own application.", "/review/")
    html = page_of(errors.NotAllowed(told.message, reasons=[told])).content.decode()
    assert '<p class="measure">This is your own application.</p>' in html
    assert '<a class="btn primary" href="/review/">Do this now</a>' in html
