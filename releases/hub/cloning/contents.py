"""The objects behind the commits of an answer: trees from the rows of files, blobs from the store, each once."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Final

from portal.errors import TooLarge
from releases import git
from releases.hub.cloning.history import History, commit_object
from releases.models import File, Revision

COMMITS: Final = 1_000
"""That one clone carries."""
SMALL_FILES: Final = 1_000
SMALL_BYTES: Final = 128 << 20
"""Of files that are no large-file objects, how many and how much one clone carries: each is a row of the ledger, and a trip
to the store while the client and the proxies before us wait."""


Read = Callable[[list[int]], Iterator[bytes]]
"""Gives the contents of files by their keys, in that order."""


@dataclass(slots=True)
class Contents:
    """What a pack holds. `files`: by blob id, the key of a File whose content is read when its turn comes."""

    commits: list[bytes] = field(default_factory=list)
    trees: dict[str, bytes] = field(default_factory=dict)
    pointers: dict[str, bytes] = field(default_factory=dict)
    files: dict[str, int] = field(default_factory=dict)

    @property
    def count(self) -> int:
        """How many objects there are."""
        return len(self.commits) + len(self.trees) + len(self.pointers) + len(self.files)

    def objects(self, read: Read) -> Iterator[tuple[str, bytes]]:
        """Kind and content of each."""
        yield from (("commit", content) for content in self.commits)
        yield from (("tree", content) for content in self.trees.values())
        yield from (("blob", content) for content in self.pointers.values())
        yield from (("blob", content) for content in read(list(self.files.values())))


def of(history: History, commits: set[str], common: list[str]) -> Contents:
    """What a client lacks that wants these commits and has those in common. Raises TooLarge."""
    if len(commits) > COMMITS:
        raise TooLarge(f"There are more than {COMMITS:,} revisions. Clone with --depth {COMMITS}, or less.")
    found, held, small = Contents(), _held(history, common), 0
    for name, row in history.commits.items():
        if name not in commits:
            continue
        found.commits.append(commit_object(row))
        files = list(row.files.order_by("path").only("path", "size", "sha1", "lfs", "blob"))
        trees = git.tree_objects(git.Entry(file.path, file.sha1) for file in files)
        found.trees |= {oid: tree for tree in trees.values() if (oid := git.object_id("tree", tree)) not in held}
        for file in files:
            if file.sha1 in held or file.sha1 in found.files or file.sha1 in found.pointers:
                continue
            if file.lfs:
                found.pointers[file.sha1] = git.pointer(file.sha256, file.size)
            else:
                found.files[file.sha1] = file.pk
                small += file.size
        if len(found.files) > SMALL_FILES or small > SMALL_BYTES:
            raise TooLarge(
                f"These revisions have more than {SMALL_FILES:,} small files, or {SMALL_BYTES >> 20} MiB of them: more than one clone "
                "carries. Clone with --depth 1, or use hf download."
            )
    return found


def _held(history: History, common: list[str]) -> set[str]:
    """The trees and blobs of the commits that the client has. Two queries, however many those are."""
    rows = [history.commits[name].pk for name in common]
    held = set(File.objects.filter(revision__in=rows).values_list("sha1", flat=True))
    for tree, folders in Revision.objects.filter(pk__in=rows).values_list("tree", "folders"):
        held |= {tree, *folders.values()}
    return held
