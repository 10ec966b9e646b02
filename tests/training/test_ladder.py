"""The published ladders: each step is what the manifest and the release's own record say, and measures what they say."""

import hashlib
import json
import subprocess
import tarfile
from itertools import pairwise
from pathlib import Path

import pytest

from releases.training.identity import weight_id

ROOT = Path(__file__).resolve().parents[2]
PYTHON = ROOT / ".venv-engine" / "bin" / "python"
SEED = ROOT / "releases" / "seed"
ENTRIES = {e["name"]: e for e in json.loads((SEED / "manifest.json").read_text())["models"] if "ladder" in e}

QUICKEST = ("pico-opt-300k", "step1000")
"""Whose numbers are measured again each time: the smallest size. The others' are in the drill."""


@pytest.fixture(scope="module", params=sorted(ENTRIES))
def entry(request: pytest.FixtureRequest) -> dict:
    return ENTRIES[request.param]


@pytest.fixture(scope="module")
def rungs(entry: dict, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of all steps."""
    folder = tmp_path_factory.mktemp("ladder")
    with tarfile.open(SEED / entry["ladder"]["archive"]) as tar:
        tar.extractall(folder, filter="data")
    return folder


@pytest.fixture(scope="module")
def release(entry: dict, tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("release")
    with tarfile.open(SEED / entry["archive"]) as tar:
        tar.extractall(folder, filter="data")
    return folder


def test_the_archive_and_every_step_have_their_digests_and_weight_ids(entry, rungs):
    archive = (SEED / entry["ladder"]["archive"]).read_bytes()
    assert hashlib.sha256(archive).hexdigest() == entry["ladder"]["archive_sha256"]
    told = entry["ladder"]["rungs"]
    assert {path.name for path in rungs.iterdir()} == {rung["name"] for rung in told}
    for rung in told:
        weights = rungs / rung["name"] / "model.safetensors"
        assert hashlib.sha256(weights.read_bytes()).hexdigest() == rung["sha256"]
        assert weight_id(weights) == rung["weight_id"]
        assert rung["tokens"] == rung["step"] * 2048


def test_steps_go_up_and_none_has_the_weights_of_another(entry, release):
    told = entry["ladder"]["rungs"]
    assert all(one["step"] < other["step"] for one, other in pairwise(told))
    assert told[0]["step"] == 0
    assert told[-1]["step"] < entry["steps"]
    ids = [rung["weight_id"] for rung in told]
    assert weight_id(release / "model.safetensors") == entry["weight_id"]
    assert len({*ids, entry["weight_id"]}) == len(ids) + 1


def test_the_release_s_own_record_the_paper_and_the_card_say_the_same(entry, rungs, release):
    record = json.loads((release / "records" / "ladder.json").read_text())["rungs"]
    assert [(rung["name"], rung["weight_id"]) for rung in record] == [
        (rung["name"], rung["weight_id"]) for rung in entry["ladder"]["rungs"]
    ]
    card, paper = (release / "README.md").read_text(), (release / "PAPER.md").read_text()
    for rung in record:
        evaluated = json.loads((rungs / rung["name"] / "records" / "eval.json").read_text())
        assert evaluated["results"] == rung["results"]
        assert evaluated["weights"] == rung["sha256"]
        values = {row["metric"]: row["value"] for row in rung["results"] if row["name"] == "held-out modules"}
        row = f"| {rung['step']:,} | {rung['tokens']:,} | {values['bits_per_byte']:.3f} | {values['next_token_accuracy']:.3f} |"
        assert row in card
        assert row in paper


@pytest.mark.skipif(not PYTHON.exists(), reason="no engine environment (.venv-engine): torch is not here")
@pytest.mark.xdist_group("training")
@pytest.mark.timeout(300)
@pytest.mark.parametrize(
    ("entry", "step"),
    [
        pytest.param(name, step, marks=() if (name, step) == QUICKEST else pytest.mark.drill)
        for name in sorted(ENTRIES)
        for step in ("step1000", "step0")
    ],
    indirect=["entry"],
)
def test_measuring_a_step_again_gives_the_published_numbers(entry, rungs, release, step):
    """On the published data and weights alone, with the published code."""
    script = """
import json, sys
from pathlib import Path
import torch
from transformers import AutoTokenizer, OPTForCausalLM
from releases.training.corpus import Source
from releases.training.evaluation import compression
folder, data = Path(sys.argv[1]), Path(sys.argv[2])
torch.set_num_threads(1)
rows = map(json.loads, data.read_text().splitlines())
held_out = [Source(row["path"], row["text"], row["sha256"]) for row in rows if row["split"] == "held_out"]
model = OPTForCausalLM.from_pretrained(folder, dtype=torch.float32).eval()
found = compression(model, AutoTokenizer.from_pretrained(folder), held_out, "held-out modules")
print(json.dumps({each.metric: each.value for each in found}))
"""
    command = [PYTHON, "-c", script, rungs / step, release / "data" / "corpus.jsonl"]
    done = subprocess.run(command, cwd=release / "code", capture_output=True, text=True, timeout=280)
    assert done.returncode == 0, done.stderr[-2000:]
    again = json.loads(done.stdout)
    published = json.loads((rungs / step / "records" / "eval.json").read_text())["results"]
    wanted = {row["metric"]: row["value"] for row in published if row["name"] == "held-out modules"}
    for metric, value in again.items():
        assert value == pytest.approx(wanted[metric], rel=1e-4), metric
