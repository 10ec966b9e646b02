"""The seed archive: model files at the top, records, code and data in folders, and an entry in manifest.json."""

import hashlib
import io
import json
import shutil
import tarfile
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from releases.training import bundle, energy, records
from releases.training.card import card, licence
from releases.training.recipe import Recipe

RECORDS = ("metrics.jsonl", "logbook.jsonl", "environment.json", "eval.json", "energy.json")


def pack(recipe: Recipe, out: Path) -> None:
    """Finish `release/`, write `<name>.tar.xz` beside the run and the model's entry into `manifest.json`."""
    run, release = out / recipe.name, out / recipe.name / "release"
    ledger = records.Ledger(run / "ledger.json").facts
    records.replace(run / "energy.json", records.dump(energy.estimate(ledger)))
    kept = release / "records"
    kept.mkdir(exist_ok=True)
    for name in RECORDS:
        shutil.copyfile(run / name, kept / name)
    shutil.copyfile(out / f"data-{recipe.vocabulary}" / "corpus.json", kept / "corpus.json")
    (release / "LICENSE").write_text(licence(recipe))
    facts = gather(kept) | {"ledger": ledger}
    (release / "README.md").write_text(card(recipe, facts))
    bundle.add(recipe, release, facts)
    stopped = ledger["stopped"]
    archive(release, out / f"{recipe.name}.tar.xz", int(stopped))
    entry = describe(recipe, release, ledger) | {"archive_sha256": sha256(out / f"{recipe.name}.tar.xz")}
    enter(out / "manifest.json", entry)


def gather(kept: Path) -> dict[str, Any]:
    """The records a card is written from."""
    names = ("eval", "energy", "environment", "corpus")
    facts: dict[str, Any] = {name: json.loads((kept / f"{name}.json").read_text()) for name in names}
    return facts | {"logbook": records.read(kept / "logbook.jsonl")}


def archive(folder: Path, target: Path, moment: int) -> None:
    """A tar.xz of the folder's files in name order, without owners: the same files give the same bytes."""
    with tarfile.open(target, "w:xz", preset=6) as tar:
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
