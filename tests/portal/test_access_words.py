"""What a grant opens is said in words that can be translated; what the API says of it stays a code."""

from __future__ import annotations

import pytest

from portal.access.gate_models import Capability
from portal.access.templatetags import access_words


def test_every_capability_has_a_word():
    assert set(access_words.SHORT) == set(Capability.values)


@pytest.mark.parametrize(
    ("codes", "said"), [(["download", "query"], "download, query"), (["query"], "query"), ([], "")]
)
def test_capabilities_are_listed_in_words(codes, said):
    assert access_words.opens(codes) == said
