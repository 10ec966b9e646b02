"""A text that no database keeps (half a character, a NUL) is refused by the API wherever it stands in a body."""

from __future__ import annotations

import json
from typing import Any, Final

import pytest
from django.test import Client

from portal.errors import Invalid
from portal.people.models import User
from portal.storable import all_mended, storable
from portal.tokens import actions as tokens
from portal.tokens.scopes import Kind, Scope
from releases import actions
from releases.logbook_models import Logbook
from tests.portal.world import World

pytestmark = pytest.mark.django_db

ODD: Final = ("\ud800", "a\udfffb", "a\0b")


def nested(odd: str) -> list[Any]:
    """Bodies' members with it at each place that a member has."""
    return [odd, {"a": odd}, {odd: "a"}, {"a": [odd]}, {"a": {odd: [{"b": odd}]}}]


def send(client: Client, method: str, address: str, body: Any) -> None:
    answer = getattr(client, method)(address, json.dumps(body), content_type="application/json")
    assert answer.status_code == 400, (address, body, answer.content[:300])
    assert answer.headers["Content-Type"] == "application/problem+json"


@pytest.mark.parametrize("odd", ODD, ids=ascii)
def test_in_what_one_says_of_oneself(mara: User, odd: str) -> None:
    own = Client(raise_request_exception=False)
    own.force_login(mara)
    for body in ({"name": odd}, {"name": "M", "page": f"https://a.example/{odd}"}, {"name": "M", odd: "a"}):
        send(own, "put", "/api/v1/me/profile", body)
    for member in ("organisation", "ror", "site", "country", "position", "contested"):
        place = {"organisation": "A Cooperative", "site": "https://coop.example", "country": "NO"}
        send(own, "put", "/api/v1/me/profile", {"name": "M", "place": place | {member: odd}})
    send(own, "post", "/api/v1/me/address", {"address": f"{odd}@coop.example"})
    assert User.objects.get(pk=mara.pk).name == "Mara Lindqvist"


@pytest.mark.parametrize("odd", ODD, ids=ascii)
def test_in_answers_to_a_form(lyceum: World, mara: User, odd: str) -> None:
    own = Client(raise_request_exception=False)
    own.force_login(mara)
    for answers in ({"purpose": odd}, *nested(odd)[1:]):
        send(own, "put", f"/api/v1/gates/{lyceum.gate.slug}/draft", {"answers": answers})


@pytest.mark.parametrize("odd", ODD, ids=ascii)
def test_in_what_a_lab_writes(lyceum: World, publish: Any, odd: str) -> None:
    model = publish(lyceum, "free", publish=False)
    book = Logbook.objects.create(model=model, title="Logbook")
    secret = tokens.issue(by=lyceum.manager, kind=Kind.SERVICE, scopes={Scope.MANAGE, Scope.PUBLISH}, label="t")[1]
    program = Client(headers={"Authorization": f"Bearer {secret}"}, raise_request_exception=False)
    for member in nested(odd):
        send(program, "post", f"/api/v1/logbooks/{book.pk}/entries", {"title": "T", "before": member})
        send(
            program, "post", "/api/v1/models/lyceum/free/evaluations",
            {"document": member if isinstance(member, dict) else {"results": member}, "ran_by": "x"},
        )  # fmt: skip


def test_a_number_larger_than_any_is_refused_and_a_large_one_is_kept(lyceum: World, mara: User) -> None:
    """JSON writes 1e999, and it is read as infinity, which the database's JSON does not have."""
    own = Client(raise_request_exception=False)
    own.force_login(mara)
    draft = f"/api/v1/gates/{lyceum.gate.slug}/draft"
    for odd in ("1e999", "[-1e999]", '{"a": {"b": 1e999}}'):
        answer = own.put(draft, f'{{"answers": {{"purpose": {odd}}}}}', content_type="application/json")
        assert (answer.status_code, list(answer.json()["fields"])) == (400, ["answers"]), answer.content
    book = Logbook.objects.create(family=actions.open_family(lab=lyceum.lab, slug="a", title="A", by=None), title="L")
    secret = tokens.issue(by=lyceum.manager, kind=Kind.SERVICE, scopes={Scope.MANAGE}, label="t")[1]
    program = Client(headers={"Authorization": f"Bearer {secret}"}, raise_request_exception=False)
    entries = f"/api/v1/logbooks/{book.pk}/entries"
    answer = program.post(entries, '{"title": "T", "before": {"loss": 1e999}}', content_type="application/json")
    assert (answer.status_code, list(answer.json()["fields"])) == (400, ["before"])
    answer = program.post(entries, '{"title": "T", "before": {"loss": 1e15}}', content_type="application/json")
    assert (answer.status_code, answer.json()["before"]) == (201, {"loss": 1e15})


NUL, LONE = "a\\u0000b", "a\\ud800b"
"""As JSON and YAML write them, in a file that is UTF-8 from end to end."""


def files_that_say(odd: str) -> dict[str, dict[str, str]]:
    """By what they are, files of which the portal keeps something."""
    front = "---\nlicense: apache-2.0\n{}\n---\n# x\n"
    results = f'[{{"task": {{"type": "{odd}"}}, "dataset": {{"name": "{odd}", "type": "{odd}"}}, "metrics": [{{"type": "{odd}", "value": 0.5}}]}}]'
    entry = f'"title": "{odd}", "text": "{odd}", "run": "{odd}", "before": {{"{odd}": "{odd}"}}, "ts_utc": "2024-01-01T00:00:00Z"'
    return {
        "tag": {"README.md": front.format(f'tags: ["{odd}"]')},
        "key": {"README.md": front.format(f'"{odd}": 1')},
        "licence": {"README.md": f'---\nlicense: "{odd}"\n---\n# x\n'},
        "scores": {"README.md": front.format(f'model-index: [{{"name": "{odd}", "results": {results}}}]')},
        "config": {"config.json": f'{{"model_type": "{odd}", "architectures": ["{odd}"], "{odd}": 1}}'},
        "index": {"model.safetensors.index.json": f'{{"weight_map": {{"{odd}": "model.safetensors"}}}}'},
        "results": {"eval/results.json": f'{{"results": {{"{odd}": {{"acc,none": 0.5}}}}, "git_hash": "{odd}"}}'},
        "numbers": {"records/metrics.jsonl": f'{{"step": 1, "loss": 2, "{odd}": 3}}\n'},
        "logbook": {"logbook.jsonl": f"{{{entry}}}\n"},
        "own logbook": {"records/logbook.jsonl": f"{{{entry}}}\n"},
    }


@pytest.mark.parametrize("odd", [NUL, LONE])
@pytest.mark.parametrize("which", files_that_say(NUL))
def test_in_a_file_that_is_published(lyceum: World, publish: Any, which: str, odd: str) -> None:
    """The file is what it is; what the portal keeps of it has a sign in that place, and every page can be read."""
    try:
        model = publish(lyceum, "odd", **files_that_say(odd)[which])
    except Invalid as refused:
        assert refused.message  # noqa: PT017 what is refused says so
        return
    reader = Client(raise_request_exception=False)
    reader.force_login(lyceum.manager)
    commit = model.revisions.get().commit
    for address in ("", "/tree/main", "/evaluations", "/licence", "/logbook", "/curves", f"/desk/{commit}"):
        assert reader.get(f"/lyceum/odd{address}").status_code in {200, 404}, address
    for address in ("/api/models/lyceum/odd", "/api/models/lyceum/odd/tree/main?expand=true", "/", "/api/models"):
        assert reader.get(address).status_code == 200, address


@pytest.mark.parametrize("said", ["temperature: .nan", f"size: 0x{'f' * 9_000}"], ids=["no number", "a large number"])
def test_a_number_in_a_card_that_json_does_not_have_breaks_no_list(lyceum: World, publish: Any, said: str) -> None:
    """One card's metadata stands in the list of all models, which strict readers would not read at all."""
    results = "model-index: [{results: [{dataset: {name: d}, metrics: [{type: loss, value: .nan}]}]}]"
    publish(lyceum, "odd", **{"README.md": f"---\nlicense: mit\n{said}\n{results}\n---\n# x\n"})
    reader = Client(raise_request_exception=False)
    for address in ("/api/models/lyceum/odd", "/api/models?full=true&cardData=true"):
        answer = reader.get(address)
        assert answer.status_code == 200, address
        json.loads(answer.content, parse_constant=lambda name: pytest.fail(f"{name} is no JSON"))


@pytest.mark.parametrize("odd", [NUL, LONE])
@pytest.mark.parametrize(
    "member", ["title", "text", "run", "kind", "before", "ts_raw", "ts_utc", "source", "supersedes"]
)
def test_in_a_logbook_that_is_imported(lyceum: World, publish: Any, member: str, odd: str) -> None:
    book = Logbook.objects.create(model=publish(lyceum, "free", publish=False), title="Logbook")
    secret = tokens.issue(by=lyceum.manager, kind=Kind.SERVICE, scopes={Scope.MANAGE}, label="t")[1]
    program = Client(headers={"Authorization": f"Bearer {secret}"}, raise_request_exception=False)
    for said in (f'"{odd}"', f'{{"{odd}": 1}}', f'{{"a": ["{odd}"]}}'):
        text = f'{{"title": "T", "{member}": {said}}}\n'
        answer = program.post(
            f"/api/v1/logbooks/{book.pk}/import", {"text": text, "name": "n.jsonl"}, content_type="application/json"
        )
        assert answer.status_code in {200, 201, 400}, answer.content[:300]


def test_a_text_is_mended_where_it_is_odd_and_nowhere_else() -> None:
    said = json.loads('["a\\u0000b", {"\\ud800": {"k": ["x\\udfff", 1, null, "\\ud83d\\ude00"]}, "ok": "é"}]')
    assert not storable(said)
    assert all_mended(said) == ["a\ufffdb", {"\ufffd": {"k": ["x\ufffd", 1, None, "\N{GRINNING FACE}"]}, "ok": "é"}]
    assert storable(said)
    assert (all_mended("\0"), all_mended(7), all_mended(None), all_mended([])) == ("\ufffd", 7, None, [])
