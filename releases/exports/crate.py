"""RO-Crate 1.1: the release as one research object, to lie beside its files as ro-crate-metadata.json."""

from __future__ import annotations

import json
from typing import Any, Final
from urllib.parse import quote

from releases import cards, formats
from releases.exports.facts import Facts

CRATE: Final = "ro-crate-metadata.json"
_SPEC: Final = "https://w3id.org/ro/crate/1.1"


def document(facts: Facts) -> bytes:
    """The metadata file of the crate."""
    lab = facts.lab.site or f"{facts.model_page.rpartition('/')[0]}/"
    files = [_file(file) for file in facts.release["files"]]
    licence = facts.licence.url or f"{facts.model_page}/licence"
    root: dict[str, Any] = {
        "@id": "./",
        "@type": "Dataset",
        "name": f"{facts.model}, revision {facts.commit}",
        "description": facts.summary,
        "datePublished": facts.day.isoformat(),
        "license": {"@id": licence},
        "url": facts.page,
        "version": facts.commit,
        "identifier": [{"@id": "#commit"}, *([{"@id": "#weight-id"}] if facts.weight_id else [])],
        "author": {"@id": lab},
        "publisher": {"@id": lab},
        "keywords": ", ".join(facts.words),
        "hasPart": [{"@id": file["@id"]} for file in files],
    }
    graph: list[dict[str, Any]] = [
        {"@id": CRATE, "@type": "CreativeWork", "conformsTo": {"@id": _SPEC}, "about": {"@id": "./"}},
        {name: value for name, value in root.items() if value},
        {"@id": lab, "@type": "Organization", "name": facts.lab.name, "url": lab},
        {"@id": licence, "@type": "CreativeWork", "name": facts.licence.name or "no licence named"},
        {"@id": "#commit", "@type": "PropertyValue", "propertyID": "git commit", "value": facts.commit},
        *files,
    ]
    if facts.weight_id:
        weights = {"propertyID": "weighbridge.tensors/1", "value": facts.weight_id}
        graph.append({"@id": "#weight-id", "@type": "PropertyValue", **weights})
    told = {"@context": f"{_SPEC}/context", "@graph": graph}
    return json.dumps(told, ensure_ascii=False, indent=2, sort_keys=True).encode() + b"\n"


def _file(file: dict[str, Any]) -> dict[str, Any]:
    path = str(file["path"])
    about = {cards.CARD: "The model card.", cards.DATA_CARD: "The data card.", "LICENSE": "The licence."}.get(path)
    told = {
        "@id": quote(path),
        "@type": "File",
        "name": path,
        "contentSize": str(file["size"]),
        "encodingFormat": formats.media_type(path).partition(";")[0],
        "sha256": file["sha256"],
    }
    return told | ({"description": about} if about else {})
