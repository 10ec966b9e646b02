"""What runs by itself over many rows goes on past one that cannot be done."""

from __future__ import annotations

import logging
from datetime import timedelta
from typing import Any

import psycopg2.errors
import pytest
from django.db import DataError, OperationalError
from django.utils import timezone

from portal.access import tasks
from portal.access.application_models import Application
from portal.access.workflow import Status
from portal.people import erasure
from portal.people import tasks as people_tasks
from portal.people.erasure_models import ErasureRequest
from portal.sweeps import sweep
from tests.portal import world

LONG_AGO = timedelta(days=40)


def failing_at(first: Any, error: Exception) -> Any:
    def act(row: Any) -> int:
        if row == first:
            raise error
        return 1

    return act


def test_the_others_are_done_and_the_one_is_named(caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.ERROR):
        assert sweep([1, 2, 3], failing_at(2, ValueError("odd"))) == 2
    assert "int 2 cannot be done" in caplog.text
    assert "odd" in caplog.text


def test_a_row_that_the_database_refuses_is_one_that_cannot_be_done() -> None:
    refused = DataError("value too long")
    refused.__cause__ = psycopg2.errors.StringDataRightTruncation()
    assert sweep([1, 2], failing_at(1, refused)) == 1


def test_where_the_database_is_away_the_sweep_ends() -> None:
    with pytest.raises(OperationalError):
        sweep([1, 2], failing_at(1, OperationalError("server closed the connection unexpectedly")))


def test_an_application_that_cannot_lapse_keeps_no_other_from_it(
    lyceum: world.World, mara: Any, stranger: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    first, second = lyceum.approved(mara), lyceum.approved(stranger)
    Application.objects.update(updated_at=timezone.now() - LONG_AGO)
    lapse = tasks.actions.lapse

    def odd(*, application: Application, expected: int) -> Any:
        if application.pk == first.pk:
            raise ValueError("an application like no other")
        return lapse(application=application, expected=expected)

    monkeypatch.setattr(tasks.actions, "lapse", odd)
    assert tasks.lapse_forgotten() == 1
    assert Application.objects.get(pk=first.pk).status == Status.APPROVED
    assert Application.objects.get(pk=second.pk).status == Status.LAPSED


def test_a_person_who_cannot_be_erased_keeps_no_other_from_it(
    mara: Any, stranger: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    for person in (mara, stranger):
        erasure.request_erasure(by=person)
    ErasureRequest.objects.update(due_at=timezone.now() - timedelta(days=1))
    erase = erasure.erase

    def odd(*, request: ErasureRequest, now: Any) -> bool:
        if request.user_id == mara.pk:
            raise ValueError("a person like no other")
        return erase(request=request, now=now)

    monkeypatch.setattr(people_tasks.erasure, "erase", odd)
    assert people_tasks.erase_due() == 1
    assert list(ErasureRequest.objects.filter(ended_at=None).values_list("user_id", flat=True)) == [mara.pk]
