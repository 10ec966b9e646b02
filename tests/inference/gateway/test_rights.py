"""Revocation, expiry and change of rights: on the next request, and within a running stream."""

from __future__ import annotations

import time
from collections.abc import Iterator
from dataclasses import replace

import openai
import pytest

from inference.contract import Access, Introspection, Limits
from tests.inference.gateway import rig
from tests.inference.gateway.rig import MODEL
from tests.inference.gateway.test_refusals import ask, client_for

FOREVER = "a #itl=10"


@pytest.fixture(autouse=True)
def forget(portal: rig.Portal) -> Iterator[None]:
    yield
    portal.answers.clear()


def stream(client: openai.OpenAI) -> openai.Stream:
    return ask(client, prompt=FOREVER, max_tokens=3000, stream=True)


def test_a_revoked_token_is_refused_at_once(gateway: rig.Gateway, store: rig.Store) -> None:
    token = store.grant(rig.principal())
    client = client_for(gateway, token)
    ask(client)
    store.revoke(token)
    with pytest.raises(openai.AuthenticationError) as caught:
        ask(client)
    assert caught.value.body["code"] == "token_revoked"
    with pytest.raises(openai.AuthenticationError):
        client.models.list()


def test_a_stream_of_a_revoked_token_is_cut_and_billed(
    gateway: rig.Gateway, store: rig.Store, engine: rig.Engine
) -> None:
    token = store.grant(rig.principal())
    running = stream(client_for(gateway, token))
    next(iter(running))
    store.revoke(token)
    begun = time.monotonic()
    with pytest.raises(openai.APIError, match="has ended"):
        for _ in running:
            pass
    assert time.monotonic() - begun < 1.5  # the heartbeat of these tests is 0.3 s
    event = rig.wait_for(lambda: store.entry(running.response.headers["x-request-id"]))
    assert event.status == "revoked"
    assert 0 < event.completion_tokens < 3000
    rig.wait_for(lambda: engine.truth()["aborted"] == 1)
    assert store.held() == []


def test_a_generation_that_rose_is_asked_about(gateway: rig.Gateway, store: rig.Store, portal: rig.Portal) -> None:
    old = rig.principal()
    token = store.grant(old)
    client = client_for(gateway, token)
    ask(client)
    running = stream(client)
    next(iter(running))
    renewed = rig.principal(
        token_id=old.token_id, user_id=old.user_id, project_id=old.project_id, user_generation=1, models=old.models
    )
    portal.answers[rig.digest_of(token)] = Introspection(active=True, principal=renewed)
    store.bump("user", old.user_id, 1)
    assert ask(client).choices, "still allowed, as the control plane says"
    until = time.monotonic() + 1
    for _ in running:
        if time.monotonic() > until:
            break
    else:
        pytest.fail("The stream was cut though its right went on.")
    running.close()
    store.push(token, renewed)  # as the control plane does when it answers
    portal.answers[rig.digest_of(token)] = Introspection(
        active=True, principal=rig.principal(user_id=old.user_id, user_generation=2, models={})
    )
    running = stream(client)
    next(iter(running))
    store.bump("user", old.user_id, 2)
    with pytest.raises(openai.PermissionDeniedError):
        ask(client)
    with pytest.raises(openai.APIError, match="has ended"):
        for _ in running:
            pass


def test_who_loses_one_model_is_still_told_of_the_others(
    gateway: rig.Gateway, store: rig.Store, portal: rig.Portal, engine: rig.Engine
) -> None:
    other = "lyceum/other"
    store.publish(rig.route(engine), rig.route(engine, model=other, pool="other", limits=Limits(concurrency=3)))
    both = rig.principal(models={MODEL: Access(rig.FAR, "lyceum/small"), other: Access(rig.FAR, "lyceum/other")})
    token = store.grant(both)
    client = client_for(gateway, token)
    assert [model.id for model in client.models.list()] == [other, MODEL]
    left = replace(both, models={other: both.models[other]})
    portal.answers[rig.digest_of(token)] = Introspection(active=True, principal=left)
    store.bump("gate", "lyceum/small", 1)
    assert [model.id for model in client.models.list()] == [other]
    assert [line["model"] for line in client.get("/queue", cast_to=object)["data"]] == [other]
    portal.answers[rig.digest_of(token)] = Introspection(active=False, code="token_revoked", message="Gone.")
    with pytest.raises(openai.AuthenticationError):
        client.models.list()


def test_a_changed_principal_counts_from_the_next_request(gateway: rig.Gateway, store: rig.Store) -> None:
    principal = rig.principal()
    token = store.grant(principal)
    client = client_for(gateway, token)
    ask(client)
    store.push(token, rig.principal(models={}))
    with pytest.raises(openai.PermissionDeniedError):
        ask(client)
    store.push(token, principal)
    ask(client)


@pytest.mark.parametrize(
    ("what", "error"), [("token", openai.AuthenticationError), ("grant", openai.PermissionDeniedError)]
)
def test_what_has_ended_is_refused_by_the_stores_clock(
    gateway: rig.Gateway, store: rig.Store, what: str, error: type[Exception]
) -> None:
    soon = int(time.time() * 1000) + 1000
    access = Access(soon if what == "grant" else rig.FAR, "lyceum/small")
    principal = rig.principal(models={MODEL: access}, not_after=soon if what == "token" else rig.FAR)
    client = client_for(gateway, store.grant(principal))
    ask(client)
    time.sleep(1.1)
    with pytest.raises(error):
        ask(client)


def test_a_control_plane_that_does_not_answer_is_503(gateway: rig.Gateway, portal: rig.Portal) -> None:
    from inference.gateway.auth import secret

    portal.delay = 6
    try:
        with pytest.raises(openai.InternalServerError) as caught:
            ask(client_for(gateway, secret("q", "z" * 32)))
    finally:
        portal.delay = 0
    assert caught.value.status_code == 503
