"""What of a model's past a clone may have: published revisions that nothing holds back.

Their line has gaps: drafts that were never published, and what was withdrawn since. Where the next older one is not given out,
git is told that the history begins there (a shallow commit), so every id stays the one that the portal shows.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Final

from django.db.models import Exists, OuterRef, QuerySet

from portal.errors import NotAllowed
from releases import git
from releases.actions.committing import ROBOT
from releases.models import MAIN, Model, RefKind, Revision
from releases.stop_models import Stop

HEAD: Final = "HEAD"
_FOLDERS: Final = {RefKind.BRANCH: "refs/heads", RefKind.TAG: "refs/tags"}
_READ: Final = ("model", "commit", "tree", "parent", "author", "email", "message", "authored_at")
_NAMES_NOBODY: Final = ("", ROBOT[1])
"""Addresses in commits that are nobody's. Earlier versions wrote the publisher's there, which is not for everybody to read."""


@dataclass(frozen=True, slots=True)
class History:
    """The commits that are given out, by id, and what names them: full ref → id, `HEAD` first."""

    commits: dict[str, Revision]
    refs: dict[str, str]

    @property
    def beginnings(self) -> set[str]:
        """Commits whose parent is not given out."""
        return {name for name, row in self.commits.items() if row.parent and row.parent not in self.commits}

    def line(self, tips: Iterable[str], *, depth: int = 0, ends: Iterable[str] = ()) -> dict[str, int]:
        """Each commit from these tips on, with how far it is from the nearest, from 1; `depth` 0: to the beginning.

        Behind one of `ends` it does not go on.
        """
        found: dict[str, int] = {}
        stops = set(ends)
        for tip in tips:
            name, far = tip, 1
            while name in self.commits and (not depth or far <= depth) and found.get(name, far + 1) > far:
                found[name] = far
                if name in stops:
                    break
                name, far = self.commits[name].parent, far + 1
        return found


def given(model: Model) -> QuerySet[Revision]:
    """The revisions of a model whose `main` may be downloaded that may be downloaded too."""
    stops = Stop.objects.in_force().filter(revision=OuterRef("pk"))
    return model.revisions.published().exclude(Exists(stops))


def of(model: Model) -> History:
    """Their history. Raises NotAllowed where it cannot be told by git."""
    commits = {row.commit: row for row in given(model).only(*_READ) if row.email in _NAMES_NOBODY}
    main = model.main.commit if model.main else ""
    if main not in commits:
        raise NotAllowed(
            "This revision was made by an earlier version of this portal, whose commits name their author's address. "
            "Download it with hf download; a new revision can be cloned.",
            code="no_clone",
        )
    refs = {HEAD: main, f"refs/heads/{MAIN}": main}
    named = model.refs.filter(revision__commit__in=commits).order_by("kind", "name")
    refs |= {
        f"{_FOLDERS[RefKind(kind)]}/{name}": to
        for kind, name, to in named.values_list("kind", "name", "revision__commit")
    }
    return History(commits, refs)


def commit_object(row: Revision) -> bytes:
    """What git keeps of the revision."""
    return git.commit_object(
        tree=row.tree, parent=row.parent, author=row.author, email=row.email, at=row.authored_at, message=row.message
    )
