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
