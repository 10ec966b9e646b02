"""The scrub: whatever happens to an object in the store is found, told by tensor, given out to nobody, and said in public."""

from __future__ import annotations

import random
from collections.abc import Iterator
from io import StringIO
from pathlib import Path
from typing import Any

import pytest
from django.conf import settings
from django.core import mail
from django.core.management import CommandError, call_command
from django.core.management.base import SystemCheckError
from django.db import connection
from django.test import Client

from portal.audit.models import Entry
from portal.errors import Unavailable
from portal.outbox import delivery
from portal.people.models import User
from releases import actions, tasks
from releases.ingest import ingest
from releases.models import Blob, BlobState, Model
from releases.permits import place
from releases.proof_models import Damage, Erratum
from releases.storage import store
from tests.portal import world
from tests.releases.folders import model_folder, safetensors

TENSORS = {f"layer.{n}.weight": ("F32", [64], bytes((n * 31 + i) % 251 for i in range(256))) for n in range(8)}


@pytest.fixture(autouse=True)
def own_store(settings: Any, tmp_path: Path) -> Iterator[None]:
    """A store of the test's own: what is damaged here must not meet another test."""
    settings.STORE_PATH = tmp_path / "store"
    store.cache_clear()
    yield
    store.cache_clear()


@pytest.fixture
def model(lyceum: world.World, publish: Any) -> Model:
    return publish(lyceum, "mine", gate=lyceum.gate, **{"model.safetensors": safetensors(TENSORS)})


def object_of(model: Model, path: str = "model.safetensors") -> Path:
    sha256 = model.main.files.get(path=path).blob_id
    return place(Path(settings.STORE_PATH), sha256)


def overwrite(target: Path, content: bytes) -> None:
    target.chmod(0o640)
    target.write_bytes(content)


def scrub() -> tuple[int, int]:
    return actions.scrub(blobs=actions.to_scrub())


def _client(user: User) -> Client:
    client = Client()
    client.force_login(user)
    return client


def test_a_store_that_is_whole_has_no_findings_and_each_reading_is_noted(model: Model) -> None:
    before = dict(Blob.objects.values_list("pk", "verified_at"))
    read, bad = scrub()
    assert (read, bad) == (len(before), 0)
    assert all(after > before[pk] for pk, after in Blob.objects.values_list("pk", "verified_at"))
    assert not Erratum.objects.exists()


@pytest.mark.parametrize("count", [40, pytest.param(1000, marks=pytest.mark.drill)])
def test_every_flip_swap_and_drop_is_found_and_the_tensor_named(model: Model, count: int) -> None:
    """Seeded. Each harm is done, found by examine() and undone; what the finding leads to is tested below."""
    chance = random.Random(175)
    blobs = {file.path: file.blob for file in model.main.files.select_related("blob")}
    weights, config = object_of(model), object_of(model, "config.json")
    whole = {target: target.read_bytes() for target in (weights, config)}
    header = len(whole[weights]) - 8 * 256
    for _ in range(count):
        harm = chance.choice(["flip", "flip", "flip", "swap", "drop"])
        if harm == "flip":
            at = chance.randrange(len(whole[weights]) * 8)
            bad = bytearray(whole[weights])
            bad[at // 8] ^= 1 << at % 8
            overwrite(weights, bytes(bad))
            place_in = at // 8 - header
            expected = ("tensors", (f"layer.{place_in // 256}.weight",)) if place_in >= 0 else ("bytes", ())
        elif harm == "swap":
            overwrite(weights, whole[config])
            overwrite(config, whole[weights])
            expected = ("tensors", tuple(sorted(TENSORS)))
        else:
            weights.unlink()
            expected = ("missing", ())
        finding = actions.examine(blobs["model.safetensors"])
        assert finding is not None
        assert (finding.fault, finding.tensors) == expected, harm
        assert (actions.examine(blobs["config.json"]) is not None) == (harm == "swap")
        if harm == "drop":
            weights.touch()
        for target, content in whole.items():
            overwrite(target, content)
    assert actions.examine(blobs["model.safetensors"]) is None


def test_what_is_damaged_is_given_out_to_nobody_and_said_to_everybody(
    lyceum: world.World, model: Model, mara: User, stranger: User
) -> None:
    lyceum.granted(mara)
    download = f"/lyceum/mine/download/{model.main.commit}/model.safetensors"
    assert _client(mara).get(download).status_code == 302
    bad = bytearray(object_of(model).read_bytes())
    bad[-1] ^= 1
    overwrite(object_of(model), bytes(bad))
    assert scrub()[1] == 1
    refused = _client(mara).get(download)
    assert refused.status_code == 403
    assert "not given out" in refused.content.decode()
    assert _client(mara).get(f"/lyceum/mine/download/{model.main.commit}/config.json").status_code == 302
    erratum = Erratum.objects.get()
    assert (erratum.model, erratum.revision, erratum.severity, erratum.scrub) == (model, model.main, "critical", True)
    assert "model.safetensors" in erratum.title
    assert "layer.7.weight" in erratum.text
    page = Client().get("/lyceum/mine").content.decode()
    assert erratum.title in page
    entry = Entry.objects.get(event="blob.quarantined")
    assert entry.data == {"fault": "tensors", "tensors": ["layer.7.weight"]}
    mail.outbox.clear()
    while delivery.deliver_due(slow=True) + delivery.deliver_due():
        pass
    told = {address for message in mail.outbox if "erratum" in message.subject for address in message.to}
    assert told == {mara.email, lyceum.manager.email}
    assert stranger.email not in told


def test_each_published_revision_that_holds_it_gets_an_erratum_and_no_draft(
    lyceum: world.World, harbour: world.World, publish: Any
) -> None:
    same = {"model.safetensors": safetensors(TENSORS)}
    one, other = publish(lyceum, "one", **same), publish(harbour, "other", **same)
    publish(lyceum, "draft", publish=False, **same)
    object_of(one).unlink()
    scrub()
    assert set(Erratum.objects.values_list("model", flat=True)) == {one.pk, other.pk}
    assert Damage.objects.get().fault == "missing"


def test_a_second_run_says_nothing_twice_and_a_good_copy_ends_it(model: Model, client: Client) -> None:
    whole = object_of(model).read_bytes()
    overwrite(object_of(model), whole[:-7])
    errors = StringIO()
    for _ in range(2):
        with pytest.raises(CommandError, match=r"proofs\.md"):
            call_command("scrub", all=True, stdout=StringIO(), stderr=errors)
    assert "layer.7.weight" in errors.getvalue()
    assert Erratum.objects.count() == Damage.objects.count() == 1
    overwrite(object_of(model), whole)
    assert scrub()[1] == 0
    assert Blob.objects.filter(state=BlobState.QUARANTINED).count() == 1, "nightly, what is bad is not read again"
    call_command("scrub", model="lyceum/mine", stdout=StringIO())
    assert not Blob.objects.filter(state=BlobState.QUARANTINED).exists()
    assert Damage.objects.get().repaired_at
    assert Entry.objects.filter(event="blob.restored").count() == 1


@pytest.mark.parametrize("harm", ["flipped", "lost"])
def test_ingesting_a_good_copy_again_repairs_what_is_damaged_and_nothing_else(
    lyceum: world.World, model: Model, tmp_path: Path, harm: str
) -> None:
    good, target = tmp_path / "good", object_of(model)
    for file in model.main.files.all():
        (good / file.path).parent.mkdir(parents=True, exist_ok=True)
        (good / file.path).write_bytes(place(Path(settings.STORE_PATH), file.blob_id).read_bytes())
    whole = target.read_bytes()
    if harm == "lost":
        target.unlink()
    else:
        overwrite(target, whole[:-1] + bytes([whole[-1] ^ 1]))
    assert scrub()[1] == 1
    times = dict(Blob.objects.exclude(sha256=target.name).values_list("pk", "verified_at"))
    assert ingest(good, model=model, by=lyceum.manager) == model.main
    assert target.read_bytes() == whole
    assert Blob.objects.get(sha256=target.name).state == BlobState.VERIFIED
    assert Damage.objects.get().repaired_at
    assert Entry.objects.filter(event="blob.restored").count() == 1
    assert dict(Blob.objects.exclude(sha256=target.name).values_list("pk", "verified_at")) == times
    assert scrub()[1] == 0


def test_another_file_under_the_same_name_repairs_nothing(lyceum: world.World, model: Model, tmp_path: Path) -> None:
    object_of(model).unlink()
    scrub()
    other = model_folder(tmp_path / "other", name="mine")
    assert ingest(other, model=model, by=lyceum.manager) != model.main
    assert Damage.objects.get().repaired_at is None


def test_a_run_that_was_interrupted_goes_on_where_it_was(model: Model) -> None:
    seen: list[str] = []

    def stop_after_two(blob: Blob, _finding: Any) -> None:
        seen.append(blob.pk)
        if len(seen) == 2:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        actions.scrub(blobs=actions.to_scrub(), report=stop_after_two)
    rest: list[str] = []
    actions.scrub(blobs=actions.to_scrub(), most_bytes=0, report=lambda blob, _: rest.append(blob.pk))
    assert rest[-2:] == seen, "what was read comes last"
    assert sorted(rest) == sorted(Blob.objects.values_list("pk", flat=True))


def test_one_object_that_cannot_be_read_now_stops_no_other(model: Model, monkeypatch: pytest.MonkeyPatch) -> None:
    first, opened = actions.to_scrub()[0], store().open

    def refuse(sha256: str) -> Any:
        if sha256 == first.sha256:
            raise PermissionError("The store did not answer")
        return opened(sha256)

    monkeypatch.setattr(store(), "open", refuse)
    assert scrub() == (Blob.objects.count() - 1, 0)
    assert actions.to_scrub()[0] == first, "it keeps its place"
    assert not Damage.objects.exists()


def test_a_night_reads_no_more_than_its_bytes_and_the_next_goes_on(model: Model, settings: Any) -> None:
    count = Blob.objects.count()
    settings.SCRUB_BYTES = 1
    for night in range(count):
        assert tasks.scrub() == (1, 0), night
    assert Blob.objects.filter(verified_at__gt=model.main.checked_at).count() == count


def test_what_was_quarantined_for_another_reason_is_not_let_out(model: Model) -> None:
    blob = model.main.files.get(path="config.json").blob
    Blob.objects.filter(pk=blob.pk).update(state=BlobState.QUARANTINED)
    actions.scrub(blobs=actions.to_scrub(damaged=True))
    actions.settle(blob=blob, finding=None)
    blob.refresh_from_db()
    assert blob.state == BlobState.QUARANTINED


def test_a_damaged_card_is_not_shown(model: Model, client: Client) -> None:
    assert "A model for" in client.get("/lyceum/mine").content.decode()
    Blob.objects.filter(files__revision=model.main, files__path="README.md").update(state=BlobState.QUARANTINED)
    page = client.get("/lyceum/mine")
    assert page.status_code == 200
    assert "A model for" not in page.content.decode()


def _is_not_mounted() -> None:
    store_path = Path(settings.STORE_PATH)
    store_path.rename(store_path.with_name("elsewhere"))
    store_path.mkdir()


def test_a_store_whose_disk_is_not_mounted_is_told_to_the_operator_and_not_to_everybody(model: Model) -> None:
    """A night later each published revision had a critical erratum that cannot be taken back."""
    _is_not_mounted()
    with pytest.raises(Unavailable, match=r"has none of the objects that the database knows\. Mount its disk"):
        scrub()
    assert not Blob.objects.filter(state=BlobState.QUARANTINED).exists()
    assert not Erratum.objects.exists()
    assert not mail.outbox


def test_nobody_migrates_or_serves_over_a_store_whose_disk_is_not_mounted(model: Model) -> None:
    call_command("check", databases=["default"])
    _is_not_mounted()
    with pytest.raises(SystemCheckError, match="Mount its disk"):
        call_command("check", databases=["default"])
    call_command("check")


@pytest.mark.django_db
def test_a_portal_that_has_released_nothing_has_no_store_to_miss() -> None:
    call_command("check", databases=["default"])
    with connection.cursor() as cursor:
        cursor.execute("ALTER TABLE releases_blob RENAME TO not_there_yet")
    call_command("check", databases=["default"])
