"""From the names in an address to a model, a revision, a file, as far as the reader may know of them."""

from __future__ import annotations

import re
from datetime import datetime
from typing import Any, Final, NamedTuple
from uuid import UUID

from django.db.models import Exists, F, OuterRef, Q, QuerySet

from portal.people.models import User
from portal.prepared import Prepared
from releases import egress, policy
from releases.conditions import Facts
from releases.models import Family, File, Model, Revision
from releases.querysets import FileQuerySet

_COMMIT: Final = re.compile(r"[0-9a-f]{7,40}")
"""A commit id, or enough of its start to mean one revision."""


HISTORY: Final = 100
"""Revisions that are looked through for the one that changed a file last."""


class Moved(Exception):
    """The model has another name by now."""

    def __init__(self, before: str, model: Model) -> None:
        super().__init__(f"{before} is called {model.full_name} now.")
        self.before, self.after = before, model.full_name


def family(lab: str, slug: str) -> Family | None:
    """The family of this name, hosted here or not: that there is one is no secret."""
    return Family.objects.select_related("lab").filter(lab__slug=lab, slug=slug).first()


def model(namespace: str, name: str, *, person: User | None, now: datetime) -> Model | None:
    """The model of this name, unless it has never been published and the reader is no member of its lab."""
    return _seen(_named.first(namespace=namespace, name=name), person, now)


@Prepared
def _named(namespace: str, name: str) -> QuerySet[Model]:
    return Model.objects.named(namespace, name)


def renamed(namespace: str, name: str, *, person: User | None, now: datetime) -> Model | None:
    """The model that once had this name, under the same condition."""
    return _seen(Model.objects.once_called(namespace, name).first(), person, now)


def model_ever(namespace: str, name: str, *, person: User | None, now: datetime) -> Model | None:
    """The model that has this name or once had it: for answers that say the present one themselves."""
    return _seen(by_any_name(namespace, name), person, now)


def by_any_name(namespace: str, name: str) -> Model | None:
    """The same whoever asks: for the operator, and for those who look at rights by themselves."""
    return _named.first(namespace=namespace, name=name) or Model.objects.once_called(namespace, name).first()


def _seen(found: Model | None, person: User | None, now: datetime) -> Model | None:
    if found is None:
        return None
    seen = policy.decide(person=person, scopes=None, model=found, revision=None, capability=policy.VIEW, now=now)
    return found if isinstance(seen, policy.Allow) else None


def revision(model: Model, name: str, *, person: User | None, now: datetime, drafts: bool = False) -> Revision | None:
    """What a branch, tag, commit id or its start names. With `drafts`, `main` is the lab's newest, published or not."""
    name = _plain(name)
    if name == "main":
        found = model.tip if drafts and policy.member(person, model, now) else model.main
    elif _COMMIT.fullmatch(name):  # what no branch or tag can be called
        found = _by_commit(model, name, person, now)
    elif ref := model.refs.filter(name=name).select_related("revision").first():
        found = ref.revision
    else:
        found = _by_commit(model, name, person, now)
    if found is None:
        return None
    found.model = model
    return found if _shown(found, person, now) else None


class Straight(NamedTuple):
    """A file, with what is asked of everybody who wants it. `capped`: a daily cap may stand at its gate."""

    file: File
    facts: Facts
    capped: bool

    @classmethod
    def read(cls, file: Any) -> Straight:  # noqa: ANN401 a File with annotations
        """From what _straight() asks."""
        return cls(file, Facts.of_file(file), capped=file.fact_capped)


def straight(
    namespace: str, name: str, revision: str, path: str, *, person: User | None, now: datetime
) -> Straight | None:
    """model(), revision() and file() in one question, with what the policy asks beside them.

    None where the file is not there, or not for this reader to know of: then the steps say what is missing.
    """
    named = _plain(revision)
    asked = {"namespace": namespace, "name": name, "path": path, "person": person.pk if person else None, "now": now}
    if named == "main":
        file = _at_main.first(**asked)
    elif len(named) == 40 and _COMMIT.fullmatch(named):
        file = _at_commit.first(**asked, commit=named)
    else:
        file = None if _COMMIT.fullmatch(named) else _at_ref.first(**asked, ref=named)
    if file is None or _seen(file.revision.model, person, now) is None or not _shown(file.revision, person, now):
        return None
    return Straight.read(file)


@Prepared
def _at_main(namespace: str, name: str, path: str, person: UUID | None, now: datetime) -> QuerySet[File]:
    return _straight(namespace, name, path, person, now).filter(revision=F("revision__model__main"))


@Prepared
def _at_commit(namespace: str, name: str, path: str, person: UUID | None, now: datetime, commit: str) -> QuerySet[File]:
    return _straight(namespace, name, path, person, now).filter(revision__commit=commit)


@Prepared
def _at_ref(namespace: str, name: str, path: str, person: UUID | None, now: datetime, ref: str) -> QuerySet[File]:
    of_model = Q(revision__refs__name=ref, revision__refs__model=F("revision__model"))
    return _straight(namespace, name, path, person, now).filter(of_model)


def _straight(namespace: str, name: str, path: str, person: UUID | None, now: datetime) -> QuerySet[File]:
    within = Model.objects.called(namespace, name).values("pk")
    return _with_facts(File.objects.filter(revision__model__in=within, path=path), person, now)


def straight_of(files: FileQuerySet, *, person: User | None, now: datetime) -> list[Straight]:
    """The same for files that were found before, in one question, by revision and path."""
    found = _with_facts(files, person.pk if person else None, now).order_by("revision", "path")
    return [Straight.read(file) for file in found]


def _with_facts(files: FileQuerySet, person: UUID | None, now: datetime) -> QuerySet[File]:
    capped = Exists(egress.caps_at(OuterRef("revision__model__gate")))
    return files.with_release().order_by().annotate(**Facts.beside_file(person, now), fact_capped=capped)


def _plain(revision: str) -> str:
    """As clients write a branch or tag out in full, or `HEAD` for `main`."""
    return "main" if revision == "HEAD" else revision.removeprefix("refs/heads/").removeprefix("refs/tags/")


def _shown(revision: Revision, person: User | None, now: datetime) -> bool:
    return revision.is_public or policy.member(person, revision.model, now)


def line(revision: Revision) -> list[str]:
    """The ids of the revision and of those before it, newest first."""
    parents = dict(revision.model.revisions.values_list("commit", "parent"))
    found, commit = [], revision.commit
    while commit in parents:
        found.append(commit)
        commit = parents.pop(commit)
    return found


def changed(revision: Revision, oids: dict[str, str], *, person: User | None, now: datetime) -> dict[str, Revision]:
    """By path, the revision that last changed each file or folder, given what it is now: {path: git's id}.

    Looks back over HISTORY revisions, as far as the reader may know of them.
    """
    seen = Revision.objects.visible_to(person, now).filter(model=revision.model, commit__in=line(revision)[:HISTORY])
    known = {row.commit: row for row in seen}
    past = [known[commit] for commit in line(revision)[:HISTORY] if commit in known]
    files = File.objects.filter(revision__in=past, path__in=oids).values_list("revision", "path", "sha1")
    held = {(pk, path): oid for pk, path, oid in files}
    last = dict.fromkeys(oids, revision)
    open_ = dict(oids)
    for row in past:
        open_ = {path: oid for path, oid in open_.items() if held.get((row.pk, path), row.folders.get(path)) == oid}
        last |= dict.fromkeys(open_, row)
    return last


def file(revision: Revision, path: str) -> File | None:
    """The file at this path."""
    found = _file.first(revision=revision.pk, path=path)
    if found:
        found.revision = revision
    return found


@Prepared
def _file(revision: int, path: str) -> QuerySet[File]:
    return File.objects.select_related("blob").filter(revision=revision, path=path)


@Prepared
def _revision(model: int, commit: str) -> QuerySet[Revision]:
    return Revision.objects.filter(model=model, commit=commit)


def _by_commit(model: Model, name: str, person: User | None, now: datetime) -> Revision | None:
    if not _COMMIT.fullmatch(name.lower()):
        return None
    if len(name) == 40:
        return _revision.first(model=model.pk, commit=name.lower())
    matches = Revision.objects.visible_to(person, now).filter(model=model, commit__startswith=name.lower())[:2]
    return matches[0] if len(matches) == 1 else None
