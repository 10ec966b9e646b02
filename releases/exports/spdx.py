"""SPDX 3.0.1 as JSON-LD, with the profile for AI: the model as a package of its files, its licence, energy and scores."""

from __future__ import annotations

import re
from collections.abc import Iterable
from datetime import UTC
from typing import Any, Final

from portal import signing
from releases.exports.facts import Facts, text

VERSION: Final = "3.0.1"
_CONTEXT: Final = f"https://spdx.org/rdf/{VERSION}/spdx-context.jsonld"
_MADE: Final = "_:creation"
_NUMBERS: Final = ("num_hidden_layers", "hidden_size", "num_attention_heads", "vocab_size", "max_position_embeddings")


def document(facts: Facts) -> bytes:
    """The whole graph, canonical."""
    at = facts.document("spdx.json") + "#"
    package, lab = f"{at}model", f"{at}lab"
    files = [_file(at, place, file) for place, file in enumerate(facts.release["files"])]
    data = [_dataset(at, place, name, lab, facts) for place, name in enumerate(facts.datasets)]
    elements: list[dict[str, Any]] = [
        _element("Organization", lab, name=facts.lab.name),
        _package(package, lab, facts),
        *files,
        *data,
        _relation(f"{at}contains", package, "contains", [file["spdxId"] for file in files]),
    ]
    if data:
        elements.append(_relation(f"{at}trained-on", package, "trainedOn", [item["spdxId"] for item in data]))
    if facts.licence.name:
        elements.append(_licence(f"{at}licence", facts))
        elements.append(_relation(f"{at}declared", package, "hasDeclaredLicense", [f"{at}licence"]))
    whole = _element(
        "SpdxDocument",
        f"{at}document",
        name=f"{facts.model}@{facts.commit}",
        profileConformance=["core", "software", "ai", "dataset", "simpleLicensing"],
        rootElement=[package],
        element=[element["spdxId"] for element in elements],
    )
    made = {
        "type": "CreationInfo",
        "@id": _MADE,
        "specVersion": VERSION,
        "created": _moment(facts),
        "createdBy": [lab],
    }
    return signing.canonical({"@context": _CONTEXT, "@graph": [made, whole, *elements]})


def _package(spdx_id: str, lab: str, facts: Facts) -> dict[str, Any]:
    told = _element(
        "ai_AIPackage",
        spdx_id,
        name=facts.model,
        summary=facts.summary,
        suppliedBy=lab,
        originatedBy=[lab],
        releaseTime=_moment(facts),
        software_packageVersion=facts.commit,
        software_primaryPurpose="model",
        software_downloadLocation=facts.page,
        software_homePage=facts.model_page,
    )
    if facts.weight_id:
        told["externalIdentifier"] = [
            {
                "type": "ExternalIdentifier",
                "externalIdentifierType": "other",
                "identifier": facts.weight_id,
                "comment": "Weight id, weighbridge.tensors/1: the root over the digests of all tensors.",
            }
        ]
    if facts.described.get("architecture"):
        told["ai_typeOfModel"] = [facts.described["architecture"]]
    if facts.described.get("task"):
        told["ai_domain"] = [facts.described["task"]]
    # What stands in a file behind a gate is told to those alone whom the gate lets in.
    config = {} if facts.gate else facts.config
    if numbers := _entries((name, config.get(name)) for name in _NUMBERS):
        told["ai_hyperparameter"] = numbers
    if scores := _entries((f"{score.metric}, {score.dataset}".strip(", "), score.value) for score in facts.scores):
        told["ai_metric"] = scores
    if "energy_kwh" in facts.described:
        told["ai_energyConsumption"] = _energy(facts.described["energy_kwh"])
    return told


def _energy(kwh: float) -> dict[str, Any]:
    used = {"type": "ai_EnergyConsumptionDescription", "ai_energyQuantity": kwh, "ai_energyUnit": "kilowattHour"}
    return {"type": "ai_EnergyConsumption", "ai_trainingEnergyConsumption": [used]}


def _file(at: str, place: int, file: dict[str, Any]) -> dict[str, Any]:
    hashed = {"type": "Hash", "algorithm": "sha256", "hashValue": file["sha256"]}
    return _element("software_File", f"{at}file-{place}", name=file["path"], verifiedUsing=[hashed])


def _dataset(at: str, place: int, name: str, lab: str, facts: Facts) -> dict[str, Any]:
    """A dataset that the card names; what is not known of it is said to be so."""
    kind = {"text-generation": "text"}.get(str(facts.described.get("task")), "noAssertion")
    return _element(
        "dataset_DatasetPackage",
        f"{at}dataset-{place}",
        name=name,
        dataset_datasetType=[kind],
        software_primaryPurpose="data",
        originatedBy=[lab] if text(facts.data.get("pretty_name"), 200) == name else [],
        releaseTime=_moment(facts),
        software_downloadLocation=facts.page,
        builtTime=_moment(facts),
    )


def _licence(spdx_id: str, facts: Facts) -> dict[str, Any]:
    if facts.licence.spdx:
        expression, known = facts.licence.spdx, []
    else:
        expression = "LicenseRef-" + re.sub(r"[^A-Za-z0-9.-]+", "-", facts.licence.name).strip("-")
        known = [{"type": "DictionaryEntry", "key": expression, "value": f"{facts.model_page}/licence"}]
    told = _element("simplelicensing_LicenseExpression", spdx_id, simplelicensing_licenseExpression=expression)
    return told | ({"simplelicensing_customIdToUri": known} if known else {})


def _relation(spdx_id: str, source: str, kind: str, to: list[str]) -> dict[str, Any]:
    return _element("Relationship", spdx_id, **{"from": source, "relationshipType": kind, "to": to})


def _element(kind: str, spdx_id: str, **told: Any) -> dict[str, Any]:
    kept = {name: value for name, value in told.items() if value not in ("", [], None)}
    return {"type": kind, "spdxId": spdx_id, "creationInfo": _MADE, **kept}


def _entries(pairs: Iterable[tuple[str, object]]) -> list[dict[str, str]]:
    return [
        {"type": "DictionaryEntry", "key": key, "value": str(value)}
        for key, value in pairs
        if isinstance(value, int | float | str) and not isinstance(value, bool)
    ]


def _moment(facts: Facts) -> str:
    at = facts.revision.published_at or facts.revision.created_at
    return at.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
