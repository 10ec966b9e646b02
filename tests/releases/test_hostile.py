"""Every hostile file on its whole way through the portal: refused, kept apart, never run, within the child's bounds."""

from __future__ import annotations

import io
import subprocess
import time
from pathlib import Path
from typing import Any

import pytest
from django.utils import timezone

from portal.errors import Conflict, NotAllowed
from releases import actions, downloads, formats, git, lookup
from releases.actions import checking
from releases.inspection import MEMORY_MAX, asking, pickles
from releases.models import Blob, BlobState, Revision
from releases.storage import store
from tests.portal import world
from tests.releases import hostile

pytestmark = pytest.mark.django_db


def stored(path: str, content: bytes) -> actions.NewFile:
    """The file as an upload leaves it: nobody has looked at it."""
    sha256, size = store().put(io.BytesIO(content))
    return actions.NewFile(path, size, sha256, git.blob_id(content), lfs=False)


def draft(of: world.World, files: dict[str, bytes]) -> Revision:
    model = actions.open_model(lab=of.lab, name="hostile", by=of.manager)
    held = [stored(path, content) for path, content in files.items()]
    revision, _new = actions.commit(model=model, files=held, by=of.manager, message="Hostile")
    return revision


def peak_of(pid: int) -> int:
    """The most memory that a process has held, in bytes; 0 when it has ended. Not rusage's: that begins with ours."""
    status = Path(f"/proc/{pid}/status").read_text()
    return next((int(line.split()[1]) << 10 for line in status.splitlines() if line.startswith("VmHWM")), 0)


@pytest.mark.parametrize("whole", [False, pytest.param(True, marks=[pytest.mark.drill, pytest.mark.timeout(900)])])
def test_no_hostile_file_is_published_and_none_runs(
    lyceum: world.World, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, whole: bool
) -> None:
    tripwire, took, peaks = tmp_path / "ran", list[float](), list[int]()
    ask = asking.ask

    def timed(*wanted: Any) -> Any:
        begin = time.monotonic()
        try:
            return ask(*wanted)
        finally:
            took.append(time.monotonic() - begin)

    class Watched(subprocess.Popen[bytes]):
        def kill(self) -> None:
            """It has answered, or is too late: what it took is read before it is gone."""
            peaks.append(peak_of(self.pid))
            super().kill()

    monkeypatch.setattr(asking, "ask", timed)
    monkeypatch.setattr(subprocess, "Popen", Watched)
    monkeypatch.setattr(checking, "LOOKED_INTO_MAX", 1000 if whole else 5)
    files = hostile.corpus(tripwire, whole=whole)
    revision = draft(lyceum, files)
    checked = actions.check(revision=revision, by=lyceum.manager)
    passed = [path for path in files if not any(said["message"].startswith(f"{path} ") for said in checked.findings)]
    assert passed == []
    assert set(Blob.objects.filter(files__revision=revision).values_list("state", flat=True)) == {BlobState.QUARANTINED}
    with pytest.raises(Conflict):
        actions.publish(revision=checked, by=lyceum.manager)
    assert not tripwire.exists(), "something ran"
    assert len(took) > 40, "the children were watched"
    assert max(took) < 60
    assert sum(peak > 0 for peak in peaks) > 20, "their memory was seen"
    assert max(peaks) < MEMORY_MAX


def test_the_desk_is_told_what_a_pickle_would_have_run(lyceum: world.World, tmp_path: Path) -> None:
    command = f"touch {tmp_path / 'ran'}"
    torch = hostile.containers(command)["torch"]
    files = {"weights/model.pt": torch, "notes.txt": hostile.pickles(command)["INST"]}
    checked = actions.check(revision=draft(lyceum, files), by=lyceum.manager)
    told = {one["path"]: one for one in checked.refused}
    assert told["weights/model.pt"]["calls"] == [f"posix.system('{command}')"]
    assert told["notes.txt"]["imports"] == ["os.system"]
    assert told["notes.txt"]["advice"] == ["os.system: dangerous"]
    assert not (tmp_path / "ran").exists()


def test_what_was_refused_is_given_to_nobody_and_what_passed_beside_it_is(lyceum: world.World, tmp_path: Path) -> None:
    files = {"notes.txt": hostile.pickles("true")["INST"], "good.txt": b"plain words"}
    revision = draft(lyceum, files)
    bad, good = lookup.file(revision, "notes.txt"), lookup.file(revision, "good.txt")
    assert bad
    assert good
    asked = {"by": lyceum.manager, "token": None, "now": timezone.now()}
    downloads.check(file=bad, **asked)  # before it is checked, those who sent it may fetch it
    actions.check(revision=revision, by=lyceum.manager)
    with pytest.raises(NotAllowed, match="given to nobody"):
        downloads.check(file=lookup.file(revision, "notes.txt"), **asked)
    downloads.check(file=lookup.file(revision, "good.txt"), **asked)


def test_published_bytes_stay_published_when_somebody_renames_them(lyceum: world.World, publish: Any) -> None:
    """Committing public bytes under a refused name must not take them from their readers."""
    model = publish(lyceum, "mine")
    files = dict(actions.files_of(model.main))
    shown = files["config.json"]
    files["config.pkl"] = actions.NewFile("config.pkl", shown.size, shown.sha256, shown.sha1, lfs=False)
    revision, _new = actions.commit(model=model, files=list(files.values()), by=lyceum.manager, message="Twist")
    assert actions.check(revision=revision, by=lyceum.manager).findings
    assert Blob.objects.get(pk=shown.sha256).state == BlobState.VERIFIED


def test_ordinary_texts_are_not_taken_for_pickles() -> None:
    for folder, ending in (("docs", "*.md"), ("releases", "*.py"), ("locale", "*.po")):
        for path in sorted(Path(__file__).parents[2].joinpath(folder).rglob(ending))[:60]:
            content = path.read_bytes()
            pickles.refuse(io.BytesIO(content), len(content))
    for words in (
        b"cat\ndog\n",
        b"import os\nimport sys\n",
        b"class A:\n    pass\n",
        b"N.\n",
        b"I am.\n",
        b"(a) one.\n",
    ):
        formats.check("words.txt", len(words), io.BytesIO(words))
