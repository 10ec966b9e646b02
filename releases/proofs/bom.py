"""bom.cdx.json: the release as a CycloneDX 1.6 bill of materials for machine learning.

It tells what the card and the configuration say, and nothing else: what they leave out is left out. Quantities are kept
in kWh and kg (releases.units) and told in the two that CycloneDX knows: kWh and tonnes of CO2 equivalent.
"""

from __future__ import annotations

import json
import uuid
from typing import Any, Final

from portal.storable import all_mended
from releases import cards, footprints, licences, units
from releases.models import BlobState, Revision
from releases.proofs import documents
from releases.storage import store

CONFIG: Final = "config.json"
CONFIG_MAX: Final = 1 << 20
"""Bytes; a longer configuration is not read."""
_ACTIVITIES: Final = {"pre-training": "training", "fine-tuning": "fine-tuning"}


def described(revision: Revision) -> dict[str, Any]:
    """What card and configuration say that belongs into the bill; read once, at publication."""
    card, config = cards.metadata(revision), config_of(revision)
    footprint = footprints.of_card(card)
    named = card.get("datasets")
    datasets = named if isinstance(named, list) else [named]
    architectures = config.get("architectures")
    told = {
        "task": card.get("pipeline_tag"),
        "family": config.get("model_type"),
        "architecture": architectures[0] if isinstance(architectures, list) and architectures else None,
        "datasets": [name for name in datasets if _text(name)],
        "activity": footprint.activity,
        "energy_kwh": footprint.kwh,
        "co2eq_kg": footprint.kg,
    }
    texts = ("task", "family", "architecture", "activity")
    return {name: value for name, value in told.items() if value and (name not in texts or _text(value))}


def bill(revision: Revision) -> dict[str, Any]:
    """The whole document."""
    release = documents.release(revision)
    namespace, _, name = release["model"].partition("/")
    component: dict[str, Any] = {
        "type": "machine-learning-model",
        "bom-ref": revision.commit,
        "group": namespace,
        "name": name,
        "version": revision.commit,
        "modelCard": _model_card(documents.publication(revision).described),
    }
    if release["licence"]:
        component["licenses"] = [{"license": _licence(release["licence"])}]
    if release["tensors"]:
        component["properties"] = [{"name": "weighbridge:weight_id", "value": release["tensors"]["root"]}]
    files = [_file(file) for file in release["files"]]
    at = {"timestamp": release["published_at"]} if release["published_at"] else {}
    return {
        "$schema": "http://cyclonedx.org/schema/bom-1.6.schema.json",
        "bomFormat": "CycloneDX",
        "specVersion": "1.6",
        "serialNumber": uuid.uuid5(uuid.NAMESPACE_OID, f"{revision.model_id}:{revision.commit}").urn,
        "version": 1,
        "metadata": {**at, "component": component},
        "components": files,
        "dependencies": [{"ref": revision.commit, "dependsOn": [file["bom-ref"] for file in files]}],
    }


def _file(file: dict[str, Any]) -> dict[str, Any]:
    told = [{"alg": "SHA-256", "content": file["sha256"]}]
    if file["blake3"]:
        told.append({"alg": "BLAKE3", "content": file["blake3"]})
    return {"type": "file", "bom-ref": f"file:{file['path']}", "name": file["path"], "hashes": told}


def _model_card(told: dict[str, Any]) -> dict[str, Any]:
    names = {"task": "task", "family": "architectureFamily", "architecture": "modelArchitecture"}
    parameters: dict[str, Any] = {theirs: told[ours] for ours, theirs in names.items() if ours in told}
    if told.get("datasets"):
        parameters["datasets"] = [{"type": "dataset", "name": name} for name in told["datasets"]]
    footprint = _footprint(told)
    considerations = {"considerations": {"environmentalConsiderations": footprint}} if footprint else {}
    return {"modelParameters": parameters, **considerations}


def _footprint(told: dict[str, Any]) -> dict[str, Any]:
    """Energy with its emissions; emissions alone, which the format has no place for, as a property."""
    tonnes = units.tonnes(told["co2eq_kg"]) if "co2eq_kg" in told else None
    if "energy_kwh" not in told:
        return {"properties": [{"name": "weighbridge:tCO2eq", "value": f"{tonnes:.12g}"}]} if tonnes else {}
    energy = {"value": told["energy_kwh"], "unit": "kWh"}
    used: dict[str, Any] = {
        "activity": _ACTIVITIES.get(told.get("activity", ""), "other"),
        "energyProviders": [
            {"organization": {"name": "not stated"}, "energySource": "unknown", "energyProvided": energy}
        ],
        "activityEnergyCost": energy,
    }
    if tonnes:
        used["co2CostEquivalent"] = {"value": tonnes, "unit": "tCO2eq"}
    return {"energyConsumptions": [used]}


def _licence(named: str) -> dict[str, str]:
    known = licences.named(named)
    return {"id": known.spdx} if known.spdx else {"name": named}


def config_of(revision: Revision) -> dict[str, Any]:
    """`config.json` as a table; empty where there is none that can be read. Raises Away: what is told is told for good."""
    files = revision.files.filter(path=CONFIG, size__lte=CONFIG_MAX).exclude(blob__state=BlobState.QUARANTINED)
    digest = files.values_list("blob_id", flat=True).first()
    if digest is None:
        return {}
    try:
        with store().open(digest) as source:
            told = all_mended(json.loads(source.read(CONFIG_MAX)))
    except (FileNotFoundError, ValueError, RecursionError):
        return {}
    return told if isinstance(told, dict) else {}


def _text(value: object) -> bool:
    return isinstance(value, str) and 0 < len(value) <= 200
