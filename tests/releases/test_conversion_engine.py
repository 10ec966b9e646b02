"""Conversions carried out, with torch: every operation, what is refused, and how the program is ended."""

from __future__ import annotations

import json
import os
import pickle
import subprocess
import tarfile
import time
from pathlib import Path
from typing import Any

import pytest
from django.conf import settings as configured

from releases import actions
from releases.conversion import actions as conversions
from releases.conversion import jobs, runner
from releases.conversion.wishes import Wish
from releases.conversion_lifecycle import Operation, Stage
from releases.conversion_models import Conversion
from releases.ingest import ingest
from releases.models import Revision
from releases.proofs.digests import Place, head
from releases.sentences import restored
from tests.portal import world
from tests.releases.checkpoints import bomb, checkpoint
from tests.releases.test_conversion import BIN, stored
from tests.releases.test_conversion_pure import Runs

ROOT = Path(__file__).parents[2]
ENGINE = ROOT / ".venv-engine" / "bin" / "python"
SEED = ROOT / "releases" / "seed"
pytestmark = [
    pytest.mark.engine,
    pytest.mark.skipif(not ENGINE.exists(), reason="the engine environment is not installed (make engine)"),
]


# --- Every operation, in one process -----------------------------------------------------------------------------
@pytest.fixture(scope="module")
def told(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    script = Path(__file__).with_name("torch_cases.py")
    command = [str(ENGINE), str(script), str(ROOT), str(tmp_path_factory.mktemp("cases"))]
    done = subprocess.run(command, capture_output=True, text=True, timeout=110, check=False)
    assert done.returncode == 0, done.stderr[-3000:]
    found: dict[str, Any] = json.loads(done.stdout)
    return found


CONVERTED = [
    "convert", "several files", "views", "reshard", "and back", "tensor parallel", "fused", "neox", "flattened", "both",
    "to half", "to bfloat", "up",
]  # fmt: skip
REFUSED = {
    "twice": "consolidate them", "no tensors": "no tensors by name", "no table": "holds a list", "sparse": "_rebuild_sparse_tensor",
    "bad name": "no release may carry", "a whole module": "torch.nn.modules.linear.Linear", "too many files": "Ask for fewer",
    "one part differs": "layers.1.fc2.bias", "one part lacks something": "layers.1.fc1.bias", "another architecture": "no rule for the tensor",
    "without metadata": "shard_metadata", "a shard too short": "as many elements", "overflow": "large (2)",
}  # fmt: skip


@pytest.mark.parametrize("case", CONVERTED)
def test_the_tensors_come_out_bit_by_bit_and_are_proved(told: dict[str, Any], case: str) -> None:
    came = told[case]
    assert came.get("equal"), came
    assert came["steps"], "progress grows to the end"
    report = came["report"]
    if "pieces" in report:
        assert report["pieces"]["equal"] == report["pieces"]["count"] > 0


@pytest.mark.parametrize("case", REFUSED)
def test_what_cannot_be_converted_is_refused_with_a_sentence(told: dict[str, Any], case: str) -> None:
    assert REFUSED[case] in told[case].get("refused", ""), told[case]


def test_the_same_weights_have_one_id_however_they_lie(told: dict[str, Any]) -> None:
    ids = {told[case]["report"]["after"] for case in ("reshard", "and back", "tensor parallel")}
    assert len(ids) == 1
    assert told["reshard"]["report"]["before"] in ids
    assert told["flattened"]["report"]["after"] == told["both"]["report"]["after"]


def test_a_cast_says_how_much_it_changed(told: dict[str, Any]) -> None:
    half = told["to half"]["report"]["cast"]
    assert (half["inf"], half["nan"], half["tensors"]) == ([1, 1], [1, 1], 1)
    assert 0.0009 < half["max_abs_diff"] < 0.001
    assert told["up"]["report"]["cast"]["max_abs_diff"] == 0


def test_torch_and_the_portal_digest_a_tensor_alike(told: dict[str, Any]) -> None:
    import hashlib

    raw = bytes.fromhex("803f00c0003f4040")  # 1, -2, 0.5, 3 in bfloat16, little-endian
    assert told["leaf"] == hashlib.sha256(head(Place("w", "BF16", (2, 2), 0, 8)) + raw).hexdigest()


# --- The whole way ------------------------------------------------------------------------------------------------
@pytest.fixture(autouse=True)
def converter(settings: Any) -> None:
    settings.CONVERTER_PYTHON = str(ENGINE)


def drafted(lyceum: world.World, content: bytes) -> Revision:
    model = actions.open_model(lab=lyceum.lab, name="given", by=lyceum.manager)
    files = [stored(BIN, content), stored("config.json", b"{}")]
    return actions.commit(model=model, files=files, by=lyceum.manager, message="As trained")[0]


def carried(revision: Revision, wish: Wish, by: Any) -> Conversion:
    asked = conversions.request(revision=revision, wish=wish, by=by)
    jobs.carry_out(asked.pk)
    asked.refresh_from_db()
    assert not list(Path(configured.CONVERSION_PATH).glob(f"{asked.pk}*")), "its folder is gone"
    return asked


@pytest.mark.django_db
def test_our_trained_model_dealt_to_three_files_keeps_its_weight_id(lyceum: world.World, tmp_path: Path) -> None:
    entry = min(json.loads((SEED / "manifest.json").read_text())["models"], key=lambda m: int(m["parameters"]))
    with tarfile.open(SEED / entry["archive"]) as content:
        content.extractall(tmp_path / "real", filter="data")
    model = actions.open_model(lab=lyceum.lab, name="real", by=lyceum.manager)
    source = ingest(tmp_path / "real", model=model, by=lyceum.manager)
    paths = source.files.filter(path__endswith=".safetensors").values_list("path", flat=True)
    done = carried(source, Wish(Operation.RESHARD, tuple(paths), shards=3), lyceum.manager)
    assert done.stage == Stage.DONE, done.problem
    assert done.result is not None
    checked = actions.check(revision=done.result, by=lyceum.manager)
    assert checked.state == "checked", checked.findings
    receipt = done.receipt
    assert receipt is not None
    assert receipt["tensors"]["before"] == receipt["tensors"]["after"] == source.facts["weights"]["root"]
    assert checked.facts["weights"] == source.facts["weights"], "as the check computes it, without torch"
    assert checked.files.filter(path__endswith="model.safetensors.index.json").exists()
    assert receipt["versions"].keys() == {"python", "torch", "safetensors"}
    assert done.done == done.total > 0
    assert any("Kept" in line for _at, line in done.log)


@pytest.mark.django_db
def test_pickled_weights_become_safetensors(lyceum: world.World) -> None:
    draft = drafted(lyceum, checkpoint({"w": ([1.0, 2.0, 3.0, 4.0], [2, 2]), "b": ([0.5], [1])}, epoch=3))
    done = carried(draft, Wish(Operation.CONVERT, (BIN,)), lyceum.manager)
    assert done.stage == Stage.DONE, done.problem
    assert done.result is not None
    checked = actions.check(revision=done.result, by=lyceum.manager)
    assert (checked.state, checked.facts["parameters"]) == ("checked", 5)


@pytest.mark.django_db
@pytest.mark.parametrize("case", ["hostile", "bomb"])
def test_what_strangers_made_harms_nothing_and_the_worker_lives_on(
    lyceum: world.World, settings: Any, tmp_path: Path, case: str
) -> None:
    settings.CONVERSION_MEMORY_MIB = 3072
    tripwire = tmp_path / "tripwire"
    content = {"hostile": pickle.dumps(Runs(str(tripwire)), 2), "bomb": bomb()}[case]
    failed = carried(drafted(lyceum, content), Wish(Operation.CONVERT, (BIN,)), lyceum.manager)
    assert (failed.stage, failed.result, tripwire.exists()) == (Stage.FAILED, None, False)
    assert {"hostile": "That is not weights", "bomb": "more memory than this portal allows"}[case] in str(
        restored(failed.problem)
    )


# --- Ended from outside ------------------------------------------------------------------------------------------
def started(tmp_path: Path, *, seconds: int, go_on: Any) -> tuple[type[Exception], float]:
    for name in ("in", "out"):
        (tmp_path / name).mkdir()
    (tmp_path / "in" / "0").write_bytes(checkpoint({"w": ([1.0], [1])}))
    job = {
        "operation": "convert",
        "options": {"shards": 1},
        "files": [{"path": "w.pt", "at": "0"}],
        "closed_in_already": False,
    }
    late = tmp_path / "late"  # or it were done before the second look
    late.write_text(f'#!/bin/sh\nsleep 5\nexec {ENGINE} "$@"\n')
    late.chmod(0o755)
    ear = runner.Ear(lambda _line: None, lambda _done, _all: None, go_on)
    began = time.monotonic()
    with pytest.raises((runner.Failed, runner.Ended)) as ended:
        runner.run(late, tmp_path, job, runner.Bounds(seconds, 4 << 30, 1 << 20), ear)
    return ended.type, time.monotonic() - began


def running_in(folder: Path) -> list[str]:
    found = []
    for each in Path("/proc").iterdir():
        try:
            if each.name.isdigit() and os.fsencode(folder) in (each / "cmdline").read_bytes():
                found.append(each.name)
        except OSError:
            continue
    return found


def test_what_takes_too_long_is_ended(tmp_path: Path) -> None:
    kind, took = started(tmp_path, seconds=1, go_on=lambda: True)
    assert (kind, took < 4, running_in(tmp_path)) == (runner.Failed, True, [])


def test_what_is_cancelled_is_ended(tmp_path: Path) -> None:
    kind, took = started(tmp_path, seconds=60, go_on=iter([True, False]).__next__)
    assert (kind, took < 4, running_in(tmp_path)) == (runner.Ended, True, [])
