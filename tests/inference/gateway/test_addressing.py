"""A researcher names the revision that must answer, and every answer names the one that did."""

from __future__ import annotations

import json

import openai
import pytest

from inference import contract
from inference.contract import Limits
from tests.inference.gateway import rig
from tests.inference.gateway.rig import MODEL
from tests.inference.gateway.test_hostile import exchange, post
from tests.inference.gateway.test_refusals import ask, client_for

FORMER = "bench/former"
SERVED = "c0ffee" + "0" * 34
HEADERS = {"weighbridge-model-revision": SERVED, "weighbridge-engine": "vllm 0.32.0"}
FINGERPRINT = {"weighbridge-fingerprint": "vllm-0.32.0-fake0001"}


@pytest.mark.parametrize("pinned", [SERVED, SERVED[:12], SERVED[:7]])
def test_the_revision_that_is_served_may_be_named(
    client: openai.OpenAI, store: rig.Store, engine: rig.Engine, pinned: str
) -> None:
    assert ask(client, model=f"{MODEL}@{pinned}").choices
    assert ask(client, model=f"{MODEL}@{pinned}", stream=True).response.status_code == 200
    assert engine.truth()["bodies"][-1]["model"] == "fake"
    assert {event.model for event in store.ledger()} == {MODEL}
    card = client.models.retrieve(f"{MODEL}@{pinned}")
    assert (card.id, card.revision) == (MODEL, SERVED)
    count = client.post("/tokenize", body={"model": f"{MODEL}@{pinned}", "prompt": "a"}, cast_to=object)
    assert count["count"] == 2


def test_a_former_name_leads_to_the_model_and_is_billed_under_the_present_one(
    gateway: rig.Gateway, client: openai.OpenAI, store: rig.Store, engine: rig.Engine
) -> None:
    store.redis.hset(contract.ROUTES, FORMER, store.redis.hget(contract.ROUTES, MODEL))
    rig.settle_routes()
    assert ask(client, model=FORMER).choices
    assert ask(client, model=f"{FORMER}@{SERVED[:7]}").choices
    assert {event.model for event in store.ledger()} == {MODEL}
    assert client.models.retrieve(FORMER).id == MODEL
    assert [model.id for model in client.models.list()] == [MODEL]
    why = contract.Reason("grant", "Apply first.")
    stranger = client_for(gateway, store.grant(rig.principal(models={}, refused={MODEL: why})))
    with pytest.raises(openai.PermissionDeniedError, match="Apply first"):
        ask(stranger, model=FORMER)


def test_a_model_is_served_from_the_moment_on_in_which_its_route_is_published(
    client: openai.OpenAI, store: rig.Store, engine: rig.Engine
) -> None:
    """The screen that says “ready” is followed by a pasted command, and a gateway reads the routes twice a second."""
    for n in range(5):
        name = f"lyceum/of-this-moment-{n}"
        store.redis.hset(contract.ROUTES, name, store.redis.hget(contract.ROUTES, MODEL))
        assert ask(client, model=name).choices
    assert {event.model for event in store.ledger()} == {MODEL}
    with pytest.raises(openai.NotFoundError):
        ask(client, model="lyceum/of-no-moment")


def test_a_name_is_found_however_it_is_spelt_as_it_is_at_the_hub_but_not_that_of_a_lab(
    client: openai.OpenAI, store: rig.Store, engine: rig.Engine
) -> None:
    """Who renames a model in its case alone leaves everybody's scripts with the other spelling."""
    lab, own = MODEL.split("/")
    store.redis.hset(contract.ROUTES, FORMER, store.redis.hget(contract.ROUTES, MODEL))
    rig.settle_routes()
    for name in (f"{lab}/{own.upper()}", f"{lab}/{own.title()}@{SERVED[:7]}", FORMER.replace("former", "Former")):
        assert ask(client, model=name).choices
        assert client.models.retrieve(name).id == MODEL
    assert {event.model for event in store.ledger()} == {MODEL}
    with pytest.raises(openai.NotFoundError):
        ask(client, model=f"{lab.upper()}/{own}")


def test_another_revision_is_404_and_the_one_that_is_served_is_named(
    client: openai.OpenAI, store: rig.Store, engine: rig.Engine
) -> None:
    with pytest.raises(openai.NotFoundError) as caught:
        ask(client, model=f"{MODEL}@{'d' * 40}")
    body = caught.value.body
    assert (body["code"], body["param"], body["served"]) == ("revision_not_served", "model", [SERVED])
    assert SERVED in body["message"]
    assert caught.value.response.headers.items() >= HEADERS.items()
    assert engine.truth()["bodies"] == []
    assert store.held() == []


@pytest.mark.parametrize("pinned", ["", "main", "c0ffee", SERVED + "0", "C0FFEE0"])
def test_what_is_no_revision_is_400(client: openai.OpenAI, pinned: str) -> None:
    with pytest.raises(openai.BadRequestError) as caught:
        ask(client, model=f"{MODEL}@{pinned}")
    assert (caught.value.body["code"], caught.value.body["param"]) == ("invalid_revision", "model")


def test_a_stranger_learns_no_revision(gateway: rig.Gateway, store: rig.Store) -> None:
    with pytest.raises(openai.PermissionDeniedError) as caught:
        ask(client_for(gateway, store.grant(rig.principal(models={}))), model=f"{MODEL}@{'d' * 40}")
    assert SERVED not in caught.value.response.text
    assert not HEADERS.keys() & caught.value.response.headers.keys()


def test_answers_and_refusals_say_what_answers(gateway: rig.Gateway, store: rig.Store, engine: rig.Engine) -> None:
    """The engine's fingerprint too, once it has told it; at every status after the model is known."""
    client = client_for(gateway, store.grant(rig.principal(Limits(tokens_per_day=600))))
    ask(client)
    wrong: list[dict[str, object]] = [
        {"extra_body": {"temperatur": 1}}, {"prompt": "#status=400"}, {"prompt": "#status=500"},
        {"prompt": "#status=503"}, {"max_tokens": 4000},
    ]  # fmt: skip
    seen = set()
    for changes in wrong:
        with pytest.raises(openai.APIStatusError) as caught:
            ask(client, **changes)
        answer = caught.value.response
        seen.add(answer.status_code)
        assert answer.headers.items() >= (HEADERS | FINGERPRINT).items(), changes
        assert answer.headers.get_list("weighbridge-fingerprint") == [FINGERPRINT["weighbridge-fingerprint"]]
    assert {400, 429, 503} <= seen
    raw = client.completions.with_raw_response
    for answer in (
        client.models.with_raw_response.retrieve(MODEL),
        raw.create(model=MODEL, prompt="a", max_tokens=1),
        raw.create(model=MODEL, prompt="a", max_tokens=1, stream=True),
    ):
        assert answer.headers.items() >= (HEADERS | FINGERPRINT).items()
    body = json.dumps({"model": MODEL, "prompt": "a"}).encode()
    _, headers, _ = exchange(gateway, post(client.api_key.encode(), body, path=b"/tokenize"))
    assert headers.items() >= (HEADERS | FINGERPRINT).items()


def test_a_card_says_what_the_model_can_be_asked_for(
    gateway: rig.Gateway, store: rig.Store, engine: rig.Engine, client: openai.OpenAI
) -> None:
    card = client.models.retrieve(MODEL)
    assert card.capabilities == {
        "completions": True, "chat_completions": True, "embeddings": True, "logprobs": True, "prompt_logprobs": True,
        "structured_output": True, "tools": False, "tokenizer_info": False,
    }  # fmt: skip
    assert (card.max_model_len, card.engine) == (4096, "vllm 0.32.0")
    store.publish(rig.route(engine, generates=False, tokenizer_info=True))
    (other,) = client.models.list()
    assert {name for name, able in other.capabilities.items() if able} == {"embeddings", "tokenizer_info"}
