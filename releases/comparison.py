"""What differs between two revisions of a model: files, tensors, configuration, texts, licence, access, scores."""

from __future__ import annotations

import json
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Final

from portal.agreements.redline import Block, redline
from releases import cards
from releases.exports.facts import Facts
from releases.models import Revision
from releases.proof_models import Tensor
from releases.proofs import bom

TEXTS: Final = (cards.CARD, cards.DATA_CARD, "LICENSE", "LICENSE.md", "LICENSE.txt")
"""Read by everybody, gated or not, so compared word by word for everybody."""
TEXT_MAX: Final = 200_000
"""Characters of both texts together; of longer ones it is said that they differ."""
TENSORS_MAX: Final = 200
"""Names of tensors that are told; the numbers are always whole."""
_CONFIG_MAX: Final = 500


@dataclass(frozen=True, slots=True)
class Changes:
    """Names that come, whose content changes, and that go; each in order."""

    added: list[str]
    changed: list[str]
    gone: list[str]

    def __len__(self) -> int:
        return len(self.added) + len(self.changed) + len(self.gone)

    def kinds(self, most: int) -> list[tuple[str, list[str], int]]:
        """(kind, its first names, number of all) of what comes, changes and goes; only kinds that there are."""
        kinds = (("added", self.added), ("changed", self.changed), ("gone", self.gone))
        return [(kind, names[:most], len(names)) for kind, names in kinds if names]


@dataclass(frozen=True, slots=True)
class Entry:
    """One value that differs; None where it is not there."""

    name: str
    before: str | None
    after: str | None


@dataclass(frozen=True, slots=True)
class Text:
    """One text that differs, as a redline; without blocks where it is too long to be compared."""

    path: str
    blocks: tuple[Block, ...]


def changes(before: Revision | None, after: Revision) -> Changes:
    """From the files of `before` (None: nothing) to those of `after`."""
    old, new = (_digests(revision) if revision else {} for revision in (before, after))
    return _changes(old, new)


class Difference:
    """From one revision to another; each part is read when it is asked for."""

    def __init__(self, before: Revision, after: Revision) -> None:
        self.before, self.after = before, after
        self._facts = Facts(before), Facts(after)

    @cached_property
    def files(self) -> Changes:
        """By path and content."""
        return changes(self.before, self.after)

    @cached_property
    def tensors(self) -> Changes:
        """By name and digest, whatever files they lie in: weights in other shards are the same weights."""
        old, new = self._facts
        if old.weight_id and old.weight_id == new.weight_id:
            return Changes([], [], [])
        shared = set(_digests(self.before).values()) & set(_digests(self.after).values())
        return _changes(*(dict(_tensors(revision, shared)) for revision in (self.before, self.after)))

    @cached_property
    def config(self) -> list[Entry]:
        """config.json, key by key. For whoever may download the file, since it shows what is in it."""
        old, new = (dict(_flat(bom.config_of(revision))) for revision in (self.before, self.after))
        return _entries(old, new)[:_CONFIG_MAX]

    @cached_property
    def texts(self) -> list[Text]:
        """The cards and the licence."""
        differing = {*self.files.added, *self.files.changed, *self.files.gone}
        return [self._text(path) for path in TEXTS if path in differing]

    @cached_property
    def said(self) -> list[Entry]:
        """What the release says of itself: licence, gate, bytes, and once checked weight id, parameters, openness class."""
        measured = self.before.checked_at is not None and self.after.checked_at is not None
        old, new = (_said(facts, measured=measured) for facts in self._facts)
        return _entries(old, new)

    @cached_property
    def scores(self) -> list[Entry]:
        """Results as the cards give them, and as they were entered, each by its whole setting."""
        old, new = (_scores(facts) for facts in self._facts)
        return _entries(old, new)

    def _text(self, path: str) -> Text:
        old, new = (cards.source(revision, path) for revision in (self.before, self.after))
        return Text(path, redline(old, new) if len(old) + len(new) <= TEXT_MAX else ())


def _said(facts: Facts, *, measured: bool) -> dict[str, str]:
    """`measured`: with what a check finds; of a draft that was not checked it is not known yet."""
    told: dict[str, object] = {"licence": facts.licence.name, "gate": facts.gate, "bytes": facts.revision.size}
    if measured:
        found = facts.revision.facts
        told |= {name: found.get(name) for name in ("parameters", "openness")} | {"weight_id": facts.weight_id}
    return {name: str(value) for name, value in told.items() if value not in ("", None)}


def _scores(facts: Facts) -> dict[str, str]:
    """By what was measured how: the value, or the values of several runs."""
    found: dict[str, list[str]] = defaultdict(list)
    for score in facts.scores:
        found[f"{score.metric}, {score.dataset}".strip(", ")].append(score.value)
    for row in facts.revision.scores.standing().order_by("ran_on", "pk"):
        version = f"version {row.task_version}" if row.task_version else ""
        shots = f"{row.shots} shots" if row.shots is not None else ""
        harness = f"{row.harness} {row.harness_version}".strip()
        setting = (row.task, version, row.metric, row.variant, shots, row.prompt, harness)
        found[", ".join(part for part in setting if part)].append(f"{row.value:.6g}")
    return {name: "; ".join(values) for name, values in found.items()}


def _changes(old: Mapping[str, object], new: Mapping[str, object]) -> Changes:
    return Changes(
        added=sorted(new.keys() - old.keys()),
        changed=sorted(name for name in new.keys() & old.keys() if new[name] != old[name]),
        gone=sorted(old.keys() - new.keys()),
    )


def _entries(old: Mapping[str, str], new: Mapping[str, str]) -> list[Entry]:
    names = [*old, *(name for name in new if name not in old)]
    return [Entry(name, old.get(name), new.get(name)) for name in names if old.get(name) != new.get(name)]


def _digests(revision: Revision) -> dict[str, str]:
    return dict(revision.files.values_list("path", "blob_id"))


def _tensors(revision: Revision, shared: Iterable[str]) -> Iterator[tuple[str, str]]:
    """Name and digest of the tensors of a revision, without those of objects that both have."""
    rows = Tensor.objects.filter(proof__blob__files__revision=revision).exclude(proof__in=list(shared))
    yield from rows.values_list("name", "sha256").iterator(chunk_size=5_000)


def _flat(value: object, name: str = "") -> Iterator[tuple[str, str]]:
    """`a.b` → JSON of its value, for each value that is no table."""
    if isinstance(value, dict) and (value or not name):
        for key, inner in value.items():
            yield from _flat(inner, f"{name}.{key}" if name else str(key))
    else:
        yield name, json.dumps(value, ensure_ascii=False)[:200]
