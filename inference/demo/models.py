"""The two trained models, from their archives in the repository through the real ingest."""

from __future__ import annotations

import json
import tarfile
import tempfile
from datetime import datetime
from pathlib import Path
from typing import Any

from portal import env
from portal.access.gate_models import Gate
from portal.people.models import Lab, User
from releases.actions import describe_model, open_family, open_model
from releases.ingest import ingest
from releases.models import Family, Model

ARCHIVES = Path(env.text("SEED_ARCHIVES", str(Path(__file__).resolve().parents[2] / "releases" / "seed")))
"""Where the archives and their manifest.json lie."""


def manifest() -> list[dict[str, Any]]:
    """What the archives hold, smallest first: name, archive, gated, parameters, files with sha256 and size."""
    found: list[dict[str, Any]] = json.loads((ARCHIVES / "manifest.json").read_text(encoding="utf-8"))["models"]
    return sorted(found, key=lambda entry: int(entry["parameters"]))


def family(*, lab: Lab, manager: User) -> Family:
    """The family of the demo."""
    return open_family(
        lab=lab,
        slug="pico-opt",
        title="Pico-OPT",
        by=manager,
        summary="Small OPT models, trained from nothing on the Python standard library, with every record of the runs.",
        largest=max(int(entry["parameters"]) for entry in manifest()),
    )


def publish(entry: dict[str, Any], *, family: Family, gate: Gate | None, manager: User) -> Model:
    """Publish one entry of the manifest; does nothing when the model has a published revision."""
    name = entry["name"]
    model = Model.objects.filter(lab=family.lab, name=name).first() or open_model(
        lab=family.lab, name=name, by=manager, family=family, gate=gate, summary=entry.get("summary", "")
    )
    if model.gate_id != (gate.pk if gate else None):
        model = describe_model(model=model, by=manager, gate=gate)
    if model.main_id is None:
        with tempfile.TemporaryDirectory(prefix="weighbridge-") as folder:
            _unpack(ARCHIVES / entry["archive"], Path(folder))
            at = datetime.fromisoformat(entry["trained_at"])
            ingest(Path(folder), model=model, by=manager, message="Publish the trained weights", publish=True, at=at)
        model.refresh_from_db()
    return model


def _unpack(archive: Path, folder: Path) -> None:
    """Extract with the `data` filter: no links out, no absolute paths, no special files."""
    with tarfile.open(archive, "r:xz") as content:
        content.extractall(folder, filter="data")
