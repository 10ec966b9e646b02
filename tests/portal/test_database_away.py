"""What people and programs are told while PostgreSQL is away: that it is, and when to try again. It is no fault of ours."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import pytest
from django.db import connection, transaction
from django.test import Client

from portal.tokens import secrets

pytestmark = pytest.mark.django_db

REFUSE = "DO $$ BEGIN RAISE EXCEPTION 'No space left on device' USING ERRCODE = '{}'; END $$"
AWAY = ["57P01", "53100", "53300", "25006"]
"""It shuts down; its disk is full; it has no connection left; it only reads."""


@contextmanager
def _says(code: str) -> Iterator[None]:
    """The server answers every statement with this."""

    def refuse(execute: Callable[..., Any], sql: str, params: Any, many: bool, context: Any) -> Any:
        return execute(REFUSE.format(code), None, False, context)

    before = transaction.savepoint()
    with connection.execute_wrapper(refuse):
        yield
    transaction.savepoint_rollback(before)


@pytest.fixture
def visitor() -> Client:
    return Client(raise_request_exception=False)


@pytest.mark.parametrize("code", AWAY)
@pytest.mark.parametrize("path", ["/", "/account/login/", "/status/", "/lyceum/pico/resolve/main/config.json"])
def test_a_person_reads_that_the_database_is_away_and_when_to_try_again(visitor, path, code):
    visitor.cookies["sessionid"] = "0" * 32  # who was signed in is looked up before any page
    with _says(code):
        answer = visitor.get(path, headers={"Accept": "text/html"})
    assert (answer.status_code, answer["Retry-After"], answer["Cache-Control"]) == (503, "5", "no-store")
    assert "database does not answer" in answer.content.decode()
    assert "A fault of ours" not in answer.content.decode()


@pytest.mark.parametrize("path", ["/api/models/lyceum/pico", "/lyceum/pico/resolve/main/a.json", "/api/v1/status"])
@pytest.mark.parametrize("with_token", [False, True])
def test_a_program_is_told_so_in_a_document_that_the_hubs_clients_read_too(visitor, path, with_token):
    shown = {"Authorization": f"Bearer {secrets.make('dl')}"} if with_token else {}
    with _says("57P01"):
        answer = visitor.get(path, headers=shown)
    assert (answer.status_code, answer["Retry-After"]) == (503, "5")
    body = answer.json()
    assert (body["status"], body["code"]) == (503, "unavailable")
    assert body["error"] == body["title"]


def test_a_client_of_openai_is_told_so_in_its_own_shape(visitor):
    with _says("53100"):
        answer = visitor.get("/v1/files", headers={"Authorization": f"Bearer {secrets.make('q')}"})
    assert answer.status_code == 503
    assert answer.json()["error"]["code"] == "unavailable"


@pytest.mark.parametrize("code", ["22012", "40P01", "57014"])
def test_what_the_database_refuses_of_one_request_alone_is_a_fault_of_ours(visitor, code):
    with _says(code):
        answer = visitor.get("/", headers={"Accept": "text/html"})
    assert answer.status_code == 500
    assert "A fault of ours" in answer.content.decode()
