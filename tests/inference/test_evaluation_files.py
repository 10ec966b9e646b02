"""What a run keeps in the drawer, read back later."""

from __future__ import annotations

import io
from uuid import uuid4

import pytest

from inference.evaluating import collecting
from inference.evaluation_models import EvaluationRun
from portal.errors import Conflict
from releases.storage.drawer import drawer
from tests.inference.test_evaluation_marks import CHOICE, FRANCE, lines


def test_a_task_set_that_was_taken_is_read_though_the_bound_of_rows_was_lowered_since(settings):
    run = EvaluationRun(pk=uuid4(), items=2)
    with pytest.raises(Conflict):
        collecting.tasks_of(run)
    drawer().put(run.drawer_name("tasks"), io.BytesIO(lines(CHOICE, FRANCE, {**FRANCE, "id": "again"})))
    settings.BATCH_ROWS = 1
    assert [item.id for item in collecting.tasks_of(run).items] == ["fr", "again"]
