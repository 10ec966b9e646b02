"""Run by the engine environment's Python: makes checkpoints as trainers write them, converts each, says what came out.

`python torch_cases.py REPOSITORY FOLDER` prints one JSON table: case → {report, tensors} or {refused}. One import of
torch serves them all; the barriers are tried elsewhere.
"""

from __future__ import annotations

import json
import shutil
import sys
from pathlib import Path

import torch
from torch import nn

sys.path.insert(0, sys.argv[1])

from safetensors.torch import load_file

from releases.conversion.child import digest
from releases.conversion.child.problems import Refused
from releases.conversion.child.work import Work

FOLDER = Path(sys.argv[2])
TOLD: dict[str, object] = {}
torch.manual_seed(0)


def case(name, files, operation, expected=None, **options):
    """Convert `files` (path → object to save); hold what came out against `expected` tensors, bit by bit."""
    scratch = FOLDER / "scratch"
    shutil.rmtree(scratch, ignore_errors=True)
    (scratch / "in").mkdir(parents=True)
    (scratch / "out").mkdir()
    entries = []
    for number, (path, content) in enumerate(files.items()):
        entries.append({"path": path, "at": str(number)})
        if isinstance(content, Path):
            shutil.copy(content, scratch / "in" / str(number))
        else:
            torch.save(content, scratch / "in" / str(number))
    steps, lines = [], []
    job = {
        "operation": operation,
        "files": entries,
        "options": {"shards": 1, "dtype": "", "architecture": "", **options},
    }
    try:
        report = Work(job, scratch, lines.append, lambda done, total: steps.append((done, total))).run()
    except Refused as refused:
        TOLD[name] = {"refused": str(refused)}
        return {}
    got = {}
    for file in sorted((scratch / "out").glob("*.safetensors")):
        got |= load_file(file)
    TOLD[name] = {
        "report": report,
        "files": sorted(path.name for path in (scratch / "out").iterdir()),
        "equal": expected is None or same(got, expected),
        "steps": steps == sorted(steps) and steps[-1][0] == steps[-1][1],
        "lines": lines,
    }
    return {name: scratch / "out" / name for name in TOLD[name]["files"]}


def same(got, expected):
    return got.keys() == expected.keys() and all(
        got[k].dtype == expected[k].dtype and torch.equal(got[k], expected[k]) for k in got
    )


def model(width=8, layers=2, vocabulary=32):
    """The tensors of a small OPT, by metaseq's names; half in bfloat16, so that types are kept."""
    found = {
        "decoder.embed_tokens.weight": torch.randn(vocabulary, width),
        "decoder.embed_positions.weight": torch.randn(10, width),
    }
    for n in range(layers):
        layer = f"decoder.layers.{n}."
        for q in "qkv":
            found[f"{layer}self_attn.{q}_proj.weight"] = torch.randn(width, width).bfloat16()
            found[f"{layer}self_attn.{q}_proj.bias"] = torch.randn(width)
        found[f"{layer}self_attn.out_proj.weight"] = torch.randn(width, width)
        found[f"{layer}self_attn.out_proj.bias"] = torch.randn(width)
        found[f"{layer}fc1.weight"], found[f"{layer}fc1.bias"] = torch.randn(4 * width, width), torch.randn(4 * width)
        found[f"{layer}fc2.weight"], found[f"{layer}fc2.bias"] = torch.randn(width, 4 * width), torch.randn(width)
        found[f"{layer}final_layer_norm.weight"] = torch.ones(width)
    return found


COLUMNS = ("out_proj.weight", "fc2.weight", "attention.dense.weight", "dense_4h_to_h.weight")
WHOLE = (
    "out_proj.bias",
    "fc2.bias",
    "norm.weight",
    "embed_positions.weight",
    "attention.dense.bias",
    "dense_4h_to_h.bias",
)


def part(tensors, number, count):
    """One part, cut by hand and not by the rows under test."""
    found = {}
    for name, tensor in tensors.items():
        if name.endswith(WHOLE):
            found[name] = tensor.clone()
        elif "qkv_proj" in name:
            found[name] = torch.cat([third.chunk(count)[number] for third in tensor.chunk(3)]).clone()
        else:
            found[name] = tensor.chunk(count, dim=1 if name.endswith(COLUMNS) else 0)[number].clone()
    return found


def shards(tensors, count):
    """Flattened, padded and cut as fairscale does, one flat parameter a group of names; a buffer beside them."""
    groups = [
        ("", "decoder.embed"),
        ("decoder.layers.0", "decoder.layers.0."),
        ("decoder.layers.1", "decoder.layers.1."),
    ]
    made = [
        {
            "model": {"decoder.version": torch.tensor([3.0])},
            "shard_metadata": {"param_metadata": [], "buffer_names": ["decoder.version"]},
        }
        for _ in range(count)
    ]
    for path, prefix in groups:
        names = [name for name in tensors if name.startswith(prefix)]
        flat = torch.cat([tensors[name].reshape(-1) for name in names])
        size = -(-len(flat) // count)
        short = [name.removeprefix(path + ".") if path else name for name in names]
        for rank, one in enumerate(made):
            own = flat[rank * size : (rank + 1) * size]
            told = {
                "names": [f"_fpw_module.{name}" for name in short], "shapes": [tuple(tensors[n].shape) for n in names],
                "numels": [tensors[n].numel() for n in names], "padding": size - len(own),
            }  # fmt: skip
            key = f"{path}.flat_param_0" if path else "flat_param_0"
            one["model"][key] = torch.nn.functional.pad(own, (0, size - len(own)))
            one["shard_metadata"]["param_metadata"].append(
                {"fsdp_path": path, "params": {"flat_param_0": told}, "shared_param_info": []}
            )
    return made


opt = model()
plain = {name: tensor.float() for name, tensor in opt.items()}
version = {"decoder.version": torch.tensor([3.0])}

# Convert
tied = nn.Embedding(6, 4)
checkpoint = {
    "model": {"embed": tied.weight, "head": tied.weight, "n": torch.tensor(7), "flag": torch.tensor([True, False])},
    "epoch": 3,
}
case("convert", {"pytorch_model.bin": checkpoint}, "convert", {k: v.detach() for k, v in checkpoint["model"].items()})
case(
    "several files",
    {"a.bin": {"a": torch.ones(3)}, "b.bin": {"b": torch.zeros(2, 2)}},
    "convert",
    {"a": torch.ones(3), "b": torch.zeros(2, 2)},
)
transposed = torch.arange(6.0).reshape(2, 3).T
case(
    "views",
    {"v.pt": {"t": transposed, "r": transposed[1], "e": torch.empty(0, 4)}},
    "convert",
    {"t": transposed, "r": transposed[1], "e": torch.empty(0, 4)},
)
case("twice", {"a.bin": {"a": torch.ones(3)}, "b.bin": {"a": torch.zeros(3)}}, "convert")
case("no tensors", {"a.bin": {"epoch": 3}}, "convert")
case("no table", {"a.bin": [torch.ones(1)]}, "convert")
case("sparse", {"a.bin": {"a": torch.eye(3).to_sparse()}}, "convert")
case("bad name", {"a.bin": {"../../x": torch.ones(1)}}, "convert")
case("a whole module", {"a.bin": nn.Linear(2, 2)}, "convert")

# There and back
many = case("reshard", {"m.bin": opt}, "reshard", opt, shards=5)
kept = FOLDER / "kept"
kept.mkdir()
back = {name: shutil.copy(path, kept / name) for name, path in many.items() if name.endswith(".safetensors")}
case("and back", {name: Path(path) for name, path in back.items()}, "reshard", opt)
case("too many files", {"m.bin": {"a": torch.ones(1)}}, "reshard", shards=2)

# Consolidate
parts = [part(opt, n, 4) for n in range(4)]
named = {f"reshard-model_part-{n}.pt": {"model": each} for n, each in enumerate(parts)}
case("tensor parallel", named, "consolidate", opt, architecture="opt", shards=2)
fused = {
    "decoder.layers.0.self_attn.qkv_proj.weight": torch.randn(24, 8),
    "decoder.layers.0.self_attn.qkv_proj.bias": torch.randn(24),
}
case("fused", {f"model_part-{n}.pt": part(fused, n, 2) for n in range(2)}, "consolidate", fused, architecture="opt")
neox = {
    "gpt_neox.embed_in.weight": torch.randn(16, 4), "gpt_neox.layers.0.attention.query_key_value.weight": torch.randn(12, 4),
    "gpt_neox.layers.0.attention.dense.weight": torch.randn(4, 4), "gpt_neox.layers.0.attention.dense.bias": torch.randn(4),
    "gpt_neox.layers.0.mlp.dense_h_to_4h.weight": torch.randn(16, 4), "gpt_neox.layers.0.mlp.dense_4h_to_h.weight": torch.randn(4, 16),
    "gpt_neox.layers.0.input_layernorm.weight": torch.randn(4),
}  # fmt: skip
case(
    "neox",
    {f"mp_rank_0{n}_model_states.pt": {"module": part(neox, n, 2)} for n in range(2)},
    "consolidate",
    neox,
    architecture="gpt-neox",
)
flat = shards(plain, 3)
case("flattened", {f"checkpoint-shard{n}.pt": each for n, each in enumerate(flat)}, "consolidate", plain | version)
both = {f"c-model_part-{p}-shard{s}.pt": each for p in range(2) for s, each in enumerate(shards(part(plain, p, 2), 3))}
case("both", both, "consolidate", plain | version, architecture="opt")
wrong = [dict(each) for each in parts]
wrong[2]["decoder.layers.1.fc2.bias"] = wrong[2]["decoder.layers.1.fc2.bias"] + 1
case(
    "one part differs", {f"model_part-{n}.pt": each for n, each in enumerate(wrong)}, "consolidate", architecture="opt"
)
short = [dict(each) for each in parts]
del short[3]["decoder.layers.1.fc1.bias"]
case(
    "one part lacks something",
    {f"model_part-{n}.pt": each for n, each in enumerate(short)},
    "consolidate",
    architecture="opt",
)
case(
    "another architecture",
    {f"model_part-{n}.pt": each for n, each in enumerate(parts)},
    "consolidate",
    architecture="gpt-neox",
)
lost = [{"model": each["model"]} for each in flat]
case("without metadata", {f"c-shard{n}.pt": each for n, each in enumerate(lost)}, "consolidate")
flat[1]["model"]["flat_param_0"] = flat[1]["model"]["flat_param_0"][:-1]
case("a shard too short", {f"c-shard{n}.pt": each for n, each in enumerate(flat)}, "consolidate")

# Cast
values = torch.tensor([1.0, 1 + 2**-9, -3.14159, 65504.0, 1e-8, float("inf"), float("nan")])
counts = torch.tensor([1, 2**40])
case("to half", {"m.bin": {"v": values, "n": counts}}, "cast", dtype="F16")
case(
    "to bfloat",
    {"m.bin": {"v": torch.tensor([1e38, 1.0])}},
    "cast",
    {"v": torch.tensor([1e38, 1.0]).bfloat16()},
    dtype="BF16",
)
case("up", {"m.bin": {"v": torch.tensor([1.5]).half()}}, "cast", {"v": torch.tensor([1.5])}, dtype="F32")
case("overflow", {"m.bin": {"fine": torch.ones(2), "large": torch.tensor([1e5, 1.0, -7e4])}}, "cast", dtype="F16")

leaf = digest.leaf("w", torch.tensor([[1.0, -2.0], [0.5, 3.0]], dtype=torch.bfloat16))
TOLD["leaf"] = leaf
sys.stdout.write(json.dumps(TOLD))
