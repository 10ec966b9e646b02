"""What is published beside weights and records, so that others can follow every step: code, data, data card, report.

`mof.yml` says which file is which component of the Model Openness Framework, and under which licence. The data lies with
the open sizes alone; all sizes were trained on the same. Intermediate parameters are revisions of their own (`ladder`), not
files of this one.
"""

import json
import shutil
import sysconfig
from pathlib import Path
from typing import Any

from releases.training import card
from releases.training.recipe import Recipe

CODE = Path(__file__).parent
DATA_LICENCE = "PSF-2.0"
CODE_LICENCE = "Apache-2.0"
PARTS: dict[str, tuple[str, ...]] = {
    "Model architecture": ("config.json", "code/releases/training/model.py"),
    "Training code": tuple(
        f"code/releases/training/{name}.py" for name in ("trainer", "worker", "supervisor", "events", "ladder", "recipe", "repeat", "__main__")
    ),
    "Inference code": ("code/releases/training/generate.py",),
    "Evaluation code": ("code/releases/training/evaluation.py",),
    "Data preprocessing code": tuple(f"code/releases/training/{name}.py" for name in ("corpus", "tokenizer", "batches")),
    "Model parameters (Final)": ("model.safetensors",),
    "Evaluation results": ("records/eval.json",),
    "Model metadata": ("records",),
    "Model card": ("README.md",),
    "Data card": ("DATACARD.md",),
    "Technical report": ("REPORT.md",),
    "Research paper": ("PAPER.md",),
}  # fmt: skip


def add(recipe: Recipe, release: Path, facts: dict[str, Any]) -> None:
    """Write all of it into the release's folder. `facts` as the card's."""
    code = release / "code" / "releases" / "training"
    shutil.copytree(CODE, code, ignore=shutil.ignore_patterns("__pycache__"), dirs_exist_ok=True)
    (release / "code" / "LICENSE").write_text((card.LICENCES / "open.txt").read_text())
    (release / "DATACARD.md").write_text(data_card(facts, with_data=not recipe.gated))
    (release / "REPORT.md").write_text(report(recipe, facts))
    if not recipe.gated:
        data(facts["corpus"], release / "data")
    (release / "mof.yml").write_text(components(recipe))


def data(corpus: dict[str, Any], folder: Path) -> None:
    """corpus.jsonl, a line for each module with its text, and the licence that Python's authors give it under."""
    library = Path(sysconfig.get_path("stdlib"))
    folder.mkdir(exist_ok=True)
    shutil.copyfile(library / "LICENSE.txt", folder / "LICENSE")
    with (folder / "corpus.jsonl").open("w", encoding="utf-8") as out:
        for split in ("train", "held_out"):
            for source in corpus[split]:
                text = (library / source["path"]).read_bytes().decode("utf-8")
                row = {"path": source["path"], "split": split, "sha256": source["sha256"], "text": text}
                out.write(json.dumps(row, ensure_ascii=False) + "\n")


def components(recipe: Recipe) -> str:
    """mof.yml, in the shape of the Model Openness Tool. What is not there is not named."""
    whole = "pico-research-licence-1.0" if recipe.gated else "Apache-2.0"
    lines = [
        "framework:", "  name: Model Openness Framework", "  version: '1.0'", "release:", f"  name: {recipe.name}",
        "  license:", "    distribution:", f"      name: {whole}", "      path: LICENSE", "    code:",
        f"      name: {CODE_LICENCE}", "      path: code/LICENSE", "  components:",
    ]  # fmt: skip
    parts = dict(PARTS)
    if not recipe.gated:
        parts |= {"Datasets": ("data/corpus.jsonl",), "Evaluation data": ("data/corpus.jsonl",)}
    for name, paths in parts.items():
        lines += [f"    - name: {name}", "      component_path:", *(f"        - {path}" for path in paths)]
        if paths[0].startswith("data/"):
            lines += [f"      license: {DATA_LICENCE}", "      license_path: data/LICENSE"]
    return "\n".join(lines) + "\n"


def data_card(facts: dict[str, Any], *, with_data: bool) -> str:
    """DATACARD.md: front matter as of a dataset card, with Croissant's words and those of the EU's summary."""
    corpus = facts["corpus"]
    files = "data_files:\n- data/corpus.jsonl\n" if with_data else ""
    here = (
        "Every module is in `data/corpus.jsonl`"
        if with_data
        else "The modules themselves are published with the open size"
    )
    return f"""---
pretty_name: python-standard-library
summary: >-
  {len(corpus["train"])} modules of the standard library of Python {corpus["python"]}, and {len(corpus["held_out"])} more that were held out.
license: psf-2.0
language:
- en
- code
tags:
- code
- python
{files}rai:
  dataCollection: >-
    Read from an installed Python {corpus["python"]}; nothing was downloaded. Left out: {", ".join(corpus["left_out"])}.
  dataPreprocessingProtocol:
  - Modules with 80 % of their lines in modules before them were dropped ({len(corpus["duplicates_dropped"])}).
  - "Held out: {corpus["held_out_rule"]}."
  - "Dialogues: {corpus["dialogue_rule"]}."
  dataBiases: >-
    Code and English of one project, written to one style over three decades. Nothing else is in it.
  dataLimitations: >-
    Far too little to learn facts or any natural language from.
  dataUseCases: >-
    Showing how a release is made, checked and read. It was not validated for anything else.
  personalSensitiveInformation: >-
    Names and addresses of some authors stand in comments, as Python publishes them.
training_content:
  modalities:
  - text
  tokens: {corpus["train_tokens"]}
  languages:
  - English
  - Python
  latest_acquisition: with Python {corpus["python"]}
  ongoing: false
  sources:
  - kind: public_dataset
    name: Standard library of Python {corpus["python"]}
    licence: {corpus["licence"]}
    url: https://www.python.org
  rights: Published under a licence that allows this use.
  illegal_content: Nothing was looked for; the sources are those of Python itself.
---

# Python standard library, as this family saw it

{here}; path, size and SHA-256 of each are in `records/corpus.json`.

| | modules | tokens | dialogues |
|---|---:|---:|---:|
| trained on | {len(corpus["train"]):,} | {corpus["train_tokens"]:,} | {corpus["train_dialogues"]:,} |
| held out | {len(corpus["held_out"]):,} | {corpus["held_out_tokens"]:,} | {corpus["held_out_dialogues"]:,} |

Dialogues are made from the docstrings of these modules by `code/releases/training/corpus.py`: {corpus["dialogue_rule"]}.
Their tokens are counted among those above.

Licence: {corpus["licence"]}. Copyright (c) Python Software Foundation; all rights reserved.
"""


def report(recipe: Recipe, facts: dict[str, Any]) -> str:
    """REPORT.md: what was done and how, beyond the card's numbers."""
    parts = [
        f"# Technical report: {recipe.name}",
        "What was done to make this model, so that it can be done again. Every number comes from the records of the run.",
        card.training(recipe, facts),
        """## Method

One process on one thread trains from nothing. The data order is drawn from the seed and the step alone, so that a run that was
stopped goes on where it was. Weights, gradients and the optimizer's state are float32 under bfloat16 autocast; the rate warms
up, stays, and falls linearly to its end. `code/releases/training` is the whole of it: `python -m releases.training` there.

Planned faults are done to the run while it runs, and written down by the code that does them: a kill and a resume that is
compared bit by bit, a checkpoint under a file-size limit, a resume without the optimizer's state, a rate raised until the loss
diverges and the rollback after it. `records/logbook.jsonl` has each with its step, time, and values before and after.""",
        card.events(facts),
        card.evaluation(facts),
        *([card.rungs(facts)] if facts["ladder"] else []),
        """Evaluations are taken on the published files, in float32. Bits per byte and accuracy use windows of the full context without
overlap. The parse rate gives the head of a held-out function, up to the colon, samples 96 tokens at temperature 0.8 and asks
Python's own parser; its interval is Wilson's.""",
        card.energy(facts),
        card.limits(recipe),
    ]
    return "\n\n".join(parts) + "\n"
