"""What the batch of a run came to: every item marked, or with the reason why not, and the receipt of each request.

Only what the ledger has counts: a receipt is made of its row, and the row says by which revision the item was answered.
The batch's files are in the order of the items and are read in step with them, one answer at a time: with the chance of
every token they may be many times as large as the task set.
"""

from __future__ import annotations

import tempfile
from collections.abc import Iterator
from contextlib import AbstractContextManager
from dataclasses import dataclass, field
from hashlib import sha256
from types import TracebackType
from typing import Any, BinaryIO, Self
from uuid import UUID

import orjson

from inference import receipts
from inference.batch_models import Batch
from inference.evaluating import marking, task_set
from inference.evaluating.estimates import Estimate
from inference.evaluating.marking import Marked, Unmarked
from inference.evaluating.task_set import Item, TaskSet
from inference.evaluation_models import EvaluationRun
from inference.receipt_models import QueryReceipt
from portal.errors import Conflict, Unavailable
from releases.storage.drawer import drawer


@dataclass(slots=True)
class Collected:
    """A run's outcome; `answers_sha256` and `receipts_sha256` are of the files that were put into the drawer."""

    scores: dict[str, Estimate] = field(default_factory=dict)
    marked: int = 0
    failures: list[tuple[str, str]] = field(default_factory=list)
    """(item, why)."""
    engine: str = ""
    answers_sha256: str = ""
    receipts_sha256: str = ""


def tasks_of(run: EvaluationRun) -> TaskSet:
    """The run's task set, as it was begun with. Raises Conflict where its file is gone."""
    with _opened(run.drawer_name("tasks")) as source:
        return task_set.read(source.read(), most=run.items)


def collect(run: EvaluationRun, batch: Batch) -> Collected:
    """Mark every item of a batch that is over, and keep answers and receipts as files.

    The same however often it is called. Raises Unavailable while the ledger lacks a request, Conflict where a file is
    gone.
    """
    tasks, drawn = tasks_of(run), _receipts(run, batch)
    refused = {told["custom_id"]: _why(told) for told in _lines(batch.error_file)}
    found, marks = Collected(), []
    answered = _lines(batch.output_file)
    told = next(answered, None)
    with _Kept(run.drawer_name("answers")) as answers, _Kept(run.drawer_name("receipts")) as proofs:
        for item in tasks.items:
            mine = told if told and told["custom_id"] == item.id else None
            receipt = drawn[mine["response"]["request_id"]] if mine else None
            name = receipt.request_id if receipt else None
            try:
                marks.append(_marked(run, tasks, item, receipt, mine, why=refused.get(item.id, "no answer")))
                answers.write({"id": item.id, "request": name, **marks[-1].found})
            except Unmarked as why:
                found.failures.append((item.id, str(why)))
                answers.write({"id": item.id, "request": name, "unmarked": str(why)})
            told = next(answered, None) if mine else told
            if receipt:
                proofs.write({"id": item.id, "request": receipt.request_id, "receipt_sha256": receipt.document_sha256})
    found.answers_sha256, found.receipts_sha256 = answers.sha256, proofs.sha256
    found.marked = len(marks)
    found.scores = marking.scores(tasks, marks) if marks else {}
    found.engine = ", ".join(sorted({_engine(one) for one in drawn.values()} - {""}))[:200]
    return found


def _receipts(run: EvaluationRun, batch: Batch) -> dict[str, QueryReceipt]:
    """Request id → receipt, of every good answer."""
    asked = [told["response"]["request_id"] for told in _lines(batch.output_file)]
    since, until = batch.began_at or batch.created_at, batch.ended_at or batch.expires_at
    drawn = receipts.draw_all(by=run.owner, request_ids=asked, since=since, until=until)
    if len(drawn) < len(asked):
        raise Unavailable("The ledger does not have every request of this batch yet. Ask again in a minute.")
    return drawn


def _marked(
    run: EvaluationRun,
    tasks: TaskSet,
    item: Item,
    receipt: QueryReceipt | None,
    told: dict[str, Any] | None,
    *,
    why: str,
) -> Marked:
    if receipt is None or told is None:
        raise Unmarked(why)
    if receipt.document["revision"] != run.revision.commit:
        raise Unmarked("answered by another revision")
    return marking.mark(tasks, item, told["response"]["body"])


def _why(told: dict[str, Any]) -> str:
    """A line of the file of errors, in a few words: the status that the gateway answered, and its code."""
    response = told["response"]
    error = told["error"] or response["body"].get("error") or {}
    status = f"{response['status_code']} " if response else ""
    return f"{status}{error.get('code') or 'error'}"[:100]


def _engine(receipt: QueryReceipt) -> str:
    told = receipt.document
    return " ".join(part for part in (told["engine"], told["fingerprint"]) if part)


def _lines(file: UUID | None) -> Iterator[dict[str, Any]]:
    if file is None:
        return
    with _opened(file.hex) as source:
        for line in source:
            yield orjson.loads(line)


def _opened(name: str) -> AbstractContextManager[BinaryIO]:
    try:
        return drawer().open(name)
    except FileNotFoundError as gone:
        raise Conflict("A file of this run was deleted before it was scored.", code="file_gone") from gone


class _Kept:
    """JSON Lines on their way into the drawer, and the SHA-256 of their bytes; nothing is kept after an error."""

    def __init__(self, name: str) -> None:
        self._name, self._file, self._digest = name, tempfile.TemporaryFile(), sha256()  # noqa: SIM115 closed in __exit__

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, *_: BaseException | TracebackType | None) -> None:
        with self._file:
            if kind is None:
                drawer().put(self._name, self._file)

    def write(self, told: dict[str, Any]) -> None:
        line = orjson.dumps(told) + b"\n"
        self._digest.update(line)
        self._file.write(line)

    @property
    def sha256(self) -> str:
        return self._digest.hexdigest()
