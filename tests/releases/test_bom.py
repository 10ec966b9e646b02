"""bom.cdx.json: valid by CycloneDX's own schema, and it says what the card says, in the format's units."""

from __future__ import annotations

import json
from typing import Any

import pytest
from cyclonedx.schema import SchemaVersion
from cyclonedx.validation.json import JsonStrictValidator
from django.test import Client

from releases.models import Model
from tests.portal import world

CARD = """---
license: {licence}
pipeline_tag: text-generation
datasets: [python-standard-library, docstrings]
co2_eq_emissions: {footprint}
---
# A card
"""


def bill(model: Model) -> dict[str, Any]:
    answer = Client().get(f"/{model.full_name}/revisions/{model.main.commit}/bom.cdx.json")
    assert answer.status_code == 200
    error = JsonStrictValidator(SchemaVersion.V1_6).validate_str(answer.content.decode())
    assert error is None, error
    told: dict[str, Any] = json.loads(answer.content)
    return told


def test_a_whole_card_becomes_a_valid_bill(lyceum: world.World, publish: Any) -> None:
    footprint = "{emissions: 2500, energy_consumed: 5.25, training_type: pre-training}"
    model = publish(lyceum, "mine", **{"README.md": CARD.format(licence="apache-2.0", footprint=footprint)})
    told = bill(model)
    component = told["metadata"]["component"]
    assert (component["type"], component["group"], component["name"]) == ("machine-learning-model", "lyceum", "mine")
    assert component["licenses"] == [{"license": {"id": "Apache-2.0"}}]
    assert component["modelCard"]["modelParameters"] == {
        "task": "text-generation",
        "architectureFamily": "opt",
        "modelArchitecture": "OPTForCausalLM",
        "datasets": [
            {"type": "dataset", "name": "python-standard-library"},
            {"type": "dataset", "name": "docstrings"},
        ],
    }
    (used,) = component["modelCard"]["considerations"]["environmentalConsiderations"]["energyConsumptions"]
    assert used["activity"] == "training"
    assert used["activityEnergyCost"] == {"value": 5.25, "unit": "kWh"}
    assert used["co2CostEquivalent"] == {"value": 0.0025, "unit": "tCO2eq"}, "the card counts grams"
    files = {file["name"]: file["hashes"] for file in told["components"]}
    for file in model.main.files.select_related("blob__proof"):
        assert files[file.path] == [
            {"alg": "SHA-256", "content": file.sha256},
            {"alg": "BLAKE3", "content": file.blob.proof.blake3},
        ]
    assert component["properties"][0]["value"] == model.main.facts["weights"]["root"]


def test_what_the_card_leaves_out_is_left_out(lyceum: world.World, publish: Any) -> None:
    files = {"README.md": "# Nothing told\n", "config.json": "{}"}
    component = bill(publish(lyceum, "bare", **files))["metadata"]["component"]
    assert component["modelCard"] == {"modelParameters": {}}
    assert "licenses" not in component


def test_emissions_without_energy_are_a_property(lyceum: world.World, publish: Any) -> None:
    card = CARD.format(licence="our-own-1.0", footprint="12.5")
    component = bill(publish(lyceum, "mine", **{"README.md": card}))["metadata"]["component"]
    footprint = component["modelCard"]["considerations"]["environmentalConsiderations"]
    assert footprint == {"properties": [{"name": "weighbridge:tCO2eq", "value": "1.25e-05"}]}
    assert component["licenses"] == [{"license": {"name": "our-own-1.0"}}]


@pytest.mark.parametrize(
    "footprint", ["[1, 2]", "{emissions: -3, energy_consumed: .inf}", "{emissions: [], energy_consumed: yes}"]
)
def test_a_card_that_says_nonsense_still_makes_a_valid_bill(lyceum: world.World, publish: Any, footprint: str) -> None:
    files = {
        "README.md": f"---\nlicense: [a]\npipeline_tag: 7\ndatasets: {{a: 1}}\nco2_eq_emissions: {footprint}\n---\n",
        "config.json": '{"architectures": [3], "model_type": {}}',
    }
    assert bill(publish(lyceum, "odd", **files))["metadata"]["component"]["modelCard"] == {"modelParameters": {}}
