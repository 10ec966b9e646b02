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
    pytest.mark.timeout(300),
]


@pytest.fixture(scope="module")
def out(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The output folder of `python -m releases.training --smoke`, run once."""
    folder = tmp_path_factory.mktemp("training")
    train(folder)
    return folder


def train(folder: Path, *options: str) -> None:
    command = [PYTHON, "-m", "releases.training", "--smoke", "--out", folder, *options]
    environment = {**os.environ, "PYTHONDONTWRITEBYTECODE": "1"}
    done = subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, text=True, timeout=280)
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
    assert kinds.count("rollback") == kinds.count("mistake") == kinds.count("io_error") == 1
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
    assert {row["segment"] for row in metrics} == {0, 1, 2, 3, 4}
    assert all(row["step"] % 5 == 0 for row in metrics)
    assert metrics[-1]["loss"] < metrics[0]["loss"]
    assert [row["step"] for row in metrics if "val_loss" in row and row["segment"] == 4] == [60]


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


def test_packing_again_gives_the_same_archive(out):
    before = (out / "pico-opt-smoke.tar.xz").read_bytes()
    train(out, "--stage", "pack")
    assert (out / "pico-opt-smoke.tar.xz").read_bytes() == before


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
