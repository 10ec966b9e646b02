"""Two managers at once: the later allowance holds, and nobody meets a fault. Real threads on real connections."""

from __future__ import annotations

from datetime import timedelta

import pytest
import time_machine
from django.utils import timezone

from inference import actions
from inference.contract import Limits
from inference.models import Allowance
from tests.inference.bench import build
from tests.portal.test_races import race

ROUNDS = 5


@pytest.mark.django_db(transaction=True)
@pytest.mark.parametrize("of", ["project", "lab"])
def test_an_allowance_that_is_set_twice_at_once_is_set_twice(store, of):
    bench = build()
    whose = {"project": bench.project} if of == "project" else {"lab": bench.world.lab}
    for n in range(ROUNDS):
        Allowance.objects.filter(ends_at=None).delete()
        given = race(
            *(lambda k=k: actions.set_allowance(by=None, limits=Limits(concurrency=k), **whose) for k in (1, 2))
        )
        assert all(isinstance(one, Allowance) for one in given), f"round {n}: {given}"
        last = Allowance.objects.current().get(**whose)
        assert last.starts_at == max(one.starts_at for one in given)


@pytest.mark.django_db
@pytest.mark.parametrize("of", ["project", "lab"])
@pytest.mark.parametrize("ends", [True, False])
def test_an_allowance_takes_the_place_of_one_that_a_clock_gave_before_it_was_set_back(store, of, ends):
    bench = build()
    whose = {"project": bench.project} if of == "project" else {"lab": bench.world.lab}
    now = timezone.now()
    with time_machine.travel(now + timedelta(hours=1), tick=False):
        until = timezone.now() + timedelta(days=9) if ends else None
        actions.set_allowance(by=None, limits=Limits(concurrency=1), ends_at=until, **whose)
    with time_machine.travel(now, tick=False):
        given = actions.set_allowance(by=None, limits=Limits(concurrency=2), **whose)
    for hours in (0, 2):
        assert Allowance.objects.current(now + timedelta(hours=hours)).filter(**whose).get() == given
