"""The ladder: weights kept along a run, each a model folder of its own, told in `ladder.json` with what was measured there."""

import hashlib
import json
from itertools import pairwise
from pathlib import Path
from typing import Any

from releases.training import records
from releases.training.identity import weight_id
from releases.training.recipe import Recipe

WEIGHTS = "bfloat16"
"""How rungs are published: in the type in which the run's products were computed, at half the size of the run's own."""


class SameRungError(Exception):
    """Two steps have the same weights: one of them was stored in place of the other."""


def name(step: int) -> str:
    """The tag under which a step is published."""
    return f"step{step}"


def kept(run: Path, step: int) -> Path:
    """Where a run keeps the weights of a step, as they were."""
    return run / "ladder" / f"{name(step)}.pt"


def folder(run: Path, step: int) -> Path:
    """Where the model folder of a step lies."""
    return run / "rungs" / name(step)


def noted(recipe: Recipe, run: Path) -> list[dict[str, Any]]:
    """What the run noted when it kept each step, in order; of a step that a resume repeated, the last time."""
    last = {row["step"]: row for row in records.read(run / "ladder.jsonl")}
    return [last[step] for step in recipe.ladder if step in last]


def describe(recipe: Recipe, run: Path) -> list[dict[str, Any]]:
    """Each rung: step, tokens, tag, digest of the run's own weights, SHA-256 and weight id of the file, evaluations.

    Raises SameRungError where neighbours have the same weights.
    """
    rungs = []
    for row in noted(recipe, run):
        here = folder(run, row["step"])
        weights = here / "model.safetensors"
        evaluated = json.loads((here / "records" / "eval.json").read_text())
        rungs.append(
            {
                "step": row["step"],
                "tokens": row["tokens"],
                "name": name(row["step"]),
                "kept_at": row["ts_utc"],
                "run_weights": row["weights"],
                "sha256": hashlib.sha256(weights.read_bytes()).hexdigest(),
                "weight_id": weight_id(weights),
                "results": evaluated["results"],
            }
        )
    for one, other in pairwise(rungs):
        if one["weight_id"] == other["weight_id"]:
            raise SameRungError(f"{recipe.name}: {one['name']} and {other['name']} have the same weights.")
    return rungs
