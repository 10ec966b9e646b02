"""The ledger's partitions and its triggers."""

from datetime import UTC, date, datetime, timedelta

import pytest
from django.db import IntegrityError, connection, transaction

from releases import partitions
from releases.models import Download

pytestmark = pytest.mark.django_db


def row(at: datetime) -> Download:
    return Download(
        at=at, lab="lyceum", model="lyceum/m", commit="0" * 40, path="a", sha256="0" * 64, size=1,
        link_ends_at=at + timedelta(seconds=120),
    )  # fmt: skip


def test_the_migration_made_this_month_and_the_next() -> None:
    assert partitions.ensure(datetime.now(UTC).date()) == []


def test_making_is_safe_to_repeat_and_crosses_the_year() -> None:
    assert partitions.ensure(date(2030, 12, 31), ahead=1) == ["releases_download_2030_12", "releases_download_2031_01"]
    assert partitions.ensure(date(2030, 12, 1), ahead=1) == []


def test_a_row_lands_in_its_month() -> None:
    partitions.ensure(date(2030, 12, 1), ahead=0)
    row(datetime(2030, 12, 31, 23, 59, 59, tzinfo=UTC)).save(force_insert=True)
    with connection.cursor() as cursor:
        cursor.execute("SELECT count(*) FROM releases_download_2030_12")
        assert cursor.fetchone() == (1,)


@pytest.mark.parametrize(
    "statement",
    [
        "UPDATE releases_download SET path = 'b'",
        "DELETE FROM releases_download",
        "TRUNCATE releases_download",
        "TRUNCATE releases_download_{month}",
        "DELETE FROM releases_download_{month}",
    ],
)
def test_the_ledger_refuses_every_change(statement: str) -> None:
    now = datetime.now(UTC)
    row(now).save(force_insert=True)
    with pytest.raises(IntegrityError, match="append-only"), transaction.atomic(), connection.cursor() as cursor:
        cursor.execute(statement.format(month=f"{now:%Y_%m}"))
    assert Download.objects.count() == 1
