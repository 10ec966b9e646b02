"""The seed archive: model files at the top, records, code and data in folders, and an entry in manifest.json."""

import hashlib
import io
import json
import lzma
import shutil
import tarfile
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from releases.training import bundle, energy, ladder, paper, records, repeat
from releases.training.card import card, licence, rung_card
from releases.training.identity import weight_id
from releases.training.recipe import SIZES, Recipe

RECORDS = ("metrics.jsonl", "logbook.jsonl", "environment.json", "eval.json", "energy.json")
WORDS = [{"id": lzma.FILTER_LZMA2, "preset": 6, "lc": 1, "lp": 1, "pb": 1}]
"""The archive of rungs holds numbers of two bytes: told so, xz needs a twentieth less room."""


def pack(recipe: Recipe, out: Path) -> None:
    """Finish `release/` and the rungs, write their archives beside the run and the model's entry into `manifest.json`.

    The paper is about all sizes whose runs lie in `out`, so pack each again when the last one is there.
    """
    run, release = out / recipe.name, out / recipe.name / "release"
    ledger = records.Ledger(run / "ledger.json").facts
    records.replace(run / "energy.json", records.dump(energy.estimate(ledger)))
    facts = gather(recipe, out)
    kept = release / "records"
    kept.mkdir(exist_ok=True)
    for name in RECORDS:
        shutil.copyfile(run / name, kept / name)
    shutil.copyfile(out / f"data-{recipe.vocabulary}" / "corpus.json", kept / "corpus.json")
    if facts["ladder"]:
        records.replace(kept / "ladder.json", records.dump({"weights": ladder.WEIGHTS, "rungs": facts["ladder"]}))
    if (run / repeat.RECORD).exists():
        shutil.copyfile(run / repeat.RECORD, kept / repeat.RECORD)
    (release / "LICENSE").write_text(licence(recipe))
    (release / "README.md").write_text(card(recipe, facts))
    bundle.add(recipe, release, facts)
    (release / "PAPER.md").write_text(paper.paper(family(recipe, out)))
    moment = int(ledger["stopped"])
    archive(release, out / f"{recipe.name}.tar.xz", moment)
    entry = describe(recipe, release, ledger) | {"archive_sha256": sha256(out / f"{recipe.name}.tar.xz")}
    if facts["ladder"]:
        entry["ladder"] = pack_rungs(recipe, out, facts, moment)
    enter(out / "manifest.json", entry)


def family(recipe: Recipe, out: Path) -> list[tuple[Recipe, dict[str, Any]]]:
    """The sizes whose evaluated runs lie in `out`, smallest first; the smoke run stands for itself."""
    sizes = [recipe] if recipe is SIZES["smoke"] else [size for size in SIZES.values() if size is not SIZES["smoke"]]
    done = [size for size in sizes if (out / size.name / "energy.json").exists()]
    return [(size, gather(size, out)) for size in done]


def pack_rungs(recipe: Recipe, out: Path, facts: dict[str, Any], moment: int) -> dict[str, Any]:
    """Finish each rung's folder, put all into one archive; what the manifest says of it."""
    run, target = out / recipe.name, out / f"{recipe.name}.ladder.tar.xz"
    for rung in facts["ladder"]:
        here = ladder.folder(run, rung["step"])
        (here / "LICENSE").write_text(licence(recipe))
        (here / "README.md").write_text(rung_card(recipe, facts, rung))
    archive(run / "rungs", target, moment, WORDS)
    return {
        "archive": target.name,
        "archive_sha256": sha256(target),
        "rungs": [
            {key: rung[key] for key in ("step", "tokens", "name", "kept_at", "sha256", "weight_id")}
            for rung in facts["ladder"]
        ],
    }


def gather(recipe: Recipe, out: Path) -> dict[str, Any]:
    """The records that cards, report and paper are written from."""
    run = out / recipe.name
    facts: dict[str, Any] = {
        name: json.loads((run / f"{name}.json").read_text()) for name in ("eval", "energy", "environment")
    }
    facts["corpus"] = json.loads((out / f"data-{recipe.vocabulary}" / "corpus.json").read_text())
    facts["ledger"] = records.Ledger(run / "ledger.json").facts
    facts["weight_id"] = weight_id(run / "release" / "model.safetensors")
    repeated = run / repeat.RECORD
    facts["repeat"] = json.loads(repeated.read_text()) if repeated.exists() else None
    return facts | {"logbook": records.read(run / "logbook.jsonl"), "ladder": ladder.describe(recipe, run)}


def archive(folder: Path, target: Path, moment: int, filters: list[dict[str, int]] | None = None) -> None:
    """A tar.xz of the folder's files in name order, without owners: the same files give the same bytes."""
    preset = None if filters else 6
    with (
        lzma.open(target, "w", preset=preset, filters=filters) as packed,
        tarfile.open(fileobj=packed, mode="w") as tar,
    ):
        for path in files(folder):
            info = tarfile.TarInfo(path.relative_to(folder).as_posix())
            data = path.read_bytes()
            info.size, info.mtime, info.mode = len(data), moment, 0o644
            tar.addfile(info, io.BytesIO(data))


def files(folder: Path) -> list[Path]:
    """Every file below a folder, in name order."""
    return sorted(path for path in folder.rglob("*") if path.is_file())


def describe(recipe: Recipe, release: Path, ledger: dict[str, Any]) -> dict[str, Any]:
    """The model's entry in the manifest: name, size, course of the run, SHA-256 of every file."""
    return {
        "name": recipe.name,
        "archive": f"{recipe.name}.tar.xz",
        "gated": recipe.gated,
        "parameters": ledger["parameters"],
        "weights": recipe.weights,
        "weight_id": weight_id(release / "model.safetensors"),
        "steps": ledger["steps"],
        "tokens": ledger["tokens"],
        "trained_at": datetime.fromtimestamp(ledger["stopped"], UTC).isoformat(timespec="seconds"),
        "files": {
            path.relative_to(release).as_posix(): {"sha256": sha256(path), "size": path.stat().st_size}
            for path in files(release)
        },
    }


def enter(manifest: Path, entry: dict[str, Any]) -> None:
    """Put an entry into the manifest, in place of the one of the same name."""
    known = json.loads(manifest.read_text())["models"] if manifest.exists() else []
    others = [each for each in known if each["name"] != entry["name"]]
    models = sorted([*others, entry], key=lambda each: each["parameters"])
    records.replace(manifest, records.dump({"models": models}))


def sha256(path: Path) -> str:
    """Hex digest of a file."""
    return hashlib.sha256(path.read_bytes()).hexdigest()
