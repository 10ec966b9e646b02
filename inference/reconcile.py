"""The ledger held against the engines' own counters, server by server, since each server's start."""

from __future__ import annotations

import re
import urllib.request
from http.client import HTTPException
from typing import Final

from django.db.models import Q, Sum

from inference.models import Backend, EngineCount, Status, UsageRecord
from portal.errors import Unavailable

PROMPT: Final = "vllm:prompt_tokens_total"
COMPLETION: Final = "vllm:generation_tokens_total"
_SAMPLE: Final = re.compile(r"^(?P<name>[a-zA-Z_:][\w:]*)\{(?P<labels>[^}]*)\}\s+(?P<value>\S+)", re.MULTILINE)
_opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))


def compare(backend: Backend) -> EngineCount:
    """Read the engine, sum the ledger, keep the comparison. Right when both are at rest: finished requests must then
    agree exactly, while an aborted one may have made a few tokens that were never delivered. Raises Unavailable."""
    totals = engine_totals(backend)
    rows = UsageRecord.objects.filter(backend=str(backend), started_at__gte=backend.started_at)
    finished, aborted = Q(status=Status.OK), ~Q(status=Status.OK)
    sums = rows.aggregate(
        finished_prompt=Sum("prompt_tokens", filter=finished, default=0),
        finished_completion=Sum("completion_tokens", filter=finished, default=0),
        aborted_prompt=Sum("prompt_tokens", filter=aborted, default=0),
        aborted_completion=Sum("completion_tokens", filter=aborted, default=0),
    )
    return EngineCount.objects.create(
        backend=str(backend),
        since=backend.started_at,
        engine_prompt=totals[PROMPT],
        engine_completion=totals[COMPLETION],
        **sums,
    )


def engine_totals(backend: Backend) -> dict[str, int]:
    """The engine's prompt and generation counters for the pool's model, in tokens. Raises Unavailable."""
    try:
        with _opener.open(f"{backend.url}/metrics", timeout=10) as response:
            return totals_in(response.read().decode(), backend.pool.engine_model)
    except (OSError, HTTPException, ValueError, OverflowError) as error:  # the last two: what is no text, or no number
        raise Unavailable(f"{backend} does not answer: {error}. `pool status` shows what should run.") from error


def totals_in(text: str, engine_model: str) -> dict[str, int]:
    """Both counters out of a Prometheus page, summed over the engine's own processes."""
    label = f'model_name="{engine_model}"'
    totals = {PROMPT: 0, COMPLETION: 0}
    for sample in _SAMPLE.finditer(text):
        if sample["name"] in totals and label in sample["labels"].split(","):
            totals[sample["name"]] += round(float(sample["value"]))
    return totals
