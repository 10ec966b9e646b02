"""What a person is shown when a part of ours is not there."""

from __future__ import annotations

import re
from typing import Final

import pytest
from django.conf import settings
from django.contrib.auth.models import AnonymousUser
from django.test import RequestFactory
from django.urls import reverse

from portal import errors, http
from tests.portal.world import browser

pytestmark = pytest.mark.django_db


TAKEN: Final = errors.Conflict("Your renewal is with the lab already.")


def page_of(error, *, method="get", path="/", **headers):
    request = getattr(RequestFactory(), method)(path, headers=headers)
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


def test_who_comes_second_reads_the_number_that_was_answered_and_has_a_way_back_to_the_page_as_it_is_now():
    answer = page_of(
        TAKEN, method="post", path="/grants/1/renew/", referer=f"{settings.BASE_URL}/grants/1/renew/?of=me"
    )
    html = answer.content.decode()
    assert answer.status_code == 409
    assert '<p class="code-number">409</p>' in html
    assert '<a class="btn primary" href="/grants/1/renew/?of=me">See the page as it is now</a>' in html


@pytest.mark.parametrize(
    ("method", "referer"),
    [
        ("post", ""),
        ("post", "https://elsewhere.example/grants/1/renew/"),
        ("post", "javascript:alert(1)"),
        ("post", f"{settings.BASE_URL}.elsewhere.example/"),
        ("post", f"{settings.BASE_URL}//elsewhere.example/"),
        ("post", f"{settings.BASE_URL}/\\elsewhere.example/"),
        ("post", "http://["),
        ("get", f"{settings.BASE_URL}/grants/1/renew/"),
    ],
)
def test_no_way_back_is_shown_to_a_page_that_is_not_ours_or_is_refused_as_well(method, referer):
    html = page_of(TAKEN, method=method, path="/grants/1/renew/", referer=referer).content.decode()
    assert "See the page as it is now" not in html
    assert "Go back, look at the page again" in html


def test_an_address_that_takes_a_form_alone_is_a_page_to_a_browser_and_a_status_to_a_program(stranger):
    client, path = browser(stranger), reverse("releases:save_hardware")
    page = client.get(path, headers={"Accept": "text/html,*/*"})
    assert (page.status_code, page["Allow"]) == (405, "POST")
    assert "shows nothing of its own" in page.content.decode()
    for program in ({}, {"Accept": "application/json"}, {"Accept": "text/html", "Authorization": "Bearer x"}):
        answer = client.get(path, headers=program)
        assert (answer.status_code, answer.content) == (405, b""), program
