"""Rows of the ledger of downloads, put there as if links had been given."""

from __future__ import annotations

import random
import uuid
from datetime import datetime, timedelta
from typing import Any

from django.utils import timezone

from releases import partitions
from releases.models import Download, Model

CLIENTS = (
    "unknown/None; hf_hub/1.31.0; python/3.11.7", "curl/8.5.0", "Mozilla/5.0 (X11; Linux x86_64)", "nonsense", "",
    "transformers/5.0; hf_hub/2.4.0; python/3.12",
)  # fmt: skip
RANGES = ("", "", "bytes=0-99", "bytes=500-", "bytes=-7")


def row(model: Model, **facts: Any) -> Download:
    """One row, not saved."""
    at = facts.pop("at", timezone.now())
    given: dict[str, Any] = {
        "id": uuid.uuid4(), "at": at, "lab": model.lab.slug, "model": model.full_name, "commit": model.main.commit,
        "path": "model.safetensors", "sha256": "0" * 64, "size": 1000, "link_ends_at": at + timedelta(seconds=120),
    }  # fmt: skip
    return Download(**(given | facts))


def give(model: Model, **facts: Any) -> Download:
    """One row, kept; its month gets a partition if it has none."""
    made = row(model, **facts)
    partitions.ensure(made.at.date(), ahead=0)
    made.save(force_insert=True)
    return made


def fill(model: Model, number: int, people: list[str], *, now: datetime, days: int = 20, seed: int = 1) -> None:
    """Links at random over the last days."""
    chance = random.Random(seed)
    partitions.ensure((now - timedelta(days=days)).date())
    Download.objects.bulk_create(
        row(
            model, at=now - timedelta(seconds=chance.randrange(days * 86_400)), user_id=chance.choice(people),
            path=chance.choice(("model.safetensors", "config.json", "tokenizer.json")),
            client=chance.choice(CLIENTS), wanted=chance.choice(RANGES), size=chance.randrange(1, 5_000),
        )
        for _ in range(number)
    )  # fmt: skip
