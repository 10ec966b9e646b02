"""The API's description is whole, is checked in, and is what the code does."""

from __future__ import annotations

import json

import pytest
from django.core.management import CommandError, call_command
from jsonschema import Draft202012Validator

from portal.api import description, reading
from portal.api.management.commands import openapi
from tests.architecture import walk

MADE = json.loads(description.as_json())
OPERATIONS = [
    (path, method, operation) for path, methods in MADE["paths"].items() for method, operation in methods.items()
]


def test_the_description_is_checked_in():
    call_command("openapi", check=True)


def test_a_description_that_is_out_of_date_says_what_to_run(monkeypatch, tmp_path):
    monkeypatch.setattr(description, "FILE", tmp_path / "openapi.yaml")
    monkeypatch.setattr(openapi, "validate_schema", lambda _: None)  # takes 3 s, and is asked above
    with pytest.raises(CommandError, match=r"python manage\.py openapi"):
        call_command("openapi", check=True)
    call_command("openapi")
    call_command("openapi", check=True)


def test_every_address_of_the_api_is_described():
    plain = {"/api/v1/openapi.json", "/api/v1/openapi.yaml", "/api/v1/", "/api/v1/nothing"}
    names = {walk.address(route, {}) for route in walk.routes() if route.startswith("api/v1/")} - plain
    described = {walk.address(path.lstrip("/").replace("{", "<").replace("}", ">"), {}) for path in MADE["paths"]}
    assert {_shape(name) for name in names} - {"/api/v1/*"} == {_shape(name) for name in described}


def _shape(address: str) -> str:
    """The address with each filled parameter alike."""
    filled = {"1", "nothing", "00000000-0000-4000-8000-000000000000"}
    return "/".join("*" if part in filled else part for part in address.split("/"))


@pytest.mark.parametrize(
    ("path", "method", "operation"), OPERATIONS, ids=[each[2]["operationId"] for each in OPERATIONS]
)
def test_every_operation_says_who_may_and_what_goes_wrong(path, method, operation):
    assert operation["summary"]
    assert operation["description"].endswith(("`.", "session alone: it is said in person.", "For everybody."))
    assert operation["security"]
    if method != "get":
        assert {"400", "409"} <= operation["responses"].keys()
        body = operation.get("requestBody", {}).get("content", {}).get("application/json")
        assert body is None or body["examples"], "a body is shown by an example"
    if method != "get" and operation["security"] != [{}]:
        assert {"401", "403", "422"} <= operation["responses"].keys()
        assert "Idempotency-Key" in {each["name"] for each in operation["parameters"]}


def test_a_text_that_may_be_empty_may_be_so_by_the_description():
    """By the letter of JSON Schema, where a format forbids nothing: “exactly one of” an address and nothing is never nothing."""
    contact = Draft202012Validator(MADE["components"]["schemas"]["LabGate"]["properties"]["contact"])
    assert [contact.is_valid(said) for said in ("", "gates@lyceum.example", 5)] == [True, True, False]


def test_every_tag_is_explained_and_every_operation_is_on_the_page():
    assert {name for *_, operation in OPERATIONS for name in operation["tags"]} == {t["name"] for t in MADE["tags"]}
    shown = [each.name for subject in reading.subjects() for each in subject.operations]
    assert sorted(shown) == sorted(operation["operationId"] for *_, operation in OPERATIONS)


def test_every_link_leads_to_an_operation():
    known = {operation["operationId"] for *_, operation in OPERATIONS}
    links = [
        link["operationId"]
        for *_, operation in OPERATIONS
        for answer in operation["responses"].values()
        for link in answer.get("links", {}).values()
    ]
    assert links
    assert set(links) <= known
