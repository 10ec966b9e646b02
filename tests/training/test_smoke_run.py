"""A whole training in miniature, in the engine environment: every event happens and every record is true."""

import hashlib
import json
import os
import re
import subprocess
import tarfile
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
PYTHON = ROOT / ".venv-engine" / "bin" / "python"

pytestmark = [
    pytest.mark.xdist_group("training"),
    pytest.mark.skipif(not PYTHON.exists(), reason="no engine environment (.venv-engine): torch is not here"),
    pytest.mark.timeout(600),
]


@pytest.fixture(scope="module")
def out(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The output folder of `python -m releases.training --smoke`, run once."""
    folder = tmp_path_factory.mktemp("training")
    train(folder)
    return folder


def run(folder: Path, *options: str | Path) -> subprocess.CompletedProcess[str]:
    command = [PYTHON, "-m", "releases.training", "--smoke", "--out", folder, *options]
    environment = {**os.environ, "PYTHONDONTWRITEBYTECODE": "1"}
    return subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, text=True, timeout=580)


def train(folder: Path, *options: str | Path) -> None:
    done = run(folder, *options)
    assert done.returncode == 0, done.stderr[-2000:]


def rows(path: Path) -> list[dict]:
    return [json.loads(line) for line in path.read_text().splitlines()]


@pytest.fixture(scope="module")
def release(out: Path) -> Path:
    return out / "pico-opt-smoke" / "release"


@pytest.fixture(scope="module")
def logbook(release: Path) -> list[dict]:
    return rows(release / "records" / "logbook.jsonl")


def test_every_planned_event_is_in_the_logbook_once_and_in_order(logbook):
    kinds = [entry["type"] for entry in logbook]
    assert kinds[:5] == ["start", "kill", "restart", "resume", "verification"]
    assert kinds[-1] == "stop"
    assert kinds.count("rollback") == kinds.count("divergence") + kinds.count("observation") - 1 == 1
    assert kinds.count("mistake") == kinds.count("correction") == kinds.count("io_error") == 2
    assert [entry["ts_utc"] for entry in logbook] == sorted(entry["ts_utc"] for entry in logbook)
    assert len({entry["id"] for entry in logbook}) == len(logbook)


def test_a_killed_run_resumes_to_the_last_bit(logbook):
    kill, check = (next(entry for entry in logbook if entry["type"] == kind) for kind in ("kill", "verification"))
    assert check["before"] == kill["before"]
    assert check["after"] == kill["before"]
    assert check["severity"] == "info"


def test_a_lost_optimizer_starts_from_the_same_loss_and_then_parts(logbook):
    correction = next(entry for entry in logbook if entry["type"] == "correction")
    without, kept = re.search(r"First loss (\S+) without, (\S+) with", correction["text"]).groups()
    assert without == kept
    assert correction["before"]["mean_loss"] != correction["after"]["mean_loss"]


def test_a_data_order_that_stands_still_is_told_from_the_losses_and_taken_back(logbook):
    mistake = next(entry for entry in logbook if entry["type"] == "mistake" and "stands still" in entry["text"])
    correction = logbook[logbook.index(mistake) + 1]
    assert correction["step"] == mistake["step"]
    assert correction["after"]["loss"] < correction["before"]["loss"]
    assert correction["after"]["val_loss"] > correction["before"]["val_loss"]


def test_a_changed_copy_is_found_by_the_one_tensor_that_was_changed(logbook):
    found = next(entry for entry in logbook if "tensors" in entry.get("after", {}))
    assert len(found["after"]["tensors"]) == 1
    assert "(the one that was changed)" in found["text"]
    assert found["after"]["val_loss"] > found["before"]["val_loss"]


def test_a_loss_scale_that_is_too_high_comes_down_by_skipped_steps(logbook):
    search = next(entry for entry in logbook if "loss_scale" in entry.get("before", {}))
    assert search["after"]["skipped"] > 0
    assert search["after"]["lowest"] == search["before"]["loss_scale"] / 2 ** search["after"]["skipped"]


def test_another_attention_kernel_comes_to_almost_the_same_losses(logbook):
    switch = next(entry for entry in logbook if "kernel" in entry.get("after", {}))
    assert (switch["before"]["kernel"], switch["after"]["kernel"]) == ("sdpa", "eager")
    assert float(re.search(r"at most (\S+) apart", switch["text"])[1]) < 0.1


def test_steps_are_kept_and_one_that_a_resume_repeats_is_kept_again_the_same(out):
    noted = rows(out / "pico-opt-smoke" / "ladder.jsonl")
    assert [row["step"] for row in noted] == [0, 12, 12, 16, 32], "the kill at 14 went back to 10"
    assert noted[1]["weights"] == noted[2]["weights"]
    assert len({row["weights"] for row in noted}) == 4


def test_each_kept_step_is_a_model_of_its_own_with_its_evaluations(out, release):
    ladder = json.loads((release / "records" / "ladder.json").read_text())["rungs"]
    assert [rung["step"] for rung in ladder] == [0, 12, 16, 32]
    assert len({rung["weight_id"] for rung in ladder}) == 4
    for rung in ladder:
        folder = out / "pico-opt-smoke" / "rungs" / rung["name"]
        assert hashlib.sha256((folder / "model.safetensors").read_bytes()).hexdigest() == rung["sha256"]
        evaluated = json.loads((folder / "records" / "eval.json").read_text())
        assert (evaluated["weights"], evaluated["results"]) == (rung["sha256"], rung["results"])
        assert {"config.json", "tokenizer.json", "README.md", "LICENSE"} <= {path.name for path in folder.iterdir()}
        assert f"# pico-opt-smoke, step {rung['step']}" in (folder / "README.md").read_text()
    assert all({row["name"] for row in rung["results"]} == {"held-out modules"} for rung in ladder)
    bits = [next(r["value"] for r in rung["results"] if r["metric"] == "bits_per_byte") for rung in ladder]
    assert bits == sorted(bits, reverse=True), "it learns"


def test_the_paper_has_the_numbers_of_the_records(release):
    paper = (release / "PAPER.md").read_text()
    ladder = json.loads((release / "records" / "ladder.json").read_text())["rungs"]
    for rung in ladder:
        bits = next(r["value"] for r in rung["results"] if r["metric"] == "bits_per_byte")
        assert f"| {rung['step']:,} | {rung['tokens']:,} | {bits:.3f} |" in paper
    energy = json.loads((release / "records" / "energy.json").read_text())
    assert energy["kwh"] == pytest.approx(energy["cpu_seconds"] * 10 / 3.6e6)
    second = energy["second"]
    joules = energy["cpu_seconds"] * 12 + energy["wall_seconds"] * 2 * 0.3725
    assert second["kwh"] == pytest.approx(joules * 1.67 / 3.6e6, rel=1e-2)
    assert f"{energy['kwh'] * 1000:.2f} Wh" in paper
    assert f"{second['kwh'] * 1000:.2f} Wh" in paper


@pytest.mark.drill
def test_training_again_from_nothing_comes_to_the_same_weight_ids(out, tmp_path):
    done = run(tmp_path, "--compare", out / "manifest.json")
    assert done.returncode == 0, done.stderr[-2000:]
    told = json.loads((tmp_path / "pico-opt-smoke" / "repeat.json").read_text())["weight_ids"]
    assert [row["weights"] for row in told] == ["release", "step0", "step12", "step16", "step32"]
    assert all(row["same"] for row in told)
    assert not (tmp_path / "pico-opt-smoke.tar.xz").exists()


def test_a_repeat_that_comes_to_other_weights_fails_and_names_them(out, release, tmp_path):
    manifest = json.loads((out / "manifest.json").read_text())
    manifest["models"][0]["ladder"]["rungs"][2]["weight_id"] = "0" * 64
    wrong = tmp_path / "manifest.json"
    wrong.write_text(json.dumps(manifest))
    done = run(out, "--stage", "compare", "--compare", wrong)
    assert done.returncode != 0
    assert "other weights than published: step16." in done.stderr
    assert run(out, "--stage", "compare", "--compare", release).returncode == 0, "the folder that one downloads will do"
    numbers = json.loads((out / "pico-opt-smoke" / "repeat.json").read_text())["numbers"]
    assert numbers["rows"] == numbers["published_rows"] == numbers["equal_to_the_last_bit"] > 0


def test_a_failed_checkpoint_is_reported_with_the_system_s_own_words(logbook):
    failure = next(entry for entry in logbook if entry["type"] == "io_error")
    assert failure["after"]["error"] == "OSError: File too large"


def test_the_rollback_returns_to_the_step_before_the_fault_with_a_third_of_the_rate(logbook):
    fault = next(entry for entry in logbook if entry["type"] == "change")
    rollback = next(entry for entry in logbook if entry["type"] == "rollback")
    assert rollback["after"]["step"] == fault["step"]
    assert rollback["after"]["lr"] == pytest.approx(fault["before"]["lr"] / 3)


def test_metrics_keep_every_segment_and_the_loss_falls(release):
    metrics = rows(release / "records" / "metrics.jsonl")
    segments = [row["segment"] for row in metrics]
    assert segments == sorted(segments)
    assert {0, 1, 2, 3, 4} < set(segments), "a rollback or a restart begins another, and none is dropped"
    assert all(row["step"] % 5 == 0 for row in metrics)
    assert metrics[-1]["loss"] < metrics[0]["loss"]
    assert [row["step"] for row in metrics if "val_loss" in row and row["segment"] == segments[-1]] == [60]


def test_the_archive_holds_the_files_that_the_manifest_lists(out):
    entry = json.loads((out / "manifest.json").read_text())["models"][0]
    archive = out / entry["archive"]
    assert hashlib.sha256(archive.read_bytes()).hexdigest() == entry["archive_sha256"]
    with tarfile.open(archive) as tar:
        members = {member.name: tar.extractfile(member).read() for member in tar}
    listed = {name: (facts["sha256"], facts["size"]) for name, facts in entry["files"].items()}
    assert {name: (hashlib.sha256(data).hexdigest(), len(data)) for name, data in members.items()} == listed
    assert {"model.safetensors", "config.json", "tokenizer.json", "README.md", "records/logbook.jsonl"} <= set(listed)


def test_the_card_says_what_was_measured(out, release):
    entry = json.loads((out / "manifest.json").read_text())["models"][0]
    evaluation = json.loads((release / "records" / "eval.json").read_text())
    card = (release / "README.md").read_text()
    assert f"{entry['parameters']:,} parameters" in card
    assert entry["files"]["model.safetensors"]["sha256"] == evaluation["weights"]
    for result in evaluation["results"]:
        assert f"| {result['value']:.3f}" in card
        assert result["n"] > 0


def test_no_module_is_both_trained_on_and_held_out(release):
    corpus = json.loads((release / "records" / "corpus.json").read_text())
    train, held_out = ({source["path"] for source in corpus[split]} for split in ("train", "held_out"))
    assert train
    assert held_out
    assert not train & held_out


def test_packing_again_gives_the_same_archives(out):
    (out / "pico-opt-smoke" / "repeat.json").unlink(missing_ok=True)
    names = ("pico-opt-smoke.tar.xz", "pico-opt-smoke.ladder.tar.xz")
    before = [(out / name).read_bytes() for name in names]
    train(out, "--stage", "pack")
    assert [(out / name).read_bytes() for name in names] == before


def test_the_parse_rate_asks_for_a_body_and_judges_whole_functions():
    """Run where torch is: the prompt stops at the colon, the function stops where the indentation does."""
    script = """
from releases.training.corpus import Source
from releases.training.evaluation import first_function, function_heads, parses
heads = function_heads(Source("m.py", "class C:\\n    def f(self,\\n          x):\\n        return x\\n", ""))
assert heads == ["    def f(self,\\n          x):"], heads
body = "\\n        return 1\\n\\n    def g(self):\\n"
assert first_function(heads[0] + body) == "def f(self,\\n      x):\\n    return 1\\n\\n"
assert parses(first_function(heads[0] + body))
assert parses(first_function("def f():\\n    return 1\\n    x = (")) and not parses(first_function("def f():\\n"))
"""
    done = subprocess.run([PYTHON, "-c", script], cwd=ROOT, capture_output=True, text=True, timeout=110)
    assert done.returncode == 0, done.stderr[-2000:]
