"""Programs read logbooks as everybody may, and write those of their lab with a token that may manage."""

from __future__ import annotations

from typing import Any

import pytest
from django.test import Client

from portal.people.models import User
from portal.tokens import actions as tokens
from portal.tokens.scopes import Kind, Scope
from releases import actions as releases_actions
from releases.models import Model
from tests.portal import world

ROOT = "/api/v1/logbooks"


@pytest.fixture
def model(lyceum: world.World) -> Model:
    return releases_actions.open_model(lab=lyceum.lab, name="heron-1m", by=lyceum.manager)


def program_of(person: User) -> dict[str, str]:
    _token, secret = tokens.issue(by=person, kind=Kind.SERVICE, scopes={Scope.MANAGE}, label="program")
    return {"Authorization": f"Bearer {secret}"}


def send(client: Client, method: str, path: str, who: dict[str, str], **body: Any) -> Any:
    return getattr(client, method)(path, body, content_type="application/json", headers=who)


def test_a_program_opens_writes_imports_corrects_and_freezes(lyceum: world.World, model: Model, client: Client) -> None:
    who = program_of(lyceum.manager)
    releases_actions.open_family(lab=lyceum.lab, slug="heron", title="Heron", by=lyceum.manager)
    opened = send(client, "post", ROOT, who, subject="lyceum/heron", kind="family")
    assert opened.status_code == 201, opened.content
    book = f"{ROOT}/{opened.json()['id']}"
    again = send(client, "post", ROOT, who, subject="lyceum/heron", kind="family")
    assert again.json()["id"] == opened.json()["id"]
    added = send(
        client, "post", f"{book}/entries", who, raw_stamp="2022-01-06 12:46 PST", kind="complete", title="Done"
    )
    assert (added.status_code, added.json()["at"], added.json()["confidence"]) == (
        201,
        "2022-01-06T20:46:00Z",
        "minute",
    )
    edited = send(client, "put", f"{book}/entries/1", who, title="All tokens are seen", kind="complete")
    assert (edited.status_code, edited.json()["title"], edited.json()["number"]) == (200, "All tokens are seen", 1)
    source = {"name": "chronicles.md", "text": "### 2022-03-11\n\nLaunch\n\n### 2022-04-12 First spike\n\nSee.\n"}
    for expected in ({"added": 2, "corrected": 0, "known": 0}, {"added": 0, "corrected": 0, "known": 2}):
        told = send(client, "post", f"{book}/import", who, **source).json()
        assert ("at" in told and told.pop("at") is not None) == (expected["added"] > 0)
        assert told == expected
    wrong = send(client, "post", f"{book}/import", who, name="x.jsonl", text='{"text": "Fine."}\n{"text": 5}')
    assert (wrong.status_code, wrong.json()["fields"]) == (400, {"text": ["Line 2: text must be a text."]})
    whole = "".join(f"### Part {number}\n\n{'x' * 99_000}\n\n" for number in range(30))
    assert send(client, "post", f"{book}/import", who, name="large.md", text=whole).json()["added"] == 30
    long = send(client, "post", f"{book}/import", who, name="x.md", text="x" * 4_000_001)
    assert (long.status_code, list(long.json()["fields"])) == (400, ["text"])
    assert send(client, "post", f"{book}/import", who, name="x.md", text="x" * (6 << 20)).status_code == 413
    assert send(client, "post", f"{book}/freeze", who).json()["state"] == "frozen"
    assert send(client, "put", f"{book}/entries/1", who, title="Other").status_code == 409
    erratum = send(client, "post", f"{book}/entries", who, title="Not all", supersedes=1)
    assert (erratum.status_code, erratum.json()["erratum"], erratum.json()["supersedes"]) == (201, True, 1)
    lost = send(client, "post", f"{book}/entries", who, title="Not all", supersedes=99)
    assert list(lost.json()["fields"]) == ["supersedes"]
    found = client.get(f"{book}/entries?kind=divergence", headers=who)
    assert found.status_code == 200, found.content
    assert [row["title"] for row in found.json()["results"]] == ["First spike"]


def test_strangers_read_what_is_public_and_write_nothing(
    lyceum: world.World, harbour: world.World, model: Model, publish: Any, client: Client
) -> None:
    who = program_of(lyceum.manager)
    hidden = send(client, "post", ROOT, who, subject="lyceum/heron-1m").json()["id"]
    publish(lyceum, "shown")
    shown = send(client, "post", ROOT, who, subject="lyceum/shown").json()["id"]
    assert [row["id"] for row in client.get(ROOT).json()["results"]] == [shown]
    assert client.get(f"{ROOT}?subject=lyceum/heron-1m").json()["results"] == []
    assert client.get(f"{ROOT}/{hidden}/entries").status_code == 404
    assert client.get(f"{ROOT}/{shown}/entries").status_code == 200
    other = program_of(harbour.manager)
    assert send(client, "post", ROOT, other, subject="lyceum/shown").status_code == 404
    for book in (hidden, shown):
        assert send(client, "post", f"{ROOT}/{book}/entries", other, title="Mine").status_code == 404
        assert send(client, "post", f"{ROOT}/{book}/freeze", other).status_code == 404
