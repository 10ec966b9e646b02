"""Programs bring files of more than a mebibyte: streamed where they are numbers, each up to a bound that it is told."""

from __future__ import annotations

import gzip
import hashlib
import json
from typing import Any

import pytest
from django.test import Client

from releases.curve_models import Curve, Recording
from releases.curves.api import CURVES_MAX
from releases.curves.formats import READERS
from releases.evaluation_models import Score
from releases.logbook import actions
from releases.logbook.api import IMPORT_MAX
from releases.logbook_models import Entry, Logbook
from tests.portal import world
from tests.portal.world import browser
from tests.releases.conftest import Publish
from tests.releases.test_curve_garbage import event

pytestmark = pytest.mark.django_db
BYTES = "application/octet-stream"


@pytest.fixture
def book(lyceum: world.World, publish: Publish) -> Logbook:
    return actions.open_logbook(subject=publish(lyceum, "heron-1m"), by=lyceum.manager)


def metrics(rows: int) -> bytes:
    return b"".join(b'{"step": %d, "tokens": %d, "loss": %.4f}\n' % (n, n * 2048, 2 + 1 / (n + 1)) for n in range(rows))


def send(client: Client, book: Logbook, content: bytes, query: str = "run=r&source=metrics.jsonl", **more: Any) -> Any:
    kind = more.pop("content_type", BYTES)
    return client.post(f"/api/v1/logbooks/{book.pk}/curves?{query}", content, content_type=kind, **more)


def test_a_file_of_numbers_larger_than_any_json_body_becomes_curves(lyceum: world.World, book: Logbook) -> None:
    content = metrics(40_000)
    assert len(content) > 1 << 20
    answer = send(browser(lyceum.manager), book, content)
    assert answer.status_code == 201, answer.content
    told = answer.json()
    assert (told["rows"], told["sha256"]) == (40_000, hashlib.sha256(content).hexdigest())
    assert told["curves"] == [{"run": "r", "name": "loss", "points": 40_000, "left_out": 0}]
    again = send(browser(lyceum.manager), book, content, "run=other&source=metrics.jsonl")
    assert again.status_code == 201
    assert Recording.objects.count() == Curve.objects.count() == 1, "the same file again changes nothing"


def test_one_key_brings_one_file_and_refuses_another(lyceum: world.World, book: Logbook) -> None:
    client, key = browser(lyceum.manager), {"HTTP_IDEMPOTENCY_KEY": "k"}
    first = send(client, book, metrics(10), **key)
    assert send(client, book, metrics(10), **key).json() == first.json()
    other = send(client, book, metrics(11), **key)
    assert other.status_code == 422
    assert Recording.objects.count() == 1


def test_what_is_too_large_is_refused_before_it_is_read(lyceum: world.World, book: Logbook) -> None:
    client = browser(lyceum.manager)
    numbers = send(client, book, b"", CONTENT_LENGTH=str(CURVES_MAX + 1))
    assert numbers.status_code == 413
    assert "64 MiB" in numbers.json()["title"]
    source = client.post(
        f"/api/v1/logbooks/{book.pk}/import", b"{}", content_type="application/json", CONTENT_LENGTH=str(IMPORT_MAX + 1)
    )
    assert source.status_code == 413
    assert "6 MiB" in source.json()["title"]
    small = client.post(
        f"/api/v1/logbooks/{book.pk}/freeze", b"{}", content_type="application/json", CONTENT_LENGTH=str((1 << 20) + 1)
    )
    assert small.status_code == 413, "the others keep theirs"
    assert "1 MiB" in small.json()["title"]


@pytest.mark.parametrize(
    ("query", "content", "kind", "status"),
    [
        ("run=r&source=notes.txt", b"loss", BYTES, 400),
        ("run=r&source=metrics.jsonl", b"\xff\xfe not text\n", BYTES, 400),
        ("run=r&source=events.out.tfevents.1", b"\x00" * 64, BYTES, 400),
        ("run=r&source=metrics.jsonl", b"", BYTES, 400),
        ("source=metrics.jsonl", b"{}", BYTES, 400),
        ("run=r&source=metrics.jsonl", b"{}", "application/json", 415),
    ],
)
def test_what_cannot_be_read_is_refused_with_a_sentence_and_nothing_is_kept(
    lyceum: world.World, book: Logbook, query: str, content: bytes, kind: str, status: int
) -> None:
    answer = send(browser(lyceum.manager), book, content, query, content_type=kind)
    assert answer.status_code == status, answer.content
    assert answer.json()["title"]
    assert not Recording.objects.exists()


def test_only_the_labs_managers_bring_numbers(lyceum: world.World, harbour: world.World, book: Logbook) -> None:
    assert send(browser(lyceum.reviewers[0]), book, metrics(3)).status_code == 403
    assert send(browser(harbour.manager), book, metrics(3)).status_code == 404
    assert send(Client(), book, metrics(3)).status_code == 401
    assert not Recording.objects.exists()


def test_a_chronicle_of_more_than_a_mebibyte_comes_in_one_piece(lyceum: world.World, book: Logbook) -> None:
    text = "".join(f"### 2022-03-11 10:{n % 60:02}\n\nEntry {n}: {'x' * 1200}\n\n" for n in range(1_000))
    body = json.dumps({"name": "c.md", "text": text})
    assert len(body) > 1 << 20
    answer = browser(lyceum.manager).post(f"/api/v1/logbooks/{book.pk}/import", body, content_type="application/json")
    assert answer.status_code == 200, answer.content[:300]
    assert answer.json()["added"] == book.entries.count() > 1


JSON = "application/json"
IMPORTS = {
    "curves": ("/api/v1/logbooks/{book}/curves?run=r&source=metrics.jsonl", BYTES, b'{"step": 1, "loss": 2.5}\n'),
    "entries": ("/api/v1/logbooks/{book}/import", JSON, b'{"name": "c.md", "text": "### 2022-03-11\\n\\nLaunch\\n"}'),
    "scores": (
        "/api/v1/models/lyceum/heron-1m/evaluations", JSON,
        b'{"document": {"results": {"copa": {"acc": 0.84, "acc_stderr": 0.03}}}, "ran_by": "Us", "harness": "h"}',
    ),
}  # fmt: skip
"""Address, type and a body that is taken, of each operation that imports."""


@pytest.fixture(params=IMPORTS)
def bring(request: pytest.FixtureRequest, lyceum: world.World, book: Logbook) -> Any:
    """Send a body to one of them, its own where none is given, under its own type."""
    url, right, good = IMPORTS[request.param]

    def sent(body: bytes = good, kind: str = right, **more: Any) -> Any:
        client = browser(lyceum.manager)
        return client.generic("POST", url.format(book=book.pk), body, content_type=kind, **more)

    sent.right, sent.good = right, good  # type: ignore[attr-defined]
    return sent


def nothing_came() -> bool:
    return not (Recording.objects.exists() or Entry.objects.exists() or Score.objects.exists())


@pytest.mark.parametrize(
    "kind",
    ["", "/", "text/csv", "application/gzip", "multipart/form-data; boundary=x", "application/x-www-form-urlencoded"],
)
def test_a_body_of_another_type_or_of_none_is_told_which_type_is_taken(bring: Any, kind: str) -> None:
    answer = bring(kind=kind)
    assert (answer.status_code, answer.headers["Content-Type"]) == (415, "application/problem+json")
    assert answer.json()["title"] == f"Send the body as {bring.right}."
    assert nothing_came()


def test_parameters_behind_the_type_change_nothing(bring: Any) -> None:
    assert bring(kind=f"{bring.right}; charset=utf-8").status_code < 300
    assert not nothing_came()


@pytest.mark.parametrize("encoding", ["gzip", "BR", "identity, gzip"])
@pytest.mark.parametrize("whole", [True, False])
def test_a_compressed_body_is_told_to_come_as_it_is_and_is_not_read(bring: Any, encoding: str, *, whole: bool) -> None:
    packed = gzip.compress(bring.good)
    for body in (packed if whole else packed[: len(packed) // 2], bring.good):
        answer = bring(body, HTTP_CONTENT_ENCODING=encoding)
        assert (answer.status_code, answer.headers["Content-Type"]) == (415, "application/problem+json")
        assert "Content-Encoding" in answer.json()["title"]
    assert nothing_came()


@pytest.mark.parametrize("encoding", ["", "identity", "Identity"])
def test_a_body_that_is_said_to_be_as_it_is_is_read(bring: Any, encoding: str) -> None:
    assert bring(HTTP_CONTENT_ENCODING=encoding).status_code < 300
    assert not nothing_came()


@pytest.mark.parametrize("size", [-1, 100, 5])
def test_bytes_of_an_archive_under_the_right_type_are_refused(bring: Any, size: int) -> None:
    answer = bring(gzip.compress(bring.good * 200)[:size])
    assert (answer.status_code, answer.headers["Content-Type"]) == (400, "application/problem+json")
    assert nothing_came()


@pytest.mark.parametrize("kind", [None, "", "text/plain", "multipart/form-data; boundary=x"])
def test_an_empty_body_is_told_what_is_missing(bring: Any, kind: str | None) -> None:
    answer = bring(b"", bring.right if kind is None else kind)
    assert (answer.status_code, answer.headers["Content-Type"]) == (400, "application/problem+json")
    assert "is empty" in answer.json()["title"] or answer.json()["fields"]
    assert nothing_came()


@pytest.mark.parametrize("name", ["metrics.jsonl.gz", "wandb.csv.zip", "events.out.tfevents.1.zst", "m.jsonl.XZ"])
def test_a_name_that_says_that_its_file_is_compressed_is_told_so(lyceum: world.World, book: Logbook, name: str) -> None:
    answer = send(browser(lyceum.manager), book, gzip.compress(metrics(9)), f"run=r&source={name}")
    assert answer.status_code == 400
    assert "compressed" in answer.json()["title"]


FILES = {
    "metrics": metrics(3),
    "tensorboard": event(b"loss") * 3,
    "wandb-csv": b"_step,loss\n1,2.5\n2,2.25\n",
    "codecarbon": b"timestamp,emissions,duration\n2024-01-01T00:00:00,2.5,1\n",
}
"""A file of each format. Weights & Biases writes JSON lines as other loops do, and a table may have any columns."""
READ_AS_WELL = {("metrics", "wandb-jsonl"), ("codecarbon", "wandb-csv")}


@pytest.mark.parametrize("said", READERS)
@pytest.mark.parametrize("what", FILES)
def test_a_file_of_another_format_than_is_said_is_refused(
    lyceum: world.World, book: Logbook, what: str, said: str
) -> None:
    answer = send(browser(lyceum.manager), book, FILES[what], f"run=r&source=f&format={said}")
    if what == said or (what, said) in READ_AS_WELL:
        assert answer.status_code == 201
    else:
        assert (answer.status_code, answer.headers["Content-Type"]) == (400, "application/problem+json")
        assert nothing_came()
