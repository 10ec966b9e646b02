"""What runs by itself goes on past what cannot be done."""

from __future__ import annotations

import pytest

from inference import tasks
from portal.errors import Unavailable


@pytest.mark.parametrize("fault", [Unavailable("The store is away."), ValueError("a run like no other")])
def test_an_evaluation_run_that_cannot_be_followed_holds_up_none_behind_it(
    monkeypatch: pytest.MonkeyPatch, fault: Exception
) -> None:
    followed = []

    def follow(*, run: str) -> None:
        if run == "first":
            raise fault
        followed.append(run)

    monkeypatch.setattr(tasks.evaluating, "due", lambda: ["first", "second"])
    monkeypatch.setattr(tasks.evaluating, "follow", follow)
    assert tasks.follow_evaluations() == 2
    assert followed == ["second"]
