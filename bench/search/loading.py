"""Models and entries of logbooks by the hundred thousand, written by COPY, in words that occur as often as in true ones."""

from __future__ import annotations

import random
from datetime import timedelta

from django.db import connection, transaction
from django.utils import timezone

from portal.access.crowd.copying import copy
from portal.people.models import Lab
from releases.lifecycle import State
from releases.logbook_models import Confidence, Entry, Kind, Logbook
from releases.models import Family, Model, Revision
from releases.search_models import Findable

BATCH = 20_000
COMMON = [
    "run",
    "step",
    "loss",
    "training",
    "node",
    "restart",
    "checkpoint",
    "learning",
    "rate",
    "gradient",
    "norm",
    "throughput",
    "batch",
    "host",
    "job",
]
RARE = [
    f"{first}{second}"
    for first in ["kessel", "arvo", "linde", "tamar", "orin", "velde", "sura"]
    for second in range(300)
]
PHRASES = ("loss scale", "gradient overflow", "lost host", "silent data corruption")


def models(lab: Lab, total: int, each: int) -> None:
    """`total` published models, `each` to a family, with a card of some 200 words."""
    chance, now = random.Random(6), timezone.now()
    families = Family.objects.bulk_create(
        Family(lab=lab, slug=f"family-{n}", title=f"Family {n}", summary=_text(chance, 12))
        for n in range(total // each)
    )
    made = Model.objects.bulk_create(
        [
            Model(lab=lab, name=f"model-{n}", family=families[n // each], summary=_text(chance, 10), opened_at=now)
            for n in range(total)
        ],
        batch_size=BATCH,
    )
    commits = Revision.objects.bulk_create(
        [
            Revision(
                model=model, commit=f"{model.pk:040x}", tree="0" * 40, author="A", email="a@lab.example", message="One",
                authored_at=now, state=State.PUBLISHED.value, checked_at=now, published_at=now,
            )
            for model in made
        ],
        batch_size=BATCH,
    )  # fmt: skip
    for model, commit in zip(made, commits, strict=True):
        model.main = commit
    Model.objects.bulk_update(made, ["main"], batch_size=2_000)
    Findable.objects.bulk_create(
        [Findable(family=one, names=f"{one.title} {one.slug} {one.summary}") for one in families]
    )
    Findable.objects.bulk_create(
        [
            Findable(
                model=one,
                names=f"{one.name} {lab.slug} {one.summary}",
                card=_text(chance, 200),
                commit=f"{one.pk:040x}",
            )
            for one in made
        ],
        batch_size=2_000,
    )


def entries(total: int, books: int) -> None:
    """`total` entries in `books` logbooks of families."""
    chance, now, kinds = random.Random(7), timezone.now(), Kind.values
    made = Logbook.objects.bulk_create(
        Logbook(family=family, title=f"Logbook of {family.slug}") for family in Family.objects.order_by("pk")[:books]
    )
    for begin in range(0, total, BATCH):
        rows = [
            Entry(
                logbook=made[n % books], order=n // books + 1, at=now - timedelta(minutes=n), confidence=Confidence.MINUTE,
                step=n, kind=chance.choice(kinds), title=_text(chance, 6), text=_text(chance, 40), created_at=now,
            )
            for n in range(begin, min(begin + BATCH, total))
        ]  # fmt: skip
        with transaction.atomic():
            copy(rows)


def analyze() -> None:
    """Have PostgreSQL tidy and count what was loaded, as its own daemon would."""
    with connection.cursor() as cursor:
        cursor.execute("VACUUM ANALYZE")


def _text(chance: random.Random, words: int) -> str:
    """Common words mostly, a rare one in six, and in one text of fifty a phrase that people look for."""
    found = [chance.choice(COMMON) if chance.random() < 5 / 6 else chance.choice(RARE) for _ in range(words)]
    if chance.random() < 1 / 50:
        found.insert(chance.randrange(len(found)), chance.choice(PHRASES))
    return " ".join(found)
