"""transformers loads a gated model of ours by name: configuration, tokenizer and weights, in the engine environment."""

from __future__ import annotations

import json
import tarfile
from pathlib import Path

import pytest

from tests.contract import clients
from tests.contract.hub import Hub, published

SEED = clients.ROOT / "releases" / "seed"
ENGINE = clients.ROOT / ".venv-engine" / "bin" / "python"
LOAD = """
import json, sys
from transformers import AutoConfig, AutoModelForCausalLM, AutoTokenizer
name = sys.argv[1]
config = AutoConfig.from_pretrained(name)
tokenizer = AutoTokenizer.from_pretrained(name)
model = AutoModelForCausalLM.from_pretrained(name)
ids = tokenizer("def main():", return_tensors="pt")
written = model.generate(**ids, max_new_tokens=4, do_sample=False)
print(json.dumps({"type": config.model_type, "parameters": model.num_parameters(), "tokens": written.shape[1], "prompt": ids["input_ids"].shape[1]}))
"""
REFUSED = """
import sys
from transformers import AutoConfig
try:
    AutoConfig.from_pretrained(sys.argv[1])
except Exception as error:
    print(type(error).__name__, error)
"""


@pytest.fixture
def real(hub: Hub, tmp_path: Path) -> Hub:
    """Our own smallest trained model, published behind the gate."""
    if not ENGINE.exists():
        pytest.skip("the engine environment is not installed (make engine)")
    if not (SEED / "manifest.json").exists():
        pytest.skip("releases/seed holds no trained model")
    entry = min(json.loads((SEED / "manifest.json").read_text())["models"], key=lambda m: int(m["parameters"]))
    with tarfile.open(SEED / entry["archive"]) as content:
        content.extractall(tmp_path / "real", filter="data")
    model = published(hub.world, "real", tmp_path / "real")
    model.gate = hub.world.gate
    model.save(update_fields=["gate"])
    return hub


@pytest.mark.engine
def test_auto_classes_load_it_by_name(real: Hub, tmp_path: Path) -> None:
    client = clients.Client(ENGINE, tmp_path / "home", real.url, real.token(real.researcher))
    done = client.script(LOAD, "lyceum/real", timeout_s=400, CUDA_VISIBLE_DEVICES="")
    assert done.returncode == 0, done.stderr[-3000:]
    said = json.loads(done.stdout.strip().splitlines()[-1])
    assert said["type"] == "opt"
    assert said["tokens"] > said["prompt"]
    offline = client.script(LOAD, "lyceum/real", timeout_s=400, HF_HUB_OFFLINE="1", CUDA_VISIBLE_DEVICES="")
    assert offline.returncode == 0, "the second load needs nobody"


@pytest.mark.engine
def test_a_stranger_reads_where_to_apply(real: Hub, tmp_path: Path) -> None:
    client = clients.Client(ENGINE, tmp_path / "home", real.url, real.token(real.stranger))
    said = client.script(REFUSED, "lyceum/real", timeout_s=200).stdout
    assert f"{real.url}/apply/{real.world.gate.slug}/" in said, said
