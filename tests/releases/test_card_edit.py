"""The cards are written in the browser: looked at first, saved as a draft, by the lab's release managers alone."""

from __future__ import annotations

import re
from typing import Any
from urllib.parse import urlencode

import pytest
from django.test import Client
from django.test.client import BOUNDARY, encode_multipart

from releases import cards
from releases.models import Model
from tests.portal import world
from tests.portal.world import browser

HOSTILE = """# New

![x](https://evil.example/pixel.png) <a href='javascript:alert(1)'>y</a>

<script>alert(1)</script>
"""


@pytest.fixture
def model(lyceum: world.World, publish: Any) -> Model:
    return publish(lyceum, "mine")


def send(model: Model, client: Client, text: str, verb: str, which: str = "model", **more: str) -> Any:
    told = {"text": text, "verb": verb, "parent": model.tip.commit, "message": "", **more}
    return client.post(f"/{model.full_name}/cards/{which}", told)


def test_a_preview_shows_it_as_readers_will_and_saves_nothing(lyceum: world.World, model: Model) -> None:
    client = browser(lyceum.manager)
    assert "A model for **tests**." in client.get(f"/{model.full_name}/cards/model").content.decode()
    shown = send(model, client, HOSTILE, "preview").content.decode()
    preview = shown[shown.index('id="preview"') :]
    assert "<h2>New</h2>" in preview
    for word in ("<script", "evil.example/pixel", "<img", "javascript:"):
        assert word not in preview, word
    assert "has no metadata" in preview, "what readers will miss is said"
    assert model.revisions.count() == 1


def test_saved_it_is_a_draft_that_keeps_every_other_file(lyceum: world.World, model: Model) -> None:
    answer = send(
        model, browser(lyceum.manager), "---\nlicense: mit\n---\n# Data\r\n", "save", "data", message="Tell the data"
    )
    draft = model.revisions.order_by("-pk")[0]
    assert answer["Location"] == f"/{model.full_name}/revisions/{draft.commit}"
    assert (draft.parent, draft.message, draft.published_at) == (model.main.commit, "Tell the data", None)
    before = dict(model.main.files.values_list("path", "blob_id"))
    after = dict(draft.files.values_list("path", "blob_id"))
    assert {path: after[path] for path in before} == before
    assert set(after) - set(before) == {"DATACARD.md"}
    assert cards.source(draft, cards.DATA_CARD) == "---\nlicense: mit\n---\n# Data\n"
    assert "DATACARD" not in Client().get(f"/{model.full_name}").content.decode(), "it is not public"


@pytest.mark.parametrize(
    ("text", "word"),
    [("---\na: [\n---\n# X", "not YAML"), ("---\nlicense: mit\n# X", "no end"), ("x" * (cards.CARD_MAX + 1), "1 MiB"), ("", "required")],
    ids=["broken", "open", "long", "empty"],
)  # fmt: skip
def test_what_cannot_be_a_card_is_told_beside_the_field_and_nothing_is_lost(
    lyceum: world.World, model: Model, text: str, word: str
) -> None:
    answer = send(model, browser(lyceum.manager), text, "save", message="Kept words")
    shown = answer.content.decode()
    assert answer.status_code == 200
    assert word in shown
    assert "Kept words" in shown
    assert text[:20] in shown
    assert model.revisions.count() == 1


def test_who_was_overtaken_keeps_their_text(lyceum: world.World, model: Model) -> None:
    client = browser(lyceum.manager)
    send(model, client, "# First\n", "save")
    shown = send(model, client, "# Second\n", "save").content.decode()
    assert "Somebody made a newer revision meanwhile." in shown
    assert "# Second" in shown
    assert model.revisions.count() == 2


def test_to_everybody_else_it_is_not_there(lyceum: world.World, harbour: world.World, model: Model, mara: Any) -> None:
    for person in (harbour.manager, lyceum.reviewers[0], mara):
        assert browser(person).get(f"/{model.full_name}/cards/model").status_code == 404
        assert send(model, browser(person), "# Mine\n", "save").status_code == 404
    assert Client().get(f"/{model.full_name}/cards/model").status_code == 302
    assert browser(lyceum.manager).get(f"/{model.full_name}/cards/other").status_code == 404
    assert model.revisions.count() == 1


def test_a_card_of_a_mebibyte_in_any_script_is_taken_as_the_page_sends_it(lyceum: world.World, model: Model) -> None:
    client = browser(lyceum.manager)
    page = client.get(f"/{model.full_name}/cards/model").content.decode()
    sent_as = re.search(r'<form method="post"(?: enctype="([^"]+)")? novalidate>', page)
    assert sent_as
    kind = sent_as[1] or "application/x-www-form-urlencoded"
    told = {"text": "模" * (cards.CARD_MAX // 3 - 1), "verb": "save", "parent": model.tip.commit, "message": ""}
    body = urlencode(told).encode() if "urlencoded" in kind else encode_multipart(BOUNDARY, told)
    kind += f"; boundary={BOUNDARY}" if "multipart" in kind else ""
    answer = client.post(f"/{model.full_name}/cards/model", body, content_type=kind)
    assert (answer.status_code, model.revisions.count()) == (302, 2)
