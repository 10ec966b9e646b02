"""Two revisions beside one another: what differs is told, what the reader may not know of is not there."""

from __future__ import annotations

import json
from dataclasses import replace
from datetime import date
from pathlib import Path
from typing import Any

import pytest
from django.test import Client

from releases.evaluation_rows import Row
from releases.evaluations.actions import import_scores
from releases.ingest import ingest
from releases.models import Model, Revision
from tests.portal import world
from tests.portal.world import browser
from tests.releases.folders import model_folder, safetensors

FIRST = "---\nlicense: mit\nmodel-index: [{results: [{dataset: {name: held out}, metrics: [{type: loss, value: 2.5}]}]}]\n---\n# One\n\nIt is small.\n"
SECOND = FIRST.replace("license: mit", "license: cc-by-nc-4.0").replace("2.5", "2.25").replace("small", "smaller")
VALUES = b"\1" * 16


@pytest.fixture
def model(lyceum: world.World, publish: Any, tmp_path: Path) -> Model:
    """Two published revisions: other card and licence, one tensor of three changed, the others in another shard."""
    config = {"model_type": "opt", "hidden_size": 64, "rope": {"theta": 1}}
    weights = safetensors({"a": ("F32", [4], VALUES), "b": ("F32", [4], VALUES), "c": ("F32", [4], VALUES)})
    made = publish(
        lyceum, "mine", **{"README.md": FIRST, "model.safetensors": weights, "config.json": json.dumps(config)}
    )
    config["rope"] = {"theta": 2}
    more = {
        "README.md": SECOND,
        "LICENSE": "Other words\n",
        "config.json": json.dumps(config),
        "model.safetensors": safetensors({"b": ("F32", [4], b"\2" * 16)}),
        "other.safetensors": safetensors({"a": ("F32", [4], VALUES), "d": ("F32", [1], b"\0" * 4)}),
    }
    folder = model_folder(tmp_path / "second", name="mine", **more)
    ingest(folder, model=made, by=lyceum.manager, message="Train further", publish=True)
    return Model.objects.named("lyceum", "mine").get()


def pair(model: Model) -> tuple[Revision, Revision]:
    before, after = model.revisions.order_by("pk")
    return before, after


def page(model: Model, client: Client, between: str = "") -> str:
    before, after = pair(model)
    answer = client.get(f"/{model.full_name}/compare/{between or f'{before.commit}...{after.commit}'}")
    assert answer.status_code == 200
    return " ".join(answer.content.decode().split())


def told(model: Model, before: str, after: str) -> dict[str, Any]:
    answer = Client().get(f"/api/v1/models/{model.full_name}/compare?from={before}&to={after}")
    assert answer.status_code == 200, answer.content
    return answer.json()


def test_a_program_reads_every_part_that_differs(model: Model) -> None:
    before, after = pair(model)
    found = told(model, before.commit, "main")
    assert (found["before"], found["after"]) == (before.commit, after.commit)
    assert found["files"]["added"] == ["other.safetensors"]
    assert {"LICENSE", "README.md", "config.json", "model.safetensors"} <= set(found["files"]["changed"])
    assert found["tensors"] == {"count": 3, "added": ["d"], "changed": ["b"], "gone": ["c"]}, (
        "a lies elsewhere, unchanged"
    )
    said = {entry["name"]: (entry["before"], entry["after"]) for entry in found["said"]}
    assert said["licence"] == ("MIT", "CC-BY-NC-4.0")
    assert said["weight_id"] == (before.facts["weights"]["root"], after.facts["weights"]["root"])
    assert "gate" not in said
    assert found["scores"] == [{"name": "loss, held out", "before": "2.5", "after": "2.25"}]
    card = next(text for text in found["texts"] if text["path"] == "README.md")
    runs = [run for paragraph in card["paragraphs"] for run in paragraph]
    assert {"kind": "ins", "text": "smaller"} in runs


def test_scores_of_two_versions_of_a_task_and_of_two_runs_do_not_hide_one_another(
    lyceum: world.World, model: Model
) -> None:
    before, after = pair(model)
    first = Row(
        task="copa", metric="acc", task_version="0", value=0.5, harness="h", ran_by="Us", ran_on=date(2026, 1, 2)
    )
    second, again = replace(first, task_version="1", value=0.25), replace(first, value=0.75, ran_on=date(2026, 1, 3))
    import_scores(revision=before, rows=[first, second], by=lyceum.manager)
    import_scores(revision=after, rows=[again, replace(first, value=0.625), second], by=lyceum.manager)
    found = {entry["name"]: (entry["before"], entry["after"]) for entry in told(model, before.commit, "main")["scores"]}
    assert found.pop("loss, held out") == ("2.5", "2.25")
    assert found == {"copa, version 0, acc, h": ("0.5", "0.625; 0.75")}, "version 1 is the same in both"


def test_backwards_everything_is_the_other_way_round(model: Model) -> None:
    before, after = pair(model)
    back = told(model, after.commit, before.commit)
    assert back["tensors"] == {"count": 3, "added": ["c"], "changed": ["b"], "gone": ["d"]}
    assert back["files"]["gone"] == ["other.safetensors"]


def test_one_revision_with_itself_differs_in_nothing(model: Model, client: Client) -> None:
    same = told(model, "main", "main")
    assert (same["files"]["count"], same["tensors"]["count"], same["said"], same["texts"]) == (0, 0, [], [])
    assert "Nothing: the files are the same" in page(model, client, "main...main")


def test_the_page_shows_it_to_everybody_and_the_form_leads_there(model: Model, client: Client) -> None:
    shown = page(model, client)
    for words in ("other.safetensors", "<code>rope.theta</code>", "CC-BY-NC-4.0", "2.25", ">smaller<", "Train further"):
        assert words in shown, words
    before, after = pair(model)
    asked = client.get(f"/{model.full_name}/compare?from={before.commit}&to={after.commit}")
    assert asked["Location"] == f"/{model.full_name}/compare/{before.commit}...{after.commit}"
    assert client.get(f"/{model.full_name}/compare")["Location"] == asked["Location"], "the newest and the one before"
    assert asked["Location"] in client.get(f"/{model.full_name}/revisions").content.decode()


@pytest.mark.parametrize("wrong", ["main", "...", "main...", "...main", "main...nothing", "main..main"])
def test_a_pair_that_names_nothing_is_not_there(model: Model, client: Client, wrong: str) -> None:
    assert client.get(f"/{model.full_name}/compare/{wrong}").status_code == 404


def test_a_program_is_told_which_end_is_wrong(model: Model, client: Client) -> None:
    answer = client.get(f"/api/v1/models/{model.full_name}/compare?from=nothing&to=main")
    assert answer.status_code == 400
    assert list(answer.json()["fields"]) == ["from"]
    assert client.get("/api/v1/models/lyceum/absent/compare?from=a&to=b").status_code == 404


def test_a_draft_is_compared_by_its_lab_alone(
    model: Model, lyceum: world.World, harbour: world.World, tmp_path: Path
) -> None:
    ingest(model_folder(tmp_path / "third", name="mine"), model=model, by=lyceum.manager, message="Not out yet")
    draft = model.revisions.order_by("-pk")[0]
    address = f"/{model.full_name}/compare/main...{draft.commit}"
    assert "Not out yet" in browser(lyceum.manager).get(address).content.decode()
    for other in (Client(), browser(harbour.manager)):
        assert other.get(address).status_code == 404
        assert "Not out yet" not in other.get(f"/{model.full_name}/compare/main...main").content.decode()
    assert Client().get(f"/api/v1/models/{model.full_name}/compare?from=main&to={draft.commit}").status_code == 400


def test_what_a_gated_configuration_holds_is_not_shown_to_outsiders(
    lyceum: world.World, publish: Any, tmp_path: Path
) -> None:
    made = publish(lyceum, "large", gate=lyceum.gate, **{"config.json": '{"secret_sauce": 1}'})
    folder = model_folder(tmp_path / "second", name="large", **{"config.json": '{"secret_sauce": 2}'})
    ingest(folder, model=made, by=lyceum.manager, publish=True)
    made.refresh_from_db()
    outside = page(made, Client())
    assert "What is in it is shown to those who may download it." in outside
    assert "secret_sauce" not in outside
    assert "secret_sauce" in page(made, browser(lyceum.manager))
    assert "secret_sauce" not in json.dumps(told(made, pair(made)[0].commit, "main"))


def test_a_gate_that_was_put_before_it_is_a_change_of_access(lyceum: world.World, publish: Any, tmp_path: Path) -> None:
    from releases.actions import describe_model

    made = publish(lyceum, "mine")
    describe_model(model=made, by=lyceum.manager, gate=lyceum.gate)
    made.refresh_from_db()
    ingest(model_folder(tmp_path / "second", name="mine", seed=9), model=made, by=lyceum.manager, publish=True)
    said = {
        entry["name"]: (entry["before"], entry["after"]) for entry in told(made, pair(made)[0].commit, "main")["said"]
    }
    assert said["gate"] == (None, "lyceum/lyceum-large")
