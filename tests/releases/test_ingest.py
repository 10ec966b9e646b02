"""Folders become revisions: whole or not at all, once, and again after kill -9."""

from __future__ import annotations

import os
import pickle
import signal
import subprocess
import sys
import time
from io import StringIO
from pathlib import Path
from typing import Any

import pytest
from django.core.management import CommandError, call_command
from django.db import IntegrityError, connection, transaction

from portal.audit.models import Entry
from portal.errors import Conflict, Invalid, NotAllowed, Unavailable
from portal.outbox.models import Message
from portal.switches.models import Switch, flip
from releases import actions
from releases.ingest import ingest
from releases.models import Blob, File, Model, Revision
from releases.search_models import Findable
from releases.storage import store
from tests.portal.world import World
from tests.releases.folders import model_folder, weights

pytestmark = pytest.mark.django_db


def a_model(lyceum: World, name: str = "tiny") -> Model:
    return actions.open_model(lab=lyceum.lab, name=name, by=lyceum.manager)


def test_a_folder_is_published(lyceum: World, tmp_path: Path) -> None:
    folder = model_folder(tmp_path / "f")
    model = a_model(lyceum)
    revision = ingest(folder, model=model, by=lyceum.manager, publish=True, message="First")
    model.refresh_from_db()
    assert (model.main_id, model.parameters) == (revision.pk, 1004)
    assert revision.state == "published"
    for file in revision.files.all():
        with store().open(file.sha256) as held:
            assert held.read() == (folder / file.path).read_bytes()
    assert {b.state for b in Blob.objects.all()} == {"verified"}
    assert list(Entry.objects.filter(target_type="releases.revision").values_list("event", flat=True)) == [
        "revision.ingested", "revision.checked", "revision.published",
    ]  # fmt: skip
    assert Message.objects.filter(topic="release.changed", key="model:lyceum/tiny").exists()


def test_the_same_tree_gives_the_same_commit(lyceum: World, tmp_path: Path) -> None:
    model = a_model(lyceum)
    first = ingest(model_folder(tmp_path / "f"), model=model, by=lyceum.manager, publish=True)
    again = ingest(model_folder(tmp_path / "elsewhere"), model=model, by=lyceum.manager, publish=True)
    assert first.pk == again.pk
    changed = ingest(model_folder(tmp_path / "g", seed=9), model=model, by=lyceum.manager, publish=True)
    assert changed.parent == first.commit
    assert Blob.objects.count() == len({f.blob_id for f in File.objects.all()}), "equal files are held once"


@pytest.mark.parametrize(
    ("name", "content", "word"),
    [
        ("pytorch_model.bin", pickle.dumps({}), "safetensors"),
        ("config.json", b"\x80\x04.", "pickle"),
        (".gitattributes", b"*", "dot"),
        ("model.safetensors", b"\2\0\0\0\0\0\0\0[]", "not a table"),
    ],
)
def test_what_may_not_be_published_is_refused_before_copying(
    lyceum: World, tmp_path: Path, name: str, content: bytes, word: str
) -> None:
    folder = model_folder(tmp_path / "f", **{name: content})
    with pytest.raises(Invalid, match=word):
        ingest(folder, model=a_model(lyceum), by=lyceum.manager, publish=True)
    assert Revision.objects.count() == Blob.objects.count() == 0


def test_a_file_that_no_client_can_fetch_is_refused_before_copying(lyceum: World, tmp_path: Path) -> None:
    folder = model_folder(tmp_path / "f")
    with (folder / "large.safetensors").open("wb") as large:
        large.truncate(50 * 10**9 + 1)
    with pytest.raises(Invalid, match="Split it into shards"):
        ingest(folder, model=a_model(lyceum), by=lyceum.manager, publish=True)
    assert Revision.objects.count() == Blob.objects.count() == 0


@pytest.mark.parametrize("kind", ["link", "folder link", "pipe", "escape"])
def test_links_and_devices_are_refused(lyceum: World, tmp_path: Path, kind: str) -> None:
    folder = model_folder(tmp_path / "f")
    target = folder / "x.txt"
    if kind == "pipe":
        os.mkfifo(target)
    else:
        target.symlink_to(
            {"link": folder / "LICENSE", "folder link": folder / "eval", "escape": Path("/etc/passwd")}[kind]
        )
    with pytest.raises(Invalid, match="link or a device"):
        ingest(folder, model=a_model(lyceum), by=lyceum.manager)


def test_a_spoilt_store_is_found_before_publishing(lyceum: World, tmp_path: Path) -> None:
    model = a_model(lyceum)
    revision = ingest(model_folder(tmp_path / "f", seed=77), model=model, by=lyceum.manager)
    from django.conf import settings

    from releases.permits import place

    victim = place(Path(settings.STORE_PATH), revision.files.get(path="model.safetensors").sha256)
    content = bytearray(victim.read_bytes())
    content[-1] ^= 1
    victim.chmod(0o640)
    victim.write_bytes(bytes(content))
    checked = actions.check(revision=revision, by=lyceum.manager)
    assert checked.state == "draft"
    assert "does not match its digest" in checked.findings[0]["message"]
    with pytest.raises(Conflict, match="has not passed its check"):
        actions.publish(revision=checked, by=lyceum.manager)
    victim.unlink()


def test_only_the_labs_managers_publish(lyceum: World, harbour: World, tmp_path: Path, mara: Any) -> None:
    model = a_model(lyceum)
    folder = model_folder(tmp_path / "f")
    for by in (mara, harbour.manager, lyceum.reviewers[0]):
        with pytest.raises(NotAllowed):
            ingest(folder, model=model, by=by, publish=True)
    flip(switch=Switch.PUBLISH, on=False, reason="a drill", by=None)
    with pytest.raises(Unavailable):
        ingest(folder, model=model, by=lyceum.manager, publish=True)


def test_withdrawing_falls_back_to_the_one_before(lyceum: World, tmp_path: Path) -> None:
    model = a_model(lyceum)
    first = ingest(model_folder(tmp_path / "f"), model=model, by=lyceum.manager, publish=True)
    second = ingest(model_folder(tmp_path / "g", seed=5, elements=50), model=model, by=lyceum.manager, publish=True)
    with pytest.raises(Invalid, match="why"):
        actions.withdraw(revision=second, by=lyceum.manager, reason=" ")
    actions.withdraw(revision=second, by=lyceum.manager, reason="Wrong tokenizer.")
    model.refresh_from_db()
    assert (model.main_id, model.parameters) == (first.pk, 1004)
    with pytest.raises(Conflict):
        actions.publish(revision=second, by=lyceum.manager)
    actions.withdraw(revision=first, by=lyceum.manager, reason="All wrong.")
    model.refresh_from_db()
    assert model.main_id is None


def test_a_withdrawal_takes_back_what_the_model_and_its_family_were_said_to_be_by_it(
    lyceum: World, tmp_path: Path
) -> None:
    """The licence is shown, searched and filtered by; a family is as large as its largest member."""
    family = actions.open_family(lab=lyceum.lab, slug="pico", title="Pico", summary="Small ones.", by=lyceum.manager)
    model = actions.open_model(lab=lyceum.lab, name="pico", by=lyceum.manager, family=family)
    for n, (licence, elements) in enumerate([("mit", 20), ("openrail", 500)]):
        folder = model_folder(tmp_path / str(n), seed=n, elements=elements)
        (folder / "README.md").write_text(f"---\nlicense: {licence}\n---\n# A model\n")
        last = ingest(folder, model=model, by=lyceum.manager, publish=True)
    model.refresh_from_db()
    family.refresh_from_db()
    assert (model.licence, family.largest) == ("openrail", model.parameters)
    actions.withdraw(revision=last, by=lyceum.manager, reason="Wrong licence.")
    model.refresh_from_db()
    family.refresh_from_db()
    assert (model.licence, family.largest) == ("mit", model.parameters)
    assert "openrail" not in Findable.objects.get(model=model).names


@pytest.mark.parametrize(
    "statement",
    [
        "UPDATE releases_revision SET commit = repeat('0', 40)",
        "DELETE FROM releases_revision",
        "UPDATE releases_file SET path = 'x'",
        "DELETE FROM releases_file",
        "UPDATE releases_revision SET published_at = now()",
    ],
)
def test_a_published_revision_is_fixed_in_the_database(lyceum: World, tmp_path: Path, statement: str) -> None:
    ingest(model_folder(tmp_path / "f"), model=a_model(lyceum), by=lyceum.manager, publish=True)
    with pytest.raises(IntegrityError), transaction.atomic(), connection.cursor() as cursor:
        cursor.execute(statement)


def test_a_model_has_the_licence_that_its_published_card_names(lyceum: World, tmp_path: Path) -> None:
    folder, model = model_folder(tmp_path / "f"), a_model(lyceum)
    named = {
        "license: mit": "mit",
        "license: other\nlicense_name: tiny-research-1.0": "tiny-research-1.0",
        "license: [mit, bsd]": "",
        "language: en": "",
    }
    for front, licence in named.items():
        (folder / "README.md").write_text(f"---\n{front}\n---\n# Tiny\n")
        ingest(folder, model=model, by=lyceum.manager, publish=True)
        model.refresh_from_db()
        assert model.licence == licence
    (folder / "README.md").write_text("---\nlicense: apache-2.0\n---\n# Tiny\n")
    ingest(folder, model=model, by=lyceum.manager)
    model.refresh_from_db()
    assert model.licence == "", "a draft changes nothing that strangers see"


def test_the_command(lyceum: World, tmp_path: Path) -> None:
    folder, out = model_folder(tmp_path / "f"), StringIO()
    for _ in range(2):
        call_command(
            "ingest",
            str(folder),
            "--model",
            "lyceum/tiny",
            "--gate",
            lyceum.gate.slug,
            "--publish",
            stdout=out,
        )
    first, second = out.getvalue().splitlines()
    assert first == second
    assert first.startswith("lyceum/tiny ")
    assert first.endswith(" published")
    assert Model.objects.get().gate == lyceum.gate
    for wrong, word in (("nobody/x", "namespace"), ("lyceum", "namespace"), ("lyceum/a--b", "model name")):
        with pytest.raises(CommandError, match=word):
            call_command("ingest", str(folder), "--model", wrong)
    with pytest.raises(CommandError, match="no folder"):
        call_command("ingest", str(tmp_path / "none"), "--model", "lyceum/tiny")


def test_an_operator_who_mistypes_the_source_has_used_up_no_name(lyceum: World, tmp_path: Path) -> None:
    """A model's name is never given again, so none is taken before its files were looked at."""
    (tmp_path / "empty").mkdir()
    pickled = model_folder(tmp_path / "pickled")
    (pickled / "evil.pkl").write_bytes(b"\x80\x04.")
    for wrong, word in (
        ("nowhere", "no folder"),
        ("empty", "There is no file in"),
        ("pickled", "evil.pkl is not published"),
    ):
        with pytest.raises(CommandError, match=word):
            call_command("ingest", str(tmp_path / wrong), "--model", "lyceum/mistaken")
    assert not Model.objects.filter(name="mistaken").exists()


CHILD = """
import os, signal, sys, time
import django
django.setup()
from pathlib import Path
from releases.ingest import ingest
from releases.models import Model
def report(path, done, size):
    print(path, flush=True)
    if path == sys.argv[2] and done >= size // 2:
        time.sleep(60)
ingest(Path(sys.argv[1]), model=Model.objects.get(name="tiny"), by=None, publish=True, report=report)
"""


@pytest.mark.django_db(transaction=True)
def test_killed_while_copying_it_goes_on_where_it_was(tmp_path: Path) -> None:
    from tests.portal import world

    lyceum = world.build("lyceum")
    model = a_model(lyceum)
    folder = model_folder(
        tmp_path / "f", **{"model-2.safetensors": weights(3, 800_000), "model-3.safetensors": weights(4)}
    )
    env = os.environ | {"DATABASE_URL": test_database()}
    child = subprocess.Popen(
        [sys.executable, "-c", CHILD, str(folder), "model-2.safetensors"],
        env=env,
        stdout=subprocess.PIPE,
        text=True,
        cwd=Path(__file__).parents[2],
    )
    assert child.stdout is not None
    for line in child.stdout:
        if line.strip() == "model-2.safetensors":
            break
    time.sleep(0.2)
    child.send_signal(signal.SIGKILL)
    child.wait(10)
    child.stdout.close()
    assert not Revision.objects.exists()
    copied: list[str] = []
    revision = ingest(folder, model=model, by=None, publish=True, report=lambda path, _done, _size: copied.append(path))
    assert "config.json" not in copied, "what was stored before the kill is not copied again"
    assert set(copied) == {"model-2.safetensors", "model-3.safetensors", "model.safetensors", "tokenizer_config.json"}
    assert revision.state == "published"


def test_database() -> str:
    """Where the test database is, as a URL."""
    from urllib.parse import quote

    found = connection.settings_dict
    return f"postgresql://{found['USER']}@/{found['NAME']}?host={quote(str(found['HOST']))}"


test_database.__test__ = False  # type: ignore[attr-defined]
