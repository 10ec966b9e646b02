"""A researcher fetches the signed receipt of a query, and anybody proves it; nobody else gets at it by its request id."""

from __future__ import annotations

import base64
import hashlib
import json
from datetime import datetime

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey
from django.db import connection
from django.test import Client
from django.urls import reverse

from inference import anchors, ledger
from inference.contract import UsageEvent
from inference.gateway.call import new_request_id
from inference.models import UsageRecord
from inference.receipt_models import QueryReceipt
from portal import written
from portal.tokens.scopes import Kind
from tests.inference.bench import GATED, event
from tests.portal import world
from tests.portal.test_access_api import client as by_token

ASKED = "b" * 64


@pytest.fixture(autouse=True)
def key(settings) -> None:
    settings.RECEIPT_SIGNING_KEY = "a secret of the test's own"


@pytest.fixture
def row(bench) -> UsageEvent:
    one = event(
        request_id=new_request_id(), user_id=str(bench.researcher.pk), project_id=str(bench.project.pk),
        token_id=str(bench.token.pk), model=GATED, engine="vllm 0.32.0", fingerprint="vllm-1", parameters=ASKED,
    )  # fmt: skip
    ledger.post([one])
    return one


def holder(bench) -> Client:
    return Client(headers={"authorization": f"Bearer {bench.secret}"})


def test_the_query_token_fetches_what_the_ledger_says_and_a_stranger_checks_it_with_the_published_key(bench, row):
    answer = holder(bench).get(f"/api/v1/receipts/{row.request_id}")
    assert answer.status_code == 200
    receipt = answer.json()
    told = receipt["document"]
    assert told["tokens"] == {"prompt": 10, "completion": 5, "cached": 0}
    assert (told["request"], told["model"], told["revision"]) == (row.request_id, GATED, row.revision)
    assert (told["engine"], told["fingerprint"], told["parameters_sha256"]) == ("vllm 0.32.0", "vllm-1", ASKED)
    assert (told["status"], told["project"], told["person"]) == ("ok", row.project_id, row.user_id)
    assert told["ended_at"].endswith("Z")
    content = json.dumps(told, sort_keys=True, separators=(",", ":"), ensure_ascii=False).encode()
    assert hashlib.sha256(content).hexdigest() == receipt["sha256"]
    public = Ed25519PublicKey.from_public_bytes(
        bytes.fromhex(Client().get(reverse("agreements:key")).json()["public_key"])
    )
    public.verify(base64.b64decode(receipt["ed25519"]["signature"]), content)


def test_a_receipt_is_made_once_and_keeps_its_seal(bench, row, settings):
    first = holder(bench).get(f"/api/v1/receipts/{row.request_id}").json()
    settings.RECEIPT_SIGNING_KEY = "another"
    assert holder(bench).get(f"/api/v1/receipts/{row.request_id}").json() == first
    assert QueryReceipt.objects.count() == 1


def test_strangers_and_the_projects_other_people_find_nothing(bench, row):
    url = f"/api/v1/receipts/{row.request_id}"
    ida = by_token(world.person("Ida Fremd"), Kind.QUERY)
    assert ida.get(url).status_code == 404
    assert by_token(bench.world.manager, Kind.QUERY).get(url).status_code == 404
    assert by_token(bench.researcher, Kind.DOWNLOAD).get(url).status_code == 403
    assert Client().get(url).status_code == 401
    assert not QueryReceipt.objects.exists(), "and nothing was made on the way"
    holder(bench).get(url)
    assert ida.get(url).status_code == 404, "nor once it is made"


@pytest.mark.parametrize(
    "name",
    [*(f"req-{time}{'0' * 20}" for time in ("000000000000", "ffffffffffff", "e677d21fdbff")), "x", "nobodys"],
)
def test_an_unknown_request_is_not_there(bench, name):
    answer = holder(bench).get(f"/api/v1/receipts/{name}")
    assert (answer.status_code, answer["Content-Type"]) == (404, "application/problem+json")
    assert "second" in answer.json()["title"] + answer.json().get("detail", "")


def test_the_usage_page_leads_to_it_and_another_person_gets_404(client, bench, row):
    url = f"/me/usage/receipts/{row.request_id}.json"
    client.force_login(bench.researcher)
    assert url in client.get("/me/usage/").content.decode()
    answer = client.get(url)
    assert answer.json()["document"]["request"] == row.request_id
    assert row.request_id in answer["Content-Disposition"]
    client.force_login(world.person("Ida Fremd"))
    assert client.get(url).status_code == 404


def test_the_public_page_writes_the_end_of_a_query_as_pages_write_moments(client, bench, row):
    told = holder(bench).get(f"/api/v1/receipts/{row.request_id}").json()
    text = client.get("/receipts/", {"sha256": told["sha256"]}).content.decode()
    ended = datetime.fromisoformat(told["document"]["ended_at"])
    assert f"<dd>{written.stamp(ended)}</dd>" in text
    assert f"<dd>{told['document']['ended_at']}</dd>" not in text


def test_the_public_page_proves_it_by_its_digest_and_names_nobody(client, bench, row):
    digest = holder(bench).get(f"/api/v1/receipts/{row.request_id}").json()["sha256"]
    page = client.get("/receipts/", {"sha256": digest})
    text = page.content.decode()
    assert page.status_code == 200
    assert "This receipt is genuine" in text
    assert row.request_id in text
    assert row.user_id not in text
    assert row.project_id not in text
    assert client.get("/receipts/", {"sha256": "0" * 64}).status_code == 404


def test_a_receipt_that_was_changed_behind_our_back_does_not_verify(client, bench, row):
    digest = holder(bench).get(f"/api/v1/receipts/{row.request_id}").json()["sha256"]
    receipt = QueryReceipt.objects.get()
    receipt.document["tokens"]["completion"] = 0
    receipt.save()
    assert "does not verify" in client.get("/receipts/", {"sha256": digest}).content.decode()


def test_without_a_signing_key_the_receipt_is_intact_but_not_sealed(client, bench, row, settings):
    settings.RECEIPT_SIGNING_KEY = ""
    receipt = holder(bench).get(f"/api/v1/receipts/{row.request_id}").json()
    assert receipt["ed25519"] == {"public_key": "", "signature": ""}
    assert "It carries no seal" in client.get("/receipts/", {"sha256": receipt["sha256"]}).content.decode()


def test_an_anchor_from_before_the_newer_columns_still_holds(bench):
    """Rows of then have nothing in them, and give the root that was anchored."""
    ledger.post([event(user_id="u")])
    (row,) = UsageRecord.objects.values()
    older = {name: value for name, value in row.items() if name not in {"engine", "parameters"}}
    assert anchors.root_of([row]) == anchors.root_of([older])
    assert anchors.root_of([row | {"engine": "vllm"}]) != anchors.root_of([older])


def test_the_ledger_keeps_every_partitions_columns(bench, row):
    with connection.cursor() as cursor:
        cursor.execute("SELECT engine, parameters FROM inference_usagerecord WHERE request_id = %s", [row.request_id])
        assert cursor.fetchone() == ("vllm 0.32.0", ASKED)
