"""Publishing from the browser, without the browser: what its script asks, who may, and what becomes of it."""

from __future__ import annotations

import hashlib
from typing import Any

import pytest
from django.test import Client
from django.utils import translation

from portal.people.models import User
from releases import cards, git
from releases.models import Blob, Model, Upload
from releases.storage import store
from tests.portal import world

JSON = {"content_type": "application/json", "headers": {"accept": "application/json"}}


def client_of(user: Any, **more: Any) -> Client:
    client = Client(**more)
    client.force_login(user)
    return client


def ask(client: Client, step: str, **body: Any) -> Any:
    return client.post(f"/lyceum/mine/upload/{step}", body, **JSON)


@pytest.fixture
def mine(lyceum: world.World, publish: Any) -> Model:
    return publish(lyceum, "mine")


def arrived(model: Model, content: bytes, by: User) -> dict[str, Any]:
    """A file that the lab has uploaded whole."""
    import io

    sha256, size = store().put(io.BytesIO(content))
    blob, _new = Blob.objects.get_or_create(sha256=sha256, defaults={"size": size})
    Upload.objects.create(model=model, user=by, sha256=sha256, size=size, blob=blob, ends_at=model.created_at)
    return {"sha256": sha256, "size": size}


def test_a_manager_makes_a_model_and_is_led_to_its_upload(lyceum: world.World) -> None:
    manager = client_of(lyceum.manager)
    said = {"lab_slug": "lyceum", "name": "fresh", "summary": "A small one."}
    wrong = manager.post("/publish/", said | {"name": "no/name"})
    assert (wrong.status_code, "no/name" in wrong.content.decode()) == (422, True)
    assert manager.post("/publish/", said)["Location"] == "/lyceum/fresh/upload"
    assert manager.post("/publish/", said).status_code == 422, "the name is taken"
    assert "/lyceum/fresh/upload" in manager.get("/publish/").content.decode()
    assert "hf upload lyceum/fresh" in manager.get("/lyceum/fresh/upload").content.decode(), "the way without script"


def test_files_are_judged_by_name_before_they_are_read(lyceum: world.World, mine: Model) -> None:
    files = [{"path": path, "size": 10} for path in ("model.safetensors", "run.sh", "a/../b", "con.txt")]
    told = ask(client_of(lyceum.manager), "plan", files=files).json()["files"]
    assert [bool(each["fault"]) for each in told] == [False, True, True, True]
    assert "Programs are not published" in told[1]["fault"]


def test_names_that_some_systems_take_for_one_are_told_before_anything_is_sent(
    lyceum: world.World, mine: Model
) -> None:
    paths = ["notes.txt", "Notes.txt", "a/b.txt", "A", "twice.txt", "twice.txt", "alone.txt"]
    told = ask(client_of(lyceum.manager), "plan", files=[{"path": each, "size": 1} for each in paths]).json()["files"]
    faults = [each["fault"] for each in told]
    assert (
        faults[0] == faults[1] == "The file names 'notes.txt' and 'Notes.txt' are the same on some systems. Rename one."
    )
    assert faults[3] == "A has no ending, and such files are not published here. Leave it out or rename it."
    assert faults[4] == faults[5] == "Two files are called 'twice.txt'. Rename one."
    assert faults[2] == faults[6] == ""


@pytest.fixture
def german(monkeypatch: pytest.MonkeyPatch) -> None:
    """A language whose every sentence stands in brackets."""
    monkeypatch.setattr(translation._trans, "gettext", lambda text: f"[{text}]")


def test_what_is_said_of_names_and_files_is_in_the_readers_language(
    lyceum: world.World, mine: Model, german: None
) -> None:
    manager = client_of(lyceum.manager)
    wrong = [
        "run.sh",
        "a.zip",
        "w.bin",
        "odd.xyz",
        "bare",
        "con.txt",
        "a//b",
        "u\u0308.txt",
        "Twin.txt",
        "twin.txt",
        "x" * 300,
    ]
    told = ask(manager, "plan", files=[{"path": each, "size": 1} for each in wrong]).json()["files"]
    assert [each["path"] for each in told if not each["fault"].startswith("[")] == []
    taken = manager.post("/publish/", {"lab_slug": "lyceum", "name": "mine", "summary": ""}).content.decode()
    assert "[A model repository called lyceum/mine already exists" in taken
    odd = manager.post("/publish/", {"lab_slug": "lyceum", "name": "no/name", "summary": ""}).content.decode()
    assert "[Use letters, digits" in odd


def test_the_pages_script_is_answered_in_its_readers_language_and_a_program_in_english(
    lyceum: world.World, mine: Model
) -> None:
    lyceum.manager.language = "de"
    lyceum.manager.save()
    manager, token = client_of(lyceum.manager), "t" * 64
    files = [{"path": "w.bin", "size": 1}]

    def told(client: Client, body: dict[str, Any], **more: str) -> Any:
        headers = {"accept": "application/json", **more}
        return client.post("/lyceum/mine/upload/plan", body, content_type="application/json", headers=headers)

    script = told(manager, {"files": files}, **{"x-csrftoken": token})
    assert script.json()["files"][0]["fault"].startswith("w.bin wird hier nicht veröffentlicht.")
    refused = told(manager, {"files": []}, **{"x-csrftoken": token})
    assert refused.json()["title"].startswith("Senden Sie zwischen einer und"), "its refusals too"
    program = told(client_of(lyceum.manager), {"files": files})
    assert program.json()["files"][0]["fault"].startswith("w.bin is not published here.")
    shown = Client().get("/api/v1/models/lyceum/none", headers={"x-csrftoken": token, "accept-language": "de"})
    assert shown.json()["title"] == Client().get("/api/v1/models/lyceum/none").json()["title"], "the API stays English"


@pytest.mark.parametrize(
    "text", ["---\nlicense: [\n---\n", "---\nlicense: mit\n", "---\n- a\n---\n", "# Bare", "---\na: b\n---\n"]
)
def test_what_is_said_of_a_card_is_in_the_readers_language(german: None, text: str) -> None:
    said = cards.faults(text) or cards.gaps(text)
    assert said
    assert all(sentence.startswith("[") for sentence in said)


def test_a_card_that_is_no_yaml_is_told_the_line() -> None:
    assert cards.faults("---\nlicense: mit\ntags: [a\n---\n") == [
        "The front matter is not YAML: line 4, expected ',' or ']', but got '<stream end>'."
    ]


def test_a_draft_that_somebody_else_made_meanwhile_is_told_with_what_to_do(lyceum: world.World, mine: Model) -> None:
    manager = client_of(lyceum.manager)
    seen = mine.tip.commit
    one, other = ({"path": f"{n}.txt", **arrived(mine, n.encode(), lyceum.manager)} for n in ("one", "other"))
    assert ask(manager, "commit", files=[one], parent=seen).status_code == 201
    late = ask(manager, "commit", files=[other], parent=seen)
    assert late.status_code == 409
    assert "load this page again and choose the same folder" in late.json()["title"]
    mine.refresh_from_db()
    assert ask(manager, "commit", files=[other], parent=mine.tip.commit).status_code == 201


def test_what_was_sent_becomes_a_draft_with_the_ids_that_git_gives(lyceum: world.World, mine: Model) -> None:
    manager = client_of(lyceum.manager)
    small, large = b"notes", b"x" * (git.REGULAR_MAX + 1)
    files = [
        {"path": "notes.txt", **arrived(mine, small, lyceum.manager)},
        {"path": "big.txt", **arrived(mine, large, lyceum.manager)},
        {"path": "empty.txt", "size": 0, "sha256": hashlib.sha256().hexdigest()},
    ]
    assert ask(manager, "begin", sha256=files[0]["sha256"], size=5).json() == {"held": True}
    done = ask(manager, "commit", files=files, message="Notes", parent=mine.tip.commit)
    mine.refresh_from_db()
    assert done.json()["page"] == f"/lyceum/mine/revisions/{mine.tip.commit}"
    assert mine.main != mine.tip, "a draft"
    made = {file.path: (file.sha1, file.lfs) for file in mine.tip.files.filter(path__in=[f["path"] for f in files])}
    pointer = git.blob_id(git.pointer(files[1]["sha256"], len(large)))
    assert made == {
        "notes.txt": (git.blob_id(small), False),
        "big.txt": (pointer, True),
        "empty.txt": (git.blob_id(b""), False),
    }
    assert mine.tip.files.filter(path="config.json").exists(), "what was there stays"
    stale = ask(manager, "commit", files=files[:1], whole=True, parent=mine.main.commit)
    assert (stale.status_code, stale.json()["code"]) == (409, "stale_parent")
    assert ask(manager, "commit", files=files[:1], whole=True, parent=mine.tip.commit).status_code == 201
    mine.refresh_from_db()
    assert [file.path for file in mine.tip.files.all()] == ["notes.txt"], "exactly these"


def test_a_new_file_gets_links_and_an_address_that_completes_it(lyceum: world.World, mine: Model) -> None:
    told = ask(client_of(lyceum.manager), "begin", sha256="a" * 64, size=(64 << 20) + 1).json()
    assert len(told["links"]) == 2
    assert told["complete"].startswith("/api/uploads/")
    assert ask(client_of(lyceum.manager), "begin", sha256="A", size=1).status_code == 400


def test_another_labs_object_is_not_taken_by_its_digest(
    lyceum: world.World, harbour: world.World, publish: Any, mine: Model
) -> None:
    theirs = publish(harbour, "theirs").main.files.get(path="model.safetensors")
    said = {"files": [{"path": "model.safetensors", "size": theirs.size, "sha256": theirs.sha256}]}
    refused = ask(client_of(lyceum.manager), "commit", **said)
    assert (refused.status_code, "was not uploaded" in refused.json()["title"]) == (400, True)


def test_to_all_others_there_is_no_such_page_and_a_forged_request_does_nothing(
    lyceum: world.World, harbour: world.World, mine: Model, stranger: User
) -> None:
    for user in (stranger, lyceum.reviewers[0], harbour.manager):
        client = client_of(user)
        assert client.get("/lyceum/mine/upload").status_code == 404
        for step in ("plan", "begin", "commit"):
            assert ask(client, step, files=[{"path": "a.txt", "size": 1}]).status_code == 404
    assert client_of(stranger).get("/publish/").status_code == 404
    forged = client_of(lyceum.manager, enforce_csrf_checks=True)
    for step in ("plan", "begin", "commit"):
        assert ask(forged, step, files=[{"path": "a.txt", "size": 1}]).status_code == 403
    for wrong in (
        {},
        {"files": []},
        {"files": [1]},
        {"files": [{"path": "a", "size": -1}]},
        {"files": [{"path": "a", "size": True}]},
    ):
        assert ask(client_of(lyceum.manager), "plan", **wrong).status_code == 400, wrong


def test_the_page_lets_the_browser_reach_the_store_and_nothing_else(
    lyceum: world.World, mine: Model, settings: Any
) -> None:
    def reached() -> str:
        policy = client_of(lyceum.manager).get("/lyceum/mine/upload")["Content-Security-Policy"]
        return next(part for part in policy.split("; ") if part.startswith("connect-src"))

    assert reached() == "connect-src 'self'"
    settings.STORE, settings.S3_ENDPOINT, settings.S3_BUCKET = "s3", "https://objects.example:9000", "weights"
    assert reached() == "connect-src 'self' https://objects.example:9000 https://weights.objects.example:9000"
