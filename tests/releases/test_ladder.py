"""A ladder of checkpoints: readers see each step with what was measured there, and are told where two are the same."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from django.test import Client

from portal.outbox import delivery
from releases import actions, ladder
from releases.evaluation_models import Score
from releases.evaluations import along, listing
from releases.ingest import ingest
from releases.models import Model
from releases.openness import found as openness
from tests.portal import world
from tests.releases.folders import model_folder

Publish = Callable[..., Model]
BITS = {0: 11.0, 10: 4.0, 20: 2.5, 30: 2.0}


def record(bits: float) -> str:
    rows = [{"name": "held-out modules", "metric": "bits_per_byte", "value": bits, "n": 900, "unit": "bytes"}]
    head = {"evaluated_by": "releases.training.evaluation, Python 3.11.7", "evaluated_at": "2026-11-26T14:00:00+00:00"}
    return json.dumps(head | {"results": rows})


@pytest.fixture
def climb(lyceum: world.World, tmp_path: Path) -> Callable[..., Model]:
    """climb("name", {step: seed of its weights}): each step published under its tag, the last one `main`."""

    def make(name: str, seeds: dict[int, int], **files: str) -> Model:
        model = actions.open_model(lab=lyceum.lab, name=name, by=lyceum.manager, summary="A run.")
        for step, seed in seeds.items():
            folder = tmp_path / name / str(step)
            told = {"records/eval.json": record(BITS[step])} | (files if step == max(seeds) else {})
            model_folder(folder, name=f"{name} {step}", seed=seed, **told)
            revision = ingest(folder, model=model, by=lyceum.manager, publish=True)
            actions.make_tag(model=model, name=f"step{step}", revision=revision, by=lyceum.manager)
        while delivery.deliver_due():
            pass
        return Model.objects.named(lyceum.lab.slug, name).get()

    return make


def test_the_page_shows_every_step_with_its_score_and_a_picture_of_the_same_numbers(climb: Any) -> None:
    model = climb("climber", {0: 1, 10: 2, 20: 3, 30: 4})
    page = Client().get(f"/{model.full_name}/evaluations").content.decode()
    section = page[page.index('id="along"') :]
    rows = re.findall(r'<th scope="row"><a class="nowrap" href="[^"]+">(\d+)</a>', section)
    assert rows == ["0", "10", "20", "30"]
    values = re.findall(r'<td class="num"><a href="/evaluations/\d+/?">([\d.]+)</a>', section)
    assert [float(value) for value in values] == list(BITS.values())
    assert "each step has weights of its own" in section
    dots = [
        (float(x), float(y)) for x, y in re.findall(r'<circle class="dot of1" cx="([\d.]+)" cy="([\d.]+)"', section)
    ]
    assert len(dots) == len(BITS)
    for (step, bits), (x, y) in zip(BITS.items(), dots, strict=True):
        assert x == pytest.approx(along.LEFT + step / 30 * (along.RIGHT - along.LEFT), abs=0.01)
        assert y == pytest.approx(along.BOTTOM - (bits - 2) / (12 - 2) * (along.BOTTOM - along.TOP), abs=0.01)


def test_two_steps_with_the_same_weights_are_named(climb: Any) -> None:
    model = climb("copied", {0: 1, 10: 2, 20: 2, 30: 4})
    page = Client().get(f"/{model.full_name}/evaluations").content.decode()
    assert "Steps with the same weights" in page
    assert "<code>step10</code>, <code>step20</code>" in page
    assert "each step has weights of its own" not in page
    assert [[rung.step for rung in group] for group in ladder.twins(ladder.rungs(model))] == [[10, 20]]


def test_the_checker_refuses_a_step_with_the_weights_of_another_under_its_tag(
    lyceum: world.World, climb: Any, tmp_path: Path
) -> None:
    model = climb("stored", {0: 1, 10: 2})
    folder = model_folder(tmp_path / "wrong", name="wrong", seed=2)
    revision = ingest(folder, model=model, by=lyceum.manager)
    assert revision.findings == []
    actions.make_tag(model=model, name="step20", revision=revision, by=lyceum.manager)
    again = actions.check(revision=revision, by=lyceum.manager)
    assert "step10" in str(again.findings)


def test_steps_on_the_way_do_not_crowd_the_tables_of_finished_models(climb: Any, publish: Publish, lyceum: Any) -> None:
    model = climb("climber", {0: 1, 10: 2, 20: 3, 30: 4})
    other = publish(lyceum, "other", **{"records/eval.json": record(1.5)})
    while delivery.deliver_due():
        pass
    assert Score.objects.count() == len(BITS) + 1
    shown = listing.finished(listing.find(listing.Asked(task="held-out modules")))
    assert {score.revision.commit for score in shown} == {model.main.commit, other.main.commit}
    panel = Client().get(f"/{model.full_name}").content.decode()
    assert "4 steps of its training" in panel
    assert panel.count("bits_per_byte") == 1
    task = Client().get("/evaluations/", {"task": "held-out modules"}).content.decode()
    assert "2 scores" in task
    assert "Along training" in task
    assert 'class="dot of1"' in task
    assert 'class="dot of2"' not in task, "the other model has no steps"
    exported = Client().get("/evaluations/scores.json", {"task": "held-out modules"})
    assert len(json.loads(b"".join(exported.streaming_content))) == len(BITS) + 1, "the file leaves nothing out"


def test_two_steps_are_no_curve_and_a_model_without_steps_has_no_ladder(
    climb: Any, publish: Publish, lyceum: world.World
) -> None:
    short = climb("short", {0: 1, 10: 2})
    page = Client().get(f"/{short.full_name}/evaluations").content.decode()
    assert 'id="along"' in page
    assert 'class="dot of1"' not in page
    plain = publish(lyceum, "plain")
    assert 'id="along"' not in Client().get(f"/{plain.full_name}/evaluations").content.decode()
    assert "steps of its training" not in Client().get(f"/{plain.full_name}").content.decode()


def test_a_withdrawn_step_leaves_the_ladder_and_a_draft_is_not_on_it(
    lyceum: world.World, climb: Any, tmp_path: Path
) -> None:
    model = climb("climber", {0: 1, 10: 2, 20: 3, 30: 4})
    gone = model.refs.get(name="step10").revision
    actions.withdraw(revision=gone, by=lyceum.manager, reason="Stored wrongly.")
    draft = ingest(model_folder(tmp_path / "draft", seed=9), model=model, by=lyceum.manager)
    actions.make_tag(model=model, name="step40", revision=draft, by=lyceum.manager)
    assert [rung.step for rung in ladder.rungs(model)] == [0, 20, 30]


def test_the_steps_are_the_intermediate_parameters_of_the_openness_class(
    climb: Any, publish: Publish, lyceum: Any
) -> None:
    def where(model: Model) -> tuple[str, ...]:
        judged = {each.component.key: each for each in openness.of_revision(model.main).judged}
        return judged["ladder"].found.where if judged["ladder"].found else ()

    assert where(climb("climber", {0: 1, 10: 2, 20: 3})) == ("step0", "step10")
    assert where(climb("same", {0: 1, 10: 1})) == (), "the final weights under another name are none"
    assert where(publish(lyceum, "plain")) == ()


def test_the_pages_cost_the_same_however_many_steps_there_are(climb: Any, django_assert_max_num_queries: Any) -> None:
    few, many = climb("few", {0: 1, 10: 2, 20: 3}), climb("many", {0: 1, 10: 2, 20: 3, 30: 4})
    client = Client()
    for model in (few, many):
        client.get(f"/{model.full_name}/evaluations")  # what is asked once of each model is asked here
    counted = []
    for model in (few, many):
        with django_assert_max_num_queries(60) as seen:
            client.get(f"/{model.full_name}/evaluations")
        counted.append(len(seen))
    assert counted[0] == counted[1]
