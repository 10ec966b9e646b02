"""The seed archives: what the manifest promises is in them, and the standard library alone can read it."""

import hashlib
import json
import math
import struct
import tarfile
from datetime import datetime
from pathlib import Path

import pytest

SEED = Path(__file__).resolve().parents[2] / "releases" / "seed"
MANIFEST = json.loads((SEED / "manifest.json").read_text())
ENTRIES = {entry["name"]: entry for entry in MANIFEST["models"]}


@pytest.fixture(scope="module", params=sorted(ENTRIES))
def entry(request: pytest.FixtureRequest) -> dict:
    return ENTRIES[request.param]


@pytest.fixture(scope="module")
def files(entry: dict) -> dict[str, bytes]:
    with tarfile.open(SEED / entry["archive"]) as tar:
        return {member.name: tar.extractfile(member).read() for member in tar}


def rows(data: bytes) -> list[dict]:
    return [json.loads(line) for line in data.decode().split("\n") if line]


def test_the_seed_is_small_and_holds_two_open_sizes_with_ladders_and_a_gated_one_without():
    assert sum(path.stat().st_size for path in SEED.iterdir()) < 40_000_000
    assert {name: (entry["gated"], "ladder" in entry) for name, entry in ENTRIES.items()} == {
        "pico-opt-300k": (False, True),
        "pico-opt-1m": (False, True),
        "pico-opt-5m": (True, False),
    }


def test_every_file_has_the_digest_in_the_manifest(entry, files):
    assert hashlib.sha256((SEED / entry["archive"]).read_bytes()).hexdigest() == entry["archive_sha256"]
    found = {name: {"sha256": hashlib.sha256(data).hexdigest(), "size": len(data)} for name, data in files.items()}
    assert found == entry["files"]


def test_the_weights_have_as_many_parameters_as_the_name_says(entry, files):
    data = files["model.safetensors"]
    header = json.loads(data[8 : 8 + struct.unpack("<Q", data[:8])[0]])
    shapes = [tensor["shape"] for name, tensor in header.items() if name != "__metadata__"]
    count = sum(math.prod(shape) for shape in shapes)
    assert count == entry["parameters"]
    said = f"{round(count / 1e6)}m" if count > 1e6 else f"{round(count / 1e5)}00k"
    assert entry["name"].endswith(f"-{said}")


def test_vllm_can_serve_the_shape(files):
    config = json.loads(files["config.json"])
    assert config["hidden_size"] // config["num_attention_heads"] in {32, 64, 80, 96, 128}
    assert config["max_position_embeddings"] >= 1024
    assert "<|assistant|>" in files["chat_template.jinja"].decode()
    assert json.loads(files["tokenizer_config.json"])["bos_token"] == "</s>"


def test_the_curve_and_the_logbook_belong_together(entry, files):
    metrics, logbook = rows(files["records/metrics.jsonl"]), rows(files["records/logbook.jsonl"])
    assert metrics[-1]["step"] == entry["steps"]
    assert metrics[-1]["tokens"] == entry["tokens"]
    assert metrics[-1]["loss"] < metrics[0]["loss"] / 1.5
    times = [datetime.fromisoformat(entry["ts_utc"]) for entry in logbook]
    assert times == sorted(times)
    assert times[0] <= datetime.fromisoformat(metrics[0]["ts_utc"]) <= times[-1]


def test_a_divergence_in_the_logbook_is_a_divergence_in_the_curve():
    with tarfile.open(SEED / ENTRIES["pico-opt-5m"]["archive"]) as tar:
        metrics, logbook = (rows(tar.extractfile(f"records/{name}.jsonl").read()) for name in ("metrics", "logbook"))
    told = next(entry for entry in logbook if entry["type"] == "divergence")
    seen = [row["loss"] for row in metrics if row["segment"] == told["segment"] and row["step"] <= told["step"]]
    assert max(seen[-12:]) > min(seen) + 0.5
    assert {"kill", "resume", "verification", "rollback", "change"} <= {entry["type"] for entry in logbook}


def test_nothing_in_the_seed_names_the_machine_it_was_made_on(files):
    others = ("model.safetensors", "data/corpus.jsonl")  # the latter is Python's own text
    texts = [data for name, data in files.items() if name not in others]
    assert not [text for text in texts if b"/root/" in text or b"/home/" in text or b"/tmp/" in text]


def test_the_published_data_is_the_corpus_of_the_record_and_lies_with_the_open_size_alone(entry, files):
    corpus = json.loads(files["records/corpus.json"])
    if entry["gated"]:
        assert "data/corpus.jsonl" not in files
        return
    found = {row["path"]: row for row in rows(files["data/corpus.jsonl"])}
    for split in ("train", "held_out"):
        for source in corpus[split]:
            row = found.pop(source["path"])
            assert (row["split"], row["sha256"]) == (split, source["sha256"])
            assert hashlib.sha256(row["text"].encode()).hexdigest() == source["sha256"]
    assert found == {}


def test_what_mof_yml_names_is_there(files):
    named = [line.strip(" -") for line in files["mof.yml"].decode().splitlines() if line.startswith("        - ")]
    assert named
    for place in named:
        assert place in files or any(name.startswith(f"{place}/") for name in files), place
