"""Croissant 1.0: what a model was trained on, as far as its data card tells it, with the vocabulary for responsible AI.

The data that lies among the release's files becomes its distribution, each file with its digest; what the card calls a
source and does not bring along is named in `citeAs` and the text, never given an address that is not there.
"""

from __future__ import annotations

import json
from typing import Any, Final

from releases import formats, licences
from releases.exports.facts import Facts, text, texts

CONFORMS: Final = "http://mlcommons.org/croissant/1.0"
RAI: Final = "http://mlcommons.org/croissant/RAI/1.0"
TERMS: Final = (
    "dataCollection", "dataCollectionType", "dataCollectionRawData", "dataCollectionTimeframe", "dataCollectionMissingData",
    "dataImputationProtocol", "dataPreprocessingProtocol", "dataManipulationProtocol", "dataAnnotationProtocol",
    "dataAnnotationPlatform", "dataAnnotationAnalysis", "annotationsPerItem", "annotatorDemographics",
    "machineAnnotationTools", "dataReleaseMaintenancePlan", "personalSensitiveInformation", "dataSocialImpact",
    "dataBiases", "dataLimitations", "dataUseCases",
)  # fmt: skip
"""What the vocabulary knows, and the data card may tell under `rai`."""
_VOCABULARIES: Final = {
    "@language": "en",
    "@vocab": "https://schema.org/",
    "sc": "https://schema.org/",
    "cr": "http://mlcommons.org/croissant/",
    "rai": "http://mlcommons.org/croissant/RAI/",
    "dct": "http://purl.org/dc/terms/",
    "conformsTo": "dct:conformsTo",
}
_OURS: Final = (
    "citeAs", "column", "equivalentProperty", "extract", "field", "fileProperty", "fileObject", "fileSet", "format", "includes", "isLiveDataset", "jsonPath",
    "key", "parentField", "path", "recordSet", "references", "regex", "repeated", "replace", "samplingRate", "separator", "source",
    "subField", "transform", "md5",
)  # fmt: skip
_CONTEXT: Final[dict[str, Any]] = {
    **_VOCABULARIES,
    **{name: f"cr:{name}" for name in _OURS},
    "data": {"@id": "cr:data", "@type": "@json"},
    "dataType": {"@id": "cr:dataType", "@type": "@vocab"},
    "examples": {"@id": "cr:examples", "@type": "@json"},
}
"""The context that the format's specification prescribes."""


def document(facts: Facts) -> bytes:
    """The dataset behind a release that has a data card."""
    card = facts.data
    rai = card.get("rai")
    responsible = rai if isinstance(rai, dict) else {}
    told: dict[str, Any] = {
        "@context": _CONTEXT,
        "@type": "sc:Dataset",
        "conformsTo": [CONFORMS, RAI] if responsible else CONFORMS,
        "name": text(card.get("pretty_name"), 200) or f"{facts.name} training data",
        "description": text(card.get("summary")) or f"What {facts.model} was trained on.",
        "url": facts.page,
        "version": f"1.0.0+{facts.commit}",
        "datePublished": facts.day.isoformat(),
        "creator": {"@type": "Organization", "name": facts.lab.name},
        "publisher": {"@type": "Organization", "name": facts.lab.name},
        "citeAs": text(card.get("cite")) or f"Training data of {facts.model}, revision {facts.commit}. {facts.page}",
        "distribution": distribution(facts),
    }
    if named := texts(card.get("license_name")) or texts(card.get("license")):
        licence = licences.named(named[0])
        told["license"] = licence.url or licence.name
    if words := texts(card.get("tags")):
        told["keywords"] = words
    if languages := texts(card.get("language")):
        told["inLanguage"] = languages
    told |= {f"rai:{name}": value for name in TERMS if (value := _answer(responsible.get(name)))}
    return json.dumps(told, ensure_ascii=False, indent=2).encode() + b"\n"


def distribution(facts: Facts) -> list[dict[str, Any]]:
    """The release's files below the folders and names that the card lists as `data_files`."""
    wanted = texts(facts.data.get("data_files"))
    chosen = [file for file in facts.release["files"] if any(_inside(file["path"], place) for place in wanted)]
    return [
        {
            "@type": "cr:FileObject",
            "@id": file["path"],
            "name": file["path"],
            "contentUrl": facts.file(file["path"]),
            "contentSize": f"{file['size']} B",
            "encodingFormat": formats.media_type(file["path"]).partition(";")[0],
            "sha256": file["sha256"],
        }
        for file in chosen
    ]


def _inside(path: str, place: str) -> bool:
    return path == place or path.startswith(place.rstrip("/") + "/")


def _answer(value: object) -> str | list[str]:
    return texts(value) if isinstance(value, list) else text(value)
