"""PAPER.md: the family in a few pages. Every number is taken from the records of the runs when they are packed."""

from typing import Any

from releases.training import card
from releases.training.recipe import Recipe

Runs = list[tuple[Recipe, dict[str, Any]]]
"""Sizes with their facts, smallest first."""


def paper(runs: Runs) -> str:
    """The paper's text. Raises IndexError for no run."""
    corpus = runs[0][1]["corpus"]
    parts = [
        head(runs),
        introduction(),
        data(corpus),
        method(runs),
        results(runs),
        along(runs),
        faults(runs),
        energy(runs),
        repeatable(),
        LIMITS,
        REFERENCES,
    ]
    return "\n\n".join(part for part in parts if part) + "\n"


def head(runs: Runs) -> str:
    """Title and abstract."""
    sizes = ", ".join(f"{facts['ledger']['parameters']:,}" for _recipe, facts in runs)
    tokens = runs[0][1]["ledger"]["tokens"]
    best = min(runs, key=lambda run: bits(run[1]))
    kwh = sum(facts["energy"]["kwh"] for _recipe, facts in runs) * 1000
    kept = sum(len(facts["ladder"]) for _recipe, facts in runs)
    return f"""# Pico-OPT: very small language models with complete records

The Weighbridge authors. Text and tables made by `code/releases/training/paper.py` from the records beside it; licensed as the release is.

## Abstract

Reports on large language models leave out much of what happened while they were trained, because nobody kept it. We train
{count(runs)} of the OPT architecture ({sizes} parameters) for {tokens:,} tokens each on the Python standard library, on one
processor thread, and keep everything: every fifth step's loss, rate and gradient norm, a logbook that the program writes at the
moment of each event, the weights of {kept} steps on the way, the order of the data, and processor time. Faults are planned and done to the
runs on purpose, so that what a log says of them can be held against what is known. The best bits per byte on held-out modules are
{bits(best[1]):.3f} ({best[0].name}). All runs together took about {kwh:.1f} Wh by one estimate. The models are of no use but as examples."""


def introduction() -> str:
    """Why, and what is claimed."""
    return """## 1 Why

The logbook of OPT-175B [1] told more of a training than any paper had: restarts, divergences, loss scales, hands on the learning
rate. It was text; its curves, checkpoints and data did not lie beside it. Suites like Pythia [2] published checkpoints along
training, and some of their steps later turned out to hold the weights of others. Both can be avoided by a release that is checked
by machine. To test such checks one needs a release in which everything is real, nothing is secret, and the truth is known. That is what
this family is for, and all that is claimed for it. It is no contribution to modelling."""


def data(corpus: dict[str, Any]) -> str:
    """The corpus."""
    return f"""## 2 Data

{len(corpus["train"])} modules of the standard library of Python {corpus["python"]} ({corpus["licence"]}), without tests and generated tables, {len(corpus["duplicates_dropped"])}
more dropped as near duplicates; {corpus["train_tokens"]:,} tokens of a byte-level BPE that was learned on the same text. {corpus["train_dialogues"]:,} short dialogues made from
docstrings are among them. {len(corpus["held_out"])} whole modules ({corpus["held_out_tokens"]:,} tokens) are held out: {corpus["held_out_rule"]}. No random windows are held
out, because neighbouring windows of one module repeat one another. Every file and its digest are in `records/corpus.json`; the data card says more."""


def method(runs: Runs) -> str:
    """Shapes and training."""
    lines = ["| | " + " | ".join(recipe.name for recipe, _facts in runs) + " |", "|---|" + "---:|" * len(runs)]
    rows = {
        "Layers × width × heads": lambda r, f: f"{r.layers} × {r.hidden} × {r.heads}",
        "Parameters": lambda r, f: f"{f['ledger']['parameters']:,}",
        "Steps": lambda r, f: f"{f['ledger']['steps']:,}",
        "Tokens": lambda r, f: f"{f['ledger']['tokens']:,}",
        "Peak learning rate": lambda r, f: f"{r.learning_rate:g}",
        "Weights published as": lambda r, f: r.weights,
        "Licence": lambda r, f: "pico research licence, by application" if r.gated else "Apache-2.0",
        "Weight id": lambda r, f: f"`{f['weight_id'][:12]}…`",
    }
    lines += [f"| {name} | " + " | ".join(cell(r, f) for r, f in runs) + " |" for name, cell in rows.items()]
    first = runs[0][0]
    return f"""## 3 Models and training

Decoders of the OPT architecture, context {first.context:,}, without dropout. AdamW {first.betas}; the rate warms up over {first.warmup} steps, stays, and falls linearly
over the last {first.decay}. Each step has {first.batch_tokens:,} tokens: windows of {first.window}, every {ordinal(first.full_window_every)} step of {first.context:,}. The windows of a step are drawn from (seed, step)
alone, so all sizes see the same tokens in the same order and a resumed run sees what it would have seen. Products run in bfloat16; weights,
gradients and optimizer state are float32.

{chr(10).join(lines)}"""


def results(runs: Runs) -> str:
    """The evaluations at the end of each run."""
    lines = [
        "| Measure | On | " + " | ".join(recipe.name for recipe, _facts in runs) + " |",
        "|---|---|" + "---:|" * len(runs),
    ]
    for each in runs[0][1]["eval"]["results"]:
        cells = []
        for _recipe, facts in runs:
            found = next(
                (r for r in facts["eval"]["results"] if (r["name"], r["metric"]) == (each["name"], each["metric"])),
                None,
            )
            cells.append("—" if found is None else f"{found['value']:.3f}{interval(found)}")
        lines.append(f"| {card.METRIC_TITLES[each['metric']]} | {each['name']} | " + " | ".join(cells) + " |")
    return f"""## 4 Results

Taken on the published files, in float32, in windows of the full context without overlap. The parse rate gives the head of a held-out function, samples 96 tokens at
temperature 0.8 and asks Python's own parser; its interval is Wilson's.

{chr(10).join(lines)}

{comparison(runs)}"""


def comparison(runs: Runs) -> str:
    """What the sizes say beside one another, and no more than their numbers do."""
    if len(runs) < 2:
        return ""
    order = sorted(runs, key=lambda run: bits(run[1]))
    told = ", ".join(f"{recipe.name} {bits(facts):.3f}" for recipe, facts in order)
    largest = max(runs, key=lambda run: run[1]["ledger"]["parameters"])
    if order[0] is largest:
        return f"Bits per byte on held-out modules, best first: {told}. There is one run of each size, so nothing is said of chance."
    return (
        f"Bits per byte on held-out modules, best first: {told}. The largest is not the best: all saw the same few tokens, and its run lost "
        "some of them to a planned divergence and went on with a third of its rate. There is one run of each size, so nothing is said of chance."
    )


def along(runs: Runs) -> str:
    """The ladders."""
    with_rungs = [(recipe, facts) for recipe, facts in runs if facts["ladder"]]
    if not with_rungs:
        return ""
    tables = []
    for recipe, facts in with_rungs:
        tables += [f"**{recipe.name}**", "\n".join(card.rungs(facts).splitlines()[4:])]
        first, last = facts["ladder"][0], facts["ladder"][-1]
        half = first_below(facts)
        tables.append(
            f"From step {first['step']:,} to step {last['step']:,} bits per byte on held-out modules fall from {card.told(first['results'], 'bits_per_byte')} to "
            f"{card.told(last['results'], 'bits_per_byte')}, and to {bits(facts):.3f} at the end, where the rate has fallen. Half of the whole way was done by step {half:,}."
        )
    return (
        "## 5 Along training\n\nThe same measures at each step that was kept, on the kept weights.\n\n"
        + "\n\n".join(tables)
    )


def first_below(facts: dict[str, Any]) -> int:
    """The first kept step at which half of the way from the first to the final bits per byte was done."""
    start, end = (
        card.value(r, "bits_per_byte") or 0.0 for r in (facts["ladder"][0]["results"], facts["eval"]["results"])
    )
    middle = (start + end) / 2
    steps = [
        rung["step"] for rung in facts["ladder"] if (card.value(rung["results"], "bits_per_byte") or 0.0) <= middle
    ]
    return int(steps[0]) if steps else int(facts["ledger"]["steps"])


def faults(runs: Runs) -> str:
    """What was done to the runs, from their logbooks."""
    parts = [
        "## 6 Planned faults",
        "Each was done by the program that trains and written down by it at that moment, with values before and after. A verdict in a text, like "
        "“bit-identical” or “diverged”, is computed there.",
    ]
    for recipe, facts in runs:
        rows = [entry for entry in facts["logbook"] if entry["type"] not in {"start", "stop"}]
        parts.append("\n".join([f"**{recipe.name}**", "", *(f"- Step {row['step']:,}: {row['text']}" for row in rows)]))
    return "\n\n".join(parts)


def energy(runs: Runs) -> str:
    """Both estimates."""
    lines = ["| | Processor time | Estimate 1 | Estimate 2 |", "|---|---:|---:|---:|"]
    for recipe, facts in runs:
        used, second = facts["energy"], facts["energy"]["second"]
        lines.append(
            f"| {recipe.name} | {used['cpu_seconds']:,.0f} s | {used['kwh'] * 1000:.2f} Wh, {used['kg_co2e'] * 1000:.2f} g CO2e | "
            f"{second['kwh'] * 1000:.2f} Wh, {second['kg_co2e'] * 1000:.2f} g CO2e |"
        )
    used = runs[0][1]["energy"]
    second = used["second"]
    return f"""## 7 Energy

A virtual machine shows no energy counters, so both numbers are estimates. The first: processor seconds of every process, killed ones included, at a declared
{used["watts_per_core"]:g} W a core. The second is Green Algorithms [4] with its values for unknown hardware: {second["watts_per_core"]:g} W a core, {second["watts_per_gb"]:g} W for each of {second["memory_gb"]:g} GB over the time of the run,
times a PUE of {second["pue"]:g}. Both at {used["kg_co2e_per_kwh"]:g} kg CO2e a kWh. They differ by what they count, which is why there are two.

{chr(10).join(lines)}"""


def repeatable() -> str:
    """How to do it again."""
    return """## 8 Doing it again

`python -m releases.training --size SIZE --out FOLDER --compare PUBLISHED` in `code/` trains from nothing and compares the weight ids of the release and of every kept step with
the published ones. A weight id is a Merkle root over the digests of tensors, so it does not depend on the file that they lie in. On the same versions and kind of processor
the weights repeat to the last bit; elsewhere other last digits must be expected, and the command says which weights differ. Where a run was repeated by us, `records/repeat.json` has the
outcome."""


LIMITS = """## 9 Limits

One run of each size, one corpus in one style, no established benchmark. The models write text that looks like Python and is mostly wrong. Bias, toxicity and safety were not evaluated. Faults
that one plans are not those that surprise; the logs show that the first kind is told rightly, not that the second would be. By the Model Openness Framework [3] the sizes under Apache-2.0
have every component of its class I; the size under the research licence has no class, because its weights are not under an open licence."""

REFERENCES = """## References

1. Zhang et al., OPT: Open Pre-trained Transformer Language Models, 2022, arXiv:2205.01068, and the logbook in the metaseq repository.
2. Biderman et al., Pythia: A Suite for Analyzing Large Language Models Across Training and Scaling, 2023, arXiv:2304.01373.
3. White et al., The Model Openness Framework, 2024, arXiv:2403.13784.
4. Lannelongue, Grealey, Inouye, Green Algorithms: Quantifying the Carbon Footprint of Computation, 2021, doi:10.1002/advs.202100707."""


def bits(facts: dict[str, Any]) -> float:
    """Bits per byte on held-out modules at the end of a run."""
    return card.value(facts["eval"]["results"], "bits_per_byte") or 0.0


def interval(result: dict[str, Any]) -> str:
    """The 95 % interval of a result, where it has one."""
    return "" if result["low"] is None else f" ({result['low']:.2f} to {result['high']:.2f})"


def count(runs: Runs) -> str:
    """How many models, in words."""
    return {1: "one decoder", 2: "two decoders", 3: "three decoders"}.get(len(runs), f"{len(runs)} decoders")


def ordinal(number: int) -> str:
    """`4` as `4th`; only for what recipes have."""
    return {1: "", 2: "2nd", 3: "3rd"}.get(number, f"{number}th")
