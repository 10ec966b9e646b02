"""A period that ends now began before, whatever a clock said when it was given."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

from portal.periods import began

NOW = datetime(2026, 11, 28, 7, 40, tzinfo=UTC)


@pytest.mark.parametrize("ago", [timedelta.resolution, timedelta(days=400)])
def test_what_began_before_began_then(ago):
    assert began(NOW - ago, NOW) == NOW - ago


@pytest.mark.parametrize("at", [None, NOW, NOW + timedelta(hours=3)])
def test_what_would_begin_now_later_or_never_began_just_before(at):
    assert began(at, NOW) == NOW - timedelta(microseconds=1)
