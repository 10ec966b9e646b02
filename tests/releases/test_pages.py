"""The pages: what a reader sees at each place, with nothing, little and much on them."""

from __future__ import annotations

import re
from typing import Any

import pytest
from django.test import Client
from django.utils import timezone

from portal.people.models import Lab, User
from releases import actions, entries
from releases.models import Download, Family, Model, Revision
from tests.portal import world
from tests.portal.world import World

pytestmark = pytest.mark.django_db


def text(response: Any) -> str:
    """The page's words, without tags."""
    return " ".join(re.sub(r"<[^>]+>", " ", response.content.decode()).split())


def test_an_empty_catalogue_says_how_to_begin(client: Client) -> None:
    page = client.get("/")
    assert page.status_code == 200
    assert "No model is published yet" in text(page)
    assert "hf upload lab/model FOLDER" in text(page), "what a release manager can do: manage.py is the operator's"
    assert "manage.py" not in text(page)


def test_the_catalogue_lists_families_and_lone_models(client: Client, lyceum: World, publish: Any) -> None:
    family = actions.open_family(lab=lyceum.lab, slug="pico", title="Pico", by=lyceum.manager, summary="Small ones.")
    publish(lyceum, "pico-1", family=family)
    publish(lyceum, "pico-2", family=family, gate=lyceum.gate)
    publish(lyceum, "alone")
    entries.seed("opt", by=None)
    page = client.get("/")
    seen = text(page)
    assert "2 families, 3 models" in seen
    assert "1 of 2 gated" in seen
    assert "1 open, 1 by application" in seen
    assert "lyceum/alone" in seen
    assert "not hosted here" in seen
    assert "175B" in seen


@pytest.mark.parametrize(
    ("asked", "found", "hidden"),
    [
        ("q=pico-2", ["lyceum/pico"], ["lyceum/alone", "meta/opt"]),
        ("q=alone", ["lyceum/alone"], ["lyceum/pico"]),
        ("q=meta", ["meta/opt"], ["lyceum"]),
        ("q=nowhere", ["Nothing matches"], ["lyceum/"]),
        ("show=open", ["lyceum/pico", "lyceum/alone"], ["meta/opt"]),
        ("show=gated", ["lyceum/pico"], ["lyceum/alone", "meta/opt"]),
        ("show=reference", ["meta/opt"], ["lyceum/"]),
        ("show=nonsense&sort=nonsense&page=99999", ["lyceum/pico"], []),
        ("sort=size", ["meta/opt", "lyceum/pico"], []),
        ("q=%00%27%22%3Cscript%3E", ["Nothing matches"], ["<script>"]),
    ],
)
def test_search_and_filters(
    client: Client, lyceum: World, publish: Any, asked: str, found: list[str], hidden: list[str]
) -> None:
    family = actions.open_family(lab=lyceum.lab, slug="pico", title="Pico", by=lyceum.manager)
    publish(lyceum, "pico-1", family=family)
    publish(lyceum, "pico-2", family=family, gate=lyceum.gate)
    publish(lyceum, "alone")
    entries.seed("opt", by=None)
    page = client.get(f"/?{asked}")
    assert page.status_code == 200
    body = page.content.decode().partition("<main")[2]
    assert all(word in body for word in found)
    assert not any(word in body.replace("lyceum/pico-", "") for word in hidden)


def test_a_digest_finds_its_model(client: Client, lyceum: World, publish: Any) -> None:
    model = publish(lyceum, "alone")
    publish(lyceum, "other")
    digest = model.main.files.get(path="model.safetensors").sha256
    seen = text(client.get(f"/?q={digest[:8].upper()}"))
    assert "lyceum/alone" in seen
    assert "lyceum/other" not in seen


def test_held_by_me(client: Client, lyceum: World, publish: Any, mara: User) -> None:
    publish(lyceum, "large", gate=lyceum.gate)
    client.force_login(mara)
    assert "Nothing matches" in text(client.get("/?show=held"))
    lyceum.granted(mara)
    assert "lyceum/large" in text(client.get("/?show=held"))


@pytest.mark.parametrize("number", [1, 2_000])
def test_the_catalogue_is_flat(
    client: Client, lyceum: World, publish: Any, number: int, django_assert_max_num_queries: Any
) -> None:
    model = publish(lyceum, "first")
    family = Family.objects.create(lab=lyceum.lab, slug="many", title="Many")
    Model.objects.bulk_create(
        Model(
            lab=lyceum.lab,
            name=f"m{i}",
            family=family if i % 2 else None,
            parameters=i + 1,
            opened_at=timezone.now(),
            main=model.main,
        )
        for i in range(number)
    )
    world.counted()
    with django_assert_max_num_queries(12):
        assert client.get("/").status_code == 200
    with django_assert_max_num_queries(12):
        assert client.get("/?page=7&q=m1&sort=size").status_code == 200


def test_a_reference_family_gives_each_value_a_source(client: Client) -> None:
    family = entries.seed("opt", by=None)
    again = entries.seed("opt", by=None)
    assert (family.pk, family.changed_at) == (again.pk, again.changed_at), "seeding again changes nothing"
    seen = text(client.get("/families/meta/opt/"))
    for fact in (
        "174,604,468,224",
        "349.2",
        "325.2",
        "4,719",
        "331,196,416",
        "0.66",
        "1.2 × 10⁻⁴",
        "hosted elsewhere",
        "356",
        "0.385",
        "3 May 2022",
    ):
        assert fact in seen.replace("\u00a0", " "), fact


@pytest.mark.parametrize("sort", ["name", "size", "changed"])
def test_families_of_one_name_in_many_labs_are_each_on_one_page(client: Client, sort: str) -> None:
    labs = Lab.objects.bulk_create([Lab(slug=f"lab-{n}", name=f"Lab {n}") for n in range(200)])
    told = {"hosted": False, "facts": {"published": "2022-05-02"}, "changed_at": timezone.now()}
    Family.objects.bulk_create(
        [Family(lab=lab, slug=("opt", "bloom")[n % 2], title="T", **told) for n, lab in enumerate(labs)]
    )
    pages = [client.get(f"/?sort={sort}&page={page}").context["page"].object_list for page in range(1, 11)]
    assert len({entry.family.pk for page in pages for entry in page}) == 200


def test_a_family_page_with_its_gate(client: Client, lyceum: World, publish: Any) -> None:
    family = actions.open_family(lab=lyceum.lab, slug="pico", title="Pico", by=lyceum.manager)
    assert "No model of this family is published yet" in text(client.get("/families/lyceum/pico/"))
    publish(lyceum, "pico-1", family=family)
    publish(lyceum, "pico-2", family=family, gate=lyceum.gate)
    page = client.get("/families/lyceum/pico/")
    assert "1,004" in text(page)
    assert f"/apply/{lyceum.gate.slug}/" in page.content.decode()


def test_the_model_page_renders_its_card(client: Client, lyceum: World, publish: Any) -> None:
    publish(lyceum, "alone")
    page = client.get("/lyceum/alone")
    body = page.content.decode()
    assert "<strong>tests</strong>" in body
    assert "<td>2.5</td>" in body or ">2.5</td>" in body
    assert "1,004" in text(page)
    assert body.count("<h1>") == 1


@pytest.mark.parametrize(
    "path",
    [
        "/lyceum/nothing",
        "/nobody/nothing",
        "/lyceum/alone/tree/nowhere",
        "/families/lyceum/x/",
        "/lyceum/alone/download/main/nope",
    ],
)
def test_what_is_not_there_is_a_page_not_a_fault(client: Client, lyceum: World, publish: Any, path: str) -> None:
    publish(lyceum, "alone")
    assert client.get(path, headers={"accept": "text/html"}).status_code == 404


def test_the_files_page_shows_digests_and_commands(client: Client, lyceum: World, publish: Any) -> None:
    model = publish(lyceum, "large", gate=lyceum.gate)
    page = client.get("/lyceum/large/tree/main")
    body = page.content.decode()
    for file in model.main.files.all():
        assert file.sha256[8:] in body
    assert "hf download lyceum/large" in text(page)
    assert "Apply for access" in text(page)
    assert client.get("/lyceum/large/tree/" + model.main.commit[:8]).status_code == 200


def test_the_notice_follows_the_reader(client: Client, lyceum: World, publish: Any, mara: User) -> None:
    publish(lyceum, "large", gate=lyceum.gate)
    client.force_login(mara)
    assert "Access is by application" in text(client.get("/lyceum/large"))
    application = lyceum.applied(mara)
    assert "being reviewed" in text(client.get("/lyceum/large"))
    from portal.access import actions as access
    from portal.access.review_models import Vote

    for reviewer in lyceum.reviewers[:2]:
        application = access.cast_vote(by=reviewer, application=application, vote=Vote.APPROVE)
    assert "Sign the agreement" in text(client.get("/lyceum/large"))
    grant = lyceum.signed(mara, application)
    assert "You may download this model" in text(client.get("/lyceum/large"))
    access.revoke_grant(by=lyceum.manager, grant=grant, reason="The project ended.")
    assert "Your access was revoked" in text(client.get("/lyceum/large"))


def test_the_browsers_door_to_a_file(client: Client, lyceum: World, publish: Any, mara: User) -> None:
    publish(lyceum, "large", gate=lyceum.gate)
    path = "/lyceum/large/download/main/model.safetensors"
    assert client.get(path).status_code == 302, "a reader who is not signed in is asked to"
    assert client.get(path).headers["Location"].startswith("/account/login/")
    client.force_login(mara)
    refused = client.get(path)
    assert refused.status_code == 403
    assert "Apply for access" in text(refused)
    assert "Apply at" not in text(refused)
    assert "Apply at http" in client.get(path, headers={"accept": "application/json"}).json()["title"]
    assert Download.objects.count() == 0
    lyceum.granted(mara)
    answer = client.get(path)
    assert answer.status_code == 302
    assert answer.headers["Location"].startswith("/blobs/")
    row = Download.objects.get()
    assert (row.user_id, row.token_id, row.path) == (str(mara.pk), "", "model.safetensors")


def test_drafts_are_seen_by_the_lab_alone(
    client: Client, lyceum: World, harbour: World, publish: Any, mara: User
) -> None:
    model = publish(lyceum, "draft", publish=False)
    commit = Revision.objects.get(model=model).commit
    for reader, status in (
        (None, 404),
        (mara, 404),
        (harbour.manager, 404),
        (lyceum.manager, 200),
        (lyceum.reviewers[0], 200),
    ):
        client.logout()
        if reader:
            client.force_login(reader)
        for path in (
            "/lyceum/draft",
            f"/lyceum/draft/tree/{commit}",
            "/lyceum/draft/revisions",
            f"/lyceum/draft/manifest/{commit}",
        ):
            assert client.get(path, headers={"accept": "text/html"}).status_code == status, (reader, path)


def test_the_manifest_and_the_sums_are_public(client: Client, lyceum: World, publish: Any) -> None:
    model = publish(lyceum, "large", gate=lyceum.gate)
    listed = client.get("/lyceum/large/manifest/main").json()
    assert listed["commit"] == model.main.commit
    assert {f["path"]: f["sha256"] for f in listed["files"]} == {f.path: f.sha256 for f in model.main.files.all()}
    assert (
        f"{model.main.files.get(path='LICENSE').sha256}  LICENSE\n"
        in client.get("/lyceum/large/sha256sums/main").content.decode()
    )


def test_caches_keep_digests_of_what_is_published_and_never_of_a_draft(
    client: Client, lyceum: World, publish: Any
) -> None:
    publish(lyceum, "large")
    draft = Revision.objects.get(model=publish(lyceum, "draft", publish=False)).commit
    client.force_login(lyceum.manager)
    for page in ("manifest", "sha256sums"):
        assert "public" in client.get(f"/lyceum/large/{page}/main")["Cache-Control"]
        assert client.get(f"/lyceum/draft/{page}/{draft}")["Cache-Control"] == "private, no-store"


def test_withdrawn_says_why_and_what_instead(client: Client, lyceum: World, publish: Any) -> None:
    model = publish(lyceum, "alone")
    actions.withdraw(revision=model.main, by=lyceum.manager, reason="The tokenizer was the wrong one.")
    for path in ("/lyceum/alone/revisions", f"/lyceum/alone/tree/{model.main.commit}"):
        assert "The tokenizer was the wrong one." in text(client.get(path))
    page = text(client.get("/lyceum/alone"))
    assert "Nothing is published now" in page
    assert " nothing published now " in page, "and not “Open”"


@pytest.mark.parametrize("instead", ["lyceum/other", ""])
def test_a_reader_of_withdrawn_files_is_led_on_and_offered_no_command_that_is_refused(
    client: Client, lyceum: World, publish: Any, instead: str
) -> None:
    publish(lyceum, "other")
    model = publish(lyceum, "alone")
    page = f"/lyceum/alone/tree/{model.main.commit}"
    assert "hf download" in text(client.get(page))
    actions.withdraw(revision=model.main, by=lyceum.manager, reason="The wrong tokenizer.", instead=instead)
    for shown in (page, f"/lyceum/alone?revision={model.main.commit}"):
        told = client.get(shown).content.decode()
        assert "hf download" not in told, "the client would be refused"
        assert f"download/{model.main.commit}/model.safetensors" not in told
    told = client.get(page).content.decode()
    assert "sha256sum --check" in told, "who has a copy can still check it"
    assert f"download/{model.main.commit}/README.md" in told, "what is public stays so"
    refused = client.get(f"/lyceum/alone/download/{model.main.commit}/model.safetensors").content.decode()
    assert "It is given to nobody now." in refused
    assert "A gated model opens" not in refused, "nothing that the reader does opens it"
    assert ("Use lyceum/other instead</a>" if instead else "See the revisions</a>") in refused


def test_a_second_reason_for_a_withdrawal_is_not_taken_for_the_one_that_readers_see(
    client: Client, lyceum: World, publish: Any
) -> None:
    model = publish(lyceum, "alone")
    desk = f"/lyceum/alone/revisions/{model.main.commit}"
    client.force_login(lyceum.manager)
    assert client.post(desk, {"verb": "withdraw", "reason": "The wrong tokenizer."}).status_code == 302
    assert client.post(desk, {"verb": "withdraw", "reason": "The wrong tokenizer. "}).status_code == 302, (
        "pressed twice"
    )
    other = client.post(desk, {"verb": "withdraw", "reason": "A poisoned file."})
    assert other.status_code == 409
    assert "It was withdrawn already" in other.content.decode()
    assert "The wrong tokenizer." in text(client.get("/lyceum/alone/revisions"))
