"""An object of a bucket, read by ranges: the right bytes in the right order, several at once, and no more than are wanted."""

from __future__ import annotations

import hashlib
import io
import itertools
import random
import threading
import time
from collections.abc import Mapping
from typing import Any

import pytest
from botocore.exceptions import ClientError, ReadTimeoutError, ResponseStreamingError

from portal.errors import Unavailable
from releases.storage import Away, Mismatch
from releases.storage.ranged import Ranged

MIB = 1 << 20
BODY = random.Random(7).randbytes(40 * MIB + 12_345)


class Service:
    """A client of boto3 whose bucket has one object; `faults`: the fault of the n-th answer's body. No body is read to its
    end before `wanted_at_once` have been read at once, for a second at most."""

    def __init__(self) -> None:
        self.asked: list[tuple[int, int]] = []
        self.faults: Mapping[int, Exception] = {}
        self.short = 0
        self.wanted_at_once = self.at_once = self.most_at_once = 0
        self.refusal: Exception | None = None
        self._lock = threading.Condition()

    def get_object(self, *, Range: str, **_what: str) -> dict[str, Any]:  # noqa: N803 boto3's own name
        if self.refusal:
            raise self.refusal
        first, last = (int(n) for n in Range.removeprefix("bytes=").split("-"))
        with self._lock:
            self.asked.append((first, last))
            fault = self.faults.get(len(self.asked))
        return {"Body": self._Body(self, BODY[first : last + 1 - self.short], fault)}

    class _Body:
        def __init__(self, service: Service, piece: bytes, fault: Exception | None) -> None:
            self._service, self._piece, self._fault = service, piece, fault

        def read(self) -> bytes:
            service = self._service
            with service._lock:
                service.at_once += 1
                service.most_at_once = max(service.at_once, service.most_at_once)
                service._lock.notify_all()
                service._lock.wait_for(lambda: service.most_at_once >= service.wanted_at_once, timeout=1)
                service.at_once -= 1
            if self._fault:
                raise self._fault
            return self._piece


def opened(service: Service, *, buffer: int = MIB) -> io.BufferedReader:
    return io.BufferedReader(Ranged(service, "ours", "blobs/x", len(BODY)), buffer_size=buffer)


def test_all_of_it_comes_in_order_by_several_ranges_at_once() -> None:
    service = Service()
    service.wanted_at_once = 3
    with opened(service) as source:
        assert hashlib.file_digest(source, "sha256").digest() == hashlib.sha256(BODY).digest()
    assert service.most_at_once >= 3
    spans = sorted(service.asked)
    assert spans[0][0] == 0
    assert spans[-1][1] == len(BODY) - 1
    assert all(before[1] + 1 == after[0] for before, after in itertools.pairwise(spans)), "each byte once"
    assert max(last - first for first, last in spans) < 8 * MIB


def test_a_header_costs_no_more_than_its_range() -> None:
    service = Service()
    with opened(service, buffer=4096) as source:
        assert source.read(8) == BODY[:8]
        source.seek(-100, io.SEEK_END)
        assert source.read() == BODY[-100:]
    assert sum(last + 1 - first for first, last in service.asked) < 10_000


def test_who_reads_two_mebibytes_has_not_fetched_all() -> None:
    service = Service()
    with opened(service) as source:
        assert source.read(MIB) + source.read(MIB) == BODY[: 2 * MIB]
    assert sum(last + 1 - first for first, last in service.asked) <= 4 * MIB


def test_reading_goes_on_wherever_the_reader_jumps() -> None:
    service, dice = Service(), random.Random(3)
    with opened(service, buffer=65_536) as source:
        for _ in range(30):
            at, length = dice.randrange(len(BODY)), dice.choice([1, 1000, 3 * MIB])
            source.seek(at)
            assert source.read(length) == BODY[at : at + length]


def broken() -> Exception:
    fault: Exception = ResponseStreamingError(error="broke off")
    return fault


def test_a_range_that_breaks_off_is_asked_for_once_more() -> None:
    service = Service()
    service.faults = {1: broken(), 5: ReadTimeoutError(endpoint_url="x")}
    with opened(service) as source:
        assert source.read() == BODY


def test_one_that_always_breaks_off_is_a_store_that_is_away() -> None:
    service = Service()
    service.faults = {n: broken() for n in range(1, 200)}
    with opened(service) as source, pytest.raises(OSError, match="Try again") as told:
        source.read(9 * MIB)
    assert isinstance(told.value, Away)
    assert isinstance(told.value, Unavailable), "which a client is told as 503"
    assert told.value.retry_after_s == 60


def test_an_answer_with_too_few_bytes_is_not_taken_for_the_file() -> None:
    service = Service()
    service.short = 1
    with opened(service) as source, pytest.raises(Away):
        source.read(3 * MIB)


@pytest.mark.parametrize(
    ("code", "kind"), [("NoSuchKey", FileNotFoundError), ("PreconditionFailed", Mismatch), ("AccessDenied", Away)]
)
def test_what_the_service_refuses_has_its_own_name(code: str, kind: type[Exception]) -> None:
    service = Service()
    service.refusal = ClientError({"Error": {"Code": code}}, "GetObject")
    with opened(service) as source, pytest.raises(kind):
        source.read(10)


def test_a_reader_that_leaves_early_leaves_no_request_behind() -> None:
    service = Service()
    with opened(service) as source:
        source.read(12 * MIB)
    time.sleep(0.3)
    asked = len(service.asked)
    time.sleep(0.3)
    assert (len(service.asked), service.at_once) == (asked, 0)
    assert not [thread for thread in threading.enumerate() if thread.name.startswith("read-ahead")]
