"""Exports, read by others' own programs: each takes ours, and refuses the same with one thing wrong. In an environment of their own."""

from __future__ import annotations

import json
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from releases.models import Model
from tests.contract import clients
from tests.contract.clients import ROOT
from tests.releases.test_exports import model as model
from tests.releases.test_exports import read

pytestmark = [pytest.mark.django_db, pytest.mark.drill]

SPDX = """
import sys
from spdx_python_model import v3_0_1

with open(sys.argv[1], "rb") as file:
    v3_0_1.JSONLDDeserializer().read(file, v3_0_1.SHACLObjectSet())
"""
CROISSANT = """
import json, sys
from pathlib import Path
import mlcroissant

mlcroissant.Dataset(jsonld=json.loads(Path(sys.argv[1]).read_text()))
"""
RO_CRATE = """
import json, sys
from importlib.resources import files
from pathlib import Path
import rdflib.plugins.shared.jsonld.context as context
import rdflib.plugins.shared.jsonld.util as util

WORDS = json.loads((files("rocrate") / "data" / "ro-crate.jsonld").read_text())
fetch = util.source_to_json

def known(source, *more, **named):
    if isinstance(source, str) and source.startswith("https://w3id.org/ro/crate/"):
        return WORDS, None
    return fetch(source, *more, **named)

util.source_to_json = context.source_to_json = known
from rocrate_validator import models, services

settings = services.ValidationSettings(
    rocrate_uri=str(Path(sys.argv[1]).parent), profile_identifier="ro-crate-1.1",
    requirement_severity=models.Severity.REQUIRED, metadata_only=True,
)
found = services.validate(settings)
sys.exit("; ".join(issue.message for issue in found.get_issues()) or 0)
"""
"""The validator asks the network for the context; the one that ro-crate-py carries, a later one with the same words, stands in."""
CSL = """
import json, sys, warnings
from pathlib import Path
from citeproc import Citation, CitationItem, CitationStylesBibliography, CitationStylesStyle, formatter
from citeproc.source.json import CiteProcJSON

warnings.simplefilter("error")
source = CiteProcJSON(json.loads(Path(sys.argv[1]).read_text()))
text = CitationStylesBibliography(CitationStylesStyle("harvard-cite-them-right", validate=False), source, formatter.plain)
for key in source:
    text.register(Citation([CitationItem(key)]))
print(*text.bibliography())
"""


@pytest.fixture(scope="module")
def python() -> Path:
    return clients.environment("validators", ROOT / "requirements" / "validators.txt")


def asked(python: Path, program: str, file: Path) -> subprocess.CompletedProcess[str]:
    return subprocess.run([python, "-c", program, file], capture_output=True, text=True, check=False, timeout=110)


def of_type(document: dict[str, Any], kind: str) -> dict[str, Any]:
    return next(each for each in document["@graph"] if kind in (each.get("type"), each.get("@type")))


def unknown_property(document: dict[str, Any]) -> None:
    of_type(document, "ai_AIPackage")["ai_invented"] = "x"


def no_digest(document: dict[str, Any]) -> None:
    del document["distribution"][0]["sha256"]


def no_date(document: dict[str, Any]) -> None:
    del next(each for each in document["@graph"] if each["@id"] == "./")["datePublished"]


def no_date_at_all(document: Any) -> None:
    document[0]["issued"] = {"date-parts": [["soon"]]}


@pytest.mark.parametrize(
    ("name", "program", "spoil"),
    [
        ("spdx.json", SPDX, unknown_property),
        ("croissant.json", CROISSANT, no_digest),
        ("ro-crate-metadata.json", RO_CRATE, no_date),
        ("cite.csl.json", CSL, no_date_at_all),
    ],
    ids=["SPDX", "Croissant", "RO-Crate", "CSL"],
)
def test_the_formats_own_program_takes_ours_and_refuses_a_spoiled_one(
    model: Model, python: Path, tmp_path: Path, name: str, program: str, spoil: Callable[[Any], None]
) -> None:
    file = tmp_path / name
    file.write_bytes(read(model, name))
    taken = asked(python, program, file)
    assert taken.returncode == 0, taken.stdout + taken.stderr
    document = json.loads(file.read_text())
    spoil(document)
    file.write_text(json.dumps(document))
    assert asked(python, program, file).returncode != 0
