"""Scores that were measured on the portal's own pools, told from above: releases know no pools, so whoever has some
registers how to tell."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from releases.evaluation_models import Score


@dataclass(frozen=True, slots=True)
class MeasuredHere:
    """Where a score comes from: the page of its run, the batch, how many items were marked, the digest over their receipts."""

    url: str
    batch: str
    requests: int
    receipts_sha256: str


Witness = Callable[[Score], MeasuredHere | None]
_witnesses: dict[str, Witness] = {}


def witness(function: Witness) -> Witness:
    """Register a function, from AppConfig.ready, that says whether a score was measured here; None: not that it knows."""
    _witnesses[f"{function.__module__}.{function.__qualname__}"] = function
    return function


def of(score: Score) -> MeasuredHere | None:
    """The first that has something to say."""
    return next((told for tell in _witnesses.values() if (told := tell(score)) is not None), None)
