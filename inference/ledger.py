"""The ledger's only writer: settled requests become rows, once each, and sums from the rows that were new.

One statement does all of it. `fresh` is what was really inserted: a request that is posted again, by a consumer that
died between its commit and its acknowledgement, conflicts on the key and adds nothing to any sum. The key carries the
day (the table is partitioned), so the neighbouring days are looked at too.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, date, datetime
from typing import Any, Final

from django.db import connection, transaction

from inference.contract import UsageEvent
from inference.models import day_of
from releases import partitions

TABLE: Final = "inference_usagerecord"
_COLUMNS: Final = (
    ("request_id", "text"), ("started_day", "date"), ("token_id", "text"), ("user_id", "text"), ("project_id", "text"),
    ("model", "text"), ("revision", "text"), ("pool", "text"), ("backend", "text"), ("endpoint", "text"),
    ("stream", "boolean"), ("status", "text"), ("prompt_tokens", "bigint"), ("completion_tokens", "bigint"),
    ("cached_tokens", "bigint"), ("reserved_tokens", "bigint"), ("started_at", "timestamptz"),
    ("first_byte_at", "timestamptz"), ("ended_at", "timestamptz"), ("fingerprint", "text"),
    ("engine", "text"), ("parameters", "text"),
)  # fmt: skip
_NAMES: Final = ", ".join(name for name, _ in _COLUMNS)
_POST: Final = f"""
WITH posted AS (
  SELECT DISTINCT ON (request_id) {_NAMES}
  FROM unnest({", ".join(f"%s::{kind}[]" for _, kind in _COLUMNS)}) AS given({_NAMES})
), fresh AS (
  INSERT INTO inference_usagerecord ({_NAMES}, posted_at)
  SELECT {_NAMES}, clock_timestamp() FROM posted
  WHERE NOT EXISTS (
    SELECT 1 FROM inference_usagerecord kept
    WHERE kept.request_id = posted.request_id
      AND kept.started_day BETWEEN posted.started_day - 1 AND posted.started_day + 1
  )
  ON CONFLICT DO NOTHING
  RETURNING started_day, date_trunc('hour', started_at, 'UTC') AS hour, project_id, user_id, model, revision, pool,
            fingerprint, status, prompt_tokens, completion_tokens, cached_tokens
), by_hour AS (
  INSERT INTO inference_hourlyusage AS kept
    (hour, project_id, user_id, model, revision, pool, fingerprint, status,
     requests, prompt_tokens, completion_tokens, cached_tokens)
  SELECT hour, project_id, user_id, model, revision, pool, fingerprint, status,
         count(*), sum(prompt_tokens), sum(completion_tokens), sum(cached_tokens)
  FROM fresh
  GROUP BY 1, 2, 3, 4, 5, 6, 7, 8
  ORDER BY 1, 2, 3, 4, 5, 6, 7, 8
  ON CONFLICT (hour, project_id, user_id, model, revision, pool, fingerprint, status) DO UPDATE SET
    requests = kept.requests + excluded.requests,
    prompt_tokens = kept.prompt_tokens + excluded.prompt_tokens,
    completion_tokens = kept.completion_tokens + excluded.completion_tokens,
    cached_tokens = kept.cached_tokens + excluded.cached_tokens
), by_day AS (
  INSERT INTO inference_dailyusage AS kept
    (day, project_id, user_id, model, status, requests, prompt_tokens, completion_tokens, cached_tokens)
  SELECT started_day, project_id, user_id, model, status,
         count(*), sum(prompt_tokens), sum(completion_tokens), sum(cached_tokens)
  FROM fresh
  GROUP BY 1, 2, 3, 4, 5
  ORDER BY 1, 2, 3, 4, 5
  ON CONFLICT (day, project_id, user_id, model, status) DO UPDATE SET
    requests = kept.requests + excluded.requests,
    prompt_tokens = kept.prompt_tokens + excluded.prompt_tokens,
    completion_tokens = kept.completion_tokens + excluded.completion_tokens,
    cached_tokens = kept.cached_tokens + excluded.cached_tokens
)
SELECT count(*) FROM fresh
"""  # noqa: S608 only our own column names


def post(events: Sequence[UsageEvent]) -> int:
    """Insert what is new of these and add it to both sums, in one transaction; returns how many were new.

    Sums are updated in one order everywhere, so that several consumers never wait for one another in a ring.
    """
    if not events:
        return 0
    rows = [_row(event) for event in sorted(events, key=lambda event: event.request_id)]
    with transaction.atomic(), connection.cursor() as cursor:
        cursor.execute(_POST, [list(column) for column in zip(*rows, strict=True)])
        return int(cursor.fetchone()[0])


def make_partitions(today: date, *, ahead: int = partitions.AHEAD) -> list[str]:
    """Make this month's partitions and those of the next `ahead` months, of both ledgers; the names of new ones.

    Usage of a month without a partition of its own goes to the default one, so that no row is ever refused; a download
    of such a month would be.
    """
    return partitions.ensure(today, ahead=ahead) + partitions.ensure(today, ahead=ahead, table=TABLE, key="started_day")


def _row(event: UsageEvent) -> tuple[Any, ...]:
    return (
        event.request_id, day_of(event.started_at), event.token_id, event.user_id, event.project_id,
        event.model, event.revision, event.pool, event.backend, event.endpoint,
        event.stream, event.status, event.prompt_tokens, event.completion_tokens,
        event.cached_tokens, event.reserved_tokens, _time(event.started_at),
        _time(event.first_byte_at) if event.first_byte_at else None, _time(event.ended_at), event.fingerprint,
        event.engine, event.parameters,
    )  # fmt: skip


def _time(milliseconds: int) -> datetime:
    return datetime.fromtimestamp(milliseconds / 1000, tz=UTC)
