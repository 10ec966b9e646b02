"""Attacks on the stand-in (ADR 18): what its secret opens, and when it ends."""

from __future__ import annotations

import threading

import httpx
import openai
import pytest
from django.utils import timezone

from inference import contract
from inference.batch_models import StandIn
from inference.batches import actions as batches
from inference.batches import stand_ins
from portal.tokens import actions as tokens
from tests.contract.batches.batching import ledger
from tests.inference.bench import GATED
from tests.inference.gateway import rig


def ask(gateway: rig.Gateway, secret: str, **headers: str):
    client = openai.OpenAI(base_url=f"{gateway.base}/v1", api_key=secret, max_retries=0, timeout=20)
    return client.completions.with_raw_response.create(model=GATED, prompt="x", max_tokens=1, extra_headers=headers)


def test_a_stand_in_sends_rows_of_its_batch_and_nothing_else(gateway, stand_in, portal_url, store):
    batch, secret = stand_in
    with pytest.raises(openai.BadRequestError, match="Name the row"):
        ask(gateway, secret)
    for name in ("0x1", "-1", "1" * 7, "1,2", "../1"):
        with pytest.raises(openai.BadRequestError, match="Name the row"):
            ask(gateway, secret, **{"weighbridge-line": name})
    assert ask(gateway, secret, **{"weighbridge-line": "1"}).headers["x-request-id"] == contract.row_id(batch.pk.hex, 1)
    for door in ("v1/files", "api/v1/projects", "api/whoami-v2", "me/"):
        answer = httpx.get(f"{portal_url}/{door}", headers={"Authorization": f"Bearer {secret}"})
        assert answer.status_code in {302, 401, 404}, door


def test_nobody_elses_header_names_a_row(gateway, bench, stand_in, store):
    batch, _secret = stand_in
    answer = ask(gateway, bench.secret, **{"weighbridge-line": "1"})
    assert answer.headers["x-request-id"].startswith("req-")
    assert not store.exists(contract.answer_key(contract.row_id(batch.pk.hex, 1)))


def test_a_stand_in_ends_with_its_owners_token(gateway, bench, stand_in, store):
    _batch, secret = stand_in
    ask(gateway, secret, **{"weighbridge-line": "1"})
    tokens.revoke(by=bench.researcher, token=bench.token)
    with pytest.raises(openai.AuthenticationError, match="revoked"):
        ask(gateway, secret, **{"weighbridge-line": "2"})
    store.flushdb()
    with pytest.raises(openai.AuthenticationError, match="revoked"):
        ask(gateway, secret, **{"weighbridge-line": "2"})


@pytest.mark.parametrize("change", ["time", "batch", "gone", "ended"])
def test_a_stand_in_that_is_over_opens_nothing(gateway, stand_in, change):
    batch, secret = stand_in
    if change == "time":
        StandIn.objects.update(expires_at=timezone.now())
    elif change == "batch":
        batches.cancel(batch=batch, by=None)
    elif change == "gone":
        StandIn.objects.all().delete()
    else:
        ask(gateway, secret, **{"weighbridge-line": "1"})
        stand_ins.end(batch.pk)
    with pytest.raises(openai.AuthenticationError):
        ask(gateway, secret, **{"weighbridge-line": "2"})


def test_a_row_that_is_being_answered_is_not_answered_twice(gateway, stand_in, store, engine):
    batch, secret = stand_in
    slow = openai.OpenAI(base_url=f"{gateway.base}/v1", api_key=secret, max_retries=0, timeout=20)
    asked = {"model": GATED, "prompt": "#ttft=1500 x", "max_tokens": 1, "extra_headers": {"weighbridge-line": "1"}}
    thread = threading.Thread(target=lambda: slow.completions.create(**asked))
    thread.start()
    rig.wait_for(lambda: store.exists(contract.lease_key(contract.row_id(batch.pk.hex, 1))))
    with pytest.raises(openai.ConflictError):
        slow.completions.create(**asked)
    thread.join(20)
    assert len(ledger(store)) == 1
    assert store.zcard(contract.LEASES) == 0
