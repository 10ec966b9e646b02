"""Names for revisions: branches and tags, made and deleted; a branch's history, folded into one revision."""

from __future__ import annotations

import re
from typing import Final

from django.db import transaction

from portal.audit import trail
from portal.audit.events import Event
from portal.errors import Conflict, Invalid, NotAllowed, NotFound
from portal.people.models import User
from releases.actions.committing import files_of, head_of, insert, lock, move
from releases.actions.revisions import Deleted
from releases.actions.rights import require_open, require_staff
from releases.models import MAIN, Model, Ref, RefKind, Revision

_NAME: Final = re.compile(r"(?!.*(?:\.\.|//|@\{|\.lock$|/$|\.$))[A-Za-z0-9_][A-Za-z0-9_./-]{0,199}")
"""What git takes for a ref's name (git-check-ref-format), narrowed to what needs no quoting anywhere."""
_COMMIT: Final = re.compile(r"[0-9a-f]{7,40}")


def make_branch(*, model: Model, name: str, revision: Revision | None, by: User | None) -> Ref:
    """A branch that begins at `revision`. Raises Conflict where the name is taken, Invalid for one that git forbids, NotFound."""
    return _make(model, RefKind.BRANCH, name, revision, by)


def make_tag(*, model: Model, name: str, revision: Revision | None, by: User | None) -> Ref:
    """A tag on `revision`. Raises Conflict, Invalid, NotFound."""
    return _make(model, RefKind.TAG, name, revision, by)


@transaction.atomic
def delete_ref(*, model: Model, kind: RefKind, name: str, by: User | None) -> None:
    """Take the name away; the revision stays. Raises NotAllowed for `main`, NotFound."""
    require_open()
    require_staff(by, model.lab)
    if name == MAIN:
        raise NotAllowed(
            "Cannot delete refs/heads/main: it is protected, and what was published stays. Withdraw a revision on its page."
        )
    ref = Ref.objects.select_for_update().filter(model=model, kind=kind, name=name).first()
    if ref is None:
        raise NotFound(f"Invalid rev id: there is no {kind} {name!r} of {model.full_name}.", code="no_revision")
    ref.delete()
    trail.record(Event.REF_DELETED, by=by, target=model, lab=model.lab, model=model.full_name, kind=kind, name=name)


@transaction.atomic
def squash(*, model: Model, branch: str, message: str, by: User | None) -> Revision:
    """The branch's files as one revision without a past. Published revisions keep theirs. Raises NotFound."""
    require_open()
    require_staff(by, model.lab)
    locked = lock(model)
    head = head_of(locked, branch)
    if head is None:
        raise NotFound(f"{model.full_name} has no files yet.", code="no_revision")
    revision, new = insert(locked, "", list(files_of(head).values()), by, message, None)
    move(locked, branch, revision)
    if new:
        trail.record(
            Event.REVISION_INGESTED, by=by, target=revision, lab=model.lab, model=model.full_name,
            commit=revision.commit, branch=branch, files=revision.files.count(),
        )  # fmt: skip
    return revision


@transaction.atomic
def _make(model: Model, kind: RefKind, name: str, revision: Revision | None, by: User | None) -> Ref:
    require_open()
    require_staff(by, model.lab)
    if not _NAME.fullmatch(name) or _COMMIT.fullmatch(name) or name.startswith("refs/"):
        raise Invalid(f"{name!r} cannot name a {kind}: use letters, digits, '-', '_', '.' and '/', not a commit's id.")
    lock(model)
    if name == MAIN or model.refs.filter(name=name).exists():
        taken = "tags" if model.refs.filter(kind=RefKind.TAG, name=name).exists() else "heads"
        raise Conflict(f"Reference refs/{taken}/{name} already exists: a name means one revision of {model.full_name}.")
    if revision is None:
        raise NotFound(f"{model.full_name} has no revision to start from. Commit files first.", code="no_revision")
    if not model.revisions.filter(pk=revision.pk).exists():
        raise Deleted(revision)
    ref = Ref.objects.create(model=model, kind=kind, name=name, revision=revision)
    trail.record(
        Event.REF_MADE, by=by, target=model, lab=model.lab, model=model.full_name, kind=kind, name=name,
        commit=revision.commit,
    )  # fmt: skip
    return ref
