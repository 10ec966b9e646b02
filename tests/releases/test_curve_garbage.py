"""A file of numbers that is no such file, in any of the formats, is refused or read; it never brings the portal to a fault."""

from __future__ import annotations

import io
import json
import struct
from typing import Final

import pytest
from django.db import transaction
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from portal.errors import Invalid
from releases import actions
from releases.curves.actions import import_curves
from releases.curves.formats import READERS
from releases.curves.formats.tensorboard import masked
from releases.logbook_models import Logbook
from tests.portal.world import World

pytestmark = pytest.mark.django_db


@pytest.fixture
def book(lyceum: World) -> Logbook:
    family = actions.open_family(lab=lyceum.lab, slug="pico", title="Pico", by=lyceum.manager)
    return Logbook.objects.create(family=family, title="Logbook of Pico")


def taken(book: Logbook, kind: str, content: bytes) -> list[str]:
    """Bring it, undo that, and say which series came of it; none where it was refused."""
    try:
        with transaction.atomic():
            found = import_curves(
                logbook=book, run="r", file=io.BytesIO(content), source="f", by=None, kind=kind, sha256="0" * 64
            )
            names = list(found.curves.values_list("source_name", flat=True))
            transaction.set_rollback(True)
            return names
    except Invalid as error:
        assert error.message  # noqa: PT017 what is refused says so
        return []


def event(tag: bytes) -> bytes:
    """A TensorBoard record of one scalar 0.5 at step 1."""
    value = b"\x0a" + bytes([len(tag)]) + tag + b"\x15" + struct.pack("<f", 0.5)
    summary = b"\x0a" + bytes([len(value)]) + value
    body = b"\x09" + struct.pack("<d", 1.7e9) + b"\x10\x01\x2a" + bytes([len(summary)]) + summary
    head = struct.pack("<Q", len(body))
    return head + struct.pack("<I", masked(head)) + body + struct.pack("<I", masked(body))


BIG: Final = "9" * 400
NAMES: Final = ["a\0b", "\ud800", "x" * 5_000, "\N{SNOWMAN}" * 300, "", " ", "a\n<script>", "../..", "%s %%"]


@pytest.mark.parametrize("name", NAMES, ids=lambda name: f"{name!a:.20}")
@pytest.mark.parametrize("kind", ["metrics", "wandb-jsonl"])
def test_a_series_of_any_name_in_lines(book: Logbook, kind: str, name: str) -> None:
    for line in ({"step": 1, name: 2.5}, {"step": 1, "a": {name: 2.5}}, {"step": 1, name: {"a": 2.5}}):
        for text in (json.dumps(line), json.dumps(line | {"nan": float("nan")})):
            taken(book, kind, text.encode())


@pytest.mark.parametrize("name", [name for name in NAMES if name != "\ud800"], ids=lambda name: f"{name!a:.20}")
def test_a_series_of_any_name_in_tables_and_events(book: Logbook, name: str) -> None:
    taken(book, "wandb-csv", f'_step,"{name}"\n1,2.5\n'.encode())
    taken(book, "codecarbon", f'timestamp,emissions,"{name}"\n2024-01-01T00:00:00,2.5,1\n'.encode())
    taken(book, "tensorboard", event(name.encode()[:60]))
    assert taken(book, "tensorboard", event(b"loss")) == ["loss"]


@pytest.mark.parametrize("number", ids=lambda number: number[:9], argvalues=[BIG, f"-{BIG}", f"{BIG}.5", "1e400", "-1e400", "NaN", "Infinity", "1e-400", "0x10", "1_000", "true", "null", '"7"', "[]"])  # fmt: skip
@pytest.mark.parametrize(
    "place", ["step", "_step", "tokens", "ts", "_timestamp", "timestamp", "segment", "loss", "part"]
)
def test_a_number_of_any_size_at_any_place(book: Logbook, place: str, number: str) -> None:
    for kind in ("metrics", "wandb-jsonl"):
        taken(book, kind, f'{{"step": 1, "a": 1, "{place}": {number}}}\n{{"step": 2, "a": 1}}\n'.encode())
    taken(
        book,
        "wandb-csv",
        f"_step,a,{place}\n1,1,{number}\n".encode() if place != "_step" else f"_step\n{number}\n".encode(),
    )
    taken(
        book,
        "codecarbon",
        f"timestamp,emissions,duration\n{number},1,1\n2024-01-01T00:00:00,{number},{number}\n".encode(),
    )


@settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(kind=st.sampled_from(sorted(READERS)), content=st.binary(max_size=300))
def test_any_bytes(book: Logbook, kind: str, content: bytes) -> None:
    taken(book, kind, content)
    taken(book, kind, b'{"step": 1, "loss": 1}\n' + content)
    taken(book, kind, b"_step,loss\n1,2\n" + content)
    taken(book, kind, event(b"loss") + content)
