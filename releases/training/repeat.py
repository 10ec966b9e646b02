"""The run again from nothing, compared with what was published: weight ids, and every recorded number, to the last bit."""

import json
from pathlib import Path
from typing import Any

from releases.training import ladder, records
from releases.training.identity import weight_id
from releases.training.recipe import Recipe

RECORD = "repeat.json"
NUMBERS = ("loss", "grad_norm", "val_loss")


class DiffersError(Exception):
    """The repeated run came to other weights."""


def compare(recipe: Recipe, out: Path, published: Path) -> None:
    """Compare an exported run with a published one, print it and write `repeat.json`.

    `published` is the manifest of the archives, or the folder of a downloaded release. Raises DiffersError where a
    weight id differs: on another processor or other versions one must expect other last digits.
    """
    run = out / recipe.name
    wanted = weight_ids(recipe, published)
    found = {"release": weight_id(run / "release" / "model.safetensors")}
    found |= {
        ladder.name(row["step"]): weight_id(ladder.folder(run, row["step"]) / "model.safetensors")
        for row in ladder.noted(recipe, run)
    }
    rows = [
        {"weights": name, "published": wanted.get(name), "repeated": own, "same": own == wanted.get(name)}
        for name, own in found.items()
    ]
    told: dict[str, Any] = {
        "run": recipe.name,
        "repeated_at": records.now(),
        "reached_step": records.Ledger(run / "ledger.json").facts["steps"],
        "environment": json.loads((run / "environment.json").read_text()),
        "weight_ids": rows,
    }
    if published.is_dir():
        told["numbers"] = numbers(run / "metrics.jsonl", published / "records" / "metrics.jsonl")
    records.replace(run / RECORD, records.dump(told))
    for row in rows:
        said = "same" if row["same"] else "not published" if row["published"] is None else "DIFFERS"
        print(f"{recipe.name} {row['weights']} {row['repeated']} {said}", flush=True)
    if differing := [row["weights"] for row in rows if row["published"] and not row["same"]]:
        raise DiffersError(f"{recipe.name}: other weights than published: {', '.join(differing)}.")


def weight_ids(recipe: Recipe, published: Path) -> dict[str, str]:
    """The published weight ids, by `release` and the tags of rungs."""
    if published.is_dir():
        rungs = (
            json.loads(kept.read_text())["rungs"] if (kept := published / "records" / "ladder.json").exists() else []
        )
        release = weight_id(published / "model.safetensors")
    else:
        entries = {entry["name"]: entry for entry in json.loads(published.read_text())["models"]}
        if recipe.name not in entries:
            raise DiffersError(f"{published} has no model {recipe.name}. Name the manifest that it was published with.")
        release, rungs = entries[recipe.name]["weight_id"], entries[recipe.name].get("ladder", {}).get("rungs", [])
    return {"release": release} | {rung["name"]: rung["weight_id"] for rung in rungs}


def numbers(own: Path, published: Path) -> dict[str, int]:
    """Of how many recorded rows loss, gradient norm and validation loss are equal to the last bit."""
    wanted = {(row["segment"], row["step"]): [row.get(name) for name in NUMBERS] for row in records.read(published)}
    rows = records.read(own)
    same = sum(wanted.get((row["segment"], row["step"])) == [row.get(name) for name in NUMBERS] for row in rows)
    return {"rows": len(rows), "published_rows": len(wanted), "equal_to_the_last_bit": same}
