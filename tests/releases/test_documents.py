"""release.json and tensors.json: public for what is published, always the same, and for the lab alone before."""

from __future__ import annotations

import hashlib
import json
from typing import Any

import pytest
from blake3 import blake3
from django.test import Client

from portal import signing
from portal.errors import Conflict
from portal.people.models import User
from releases import actions
from releases.models import Model, Revision
from releases.proof_models import Proof
from releases.proofs import merkle
from releases.storage import store
from tests.portal import world
from tests.portal.world import browser
from tests.releases.folders import safetensors, weights


def at(revision: Revision, document: str, name: str = "") -> str:
    return f"/{revision.model.full_name}/revisions/{name or revision.commit}/{document}"


def body(answer: Any) -> bytes:
    return b"".join(answer.streaming_content) if answer.streaming else answer.content


@pytest.fixture
def model(lyceum: world.World, publish: Any) -> Model:
    """Two shards behind a gate, and a tokenizer."""
    second = safetensors({"head.weight": ("BF16", [2, 2], b"\1" * 8)})
    return publish(lyceum, "mine", gate=lyceum.gate, **{"b.safetensors": second})


def test_a_stranger_reads_what_was_released_even_behind_a_gate(model: Model, client: Client) -> None:
    answer = client.get(at(model.main, "release.json"))
    told = json.loads(answer.content)
    assert answer.content == signing.canonical(told), "canonical bytes"
    assert {key: told[key] for key in ("schema", "model", "commit", "licence", "gate")} == {
        "schema": "weighbridge.release/1",
        "model": "lyceum/mine",
        "commit": model.main.commit,
        "licence": "apache-2.0",
        "gate": "lyceum/lyceum-large",
    }
    assert told["published_at"] == model.main.published_at.strftime("%Y-%m-%dT%H:%M:%SZ")
    assert [file["path"] for file in told["files"]] == sorted(model.main.files.values_list("path", flat=True))
    for file in told["files"]:
        with store().open(file["sha256"]) as source:
            content = source.read()
        assert (file["size"], file["blake3"]) == (len(content), blake3(content).hexdigest())
    assert answer["Cache-Control"] == "public, max-age=31536000, immutable"
    assert "Cookie" not in answer.get("Vary", "")


def test_the_tensors_of_all_shards_give_the_weight_id(model: Model, client: Client) -> None:
    release = json.loads(client.get(at(model.main, "release.json")).content)["tensors"]
    raw = body(client.get(at(model.main, "tensors.json")))
    told = json.loads(raw)
    assert raw == signing.canonical(told)
    assert [(tensor["name"], tensor["dtype"], tensor["shape"], tensor["file"]) for tensor in told["tensors"]] == [
        ("head.weight", "BF16", [2, 2], "b.safetensors"),
        ("model.bias", "F32", [4], "model.safetensors"),
        ("model.embed", "F32", [1000], "model.safetensors"),
    ]
    bias = hashlib.sha256(b'["model.bias","F32",[4]]\n' + bytes(16)).hexdigest()
    assert told["tensors"][1]["sha256"] == bias
    root = merkle.root(bytes.fromhex(tensor["sha256"]) for tensor in told["tensors"])[1]
    assert release == {"algorithm": told["schema"], "count": 3, "elements": 1008, "root": told["root"]}
    assert root == told["root"]


def test_a_release_without_tensors_has_no_weight_id(lyceum: world.World, publish: Any, client: Client) -> None:
    main = publish(lyceum, "words", **{"model.safetensors": safetensors({})}).main
    assert json.loads(client.get(at(main, "release.json")).content)["tensors"] is None
    assert json.loads(body(client.get(at(main, "tensors.json")))) == {
        "root": None,
        "schema": "weighbridge.tensors/1",
        "tensors": [],
    }


def test_main_and_a_short_commit_lead_to_the_commit(model: Model, client: Client) -> None:
    for name in ("main", model.main.commit[:10]):
        answer = client.get(at(model.main, "release.json", name))
        assert (answer.status_code, answer["Location"]) == (302, at(model.main, "release.json"))
    assert client.get(at(model.main, "release.json", "no-such")).status_code == 404


def test_who_has_the_document_is_not_sent_it_again(model: Model, client: Client) -> None:
    for document in ("release.json", "tensors.json"):
        etag = client.get(at(model.main, document))["ETag"]
        answer = client.get(at(model.main, document), headers={"if-none-match": etag})
        assert (answer.status_code, body(answer)) == (304, b"")


def test_another_name_licence_or_gate_changes_no_document(lyceum: world.World, model: Model, client: Client) -> None:
    before = client.get(at(model.main, "release.json")).content
    actions.describe_model(model=model, by=lyceum.manager, gate=None)
    actions.rename_model(model=model, lab=lyceum.lab, name="renamed", by=lyceum.manager)
    renamed = Model.objects.get(pk=model.pk)
    assert client.get(at(renamed.main, "release.json")).content == before


def test_what_is_withdrawn_still_says_what_it_was_and_that_it_is_withdrawn(
    lyceum: world.World, model: Model, client: Client
) -> None:
    before = client.get(at(model.main, "release.json"))
    assert "Weighbridge-Withdrawn" not in before
    actions.withdraw(revision=model.main, by=lyceum.manager, reason="Shard two was bad.")
    after = client.get(at(model.main, "release.json"))
    assert after.content == before.content
    assert after["Weighbridge-Withdrawn"]


def test_a_draft_is_there_for_its_lab_alone(
    lyceum: world.World, harbour: world.World, publish: Any, mara: User, client: Client
) -> None:
    draft = publish(lyceum, "new", publish=False).revisions.get()
    for document in ("release.json", "tensors.json"):
        answer = browser(lyceum.manager).get(at(draft, document))
        assert (answer.status_code, answer["Cache-Control"]) == (200, "private, no-store")
        for nobody in (client, browser(mara), browser(harbour.manager)):
            assert nobody.get(at(draft, document)).status_code == 404
    told = json.loads(browser(lyceum.manager).get(at(draft, "release.json")).content)
    assert told["published_at"] is None
    assert told["tensors"]["count"] == 2


def test_the_same_object_in_two_revisions_is_proven_once(lyceum: world.World, publish: Any) -> None:
    same = weights(3)
    publish(lyceum, "one", **{"model.safetensors": same})
    proofs = set(Proof.objects.values_list("pk", flat=True))
    publish(lyceum, "two", **{"model.safetensors": same})
    new = set(Proof.objects.values_list("pk", flat=True)) - proofs
    assert hashlib.sha256(same).hexdigest() in proofs
    assert hashlib.sha256(same).hexdigest() not in new


def test_what_was_checked_before_proofs_were_taken_is_checked_again_first(lyceum: world.World, publish: Any) -> None:
    draft = publish(lyceum, "old", publish=False).revisions.get()
    Proof.objects.all().delete()
    with pytest.raises(Conflict, match="checked again"):
        actions.publish(revision=draft, by=lyceum.manager)
    actions.check(revision=draft, by=lyceum.manager)
    assert actions.publish(revision=draft, by=lyceum.manager).published_at


@pytest.mark.parametrize("count", [2500, pytest.param(100_000, marks=pytest.mark.drill)])
def test_very_many_tensors_are_told_in_pieces_and_in_order(
    lyceum: world.World, publish: Any, client: Client, count: int
) -> None:
    many = {f"t.{n}": ("I8", [1], bytes([n % 251])) for n in range(count)}
    main = publish(lyceum, "many", **{"model.safetensors": safetensors(many)}).main
    answer = client.get(at(main, "tensors.json"))
    pieces = list(answer.streaming_content)
    told = json.loads(b"".join(pieces))
    assert max(map(len, pieces)) < 1 << 20
    assert [tensor["name"] for tensor in told["tensors"]] == sorted(many)
    assert b"".join(pieces) == signing.canonical(told)
    release = json.loads(client.get(at(main, "release.json")).content)
    assert (release["tensors"]["count"], release["tensors"]["root"]) == (count, told["root"])
