"""The model card: Hugging Face front matter and text, filled with measured values only."""

from pathlib import Path
from typing import Any

from huggingface_hub import EvalResult, ModelCardData

from releases.training.recipe import Recipe

LICENCES = Path(__file__).parent / "licences"
METRIC_TITLES = {
    "bits_per_byte": "bits per byte",
    "next_token_accuracy": "next-token accuracy",
    "parse_rate": "functions that parse",
}
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
    """README.md. `facts`: ledger, energy, eval, environment, corpus, logbook of the run."""
    head = front_matter(recipe, facts).to_yaml()
    parts = [
        title(recipe, facts),
        training(recipe, facts),
        evaluation(facts),
        events(facts),
        energy(facts),
        limits(recipe),
    ]
    return f"---\n{head}\n---\n\n" + "\n\n".join(parts) + "\n"


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
        f"CPU-seconds at {used['watts_per_core']:g} W a core and {used['kg_co2e_per_kwh']} kg/kWh. {used['boundary']}"
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
