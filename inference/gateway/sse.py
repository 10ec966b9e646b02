"""Reads an engine's event stream as it passes: usage out, bytes on.

The engine is always asked for usage in every event (`continuous_usage_stats`), because a stream that is cut early can
be billed exactly in no other way: an event may carry several tokens, or none. What the client did not ask for is taken
out again; all other bytes stay as they are. The text of a model cannot imitate a usage report: inside a JSON string
its quotation marks would be escaped.
"""

from __future__ import annotations

import re
from typing import Final

import orjson

_USAGE: Final = re.compile(rb'"usage":(\{[^{}]*(?:\{[^{}]*\}[^{}]*)*\})')
_FIELD: Final = b',"usage":{'
_INDEX: Final = re.compile(rb'"choices":\[\{"index":(\d+)')
_FINGERPRINT: Final = re.compile(rb'"system_fingerprint":"([^"\\\x00-\x1f]{1,120})"')
"""What the ledger's column takes; a longer one is none."""
_MARK: Final = b'"system_fingerprint":"'
_NO_CHOICES: Final = b'"choices":[]'
_CHOICE: Final = b'"choices":[{'
_DONE: Final = b"data: [DONE]"
_ERROR: Final = b'data: {"error"'
LONGEST_EVENT: Final = 4 * 1024 * 1024
DONE_EVENT: Final = _DONE + b"\n\n"


class EventTooLong(Exception):
    """The engine sent an event without end."""


class Meter:
    """One stream's counts so far, and the bytes that go on to the client."""

    __slots__ = ("_begins", "_choices", "_closes", "_counts", "_ends", "_keep_field", "_keep_final", "_last", "_lean", "_per_prompt", "_prompts", "_rest",
                 "_single", "done", "failed", "fingerprint")  # fmt: skip

    def __init__(self, *, choices: int, per_prompt: int, keep_final: bool, keep_field: bool) -> None:
        self.fingerprint = ""
        self.done = self.failed = False
        self._single = choices == 1
        self._lean = self._single and not keep_field
        self._begins = self._closes = self._ends = b""
        self._per_prompt = per_prompt
        self._choices: dict[int, int] = {}
        self._prompts: dict[int, int] = {}
        self._keep_final, self._keep_field = keep_final, keep_field
        self._rest = b""
        self._counts = (0, 0, 0)
        self._last = b""

    @property
    def counts(self) -> tuple[int, int, int]:
        """Prompt, completion and cached tokens so far. Only the last report counts, so no other is parsed."""
        if self._last:
            usage = self._last if self._last.startswith(b"{") else b"{%b%b" % (self._last, self._closes)
            self._counts, self._last = counts(_object(usage)), b""
        return self._counts

    def feed(self, data: bytes) -> bytes:
        """Whole events for the client out of what the engine sent; may be empty. Raises EventTooLong."""
        if self._begins and not self._rest and data.find(b"\n") == len(data) - 2:
            head, _, tail = data.partition(_FIELD)
            usage, _, rest = tail.partition(self._closes)
            if rest == self._ends and head.startswith(self._begins):
                self._last = usage
                return head + rest
        data = self._rest + data if self._rest else data
        end = data.rfind(b"\n\n") + 2
        if end < 2:
            if len(data) > LONGEST_EVENT:
                raise EventTooLong
            self._rest = data
            return b""
        self._rest, events = (b"", data) if end == len(data) else (data[end:], data[:end])
        self.done = events.endswith(DONE_EVENT)
        self.failed = self.failed or events.rfind(_ERROR) >= 0
        self._count(events)
        if self._lean and not self._begins:
            self._learn(events[: events.find(b"\n\n") + 2])
        return events if self._keep_field else self._strip(events)

    def _learn(self, event: bytes) -> None:
        """How an event of this stream looks: begins up to its choice, and closes and ends behind its usage report.

        What does so too and has its first line's end at its own end is one event with one choice and one report, whole.
        """
        choice, start = event.find(_CHOICE), event.find(_FIELD) + len(_FIELD)
        end = start + _end_of_object(event[start:])
        if 0 < choice < start < end and event.find(_FIELD, start) < 0:
            usage = event[start:end]
            self._begins, self._ends = event[: choice + len(_CHOICE)], event[end:]
            self._closes = usage[len(usage.rstrip(b"}")) :]

    def _count(self, events: bytes) -> None:
        if self._single:
            start = events.rfind(b'"usage":{')
            if start >= 0 and (found := _USAGE.match(events, start)):
                self._last = found[1]
        else:
            for event in events.split(b"\n\n"):
                self._count_choice(event)
        if not self.fingerprint:
            self.fingerprint = fingerprint_of(events)

    def _count_choice(self, event: bytes) -> None:
        """With several choices each event counts its own; only the last one, without a choice, has the sum."""
        found, index = _USAGE.search(event), _INDEX.search(event)
        if not found:
            return
        if index is None:
            self._last = found[1]
            return
        usage = _object(found[1])
        choice = int(index[1])
        self._choices[choice] = max(self._choices.get(choice, 0), _whole(usage.get("completion_tokens")))
        self._prompts[choice // self._per_prompt] = _whole(usage.get("prompt_tokens"))
        self._counts = (sum(self._prompts.values()), sum(self._choices.values()), self._counts[2])
        self._last = b""

    def _strip(self, events: bytes) -> bytes:
        middle = events.rfind(_NO_CHOICES)
        if middle < 0:
            return without_usage(events)
        start, end = events.rfind(b"\n\n", 0, middle), events.find(b"\n\n", middle) + 2
        start = start + 2 if start >= 0 else 0
        report = events[start:end] if self._keep_final else b""
        return without_usage(events[:start]) + report + without_usage(events[end:])


def without_usage(events: bytes) -> bytes:
    """The events without their usage members. A regular expression would cost five times as much."""
    head, *rest = events.split(_FIELD)
    return b"".join(
        [
            head,
            *[
                part[end:] if (end := part.find(b"}") + 1) and part.find(b"{", 0, end) < 0 else _behind(part)
                for part in rest
            ],
        ]
    )


def _behind(part: bytes) -> bytes:
    """What follows a usage object that holds others; all of it where the object does not end."""
    end = _end_of_object(part)
    return part[end:] if end else _FIELD + part


def _end_of_object(part: bytes) -> int:
    """Where the object ends whose first brace has been read already; 0 when it does not."""
    end = part.find(b"}") + 1
    while end and part.count(b"{", 0, end) >= part.count(b"}", 0, end):
        end = part.find(b"}", end) + 1
    return end


def counts(usage: dict[str, object]) -> tuple[int, int, int]:
    """Prompt, completion and cached tokens of a usage object; 0 for what is missing."""
    details = usage.get("prompt_tokens_details")
    cached = _whole(details.get("cached_tokens")) if isinstance(details, dict) else 0
    return _whole(usage.get("prompt_tokens")), _whole(usage.get("completion_tokens")), cached


def usage_of(body: bytes) -> tuple[int, int, int] | None:
    """The same out of a whole JSON answer, or None where it holds no usage."""
    start = body.rfind(b'"usage":{')
    found = _USAGE.match(body, start) if start >= 0 else None
    return counts(_object(found[1])) if found else None


def fingerprint_of(body: bytes) -> str:
    """The engine's fingerprint in a JSON answer or in events, or an empty string."""
    start = body.rfind(_MARK)
    found = _FINGERPRINT.match(body, start) if start >= 0 else None
    return found[1].decode("ascii", "replace") if found else ""


def _object(text: bytes) -> dict[str, object]:
    """The JSON object, or an empty one where the engine wrote something else."""
    try:
        value = orjson.loads(text)
    except orjson.JSONDecodeError:
        return {}
    return value if isinstance(value, dict) else {}


def _whole(value: object) -> int:
    return value if isinstance(value, int) and value > 0 else 0
