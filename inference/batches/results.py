"""What comes back of a batch: answers as lines of its files, those that a dead worker left, and the files themselves."""

from __future__ import annotations

import tempfile
import time
from collections.abc import Iterable, Iterator
from itertools import islice
from typing import Any, BinaryIO, Final

import orjson
from django.db import transaction

from inference import contract
from inference.batch_lifecycle import State, Verb
from inference.batch_models import RESULTS, Batch
from inference.batches import actions, rows
from inference.batches.actions import Finished
from inference.batches.courier import Answer
from inference.batches.rows import Row
from portal.counters import reachable
from portal.errors import Unavailable
from portal.postgres.cursors import by_cursor
from releases.storage.drawer import drawer

_SETTLING_S: Final = 30.0
"""Well over the leases of a dead gateway."""
_CHUNK: Final = 500
_PIECE: Final = 50


def unanswered(batch: Batch, source: BinaryIO) -> Iterator[Row]:
    """The rows that have no answer yet, in the order of the file; of as many as it was begun with, whatever the bound is now."""
    done = set(batch.answers.values_list("line", flat=True))
    for number, text in rows.lines(source):
        if number not in done:
            yield rows.row(number, text, endpoint=batch.endpoint)


def take(batch: Batch, answers: Iterable[Answer]) -> State | None:
    """Write answers down, then let the gateway's kept copies go; the batch's state, None when it is gone."""
    finished = [_finished(batch, answer) for answer in answers]
    state = actions.note(pk=batch.pk, finished=finished)
    if keys := [contract.answer_key(contract.row_id(batch.pk.hex, one.line)) for one in finished if one.ok]:
        with reachable() as store:
            store.unlink(*keys)
    return state


def salvage(batch: Batch) -> None:
    """Take what was answered and billed while no worker was there to take it. Raises Unavailable."""
    if batch.began_at is None:
        return
    with drawer().open(batch.input_file.hex) as source:
        waiting = unanswered(batch, source)
        while chunk := list(islice(waiting, _CHUNK)):
            ids = [contract.row_id(batch.pk.hex, row.line) for row in chunk]
            _await_settled(ids)
            with reachable() as store:
                kept = store.mget([contract.answer_key(request_id) for request_id in ids])
            take(
                batch,
                [
                    Answer(row, 200, orjson.loads(text), rid)
                    for row, rid, text in zip(chunk, ids, kept, strict=True)
                    if text
                ],
            )


def write(batch: Batch, verb: Verb, *, rest: dict[str, str] | None = None) -> None:
    """Write the output and error files, and conclude; `rest` is the error of every row without an answer."""
    missing = 0 if rest and batch.began_at else batch.total - batch.answered
    with tempfile.TemporaryFile() as good, tempfile.TemporaryFile() as bad:
        with transaction.atomic():  # of a batch's answers, which may be gigabytes, memory holds a few
            for ok, record in by_cursor(batch.answers.order_by("line").values_list("ok", "record"), size=_PIECE):
                (good if ok else bad).write(bytes(record) + b"\n")
        if rest and batch.began_at:
            with drawer().open(batch.input_file.hex) as source:
                for row in unanswered(batch, source):
                    bad.write(_record(batch, row, None, rest) + b"\n")
                    missing += 1
        written = [_put(batch, field, file) for field, file in zip(RESULTS, (good, bad), strict=True) if file.tell()]
    if not actions.conclude(pk=batch.pk, verb=verb, files=written, unanswered=missing):
        for _field, name, _size in written:
            drawer().delete(name.hex)


def _put(batch: Batch, field: str, file: BinaryIO) -> tuple[str, Any, int]:
    name = batch.result_id(field)
    return field, name, drawer().put(name.hex, file)


def _await_settled(ids: list[str]) -> None:
    """Until none of these rows is under way at a gateway. Raises Unavailable."""
    end = time.monotonic() + _SETTLING_S
    while True:
        with reachable() as store:
            if not store.exists(*[contract.lease_key(request_id) for request_id in ids]):
                return
        if time.monotonic() > end:
            raise Unavailable("A row of this batch is still under way.")
        time.sleep(0.05)


def _finished(batch: Batch, answer: Answer) -> Finished:
    ok = answer.status == 200
    response = {"status_code": answer.status, "request_id": answer.request_id, "body": answer.body}
    usage = answer.body.get("usage") if ok else None
    return Finished(answer.row.line, ok, _record(batch, answer.row, response, None), _usage(usage))


def _usage(usage: Any) -> tuple[int, int, int]:  # noqa: ANN401 whatever an engine wrote
    if not isinstance(usage, dict):
        return (0, 0, 0)
    details = usage.get("prompt_tokens_details")
    cached = details.get("cached_tokens") if isinstance(details, dict) else 0
    return int(usage.get("prompt_tokens") or 0), int(usage.get("completion_tokens") or 0), int(cached or 0)


def _record(batch: Batch, row: Row, response: dict[str, Any] | None, error: dict[str, str] | None) -> bytes:
    """One line of a file of results, as OpenAI writes it."""
    return orjson.dumps(
        {
            "id": f"batch_req_{batch.pk.hex}_{row.line}",
            "custom_id": row.custom_id,
            "response": response,
            "error": error,
        }
    )
