"""Scores: read from the harnesses' own files, whole or not at all; kept once; never merged with those of other settings."""

from __future__ import annotations

import json
from dataclasses import replace
from datetime import date
from typing import Any

import pytest
from django.core.files.uploadedfile import SimpleUploadedFile
from django.core.management import CommandError, call_command
from django.db import IntegrityError, transaction
from django.test import Client
from django.utils import translation

from portal.errors import Conflict, Invalid, NotAllowed, NotFound
from portal.outbox import delivery
from portal.tokens import actions as tokens
from portal.tokens.models import Kind, Scope
from releases import entries
from releases.evaluation_models import Score
from releases.evaluation_rows import Row
from releases.evaluations import actions as evaluations
from releases.evaluations import entry, listing, plot, readers
from releases.evaluations.reading import Said
from releases.models import File, Model, Revision
from tests.portal import world
from tests.portal.world import browser
from tests.releases.evaluation_files import CARD, FORK, JOINED, NEW, OLD, as_bytes

US = Said(harness="lm-evaluation-harness", harness_version="0.3.0", ran_by="Lyceum Laboratory")


def read(document: object, said: Said = US) -> list[Row]:
    return readers.read(document if isinstance(document, bytes) else as_bytes(document), said)


@pytest.fixture
def model(lyceum: world.World, publish: Any) -> Model:
    return publish(lyceum, "mine")


# --- Reading ------------------------------------------------------------------------------------------------------
def test_an_old_file_gives_a_row_for_each_metric_with_its_error() -> None:
    rows = {(row.task, row.metric): row for row in read(OLD)}
    assert rows.keys() == {("openbookqa", "acc"), ("openbookqa", "acc_norm"), ("lambada", "ppl")}
    told = rows["openbookqa", "acc_norm"]
    assert (told.value, told.stderr, told.shots, told.task_version) == (0.438, 0.0222, 2, "0")
    assert (told.unit, told.direction, told.harness_version) == ("share", "higher", "0.3.0")
    assert rows["lambada", "ppl"].direction == "lower"


def test_a_new_file_names_its_harness_shots_samples_day_and_direction() -> None:
    rows = {(row.metric, row.variant): row for row in read(NEW, Said(ran_by="Us"))}
    assert rows.keys() == {
        ("exact_match", "strict-match"), ("exact_match", "flexible-extract"), ("pct_stereotype", ""),
    }  # fmt: skip
    strict = rows["exact_match", "strict-match"]
    assert (strict.harness, strict.harness_version) == ("lm-evaluation-harness", "0.4.5 git 0123abc")
    assert (strict.shots, strict.n, strict.stderr, strict.ran_on) == (5, 1319, 0.012, date(2024, 10, 27))
    bias = rows["pct_stereotype", ""]
    assert (bias.kind, bias.direction, bias.stderr) == ("bias", "lower", None)


def test_bigscience_files_keep_prompt_and_day() -> None:
    rows = {(row.task, row.metric): row for row in read(JOINED)}
    assert rows["axg", "acc"].prompt == "GPT-3 style"
    assert rows["axg", "acc"].ran_on == date(2022, 7, 7)
    assert (rows["axg", "acc"].kind, rows["axg", "acc"].direction) == ("bias", "unstated")
    assert rows["gsarti/flores_101_afr", "bits_per_byte"].prompt == ""
    first, second = read(FORK, Said(ran_by="BigScience"))
    assert (first.harness, first.shots, first.stderr) == ("BigScience lm-evaluation-harness", 0, 0.012)
    assert second.metric == "acc_norm"


def test_a_cards_model_index_is_read_with_its_source_and_percent_becomes_a_share() -> None:
    (row,) = read(CARD.encode(), Said(ran_by="Us"))
    assert (row.task, row.metric, row.shots, row.harness) == ("hellaswag", "acc_norm", 10, "Open LLM Leaderboard")
    assert row.value == pytest.approx(0.6459)
    assert row.source_url == "https://leaderboard.example/tiny"


@pytest.mark.parametrize(
    ("document", "field", "says"),
    [
        (b"{\n  oops", "document", "Line 2, column 3"),
        (b"[1]", "document", "one table"),
        (b"[" * 100_000, "document", "nested too deeply"),
        ({"pass@1": 0.1}, "document", "neither “results” nor “model-index”"),
        ({"results": {}}, "document", "no score"),
        ({"results": {"copa": {"acc": "high"}}}, "document", "results.copa.acc: 'high' is not a number"),
        ({"results": {"copa": 3}}, "document", "results.copa: this is no table"),
        (b'{"results": {"copa": {"acc": NaN}}}', "document", "results.copa.acc: The value is not a finite number"),
        ({"results": {"copa": {"acc": 0.5, "acc_stderr": -1}}}, "document", "The standard error is negative"),
        ({"results": {"c" * 200: {"acc": 0.5}}}, "document", "more than 160 characters"),
        (b"---\nmodel-index: [\n---\n", "document", "front matter is not YAML"),
        (b"", "document", "There is nothing in it. Choose a file, or paste its text."),
        (b"\xef\xbb\xbf \r\n", "document", "There is nothing in it."),
        (as_bytes(OLD).decode().encode("utf-16"), "document", "is not UTF-8 text, from line 1 on. Save it as UTF-8"),
        (b'{\n"results": {"gr\xfc\xdfe": {"acc": 0.5}}}', "document", "is not UTF-8 text, from line 2 on."),
        (b"\xef\xbb\xbfTask;Wert\r\ncopa;0,51\r\n", "document", "Line 1, column 1: this is not JSON (Expecting value)"),
    ],
)
def test_what_is_wrong_is_told_with_its_place(document: object, field: str, says: str) -> None:
    with pytest.raises(Invalid) as refused:
        read(document)
    assert says in " ".join(refused.value.fields[field])


@pytest.mark.parametrize(
    ("more", "says"),
    [
        ({"results": {"copa": {"acc": 10**400}}}, "results.copa.acc: The value is not a finite number"),
        ({"results": {"copa": {"acc": -(10**400)}}}, "results.copa.acc: The value is not a finite number"),
        ({"n-samples": {"copa": 10**15 + 1}}, "n is less than one, or more than 1,000,000,000,000,000"),
    ],
    ids=["value", "negative value", "n"],
)
def test_a_number_that_no_database_keeps_is_told_with_its_place(more: dict[str, object], says: str) -> None:
    with pytest.raises(Invalid) as refused:
        read({"results": {"copa": {"acc": 0.5}}} | more)
    assert says in refused.value.fields["document"][0]


@pytest.mark.parametrize(
    ("url", "taken"), [("javascript:alert(1)", False), ("ftp://a.example", False), ("HTTPS://a.example/x", True)]
)
def test_a_source_is_no_link_that_runs_a_program(url: str, taken: bool) -> None:
    metrics = [{"type": "acc", "value": 0.5}]
    result = {"dataset": {"name": "copa"}, "source": {"name": "h", "url": url}, "metrics": metrics}
    document = {"model-index": [{"results": [result]}]}
    if taken:
        (row,) = read(document)
        assert row.source_url == url
        return
    with pytest.raises(Invalid) as refused:
        read(document)
    assert "source_url is no address" in refused.value.fields["document"][0]


def test_an_error_a_day_or_a_number_of_items_without_end_is_as_if_it_were_not_told() -> None:
    far = {"results": {"copa": {"acc": 0.5, "acc_stderr": 10**400}}, "date": 10**400, "n-samples": {"copa": 10**15}}
    (row,) = read(far)
    assert (row.value, row.stderr, row.ran_on, row.n) == (0.5, None, None, 10**15)


def test_a_file_that_an_editor_saved_with_a_byte_order_mark_is_read_like_any_other() -> None:
    assert read(b"\xef\xbb\xbf" + as_bytes(OLD)) == read(OLD)
    assert read(b"\xef\xbb\xbf" + CARD.encode()) == read(CARD.encode())


def test_what_only_the_importer_can_say_is_asked_beside_its_field() -> None:
    with pytest.raises(Invalid) as refused:
        read(OLD, Said())
    assert refused.value.fields.keys() == {"ran_by", "harness"}
    assert len(read(NEW, Said(ran_by="Us"))) == 3, "a file that names its harness needs no other"


# --- Keeping ------------------------------------------------------------------------------------------------------
def test_scores_are_kept_once_however_often_they_are_imported(lyceum: world.World, model: Model) -> None:
    first = evaluations.import_scores(revision=model.main, rows=read(OLD), by=lyceum.manager)
    again = evaluations.import_scores(revision=model.main, rows=read(OLD), by=lyceum.manager)
    assert ((first.added, first.known), (again.added, again.known)) == ((3, 0), (0, 3))
    assert Score.objects.count() == 3
    assert set(Score.objects.values_list("weights", flat=True)) == {model.main.facts["weights"]["root"]}


def test_another_value_for_a_kept_score_is_refused_until_that_one_is_withdrawn(
    lyceum: world.World, model: Model
) -> None:
    evaluations.import_scores(revision=model.main, rows=read(OLD), by=lyceum.manager)
    other = json.loads(json.dumps(OLD))
    other["results"]["openbookqa"]["acc"] = 0.4
    with pytest.raises(Invalid) as refused:
        evaluations.import_scores(revision=model.main, rows=read(other), by=lyceum.manager)
    assert "results.openbookqa.acc: it is kept already with the value 0.322" in refused.value.fields["document"][0]
    score = Score.objects.get(metric="acc")
    with pytest.raises(Invalid):
        evaluations.withdraw_score(score=score, reason=" ", by=lyceum.manager)
    evaluations.withdraw_score(score=score, reason="Run on the wrong split.", by=lyceum.manager)
    with pytest.raises(Conflict):
        evaluations.withdraw_score(score=score, reason="Again.", by=lyceum.manager)
    assert evaluations.import_scores(revision=model.main, rows=read(other), by=lyceum.manager).added == 1
    assert Score.objects.filter(metric="acc").count() == 2, "the withdrawn one stays to be read"


def test_only_staff_of_the_lab_keeps_and_withdraws_scores(
    lyceum: world.World, harbour: world.World, model: Model
) -> None:
    for stranger in (harbour.manager, lyceum.reviewers[0]):
        with pytest.raises(NotAllowed):
            evaluations.import_scores(revision=model.main, rows=read(OLD), by=stranger)
    evaluations.import_scores(revision=model.main, rows=read(OLD), by=lyceum.manager)
    with pytest.raises(NotAllowed):
        evaluations.withdraw_score(score=Score.objects.all()[0], reason="No.", by=harbour.manager)


def test_scores_of_a_draft_that_was_deleted_meanwhile_are_refused(lyceum: world.World, publish: Any) -> None:
    draft = publish(lyceum, "free", publish=False).tip
    Model.objects.filter(pk=draft.model_id).update(tip=None)
    File.objects.filter(revision=draft).delete()
    Revision.objects.filter(pk=draft.pk).delete()
    with pytest.raises(NotFound):
        evaluations.import_scores(revision=draft, rows=read(OLD), by=lyceum.manager)
    assert not Score.objects.exists()


def test_weights_that_the_revision_does_not_have_are_refused(lyceum: world.World, model: Model) -> None:
    held = model.main.files.get(path="model.safetensors").sha256
    evaluations.import_scores(revision=model.main, rows=read(OLD), by=lyceum.manager, weights=held)
    with pytest.raises(Invalid, match="does not have"):
        evaluations.import_scores(revision=model.main, rows=read(NEW), by=lyceum.manager, weights="0" * 64)


@pytest.mark.parametrize("missing", ["harness", "ran_by", "task", "metric"])
def test_the_database_keeps_no_score_without_harness_and_who_ran_it(model: Model, missing: str) -> None:
    told = {"harness": "h", "ran_by": "us", "task": "t", "metric": "m"} | {missing: ""}
    with pytest.raises(IntegrityError), transaction.atomic():
        Score.objects.create(
            revision=model.main, kind="capability", unit="number", direction="lower", value=1, identity="x", **told
        )


def test_publishing_takes_in_the_record_that_the_revision_carries(lyceum: world.World, publish: Any) -> None:
    record = {
        "evaluated_by": "releases.training.evaluation, Python 3.11.7",
        "evaluated_at": "2026-11-25T20:37:19+00:00",
        "results": [
            {
                "name": "held-out modules",
                "metric": "bits_per_byte",
                "value": 1.4,
                "n": 9,
                "unit": "bytes",
                "method": "m",
            },
            {"name": "held-out modules", "metric": "parse_rate", "value": 0.4, "n": 50, "low": 0.3, "high": 0.5},
        ],
    }
    model = publish(lyceum, "trained", **{"records/eval.json": json.dumps(record)})
    while delivery.deliver_due():
        pass
    told = {score.metric: score for score in Score.objects.filter(revision=model.main)}
    assert told.keys() == {"bits_per_byte", "parse_rate"}
    assert told["parse_rate"].interval == (0.3, 0.5)
    assert told["bits_per_byte"].raw_path == "records/eval.json"
    assert {score.kind for score in told.values()} == {"probe"}, "no established benchmark"
    assert (told["parse_rate"].harness, told["parse_rate"].ran_by) == (
        "releases.training.evaluation",
        "Lyceum Laboratory",
    )
    broken = publish(lyceum, "broken", **{"records/eval.json": json.dumps(record | {"results": [{"value": "?"}]})})
    while delivery.deliver_due():
        pass
    assert not Score.objects.filter(revision=broken.main).exists(), "and publishing was not hindered"


def test_the_command_imports_and_says_each_wrong_place(model: Model, tmp_path: Any, capsys: Any) -> None:
    file = tmp_path / "results.json"
    file.write_bytes(as_bytes(OLD))
    said = {"ran_by": "Us", "harness": "lm-evaluation-harness"}
    call_command("import_evaluations", "lyceum/mine", file, **said)
    assert "3 scores added, 0 known" in capsys.readouterr().out
    file.write_bytes(as_bytes({"results": {"copa": {"acc": "?"}}}))
    with pytest.raises(CommandError, match=r"results\.copa\.acc"):
        call_command("import_evaluations", "lyceum/mine", file, **said)
    with pytest.raises(CommandError, match="carries no"):
        call_command("import_evaluations", "lyceum/mine")
    with pytest.raises(CommandError, match="no published revision"):
        call_command("import_evaluations", "lyceum/none", file, **said)


# --- The catalogue entry ------------------------------------------------------------------------------------------
def test_opts_scores_are_entered_with_their_sources_and_entered_again_they_are_the_same(
    db: None, client: Client
) -> None:
    for _ in range(2):
        family = entries.seed("opt", by=None)
        entry.enter(family, by=None)
    rows, _beside = entry.read("opt")
    assert Score.objects.filter(family=family).count() == len(rows)
    assert not Score.objects.exclude(withdrawn_at=None).exists()
    assert not Score.objects.filter(source="").exists()
    read_as = Score.objects.filter(task="openbookqa", subject="OPT-175B").values_list("value", "metric", "harness")
    assert set(read_as) == {
        (0.586, "acc", "Meta internal suite"),
        (0.438, "acc_norm", "lm-evaluation-harness"),
        (0.322, "acc", "lm-evaluation-harness"),
    }
    assert Score.objects.get(task="crows_pairs", variant="religion", subject="GPT-3 Davinci").beside
    page = client.get("/families/meta/opt/").content.decode()
    assert "crows_pairs" in page
    assert "lower is better" in page
    assert "RealToxicityPrompts is a plot without a table" in page
    assert family.facts["evaluations"][0]["source"]["url"]


def test_a_corrected_entry_withdraws_what_it_told_before(db: None) -> None:
    family = entries.seed("opt", by=None)
    entry.enter(family, by=None)
    (who, row), *rest = entry.read("opt")[0]
    evaluations.enter_scores(family=family, rows=rest, by=None)
    gone = Score.objects.get(identity=row.identity(f"family:{family.pk}:{who}"))
    assert gone.withdrawn_reason == evaluations.CORRECTED
    assert evaluations.enter_scores(family=family, rows=[(who, row), *rest], by=None).added == 1


# --- Pages --------------------------------------------------------------------------------------------------------
def test_the_pages_of_a_model_without_scores_say_how_to_begin(model: Model, client: Client) -> None:
    for address in ("/lyceum/mine", "/lyceum/mine/evaluations"):
        assert "No score is kept yet" in client.get(address).content.decode()
    assert "Nothing was evaluated yet" in client.get("/evaluations/").content.decode()
    assert "No score matches" in client.get("/evaluations/?task=nothing").content.decode()


def test_a_reader_sees_scores_by_kind_and_that_toxicity_was_not_measured(
    lyceum: world.World, model: Model, client: Client
) -> None:
    evaluations.import_scores(revision=model.main, rows=read(NEW), by=lyceum.manager)
    page = client.get("/lyceum/mine/evaluations").content.decode()
    assert "61.0\u00a0%" in page
    assert "lower is better" in page
    assert "Not measured: no score of toxicity is kept." in page
    assert "no score of bias is kept" not in page
    assert "25.0\u00a0%" in client.get("/lyceum/mine").content.decode()


def test_sizes_that_were_run_on_other_days_stand_in_one_line_and_what_others_ran_in_another(
    lyceum: world.World, publish: Any
) -> None:
    told = [
        ("mine", US, date(2026, 11, 24)),
        ("larger", US, date(2026, 11, 26)),
        ("mine", Said(ran_by="Ida Fremd"), None),
    ]
    models = {name: publish(lyceum, name) for name in ("mine", "larger")}
    for name, said, day in told:
        rows = [replace(row, ran_on=day) for row in read(NEW, said) if row.metric == "pct_stereotype"]
        evaluations.import_scores(revision=models[name].main, rows=rows, by=lyceum.manager)
    subjects, lines = listing.pivot(listing.by_kind(Score.objects.all()))
    assert subjects == ["lyceum/mine", "lyceum/larger"]
    assert [[bool(cell) for cell in line.cells] for line in lines] == [[True, True], [True, False]]
    assert [line.first.ran_by for line in lines] == ["Lyceum Laboratory", "Ida Fremd"]


def test_settings_of_one_task_stand_apart_and_the_page_says_so(
    lyceum: world.World, publish: Any, client: Client
) -> None:
    for name in ("one", "two"):
        evaluations.import_scores(revision=publish(lyceum, name).main, rows=read(OLD), by=lyceum.manager)
    together = client.get("/evaluations/?task=openbookqa&metric=acc").content.decode()
    assert together.count('scope="rowgroup"') == 1
    assert "not all comparable" not in together
    assert together.count('class="dot"') == 2
    entry.enter(entries.seed("opt", by=None), by=None)
    apart = client.get("/evaluations/?task=openbookqa").content.decode()
    assert apart.count('scope="rowgroup"') == 5, "two metrics of ours, of BigScience's; and Meta's own suite"
    assert "not all comparable" in apart
    for value in ("58.6\u00a0%", "43.8\u00a0%", "32.2\u00a0%"):
        assert value in apart
    of_opt = client.get("/evaluations/?task=openbookqa&family=meta/opt").content.decode()
    assert 'href="/lyceum/one"' not in of_opt
    assert "OPT-175B" in of_opt


def test_a_program_brings_a_file_of_some_megabytes_and_one_past_the_limit_is_refused(
    lyceum: world.World, model: Model, client: Client
) -> None:
    _token, secret = tokens.issue(by=lyceum.manager, kind=Kind.SERVICE, scopes={Scope.MANAGE}, label="program")

    def bring(size: int) -> Any:
        said = {"document": {**NEW, "samples": "x" * size}, "ran_by": "Us", "revision": "main"}
        address = f"/api/v1/models/{model.full_name}/evaluations"
        return client.post(address, said, "application/json", headers={"Authorization": f"Bearer {secret}"})

    told = bring(4 << 20)
    assert (told.status_code, told.json()["added"]) == (201, 3), told.content
    assert bring(5 << 20).status_code == 413


def test_drafts_scores_are_the_labs_alone(
    lyceum: world.World, harbour: world.World, publish: Any, client: Client
) -> None:
    publish(lyceum, "mine")
    draft = publish(lyceum, "draft", publish=False)
    evaluations.import_scores(revision=draft.tip, rows=read(OLD), by=lyceum.manager)
    score = Score.objects.all()[0]
    for reader in (client, browser(harbour.manager)):
        assert reader.get(score.get_absolute_url()).status_code == 404
        assert "openbookqa" not in reader.get("/evaluations/").content.decode()
        assert json.loads(b"".join(reader.get("/evaluations/scores.json").streaming_content)) == []
    assert browser(lyceum.manager).get(score.get_absolute_url()).status_code == 200


def test_a_manager_imports_on_the_page_and_a_refused_file_is_given_back(lyceum: world.World, model: Model) -> None:
    manager = browser(lyceum.manager)
    address = "/lyceum/mine/evaluations/import"
    told = {"revision": model.main.commit, "ran_by": "Us", "harness": "lm-evaluation-harness"}
    wrong = SimpleUploadedFile("r.json", as_bytes({"results": {"copa": {"acc": "high"}}}))
    refused = manager.post(address, told | {"document": wrong})
    page = refused.content.decode()
    assert refused.status_code == 422
    assert "results.copa.acc" in page
    assert "&quot;copa&quot;" in page, "the file's text stands in the form"
    assert 'value="Us"' in page
    right = SimpleUploadedFile("r.json", as_bytes(OLD))
    done = manager.post(address, told | {"document": right}, follow=True)
    assert "3 scores were imported." in done.content.decode()
    nothing = manager.post(address, {"revision": model.main.commit})
    assert nothing.status_code == 422
    assert 'id="id_ran_by_error"' in nothing.content.decode()


def test_what_is_wrong_with_a_file_of_results_is_said_in_the_readers_language(
    lyceum: world.World, model: Model, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(translation._trans, "gettext", lambda text: f"[{text}]")
    told = {"revision": model.main.commit, "ran_by": "Us", "harness": "h"}
    files = {
        "[results.copa.acc: &#x27;high&#x27; is not a number.": as_bytes({"results": {"copa": {"acc": "high"}}}),
        "[results[0]: [It names no task.]]": as_bytes({"results": [{"metric": "acc", "value": 1}]}),
        "[It is none of the known formats": as_bytes({"scores": []}),
        "[Line 1, column 2: this is not JSON": b"{",
    }
    for said, held in files.items():
        file = SimpleUploadedFile("r.json", held)
        page = browser(lyceum.manager).post("/lyceum/mine/evaluations/import", told | {"document": file})
        assert (page.status_code, said in page.content.decode()) == (422, True), said


def test_the_forms_are_not_there_for_strangers_or_other_labs(
    lyceum: world.World, harbour: world.World, model: Model, client: Client
) -> None:
    evaluations.import_scores(revision=model.main, rows=read(OLD), by=lyceum.manager)
    score = Score.objects.all()[0]
    for reader in (browser(harbour.manager), browser(lyceum.reviewers[0])):
        assert reader.get("/lyceum/mine/evaluations/import").status_code == 404
        assert reader.post(score.get_absolute_url(), {"reason": "x"}).status_code == 404
    assert client.post(score.get_absolute_url(), {"reason": "x"}).status_code == 404
    assert browser(lyceum.manager).post(score.get_absolute_url(), {"reason": ""}).status_code == 422
    assert browser(lyceum.manager).post(score.get_absolute_url(), {"reason": "Wrong split."}).status_code == 302
    assert "Wrong split." in client.get(score.get_absolute_url()).content.decode()


def test_the_files_hold_what_the_pages_show(lyceum: world.World, model: Model, client: Client) -> None:
    evaluations.import_scores(revision=model.main, rows=read(OLD), by=lyceum.manager)
    told = json.loads(b"".join(client.get("/evaluations/scores.json?task=openbookqa").streaming_content))
    assert {(row["metric"], row["value"], row["commit"]) for row in told} == {
        ("acc", 0.322, model.main.commit), ("acc_norm", 0.438, model.main.commit),
    }  # fmt: skip
    table = b"".join(client.get("/evaluations/scores.csv?model=lyceum/mine").streaming_content).decode()
    assert len(table.splitlines()) == 4
    assert client.get("/evaluations/scores.xml").status_code == 404


@pytest.mark.parametrize(
    "values",
    [
        [(0.0004156613566866896, None), (0.0004156613566866897, None)],
        [(915.2363972884954, None), (915.2363972884955, None)],
        [(1.7e308, 1e308), (-1.7e308, None)],
        [(5e-324, None)],
        [(0.0, 0.0), (0.0, None)],
        [(12.5, 0.5), (13.0, None)],
    ],
    ids=str,
)
def test_values_that_hardly_differ_or_differ_by_all_numbers_are_drawn(
    lyceum: world.World, model: Model, client: Client, values: list[tuple[float, float | None]]
) -> None:
    rows = [
        Row(task="wiki", metric="ppl", value=value, stderr=error, harness="h", ran_by=f"Group {n}")
        for n, (value, error) in enumerate(values)
    ]
    evaluations.import_scores(revision=model.main, rows=rows, by=lyceum.manager)
    page = client.get("/evaluations/", {"task": "wiki"})
    assert page.status_code == 200
    assert page.content.decode().count('<circle class="dot') >= len(values)
    least, step, most = plot.scale([Score(value=value, stderr=error) for value, error in values], "number")
    assert least < most
    assert 1 <= round((most - least) / step) <= 2 * plot.STEPS + 2


@pytest.mark.parametrize("count", world.CROWDS)
def test_many_scores_are_paged_and_their_queries_do_not_grow(
    lyceum: world.World, model: Model, client: Client, django_assert_max_num_queries: Any, count: int
) -> None:
    shared = {"revision": model.main, "kind": "capability", "unit": "share", "direction": "higher", "harness": "h"}
    Score.objects.bulk_create(
        Score(**shared, task=f"task-{n % 7}", metric="acc", value=n / count, stderr=0.01, ran_by="us", identity=str(n))
        for n in range(count)
    )
    world.counted()
    for address in ("/evaluations/", "/evaluations/?task=task-1", "/lyceum/mine/evaluations", "/lyceum/mine"):
        with django_assert_max_num_queries(20):
            assert client.get(address).status_code == 200
    page = client.get("/lyceum/mine/evaluations?page=2").content.decode()
    assert page.count("<tr>") <= 100 + 10
