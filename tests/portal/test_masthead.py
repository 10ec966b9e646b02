"""The masthead marks the part of the portal that a page's own breadcrumb names, and never two."""

from __future__ import annotations

import re

import pytest
from django.test import Client
from django.urls import reverse

MARKED = re.compile(r'<a href="[^"]*" aria-current="page">([^<]+)</a></li>')
MANAGERS = ["releases:downloads", "inference:signals", "inference:disclosures", "inference:lab_usage", "webhooks:list"]


def marked(user, name: str) -> list[str]:
    client = Client()
    client.force_login(user)
    masthead, _page = client.get(reverse(name)).content.decode().split("</nav>", 1)
    return MARKED.findall(masthead)


@pytest.mark.parametrize("name", MANAGERS)
def test_a_managers_pages_about_the_labs_people_stand_under_grants(lyceum, name):
    assert marked(lyceum.manager, name) == ["Grants"]


@pytest.mark.parametrize(
    ("name", "word"),
    [("releases:my_downloads", "Access"), ("inference:batches", "Usage"), ("releases:catalogue", "Models")],
)
def test_a_persons_own_pages_stand_where_they_are_linked_from(lyceum, name, word):
    assert marked(lyceum.manager, name) == [word]


def test_a_page_of_nobodys_part_marks_none(lyceum):
    assert marked(lyceum.manager, "people:profile") == []
