"""Whoever knows a model by a name that it once had: the operator at a shell, programs, and people with a form."""

from __future__ import annotations

from io import StringIO
from pathlib import Path
from typing import Any

import pytest
from django.core.management import CommandError, call_command
from django.test import Client

from portal.people.actions import give_role
from portal.people.models import Role
from releases import actions, lookup
from releases.actions.stopping import replacement
from releases.evaluation_models import Score
from releases.evaluations.actions import import_scores
from releases.evaluations.readers import read
from releases.evaluations.reading import Said
from releases.harm.forms import ReportForm
from releases.logbook.actions import open_logbook
from releases.logbook_models import Logbook
from releases.models import Model
from releases.stop_models import Stop
from tests.portal import world
from tests.portal.world import browser
from tests.releases.evaluation_files import OLD, as_bytes
from tests.releases.folders import model_folder

BEFORE, AFTER, NEVER = "lyceum/before", "lyceum/after", "lyceum/never"
JSON = {"content_type": "application/json"}


@pytest.fixture
def model(lyceum: world.World, publish: Any) -> Model:
    return actions.rename_model(model=publish(lyceum, "before"), lab=lyceum.lab, name="after", by=lyceum.manager)


def said(*words: Any) -> str:
    out = StringIO()
    call_command(*words, stdout=out)
    return out.getvalue()


# --- The operator ---------------------------------------------------------------------------------------------------
def test_a_release_is_stopped_at_a_shell_by_the_name_of_an_old_report(model: Model) -> None:
    assert AFTER in said("stop_release", BEFORE, "--reason", "The tokenizer leaks a private text.")
    assert Stop.objects.get().model == model
    assert AFTER in said("stop_release", BEFORE, "--lift")
    with pytest.raises(CommandError, match=NEVER):
        said("stop_release", NEVER, "--reason", "x")


def test_a_script_that_takes_in_files_goes_on_after_a_rename(model: Model, tmp_path: Path) -> None:
    folder = model_folder(tmp_path / "second", name="second", seed=9)
    assert said("ingest", str(folder), "--model", BEFORE, "--publish").startswith(f"{AFTER} ")
    assert model.revisions.count() == 2
    assert Model.objects.count() == 1
    assert said("ingest", str(folder), "--model", NEVER).startswith(f"{NEVER} "), "a new name is a new model"


def test_what_a_script_names_beside_a_model_is_of_the_lab_that_it_is_in_now(
    lyceum: world.World, harbour: world.World, publish: Any, tmp_path: Path
) -> None:
    """A gate of the lab that it left would stand before a model of another."""
    model = publish(lyceum, "before")
    give_role(user=lyceum.manager, lab=harbour.lab, role=Role.MANAGER, by=None)
    actions.rename_model(model=model, lab=harbour.lab, name="after", by=lyceum.manager)
    folder = str(model_folder(tmp_path / "second", name="second", seed=9))
    with pytest.raises(CommandError, match=f"no gate {lyceum.gate.slug}"):
        said("ingest", folder, "--model", BEFORE, "--gate", lyceum.gate.slug)
    assert said("ingest", folder, "--model", BEFORE, "--gate", harbour.gate.slug).startswith("harbour/after ")


def test_scores_logs_and_curves_come_to_the_model_under_its_former_name(model: Model, tmp_path: Path) -> None:
    scores, log, curves = (tmp_path / name for name in ("results.json", "chronicles.md", "metrics.jsonl"))
    scores.write_bytes(as_bytes(OLD))
    log.write_text("### 2022-03-11\n\nLaunch\n")
    curves.write_text('{"step": 1, "loss": 3.5}\n{"step": 2, "loss": 3.0}\n')
    call_command("import_evaluations", BEFORE, scores, harness="lm-evaluation-harness", ran_by="Lyceum")
    assert Score.objects.filter(revision=model.main).exists()
    call_command("import_logbook", log, model=BEFORE, verbosity=0)
    assert Logbook.objects.get().model == model
    assert "loss" in said("import_curves", str(curves), BEFORE, "--run", "1")
    assert "objects read, 0 bad" in said("scrub", "--model", BEFORE)
    for words in (
        ("import_evaluations", NEVER, scores),
        ("import_curves", str(curves), NEVER, "--run", "1"),
        ("scrub", "--model", NEVER),
    ):
        with pytest.raises(CommandError, match=NEVER):
            said(*words)


# --- Programs and forms ---------------------------------------------------------------------------------------------
def test_lists_of_scores_and_logbooks_are_narrowed_down_by_a_former_name_too(
    lyceum: world.World, model: Model, publish: Any, client: Client
) -> None:
    lines = read(as_bytes(OLD), Said(harness="lm-evaluation-harness", harness_version="0.3.0", ran_by="Lyceum"))
    for each in (model, publish(lyceum, "other")):
        import_scores(revision=each.main, rows=lines, by=lyceum.manager)
        open_logbook(subject=each, by=lyceum.manager)

    def count(path: str, **asked: str) -> int:
        found: int = client.get(f"/api/v1/{path}", asked).json()["count"]
        return found

    for path, name in (("evaluations", "model"), ("logbooks", "subject")):
        assert count(path, **{name: BEFORE}) == count(path, **{name: AFTER}) == count(path) / 2 > 0
        assert count(path, **{name: NEVER}) == 0


def test_a_program_converts_and_logs_under_a_former_name_but_not_for_another_lab(
    lyceum: world.World, harbour: world.World, model: Model, settings: Any
) -> None:
    settings.CONVERTER_PYTHON = "/opt/converter/bin/python"
    mine, theirs = browser(lyceum.manager), browser(harbour.manager)
    wish = {"model": BEFORE, "operation": "reshard", "shards": 2}
    for path, body, named in (("conversions", wish, "model"), ("logbooks", {"subject": BEFORE}, "subject")):
        refused = theirs.post(f"/api/v1/{path}", body, **JSON)
        assert refused.status_code == 404
        made = mine.post(f"/api/v1/{path}", body, **JSON)
        assert (made.status_code, made.json()[named]) == (201, AFTER), made.json()
        assert mine.post(f"/api/v1/{path}", body | {named: NEVER}, **JSON).status_code == 404


@pytest.mark.parametrize("spelt", ["After", "AFTER", "Before", "before"])
def test_a_page_the_hub_and_the_api_find_a_model_in_any_spelling_of_any_name_but_no_other_spelling_of_a_lab(
    model: Model, client: Client, spelt: str
) -> None:
    client.force_login(world.person("Ida Fremd"))
    actions.rename_model(model=model, lab=model.lab, name="aFTER", by=None)
    for door in ("/{}", "/api/models/{}", "/api/v1/why?model={}"):
        found = client.get(door.format(f"lyceum/{spelt}"))
        if found.status_code == 307:
            found = client.get(found["Location"])
        assert (found.status_code, b"lyceum/aFTER" in found.content) == (200, True), door
        assert client.get(door.format(f"Lyceum/{spelt}")).status_code in {401, 404}, door  # 401: as the Hub says it


def test_what_takes_the_place_of_a_release_is_written_down_under_its_present_name(
    lyceum: world.World, model: Model, publish: Any
) -> None:
    gone = publish(lyceum, "gone")
    assert replacement(BEFORE, gone=gone) == AFTER
    assert replacement(f"{BEFORE}@{model.main.commit[:12]}", gone=gone) == f"{AFTER}@{model.main.commit[:12]}"


def test_a_reader_reports_harm_of_a_model_by_the_name_under_which_they_met_it(model: Model) -> None:
    form = ReportForm()
    form.cleaned_data = {"subject": BEFORE}
    assert form.found() == model


def test_a_model_known_by_its_former_name_is_as_stopped_as_it_is(lyceum: world.World, model: Model) -> None:
    assert not lookup.by_any_name("lyceum", "before").stopped
    actions.stop_release(subject=model, by=lyceum.manager, reason="It leaks.")
    assert lookup.by_any_name("lyceum", "before").stopped
    assert lookup.by_any_name("lyceum", "never") is None


def test_a_deleted_draft_is_found_under_no_name(lyceum: world.World, publish: Any) -> None:
    draft = publish(lyceum, "before", publish=False)
    actions.rename_model(model=draft, lab=lyceum.lab, name="after", by=lyceum.manager)
    actions.delete_model(model=draft, by=lyceum.manager)
    assert [lookup.by_any_name("lyceum", name) for name in ("before", "after")] == [None, None]
