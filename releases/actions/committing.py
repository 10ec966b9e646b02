"""Files become a revision on a branch: a whole folder, or changes to what the branch holds."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Final

from django.db import transaction
from django.utils import timezone
from django.utils.translation import gettext as _

from portal.audit import trail
from portal.audit.events import Event
from portal.errors import Conflict, Invalid, NotFound
from portal.people.models import User
from releases import git, names
from releases.actions.rights import require_open, require_staff, require_there
from releases.models import MAIN, Blob, File, Model, Ref, RefKind, Revision
from releases.storage import store

ROBOT: Final = ("Weighbridge", "weighbridge@localhost")


class Stale(Conflict):
    """The branch has moved on since the publisher looked."""

    code = "stale_parent"


@dataclass(frozen=True, slots=True)
class NewFile:
    """A file that the store holds and that a revision is to carry. `sha1` is git's blob id."""

    path: str
    size: int
    sha256: str
    sha1: str
    lfs: bool


@dataclass(frozen=True, slots=True)
class Change:
    """What a commit does to a branch: files and whole folders go, then files come."""

    files: Sequence[NewFile] = ()
    gone: Sequence[str] = ()
    gone_folders: Sequence[str] = ()

    def applied(self, held: dict[str, NewFile]) -> dict[str, NewFile]:
        """The files afterwards, by path. Raises NotFound for a file or folder to be deleted that is not there."""
        # Clients may name a folder as if it were a file.
        folders = [*self.gone_folders, *(path for path in self.gone if path not in held)]
        missing = [folder for folder in folders if not any(path.startswith(_inside(folder)) for path in held)]
        if missing:
            raise NotFound(f"There is no {missing[0]!r} to delete.", code="no_file")
        prefixes = tuple(map(_inside, folders))
        kept = {path: file for path, file in held.items() if path not in self.gone and not path.startswith(prefixes)}
        return kept | {file.path: file for file in self.files}


@transaction.atomic
def commit(
    *, model: Model, files: Sequence[NewFile], by: User | None, message: str, at: datetime | None = None
) -> tuple[Revision, bool]:
    """A draft revision on `main` with exactly these files; (revision, whether it is new).

    The same tree as the branch's newest revision makes no new one, so repeating a commit changes nothing. Raises
    Invalid for names that cannot be published, Conflict when the store lacks a file.
    """
    require_open()
    require_staff(by, model.lab)
    if not files:
        raise Invalid(_("A revision needs at least one file."))
    locked = lock(model)
    return _put(locked, MAIN, locked.tip, files, by, message, at)


@transaction.atomic
def amend(*, model: Model, branch: str, change: Change, by: User | None, message: str, parent: str = "") -> Revision:
    """The branch's newest revision after `change`; the same as before when nothing differs.

    `parent` is the commit that the publisher saw last; a change that was made already, on that parent, is not made
    again. Raises Stale when the branch has moved on otherwise, NotFound for an unknown branch or file to delete,
    Invalid, Conflict.
    """
    require_open()
    require_staff(by, model.lab)
    locked = lock(model)
    head = head_of(locked, branch)
    if parent and (head is None or head.commit != parent):
        if head is not None and head.parent == parent and _made(locked, parent, change, head):
            return head
        raise Stale("The branch was updated since you opened this page. Please refresh and try again.")
    files = change.applied(files_of(head))
    revision, _new = _put(locked, branch, head, list(files.values()), by, message, None)
    return revision


@transaction.atomic
def begin(*, model: Model, by: User | None) -> Revision:
    """The empty first draft of a model that is made over the Hub: what its branches, tags and commits start from."""
    require_open()
    require_staff(by, model.lab)
    locked = lock(model)
    return locked.tip or _put(locked, MAIN, None, [], by, "initial commit", None)[0]


def head_of(model: Model, branch: str) -> Revision | None:
    """The newest revision of the branch; None for `main` before its first. Raises NotFound for an unknown branch."""
    if branch == MAIN:
        return model.tip
    ref = model.refs.filter(kind=RefKind.BRANCH, name=branch).select_related("revision").first()
    if ref is None:
        told = _("There is no branch %(branch)s of %(model)s.")
        raise NotFound(told % {"branch": repr(branch), "model": model.full_name}, code="no_revision")
    return ref.revision


def files_of(revision: Revision | None) -> dict[str, NewFile]:
    """The files that a revision carries, by path."""
    rows = revision.files.all() if revision else File.objects.none()
    return {row.path: NewFile(row.path, row.size, row.sha256, row.sha1, row.lfs) for row in rows}


def move(model: Model, branch: str, revision: Revision) -> None:
    """Let the branch name this revision."""
    if branch == MAIN:
        Model.objects.filter(pk=model.pk).update(tip=revision)
        model.tip = revision
    else:
        Ref.objects.filter(model=model, kind=RefKind.BRANCH, name=branch).update(revision=revision)


def insert(
    model: Model, parent: str, files: Sequence[NewFile], by: User | None, message: str, at: datetime | None
) -> tuple[Revision, bool]:
    """The revision that these facts name, made if there is none; (revision, whether it is new)."""
    trees = git.trees(git.Entry(file.path, file.sha1) for file in files)
    # Whoever clones reads the commit: a person's address is not for them.
    author, email = (by.get_full_name(), "") if by else ROBOT
    at = (at or timezone.now()).replace(microsecond=0)
    content = git.commit_object(tree=trees[""], parent=parent, author=author, email=email, at=at, message=message)
    name = git.object_id("commit", content)
    if same := model.revisions.filter(commit=name).first():
        return same, False
    revision = Revision.objects.create(
        model=model, commit=name, tree=trees[""], parent=parent, author=author, email=email, message=message, authored_at=at,
        folders={path: oid for path, oid in trees.items() if path}, size=sum(file.size for file in files),
    )  # fmt: skip
    _hold(files)
    File.objects.bulk_create(
        File(
            revision=revision, path=f.path, folder=f.path.rpartition("/")[0], size=f.size, sha1=f.sha1, lfs=f.lfs,
            blob_id=f.sha256,
        )
        for f in files
    )  # fmt: skip
    return revision, True


def _put(
    model: Model,
    branch: str,
    head: Revision | None,
    files: Sequence[NewFile],
    by: User | None,
    message: str,
    at: datetime | None,
) -> tuple[Revision, bool]:
    names.check_paths(file.path for file in files)
    if head and head.tree == _tree(files):
        return head, False
    revision, new = insert(model, head.commit if head else "", files, by, message, at)
    move(model, branch, revision)
    if new:
        trail.record(
            Event.REVISION_INGESTED, by=by, target=revision, lab=model.lab, model=model.full_name,
            commit=revision.commit, branch=branch, files=len(files),
        )  # fmt: skip
    return revision, new


def _inside(folder: str) -> str:
    return folder.strip("/") + "/"


def lock(model: Model) -> Model:
    """The model as it is, until the transaction ends. Raises NotFound where its lab has deleted it."""
    locked = Model.objects.select_for_update(of=("self",)).select_related("lab", "tip").get(pk=model.pk)
    require_there(locked)
    return locked


def _made(model: Model, parent: str, change: Change, head: Revision) -> bool:
    """Whether `head` is what the change makes of `parent`: the answer to a commit got lost and it is sent again."""
    before = model.revisions.filter(commit=parent).first()
    try:
        return _tree(list(change.applied(files_of(before)).values())) == head.tree
    except NotFound:
        return False


def _tree(files: Sequence[NewFile]) -> str:
    return git.trees(git.Entry(file.path, file.sha1) for file in files)[""]


def _hold(files: Sequence[NewFile]) -> None:
    """A Blob row for every object, once the store is seen to hold it. What a row stands for was seen before.

    Rows are held until the files that name them are there: no collector takes one away in between (collecting.py).
    """
    known = Blob.objects.hold([file.sha256 for file in files])
    held = store()
    for file in files:
        if file.sha256 not in known and held.size(file.sha256) != file.size:
            told = _("The store does not hold %(path)s (%(digest)s). Store it again.")
            raise Conflict(told % {"path": file.path, "digest": file.sha256[:12]})
    Blob.objects.bulk_create((Blob(sha256=f.sha256, size=f.size) for f in files), ignore_conflicts=True)
