"""What a reader may read of logbooks under one address: a model's own, or all of a family's."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Final

from django.core.paginator import Page, Paginator
from django.db.models import Count, Prefetch, QuerySet
from django.http import QueryDict
from django.urls import reverse
from django.utils.translation import gettext as _

from portal.errors import NotFound
from portal.people.models import User
from releases.logbook_models import Entry, Kind, Logbook, Run, Severity
from releases.models import Family, Model

PAGE: Final = 50
RUNS: Final = 200
"""Runs that are offered by name; the others are reached by typing theirs."""
SORTS: Final = {"written": ("logbook", "order"), "time": ("at", "logbook", "order"), "newest": ("-created_at", "-pk")}


@dataclass(frozen=True, slots=True)
class Asked:
    """Which entries are asked for. A value that means nothing is left out, so that any address answers."""

    query: str = ""
    kind: str = ""
    severity: str = ""
    run: str = ""
    sort: str = "written"
    first: int | None = None
    last: int | None = None
    """Steps, both included."""

    @classmethod
    def of(cls, said: QueryDict) -> Asked:
        """From the words after the question mark."""
        kind, severity, sort = said.get("kind", ""), said.get("severity", ""), said.get("sort", "")
        return cls(
            query=said.get("q", "").replace("\0", "").strip()[:100],
            kind=kind if kind in Kind.values else "",
            severity=severity if severity in Severity.values else "",
            run=said.get("run", "").replace("\0", "").strip()[:120],
            sort=sort if sort in SORTS else "written",
            first=_step(said.get("from", "")),
            last=_step(said.get("to", "")),
        )

    @property
    def narrows(self) -> bool:
        """Whether it leaves anything out."""
        return bool(self.query or self.kind or self.severity or self.run) or (self.first, self.last) != (None, None)

    def among(self, entries: QuerySet[Entry]) -> QuerySet[Entry]:
        """Those of the entries that are asked for, in the order asked for."""
        if self.query:
            entries = entries.filter(pk__in=Entry.objects.saying(self.query).values("pk"))
        for field, value in (("kind", self.kind), ("severity", self.severity), ("run__name", self.run)):
            entries = entries.filter(**{field: value}) if value else entries
        if self.first is not None:
            entries = entries.filter(step__gte=self.first)
        if self.last is not None:
            entries = entries.filter(step__lte=self.last)
        return entries.order_by(*SORTS[self.sort])


@dataclass(frozen=True, slots=True)
class Shelf:
    """The logbooks under one address, and the lab's roles of who reads."""

    subject: Family | Model
    books: tuple[Logbook, ...]
    roles: frozenset[str]

    @property
    def own(self) -> Logbook | None:
        """The subject's own: a family's beside those of its models."""
        mine = [book for book in self.books if isinstance(self.subject, Model) or book.model_id is None]
        return mine[0] if mine else None

    @property
    def names(self) -> tuple[str, str]:
        """Lab and subject, as addresses name them."""
        return self.subject.lab.slug, self.subject.name if isinstance(self.subject, Model) else self.subject.slug

    def url(self, page: str, *more: object) -> str:
        """Address of one of its pages: `logbook`, `logbook_edit`, `logbook_json` …"""
        kind = "model" if isinstance(self.subject, Model) else "family"
        return reverse(f"releases:{page}_of_{kind}", args=[*self.names, *more])

    @property
    def entries(self) -> QuerySet[Entry]:
        """Every entry, with all that a list shows of it."""
        related = ("run", "supersedes", "annotates", "successor")
        rows = Entry.objects.filter(logbook__in=[book.pk for book in self.books]).select_related(*related)
        rows = rows.defer("words", "supersedes__text", "annotates__text", "successor__text")
        return rows.prefetch_related(Prefetch("annotations", Entry.objects.only("order", "title", "annotates")))

    def page(self, asked: Asked, number: str) -> Page[Entry]:
        """One page of what is asked for."""
        page = Paginator(asked.among(self.entries), PAGE).get_page(number)
        self.place(page.object_list)
        return page

    def place(self, entries: Iterable[Entry]) -> None:
        """Give entries, and those that they speak of, the logbook that is read already: no question for each."""
        books = {book.pk: book for book in self.books}
        for entry in entries:
            named = (entry.supersedes, entry.annotates, getattr(entry, "successor", None))
            for row in (entry, *filter(None, named), *entry.annotations.all()):
                row.logbook = books[entry.logbook_id]

    def kinds(self) -> list[tuple[str, str, int]]:
        """(kind, its words, how many), as many as there are, in the kinds' order. One query."""
        counted = Entry.objects.filter(logbook__in=[book.pk for book in self.books]).order_by().values_list("kind")
        found = dict(counted.annotate(n=Count("pk")))
        return [(kind.value, str(kind.label), found[kind.value]) for kind in Kind if kind.value in found]

    def runs(self) -> list[str]:
        """Names of the first runs. One query."""
        rows = Run.objects.filter(logbook__in=[book.pk for book in self.books]).order_by("pk")
        return list(dict.fromkeys(rows.values_list("name", flat=True)[:RUNS]))

    def shared_runs(self) -> frozenset[str]:
        """Names that runs of several of these logbooks have: they are different runs. One query."""
        named = Run.objects.filter(logbook__in=[book.pk for book in self.books]).order_by().values("name")
        return frozenset(named.annotate(n=Count("pk")).filter(n__gt=1).values_list("name", flat=True))

    def entry(self, number: int) -> Entry:
        """One entry of the subject's own logbook. Raises NotFound."""
        found = self.entries.filter(logbook=self.own, order=number).first() if self.own else None
        if found is None:
            raise NotFound(_("There is no entry of this number in this logbook."))
        self.place([found])
        return found


def of_model(model: Model, person: User | None) -> Shelf:
    """The logbook of a model that the person may see."""
    books = Logbook.objects.with_subjects().filter(model=model)
    return Shelf(model, tuple(books), person.roles_in(model.lab) if person else frozenset())


def of_family(family: Family, person: User | None) -> Shelf:
    """The family's own logbook and those of its models that the person may see."""
    books = Logbook.objects.visible_to(person).with_subjects().filter(family=family)
    return Shelf(family, tuple(books), person.roles_in(family.lab) if person else frozenset())


def _step(said: str) -> int | None:
    return int(said) if said.isascii() and said.isdecimal() and len(said) < 19 else None
