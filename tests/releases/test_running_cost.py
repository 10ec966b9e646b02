"""What a model costs to run: the arithmetic against published tables, real files, and itself."""

from __future__ import annotations

import io
import json
import struct
import tarfile
from dataclasses import replace
from functools import cache
from pathlib import Path
from typing import Any

import pytest
from django.utils import translation

from portal.errors import Invalid
from releases import entries
from releases.costs import architecture, hardware, memory, running, writing
from releases.costs.expression import Quantity, Source, exactly, given, plain
from releases.costs.plan import Plan
from releases.costs.subjects import shape_of
from releases.costs.units import SCALES, Unit

SEED = Path(__file__).resolve().parents[2] / "releases" / "seed"
OPT = {size.label: size for size in entries.sizes_in(entries.read("opt"))}
OPT_175B = OPT["175B"]
PAPER = Source("OPT paper", "https://arxiv.org/abs/2205.01068")


def plan(card: str, tensor: int, pipeline: int = 1, **more: Any) -> Plan:
    settings = {"weights": "fp16", "group": 0, "cache": "fp16", "context": 2048, "concurrency": 1, "prompt": 512,
                "answer": 128, "grid": 0.481}  # fmt: skip
    return Plan(accelerator=hardware.accelerators()[card], tensor=tensor, pipeline=pipeline, **settings | more)


def opt_175b(card: str, tensor: int, pipeline: int = 1, **more: Any) -> running.Estimate:
    known = given("parameters", "Parameters", OPT_175B.parameters, source=PAPER)
    return running.estimate(shape_of(OPT_175B, PAPER), known, plan(card, tensor, pipeline, **more))


# Weights on one card in GB, whether its heads can be shared out, whether it fits at 0.9 of the memory, how many sequences
# of 2,048 tokens do, and the least time for a token in ms.
TABLE = [
    ("v100-32", 16, 21.8, True, True, 9, 24),
    ("v100-16", 16, 21.8, True, False, 0, None),
    ("a100-40", 8, 43.7, True, False, 0, None),
    ("a40", 8, 43.7, True, False, 0, None),
    ("a100-40", 16, 21.8, True, True, 21, 14),
    ("a100-80", 8, 43.7, True, True, 22, 21),
    ("h100-80", 8, 43.7, True, True, 22, None),
    ("a100-80", 5, 69.8, False, True, None, None),
    ("a100-80", 6, 58.2, True, True, 7, None),
    ("h200-141", 3, 116.4, True, True, 2, 24),
    ("h200-141", 4, 87.3, True, True, 15, 18),
]


@pytest.mark.parametrize(("card", "count", "weights", "splits", "room", "spare", "floor"), TABLE)
def test_opt_175b_on_machines_that_people_asked_about(card, count, weights, splits, room, spare, floor):
    told = opt_175b(card, count)
    # The table divides all weights evenly; norms, biases and positions are on each card, 0.1 GB more.
    assert told.memory.weights_here.amount / 1e9 == pytest.approx(weights, abs=0.15)
    assert told.memory.weights.amount / count / 1e9 == pytest.approx(weights, abs=0.05)
    assert told.splits is splits
    assert told.memory.holds is room
    assert told.fits is (splits and room)
    if spare is not None:
        assert told.memory.spare.amount == spare
    if floor:
        assert told.speed.floor.amount * 1000 == pytest.approx(floor, abs=0.5)


def test_eight_cards_of_48_gb_hold_it_only_with_almost_nothing_beside():
    assert opt_175b("a40", 8, usable=0.98).memory.fits
    assert opt_175b("a40", 8, usable=0.98).memory.spare.amount <= 2


def test_three_cards_need_a_padded_vocabulary_or_stages():
    told = opt_175b("h200-141", 3)
    vocabulary = next(each for each in told.conditions if "Vocabulary" in str(each.label))
    assert "50,274" in str(vocabulary.note)
    staged = opt_175b("h200-141", 1, 3)
    assert staged.fits
    assert not any(str(each.note) for each in staged.conditions)
    # Stages take turns, so one sequence alone gets no faster by them.
    assert staged.speed.floor.amount == pytest.approx(3 * told.speed.floor.amount)


def test_a_pipeline_that_layers_do_not_divide_by_is_refused():
    assert not opt_175b("a100-80", 1, 7).splits


@pytest.mark.parametrize(("size", "gb", "gib", "cache_kb"), [
    ("125M", 0.25, 0.23, 37), ("350M", 0.66, 0.62, 98), ("1.3B", 2.63, 2.45, 197), ("2.7B", 5.30, 4.94, 328),
    ("6.7B", 13.3, 12.4, 524), ("13B", 25.7, 23.9, 819), ("30B", 59.9, 55.8, 1376), ("66B", 131.4, 122.4, 2359),
    ("175B", 349.2, 325.2, 4719),
])  # fmt: skip
def test_the_published_sizes_of_opt(size, gb, gib, cache_kb):
    """Bytes that users of the 125M, the 1.3B and the 175B report agree with them (metaseq, issue 695)."""
    shape = shape_of(OPT[size])
    counted = architecture.count(shape)
    stated = given("parameters", "Parameters", OPT[size].parameters)
    weights = memory.weights(counted, stated, "fp16", 0).amount
    assert weights / 1e9 == pytest.approx(gb, rel=0.006)
    assert weights / SCALES["GiB"][1] == pytest.approx(gib, rel=0.015)
    assert memory.cache_per_token(shape, "fp16").amount / 1000 == pytest.approx(cache_kb, abs=0.6)
    if size != "350M":  # its embeddings are narrower, which the entry does not tell
        assert counted.total.amount == OPT[size].parameters


@cache
def seed(name: str) -> tuple[dict[str, Any], dict[str, Any]]:
    """The config and the safetensors header of a trained model."""
    with tarfile.open(SEED / f"{name}.tar.xz") as archive:
        config = json.load(archive.extractfile("config.json"))
        raw = archive.extractfile("model.safetensors").read()
    (length,) = struct.unpack("<Q", raw[:8])
    header = json.load(io.BytesIO(raw[8 : 8 + length]))
    return config, {**header, "bytes": len(raw) - 8 - length}


@pytest.mark.parametrize("name", ["pico-opt-300k", "pico-opt-1m", "pico-opt-5m"])
def test_weights_are_as_large_as_the_real_files(name):
    config, header = seed(name)
    shape = architecture.read(config)
    assert memory.weights(architecture.count(shape), None, shape.weights, shape.group).amount == header["bytes"]


LLAMA_2_7B = {"model_type": "llama", "hidden_size": 4096, "num_hidden_layers": 32, "num_attention_heads": 32,
              "intermediate_size": 11008, "vocab_size": 32000, "max_position_embeddings": 4096}  # fmt: skip
LLAMA_2_70B = {"model_type": "llama", "hidden_size": 8192, "num_hidden_layers": 80, "num_attention_heads": 64,
               "num_key_value_heads": 8, "intermediate_size": 28672, "vocab_size": 32000}  # fmt: skip
MISTRAL_7B = {"model_type": "mistral", "hidden_size": 4096, "num_hidden_layers": 32, "num_attention_heads": 32,
              "num_key_value_heads": 8, "intermediate_size": 14336, "vocab_size": 32000, "sliding_window": 4096,
              "max_position_embeddings": 32768, "torch_dtype": "bfloat16"}  # fmt: skip
MIXTRAL_8X7B = MISTRAL_7B | {"model_type": "mixtral", "num_local_experts": 8, "num_experts_per_tok": 2,
                             "sliding_window": None}  # fmt: skip


@pytest.mark.parametrize(("config", "parameters"), [
    (LLAMA_2_7B, 6_738_415_616), (LLAMA_2_70B, 68_976_648_192), (MISTRAL_7B, 7_241_732_096),
    (MIXTRAL_8X7B, 46_702_792_704),
])  # fmt: skip
def test_the_parameters_of_well_known_models(config, parameters):
    """Grouped queries, gated blocks, untied embeddings and experts, against the counts of the published checkpoints."""
    assert architecture.count(architecture.read(config)).total.amount == parameters


def test_grouped_queries_shrink_the_cache_and_repeat_where_there_are_more_parts():
    shape = architecture.read(LLAMA_2_70B)
    assert memory.cache_per_token(shape, "fp16").amount == 2 * 80 * 8 * 128 * 2
    told = {parts: running.estimate(shape, None, plan("a100-80", parts)).memory.cache_here.amount for parts in (8, 16)}
    assert told[8] == told[16]  # a head for each of 8 parts; of 16, each pair holds the same
    assert "repeats" in str(running.estimate(shape, None, plan("a100-80", 16)).conditions[1].note)


def test_a_window_bounds_the_cache_of_long_sequences():
    shape = architecture.read(MISTRAL_7B)
    short, long = (memory.cache_of(shape, "bf16", given("t", "t", n, "token")).amount for n in (4096, 32768))
    assert short == long
    mixed = architecture.read(MISTRAL_7B | {"layer_types": ["sliding_attention"] * 24 + ["full_attention"] * 8})
    assert memory.cache_of(mixed, "bf16", given("t", "t", 32768, "token")).amount == pytest.approx(
        short * (24 * 4096 + 8 * 32768) / (32 * 4096)
    )


def test_a_latent_cache_is_narrow_and_whole_on_each_part():
    shape = architecture.read(LLAMA_2_7B | {"kv_lora_rank": 512, "qk_rope_head_dim": 64})
    assert memory.cache_per_token(shape, "fp16").amount == 32 * 576 * 2
    told = {parts: running.estimate(shape, None, plan("a100-80", parts)).memory.cache_here.amount for parts in (1, 4)}
    assert told[1] == told[4]


def test_a_token_needs_two_experts_and_a_crowd_reads_them_all():
    shape = architecture.read(MIXTRAL_8X7B)
    told = {n: running.estimate(shape, None, plan("a100-80", 2, concurrency=n, prompt=1, answer=1)) for n in (1, 64)}
    active = next(step for step in told[1].speed.prefill.steps() if step.key == "work").amount / 2
    assert active == pytest.approx(12.9e9, rel=0.01)
    read = {n: _find(told[n].speed.step, "weights_read").amount for n in told}
    assert read[1] == pytest.approx(2 * active, rel=0.01)
    assert read[64] == pytest.approx(2 * 46.7e9, rel=0.001)


def _find(quantity: Quantity, key: str) -> Quantity:
    """The first step of this name in the tree."""
    if quantity.key == key:
        return quantity
    found = [hit for part in quantity.parts if (hit := _find(part, key)) is not None]
    return found[0] if found else None  # type: ignore[return-value]


@pytest.mark.parametrize(("kind", "group", "bits"), [
    ("fp32", 0, 32), ("fp16", 0, 16), ("bf16", 0, 16), ("fp8", 0, 8), ("int8", 0, 8), ("int4", 0, 4),
    ("int4", 128, 4 + 16 / 128), ("int4", 32, 4 + 16 / 32),
])  # fmt: skip
def test_quantised_matrices_take_their_bits_and_the_rest_two_bytes(kind, group, bits):
    counted = architecture.count(architecture.read(LLAMA_2_7B))
    matrices = counted.matrices.amount
    rest = counted.total.amount - matrices
    expected = matrices * bits / 8 + rest * (bits / 8 if kind in {"fp32", "fp16", "bf16"} else 2)
    assert memory.weights(counted, None, kind, group).amount == pytest.approx(expected)


@pytest.mark.parametrize(("told", "kind", "group"), [
    ({"torch_dtype": "float32"}, "fp32", 0),
    ({"dtype": "bfloat16"}, "bf16", 0),
    ({"quantization_config": {"quant_method": "gptq", "bits": 4, "group_size": 128}}, "int4", 128),
    ({"quantization_config": {"quant_method": "awq", "bits": 4, "group_size": -1}}, "int4", 0),
    ({"quantization_config": {"quant_method": "fp8"}}, "fp8", 0),
    ({"quantization_config": {"load_in_8bit": True}}, "int8", 0),
])  # fmt: skip
def test_how_a_config_says_that_its_weights_are_stored(told, kind, group):
    shape = architecture.read(LLAMA_2_7B | told)
    assert (shape.weights, shape.group) == (kind, group)


@pytest.mark.parametrize("wrong", [
    {"num_hidden_layers": None}, {"hidden_size": "4096"}, {"vocab_size": -1}, {"num_attention_heads": 0},
    {"hidden_size": 10**12}, {"num_hidden_layers": True}, {"hidden_size": 4096.5},
    {"num_key_value_heads": 0}, {"head_dim": 0}, {"max_position_embeddings": 0},
    {"num_experts_per_tok": 9, "num_local_experts": 8}, {"first_k_dense_replace": 33, "n_routed_experts": 8},
])  # fmt: skip
def test_a_config_that_says_nothing_usable_is_refused_by_name(wrong):
    with pytest.raises(Invalid) as refused:
        architecture.read(LLAMA_2_7B | wrong)
    assert next(iter(wrong)) in refused.value.message


@pytest.mark.parametrize("said", [
    {"num_experts_per_tok": 8, "num_local_experts": 8}, {"first_k_dense_replace": 32, "n_routed_experts": 8},
    {"num_key_value_heads": 1}, {"sliding_window": 1024, "layer_types": ["sliding_attention"] * 99},
])  # fmt: skip
def test_what_is_as_much_as_there_is_can_be_reckoned(said):
    shape = architecture.read(LLAMA_2_7B | said)
    for stages in (1, 2):
        told = running.estimate(shape, None, plan("a100-80", 1, stages))
        assert all(quantity.amount > 0 for quantity in told.quantities() if quantity.key != "spare")


def test_a_number_its_line_and_its_json_are_one_tree():
    weights = opt_175b("a100-80", 8).memory.weights
    assert weights.arithmetic(plain) == "174,604,468,224 × 2 B"
    told = weights.as_json()
    assert (told["value"], told["unit"], told["arithmetic"]) == (349_208_936_448, "B", "174,604,468,224 × 2 B")
    assert [step["key"] for step in told["of"]] == ["parameters", "bytes_fp16"]


def test_every_number_expands_to_given_ones_and_each_of_those_has_a_source():
    told = opt_175b("v100-32", 16, bought=399_000.0).as_json()
    leaves = list(_leaves(told))
    assert len(leaves) > 50
    assert [leaf["key"] for leaf in leaves if not leaf["source"]] == []
    json.dumps(told)


def _leaves(told: Any) -> Any:
    if isinstance(told, dict) and "arithmetic" in told and "of" in told:
        if not told["of"]:
            yield told
        for step in told["of"]:
            yield from _leaves(step)
    elif isinstance(told, dict):
        for value in told.values():
            yield from _leaves(value)
    elif isinstance(told, list):
        for value in told:
            yield from _leaves(value)


def test_a_bought_machine_costs_its_price_over_its_years():
    told = plan("v100-32", 16, bought=400_000.0, years=3).hourly()
    assert told.amount == pytest.approx(15.2, abs=0.03)
    assert str(told.unit) == "USD/h"


def test_money_energy_and_emissions_follow_from_the_speed():
    told = opt_175b("a100-80", 8, price=20.0, watts=6500.0, pue=1.1, concurrency=8).speed.fast
    assert told.dollars_per_million.amount == pytest.approx(20 / (3600 * told.rate.amount) * 1e6)
    assert told.energy_per_million.amount == pytest.approx(6.5 * 1.1 * 1e6 / told.rate.amount / 3600)
    assert told.carbon_per_query.amount == pytest.approx(told.energy_per_query.amount * 0.481)
    assert told.energy_per_query.amount == pytest.approx(6.5 * 1.1 * told.seconds.amount / 8 / 3600)
    assert opt_175b("a100-80", 8).speed.fast.dollars_per_million is None


def test_units_follow_and_do_not_mix():
    speed = exactly(6, "B") / exactly(2, "B/s")
    assert (speed.amount, str(speed.unit)) == (3, "s")
    with pytest.raises(ValueError, match="do not add up"):
        exactly(1, "B") + exactly(1, "s")
    assert str(Unit.of("W*s/kWh")) == "W·s/kWh"


@pytest.mark.parametrize(("kg", "read"), [
    (0.0026274, "2.63 g"), (0.475, "475 g"), (12, "12 kg"), (75_000, "75 t"), (137_124, "137 t"), (0, "0 g"),
])  # fmt: skip
def test_a_mass_is_kept_in_kg_and_read_in_grams_kilograms_and_tonnes(kg, read):
    told = writing.written(given("m", "m", kg, "kg"))
    assert told.replace("\xa0", " ") == read
    number, unit = told.split("\xa0")
    assert float(number) * SCALES[unit][1] == pytest.approx(kg, rel=0.01)


def test_gigabytes_and_gibibytes_are_both_shown():
    assert writing.both(given("b", "b", 349_208_936_448, "B")).replace("\xa0", " ") == "349 GB (325 GiB)"
    assert writing.both(given("b", "b", 9_472_512, "B")).replace("\xa0", " ") == "9.47 MB (9.03 MiB)"
    assert writing.both(given("b", "b", 7_318, "B")).replace("\xa0", " ") == "7.32 kB"


def test_every_accelerator_machine_and_grid_names_a_public_source():
    for row in [*hardware.accelerators().values(), *hardware.machines().values(), *hardware.grids().values()]:
        assert row.source.url.startswith("https://"), row
    for machine in hardware.machines().values():
        assert machine.accelerator in hardware.accelerators()


@pytest.mark.parametrize(
    ("language", "first", "line"),
    [("en-gb", ["Norway", "France", "Germany"], "50,272 ÷ 3 = 16,757.33"), ("de", ["Norwegen", "Frankreich", "Deutschland"], "50.272 ÷ 3 = 16.757,33")],
)  # fmt: skip
def test_countries_and_lines_of_arithmetic_are_written_as_the_reader_does(language, first, line):
    with translation.override(language):
        assert [grid.name for grid in hardware.grids().values()][:3] == first
        assert line in [each.line for each in opt_175b("a100-80", 3).conditions]


def test_more_stages_serve_more_and_keep_one_waiting_as_long():
    deep = opt_175b("a100-80", 8, 2, concurrency=8)
    flat = opt_175b("a100-80", 8, 1, concurrency=8)
    assert deep.memory.spare.amount > 2 * flat.memory.spare.amount
    assert deep.speed.floor.amount == flat.speed.floor.amount


def test_what_changes_in_a_plan_changes_the_answer():
    base = plan("a100-80", 8)
    assert replace(base, grid=0.03).emitted().amount < base.emitted().amount
    assert replace(base, weights="fp8").flops().amount == base.flops().amount  # this card has no fp8: 16-bit arithmetic
    assert plan("h100-80", 8, weights="fp8").flops().amount == pytest.approx(1979e12)
