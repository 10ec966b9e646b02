"""Which of the private files in the store's drawer batches and evaluation runs still want."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from inference.batch_models import RESULTS, Batch, BatchFile
from inference.evaluation_models import FILES, EvaluationRun, drawer_name
from releases.storage.drawer import keeper


@keeper
def of_batches(names: Sequence[str]) -> Iterator[str]:
    """Files with a row, and results of live batches, which get theirs when the batch concludes."""
    yield from (pk.hex for pk in BatchFile.objects.filter(pk__in=names).values_list("pk", flat=True))
    for batch in Batch.objects.live().only("pk"):
        yield from (batch.result_id(field).hex for field in RESULTS)


@keeper
def of_evaluation_runs(names: Sequence[str]) -> Iterator[str]:
    """All that any run may have kept."""
    for run in EvaluationRun.objects.values_list("pk", flat=True).iterator():
        yield from (drawer_name(run, file) for file in FILES)
