"""A client whose base address lacks /v1: it is told so in the words that it prints, and a browser is shown a page."""

from __future__ import annotations

import json

import httpx
import openai
import pytest
from django.test import Client


def through(client: Client, base: str) -> openai.OpenAI:
    """The unmodified client, its requests answered by the portal in this process."""

    def answered(request: httpx.Request) -> httpx.Response:
        kept = {
            name: request.headers[name]
            for name in ("authorization", "accept", "content-type")
            if name in request.headers
        }
        sent = {"data": request.content, "content_type": "application/json"} if request.method == "POST" else {}
        answer = getattr(client, request.method.lower())(request.url.path, headers=kept, **sent)
        return httpx.Response(answer.status_code, headers=dict(answer.headers), content=answer.content)

    transport = httpx.MockTransport(answered)
    return openai.OpenAI(base_url=base, api_key="wb_q_x", max_retries=0, http_client=httpx.Client(transport=transport))


@pytest.mark.parametrize(
    "ask",
    [
        lambda client: client.completions.create(model="lab/model", prompt="a"),
        lambda client: client.chat.completions.create(model="lab/model", messages=[{"role": "user", "content": "a"}]),
        lambda client: client.embeddings.create(model="lab/model", input="a"),
        lambda client: client.models.list(),
    ],
)
def test_who_leaves_v1_out_of_the_address_is_told_to_put_it_there(db, settings, ask):
    client = through(Client(enforce_csrf_checks=True), settings.BASE_URL)
    with pytest.raises(openai.NotFoundError, match=f"Queries go to {settings.BASE_URL}/v1: set base_url"):
        ask(client)


def test_a_browser_at_such_an_address_is_shown_a_page(db):
    answer = Client().get("/models", headers={"Accept": "text/html"})
    assert (answer.status_code, answer["Content-Type"]) == (404, "text/html; charset=utf-8")
    with pytest.raises(json.JSONDecodeError):
        json.loads(answer.content)
