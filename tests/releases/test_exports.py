"""The documents made of a release: each valid by its format's own schema, and true to release and cards."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import jsonschema
import pytest
import yaml
from cyclonedx.schema import SchemaVersion
from cyclonedx.validation.json import JsonStrictValidator
from django.test import Client
from huggingface_hub import ModelCard

from releases import actions, units
from releases.exports.shelf import SHELF
from releases.models import Model
from tests.portal import world
from tests.portal.world import browser
from tests.releases.test_documents import at

SCHEMAS = Path(__file__).parent.parent / "schemas"
CARD = """---
license: apache-2.0
pipeline_tag: text-generation
tags: [pico, opt]
datasets: [python-standard-library]
base_model: https://models.example/earlier
co2_eq_emissions: {emissions: 1.317, energy_consumed: 0.0027734, training_type: pre-training, source: an estimate}
model-index:
- name: mine
  results:
  - task: {type: text-generation}
    dataset: {name: held-out modules, type: python}
    metrics: [{type: bits_per_byte, value: 1.385}]
---

# Mine & yours

It is *small*: 50 % of {nothing}.
"""
DATA_CARD = """---
pretty_name: python-standard-library
license: psf-2.0
language: [en]
data_files: [data]
summary: Modules of the Python standard library.
rai:
  dataCollection: Taken from an installed Python.
  dataBiases: [Only code, only English]
training_content:
  modalities: [text]
  tokens: 3509409
  latest_acquisition: 2023-12
  ongoing: false
  sources:
  - {kind: public_dataset, name: Python 3.11.7, licence: PSF-2.0, url: "https://www.python.org"}
  rights: The licence allows it | all of it.
---

# Data
"""


def read(model: Model, document: str, client: Client | None = None) -> bytes:
    answer = (client or Client()).get(at(model.main, document))
    assert answer.status_code == 200, document
    assert answer["Content-Type"] == (SHELF[document].media_type if document in SHELF else answer["Content-Type"])
    return answer.content


def schema(name: str) -> dict[str, Any]:
    told: dict[str, Any] = json.loads((SCHEMAS / name).read_text())
    return told


@pytest.fixture
def model(lyceum: world.World, publish: Any) -> Model:
    files = {"README.md": CARD, "DATACARD.md": DATA_CARD, "data/train.jsonl": '{"text": "pass"}\n'}
    return publish(lyceum, "mine_1", **files)


def test_every_document_is_there_for_everybody_and_a_branch_leads_to_it(model: Model, client: Client) -> None:
    for name in SHELF:
        answer = client.get(at(model.main, name))
        assert answer.status_code == 200, name
        assert answer["Cache-Control"] == "public, max-age=300"
        assert client.get(at(model.main, name), headers={"If-None-Match": answer["ETag"]}).status_code == 304
        onward = client.get(at(model.main, name, "main"))
        assert (onward.status_code, onward["Location"]) == (302, at(model.main, name))


def test_those_of_a_draft_are_its_labs_alone(lyceum: world.World, harbour: world.World, publish: Any) -> None:
    draft = publish(lyceum, "mine", publish=False).revisions.get()
    for name in ("CITATION.cff", "spdx.json"):
        assert browser(lyceum.manager).get(at(draft, name)).status_code == 200
        assert browser(harbour.manager).get(at(draft, name)).status_code == 404
        assert Client().get(at(draft, name)).status_code == 404


@pytest.mark.parametrize("document", [name for name in SHELF if SHELF[name].of_data])
def test_without_a_data_card_nothing_is_told_of_the_data(lyceum: world.World, publish: Any, document: str) -> None:
    answer = Client().get(at(publish(lyceum, "bare").main, document))
    assert answer.status_code == 404
    assert "DATACARD.md" in answer.content.decode()


@pytest.mark.parametrize("document", ["CITATION.cff", "cite.bib", "cite.ris", "cite.csl.json", "datacite.json"])
def test_every_citation_names_revision_and_weight_id(model: Model, document: str) -> None:
    told = read(model, document).decode()
    assert model.main.commit in told
    assert model.main.facts["weights"]["root"] in told
    assert "Lyceum Laboratory" in told


def test_citation_cff_is_valid(model: Model) -> None:
    told = yaml.load(read(model, "CITATION.cff"), Loader=yaml.BaseLoader)
    jsonschema.validate(told, schema("cff-1.2.0.json"), format_checker=jsonschema.FormatChecker())
    assert (told["license"], told["type"], told["commit"]) == ("Apache-2.0", "software", model.main.commit)


def test_datacite_is_valid_and_tells_what_came_before(model: Model, lyceum: world.World) -> None:
    told = json.loads(read(model, "datacite.json"))
    jsonschema.validate(told, schema("datacite-4.5.json"), format_checker=jsonschema.FormatChecker())
    assert told["types"]["resourceTypeGeneral"] == "Model"
    relations = {row["relationType"]: row["relatedIdentifier"] for row in told["relatedIdentifiers"]}
    assert relations["IsVersionOf"].endswith("/lyceum/mine_1")
    assert relations["IsDerivedFrom"] == "https://models.example/earlier"
    assert "IsNewVersionOf" not in relations, "it is the first"


def test_bibtex_and_ris_keep_their_reader_whole(model: Model) -> None:
    bibtex = read(model, "cite.bib").decode()
    assert bibtex.startswith(f"@misc{{lyceum-mine-1-{model.main.commit[:12]},\n")
    assert r"{mine\_1, revision" in bibtex
    assert bibtex.count("{") == bibtex.count("}")
    lines = read(model, "cite.ris").decode().split("\r\n")
    assert lines[0] == "TY  - COMP"
    assert lines[-2:] == ["ER  - ", ""]
    assert all(re.fullmatch(r"[A-Z][A-Z0-9]  - .*", line) for line in lines[:-1])


def test_csl_has_one_item_of_known_names(model: Model) -> None:
    (item,) = json.loads(read(model, "cite.csl.json"))
    assert item["type"] == "software"
    assert item["issued"] == {"date-parts": [[*model.main.published_at.timetuple()[:3]]]}
    assert item["author"] == [{"literal": "Lyceum Laboratory"}]


def test_spdx_names_model_files_licence_and_energy(model: Model) -> None:
    told = json.loads(read(model, "spdx.json"))
    graph: dict[str, list[dict[str, Any]]] = {}
    for element in told["@graph"]:
        graph.setdefault(element["type"], []).append(element)
    (package,) = graph["ai_AIPackage"]
    needed = {
        "suppliedBy",
        "releaseTime",
        "software_packageVersion",
        "software_downloadLocation",
        "software_primaryPurpose",
    }
    assert needed <= package.keys(), "what the profile asks of a package"
    used = package["ai_energyConsumption"]["ai_trainingEnergyConsumption"]
    assert [(row["ai_energyQuantity"], row["ai_energyUnit"]) for row in used] == [(0.0027734, "kilowattHour")]
    assert package["externalIdentifier"][0]["identifier"] == model.main.facts["weights"]["root"]
    hashed = {row["name"]: row["verifiedUsing"][0]["hashValue"] for row in graph["software_File"]}
    assert hashed == dict(model.main.files.values_list("path", "blob_id"))
    ids = {element["spdxId"] for element in told["@graph"] if "spdxId" in element}
    for relation in graph["Relationship"]:
        assert {relation["from"], *relation["to"]} <= ids, "nothing points at what is not there"
    assert set(graph["SpdxDocument"][0]["element"]) == ids - {graph["SpdxDocument"][0]["spdxId"]}
    (licence,) = graph["simplelicensing_LicenseExpression"]
    assert licence["simplelicensing_licenseExpression"] == "Apache-2.0"


def test_a_licence_that_spdx_does_not_know_is_a_reference(lyceum: world.World, publish: Any) -> None:
    card = "---\nlicense: other\nlicense_name: our own, 1.0\n---\n# Card\n"
    model = publish(lyceum, "mine", **{"README.md": card})
    graph = json.loads(read(model, "spdx.json"))["@graph"]
    (licence,) = [element for element in graph if element["type"] == "simplelicensing_LicenseExpression"]
    assert licence["simplelicensing_licenseExpression"] == "LicenseRef-our-own-1.0"
    assert yaml.safe_load(read(model, "CITATION.cff"))["license-url"].endswith("/lyceum/mine/licence")


def test_croissant_lists_the_data_with_digests_and_what_the_card_says_of_it(model: Model) -> None:
    told = json.loads(read(model, "croissant.json"))
    assert told["conformsTo"] == ["http://mlcommons.org/croissant/1.0", "http://mlcommons.org/croissant/RAI/1.0"]
    file = model.main.files.get(path="data/train.jsonl")
    (part,) = told["distribution"]
    assert (part["@id"], part["sha256"], part["contentSize"]) == (file.path, file.sha256, f"{file.size} B")
    assert told["rai:dataBiases"] == ["Only code, only English"] or told["rai:dataBiases"] == [
        "Only code",
        "only English",
    ]
    assert told["license"] == "https://spdx.org/licenses/PSF-2.0"
    needed = {
        "@context",
        "@type",
        "name",
        "description",
        "url",
        "creator",
        "datePublished",
        "license",
        "citeAs",
        "version",
    }
    assert needed <= told.keys()


def test_the_crate_holds_every_file_and_nothing_that_it_does_not_describe(model: Model) -> None:
    told = json.loads(read(model, "ro-crate-metadata.json"))
    graph = {entity["@id"]: entity for entity in told["@graph"]}
    assert graph["ro-crate-metadata.json"]["conformsTo"] == {"@id": "https://w3id.org/ro/crate/1.1"}
    root = graph["./"]
    assert {"name", "description", "datePublished", "license"} <= root.keys()
    assert {part["@id"] for part in root["hasPart"]} == set(model.main.files.values_list("path", flat=True))
    pointed = [value["@id"] for entity in graph.values() for value in entity.values() if isinstance(value, dict)]
    assert set(pointed) - {"https://w3id.org/ro/crate/1.1"} <= graph.keys()
    assert graph["model.safetensors"]["sha256"] == model.main.files.get(path="model.safetensors").sha256


def test_the_summary_of_training_content_is_a_draft_and_says_what_it_does_not_know(model: Model) -> None:
    told = read(model, "training-content.md").decode()
    assert told.splitlines()[2].startswith("> **Draft.**")
    assert "| Size | less than 1 billion tokens (3,509,409 counted) |" in told
    assert "- **Python 3.11.7**: PSF-2.0; https://www.python.org" in told
    assert "### 2.4 Data of users\n\nNone listed." in told
    assert "### 3.1 Reservations of rights\n\nThe licence allows it \\| all of it." in told
    assert "### 3.2 Unlawful content\n\nnot stated" in told


def test_units_grams_kilograms_and_tonnes_are_one_amount(model: Model) -> None:
    """1.317 g on the card, 0.001317 kg in the store, 0.000001317 t in the bill of materials, and back."""
    kept = model.main.publication.described["co2eq_kg"]
    assert kept == 0.001317
    card = ModelCard(read(model, "card.md").decode(), ignore_metadata_errors=False).data
    assert card.co2_eq_emissions["emissions"] == 1.317
    bill = read(model, "bom.cdx.json").decode()
    assert JsonStrictValidator(SchemaVersion.V1_6).validate_str(bill) is None
    about = json.loads(bill)["metadata"]["component"]["modelCard"]["considerations"]["environmentalConsiderations"]
    (used,) = about["energyConsumptions"]
    assert used["co2CostEquivalent"] == {"value": 0.000001317, "unit": "tCO2eq"}
    assert units.kg_of_tonnes(used["co2CostEquivalent"]["value"]) == kept
    assert units.kg_of_grams(card.co2_eq_emissions["emissions"]) == kept


def test_the_card_keeps_what_its_makers_wrote_and_adds_the_gate(lyceum: world.World, publish: Any) -> None:
    model = publish(lyceum, "mine", gate=lyceum.gate, **{"README.md": CARD})
    card = ModelCard(read(model, "card.md").decode())
    assert card.data.eval_results is not None
    assert card.data.eval_results[0].metric_value == 1.385
    assert card.data.to_dict()["extra_gated_prompt"].endswith("/lyceum/mine")
    assert card.text.strip().endswith("50 % of {nothing}.")


def test_a_card_that_is_taken_elsewhere_says_what_is_wrong_and_that_it_was_withdrawn(
    lyceum: world.World, publish: Any
) -> None:
    model = publish(lyceum, "mine", **{"README.md": CARD})
    before = read(model, "card.md").decode()
    first = actions.add_erratum(
        model=model, revision=None, severity="minor", title="A slip", text="Said wrongly.", by=lyceum.manager
    )
    actions.add_erratum(
        model=model, revision=model.main, severity="critical", title="[Wrong](x) <b>seed</b>\n# Head", text="Of layer 3.",
        corrects=first, by=lyceum.manager,
    )  # fmt: skip
    told = read(model, "card.md").decode()
    assert told.startswith(before.rstrip("\n"))
    assert "## Errata\n" in told
    assert "critical: " in told
    assert "seed" in told
    assert "A slip" not in told, "it is corrected"
    assert "\\<b\\>" in told, "words, and no HTML"
    assert "\n# Head" not in told
    actions.withdraw(revision=model.main, by=lyceum.manager, reason="The wrong tokenizer.")
    assert ": The wrong tokenizer.\n" in read(model, "card.md").decode().partition("## Withdrawn")[2]


@pytest.mark.parametrize(
    "hostile", ["[1, {a: b}]", "{a: [b]}", "'\\0 {{7*7}} </script> % \\\\ _ ~'", "12", "[]", "yes"]
)
def test_a_card_of_nonsense_makes_valid_documents(lyceum: world.World, publish: Any, hostile: str) -> None:
    names = ("license", "tags", "datasets", "base_model", "model-index", "co2_eq_emissions", "pipeline_tag")
    front = "".join(f"{name}: {hostile}\n" for name in names if name != "model-index" or hostile == "[]")
    told = ("rai", "training_content", "data_files", "license", "language", "pretty_name")
    data = "x: 1\n" + "".join(f"{name}: {hostile}\n" for name in told)
    model = publish(lyceum, "odd", **{"README.md": f"---\n{front}---\n# O\n", "DATACARD.md": f"---\n{data}---\n"})
    for name in SHELF:
        read(model, name)
    told_cff = yaml.load(read(model, "CITATION.cff"), Loader=yaml.BaseLoader)
    jsonschema.validate(told_cff, schema("cff-1.2.0.json"))
    jsonschema.validate(json.loads(read(model, "datacite.json")), schema("datacite-4.5.json"))
