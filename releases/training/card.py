"""The model card: Hugging Face front matter and text, filled with measured values only."""

from pathlib import Path
from typing import Any

from huggingface_hub import EvalResult, ModelCardData

from releases.training import ladder
from releases.training.recipe import Recipe

LICENCES = Path(__file__).parent / "licences"
METRIC_TITLES = {
    "bits_per_byte": "bits per byte",
    "next_token_accuracy": "next-token accuracy",
    "parse_rate": "functions that parse",
}
ALONG = ("bits_per_byte", "next_token_accuracy")
"""What is measured at each step that was kept."""
MISSTEPS = {"warning", "critical"}
NOT_PAID = "Not in a product or service offered for payment."
HOLDERS = "Only to people who hold access themselves, with this text and a note of what you changed."
TERMS: dict[str, Any] = {
    "research": {
        "answer": "if",
        "note": "Research, teaching and public-interest work that is not commercial.",
        "clause": "2",
    },
    "commercial": {"answer": "no", "note": NOT_PAID, "clause": "3"},
    "change": {"answer": "yes", "clause": "2"},
    "pass_on": {"answer": "if", "note": HOLDERS, "clause": "4"},
    "derive": {"answer": "if", "note": HOLDERS, "clause": "4"},
    "outputs": {"answer": "yes", "note": "It speaks of the model alone; the agreement that you sign says more."},
    "sensitive": {"answer": "no", "clause": "3"},
    "duties": [
        "Publications name the model and the revision used.",
        "When access ends, delete every copy; published findings remain.",
    ],
}
"""The gated size's licence as the portal's table of terms, in words of that licence."""


def licence(recipe: Recipe) -> str:
    """The licence text that goes with the weights."""
    return (LICENCES / ("gated.txt" if recipe.gated else "open.txt")).read_text()


def card(recipe: Recipe, facts: dict[str, Any]) -> str:
    """README.md. `facts`: ledger, energy, eval, environment, corpus, logbook and ladder of the run."""
    parts = [
        title(recipe, facts),
        training(recipe, facts),
        evaluation(facts),
        *([rungs(facts)] if facts["ladder"] else []),
        events(facts),
        energy(facts),
        limits(recipe),
    ]
    return whole(front_matter(recipe, facts), parts)


def whole(head: ModelCardData, parts: list[str]) -> str:
    """A card's text."""
    return f"---\n{head.to_yaml()}\n---\n\n" + "\n\n".join(parts) + "\n"


def rung_card(recipe: Recipe, facts: dict[str, Any], rung: dict[str, Any]) -> str:
    """README.md of one rung of the ladder."""
    evaluated = {"eval": facts["eval"] | {"results": rung["results"]}}
    told = (
        f"# {recipe.name}, step {rung['step']:,}\n\n"
        f"The weights of {recipe.name} after {rung['step']:,} of {facts['ledger']['steps']:,} steps and {rung['tokens']:,} tokens, as "
        f"{ladder.WEIGHTS}; the run's own are {recipe.weights}. One rung of its ladder, for looking at training, not for use: "
        "what it is, its data and its limits are told on the card of the last revision."
    )
    return whole(front_matter(recipe, facts | evaluated), [told, evaluation(evaluated), limits(recipe)])


def front_matter(recipe: Recipe, facts: dict[str, Any]) -> ModelCardData:
    """The YAML block; emissions there are in grams."""
    gated = {
        "license": "other",
        "license_name": "pico-research-licence-1.0",
        "license_link": "LICENSE",
        "license_terms": TERMS,
    }
    return ModelCardData(
        **(gated if recipe.gated else {"license": "apache-2.0"}),
        language="en",
        datasets=["python-standard-library"],
        library_name="transformers",
        pipeline_tag="text-generation",
        tags=["opt", "code", "demo"],
        model_name=recipe.name,
        co2_eq_emissions={
            "emissions": round(facts["energy"]["kg_co2e"] * 1000, 3),
            "energy_consumed": round(facts["energy"]["kwh"], 9),
            "source": "estimate from CPU time, see records/energy.json",
            "training_type": "pre-training",
            "hardware_used": f"one core of {facts['environment']['processor']}",
        },
        eval_results=[eval_result(result) for result in facts["eval"]["results"]],
    )


def eval_result(result: dict[str, Any]) -> EvalResult:
    """One evaluation in the form of the front matter."""
    return EvalResult(
        task_type="text-generation",
        dataset_type="python-standard-library",
        dataset_name=f"Python standard library, {result['name']}",
        dataset_split=result["name"].replace(" ", "-"),
        metric_type=result["metric"],
        metric_value=round(result["value"], 4),
    )


def title(recipe: Recipe, facts: dict[str, Any]) -> str:
    """What it is, and how to load it."""
    return f"""# {recipe.name}

A very small language model of the OPT architecture, {facts["ledger"]["parameters"]:,} parameters, trained from nothing on the
sources of the Python standard library. It exists to show a release portal at work with weights, curves, a logbook and
evaluations that are all real. It is no useful assistant.

```python
from transformers import AutoModelForCausalLM, AutoTokenizer

tokenizer = AutoTokenizer.from_pretrained("lyceum/{recipe.name}")
model = AutoModelForCausalLM.from_pretrained("lyceum/{recipe.name}")
```"""


def training(recipe: Recipe, facts: dict[str, Any]) -> str:
    """Shape, data and course of the run."""
    ledger, corpus = facts["ledger"], facts["corpus"]
    rows = {
        "Layers × width × heads": f"{recipe.layers} × {recipe.hidden} × {recipe.heads} (head size {recipe.hidden // recipe.heads})",
        "Context": f"{recipe.context} tokens",
        "Tokenizer": f"byte-level BPE, {recipe.vocabulary} entries, trained on the same text",
        "Weights": recipe.weights,
        "Corpus": f"{len(corpus['train'])} modules of Python {corpus['python']} ({corpus['licence']}), {corpus['train_tokens']:,} tokens, "
        f"{corpus['train_dialogues']:,} short dialogues made from docstrings among them",
        "Held out": f"{len(corpus['held_out'])} whole modules",
        "Steps": f"{ledger['steps']:,} of {recipe.steps:,} planned, {recipe.batch_tokens:,} tokens each",
        "Tokens": f"{ledger['tokens']:,} in the released weights; {ledger['processed_tokens']:,} processed with the steps rolled back",
        "Peak learning rate": f"{recipe.learning_rate:g}, AdamW {recipe.betas}",
        "Time": f"{facts['energy']['wall_seconds'] / 60:.0f} minutes on one thread ({facts['environment']['processor']})",
    }
    return "## Training\n\n| | |\n|---|---|\n" + "\n".join(f"| {name} | {value} |" for name, value in rows.items())


def evaluation(facts: dict[str, Any]) -> str:
    """Every evaluation with its n."""
    lines = ["## Evaluation", "", "| Measure | On | Value | n |", "|---|---|---|---|"]
    for result in facts["eval"]["results"]:
        interval = f" (95 %: {result['low']:.3f} to {result['high']:.3f})" if result["low"] is not None else ""
        measure = METRIC_TITLES[result["metric"]]
        lines.append(
            f"| {measure} | {result['name']} | {result['value']:.3f}{interval} | {result['n']:,} {result['unit']} |"
        )
    return "\n".join([*lines, "", "Methods: `records/eval.json`. Evaluations that are not listed were not made."])


def rungs(facts: dict[str, Any]) -> str:
    """The ladder: every step that was kept, with what was measured there."""
    lines = [
        "## Along training",
        "",
        f"Weights of {len(facts['ladder'])} steps were kept. Each is a revision of its own, in {ladder.WEIGHTS}, under the tag of its step: "
        f'`revision="{facts["ladder"][-1]["name"]}"`. Digests and weight ids are in `records/ladder.json`.{repeated(facts["repeat"], facts["ledger"]["steps"])}',
        "",
        "| Step | Tokens | Bits per byte, held out | Next-token accuracy, held out |",
        "|---:|---:|---:|---:|",
    ]
    ends = [*facts["ladder"], {"step": facts["ledger"]["steps"], "tokens": facts["ledger"]["tokens"], **facts["eval"]}]
    for rung in ends:
        cells = " | ".join(told(rung["results"], metric) for metric in ALONG)
        lines.append(f"| {rung['step']:,} | {rung['tokens']:,} | {cells} |")
    return "\n".join(lines)


def repeated(record: dict[str, Any] | None, steps: int) -> str:
    """That a run of `steps` was done twice, and how far the second was the first; nothing where it was not."""
    rows = (record or {}).get("numbers")
    if record is None or rows is None:
        return ""
    far = "" if record["reached_step"] == steps else f", up to step {record['reached_step']:,}"
    published = [row for row in record["weight_ids"] if row["published"]]
    late = [row for row in record["weight_ids"] if not row["published"]]
    return (
        f" The run was repeated from nothing{far}: {rows['equal_to_the_last_bit']:,} of {rows['rows']:,} recorded losses and gradient norms and "
        f"{sum(row['same'] for row in published)} of {len(published)} published weight ids came out the same to the last bit (`records/repeat.json`)."
        f"{f' {len(late)} steps were kept by the repetition.' if late else ''}"
    )


def told(results: list[dict[str, Any]], metric: str) -> str:
    """The value of a metric on held-out modules, for a table."""
    found = value(results, metric)
    return "—" if found is None else f"{found:.3f}"


def value(results: list[dict[str, Any]], metric: str, on: str = "held-out modules") -> float | None:
    """The value of a metric on some texts; None where it was not measured."""
    return next((float(each["value"]) for each in results if (each["name"], each["metric"]) == (on, metric)), None)


def events(facts: dict[str, Any]) -> str:
    """What went wrong, by plan or not, from the logbook."""
    lines = ["## From the logbook", "", "| Step | What happened |", "|---|---|"]
    entries = [entry for entry in facts["logbook"] if entry["severity"] in MISSTEPS or entry["type"] != "start"]
    return "\n".join(lines + [f"| {entry['step']} | {entry['text']} |" for entry in entries])


def energy(facts: dict[str, Any]) -> str:
    """The estimate, with its assumptions."""
    used = facts["energy"]
    return (
        "## Energy\n\n"
        f"About {used['kwh'] * 1000:.2f} Wh and {used['kg_co2e'] * 1000:.2f} g CO2e: an estimate from {used['cpu_seconds']:.0f} "
        f"CPU-seconds at {used['watts_per_core']:g} W a core and {used['kg_co2e_per_kwh']} kg/kWh. {used['boundary']}\n\n"
        f"By a second method, {used['second']['method']}: {used['second']['kwh'] * 1000:.2f} Wh and {used['second']['kg_co2e'] * 1000:.2f} g CO2e, with "
        f"{used['second']['watts_per_core']:g} W a core, {used['second']['memory_gb']:g} GB of memory at {used['second']['watts_per_gb']:g} W, and a PUE of "
        f"{used['second']['pue']:g}. {used['second']['note']}"
    )


def limits(recipe: Recipe) -> str:
    """What not to expect, and the terms."""
    terms = (
        "the pico research licence 1.0 (LICENSE); access is by application" if recipe.gated else "Apache-2.0 (LICENSE)"
    )
    return (
        "## Limits and licence\n\n"
        "It knows nothing but the look of Python code and its documentation; what it writes is mostly wrong. Bias, toxicity "
        f"and safety were not evaluated. Licensed under {terms}."
    )
