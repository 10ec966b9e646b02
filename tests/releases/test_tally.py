"""Sums of the ledger of downloads: the same however often they are drawn, and nothing lost with a person's name."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest
from django.db import connection
from django.utils import timezone
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from portal.people.erasure import erase, request_erasure
from portal.people.models import User
from releases import actions, ledger, tally
from releases.blobs import span_of
from releases.download_models import Asked, DailyDownload, DailyFile
from releases.models import Download
from tests.portal import world
from tests.releases.conftest import Publish
from tests.releases.ledgers import fill, give

pytestmark = pytest.mark.django_db


def drawn() -> set[tuple[object, ...]]:
    return set(DailyDownload.objects.values_list("day", "model", "user_id", "client", "links", "bytes")) | set(
        DailyFile.objects.values_list("day", "model", "path", "links", "bytes")
    )


def test_sums_are_those_of_the_ledger_however_often_they_are_drawn(
    lyceum: world.World, mara: User, publish: Publish
) -> None:
    model, now = publish(lyceum, "one"), timezone.now()
    assert tally.draw() == 0, "nothing of nothing"
    fill(model, 300, [str(mara.pk), ""], now=now)
    assert tally.draw() > 0
    once = drawn()
    assert tally.draw() == 0
    assert drawn() == once
    whole = sum(Download.objects.values_list(Asked(), flat=True))
    for table in (DailyDownload, DailyFile):
        assert sum(table.objects.values_list("links", flat=True)) == 300
        assert sum(table.objects.values_list("bytes", flat=True)) == whole
    assert set(DailyDownload.objects.values_list("client", flat=True)) == {
        "huggingface_hub 1.31", "huggingface_hub 2.4", "curl", "browser", "other", "",
    }  # fmt: skip


def test_what_comes_later_is_added_to_its_day_and_a_gap_is_made_up_for(
    lyceum: world.World, mara: User, publish: Publish
) -> None:
    model, now = publish(lyceum, "one"), timezone.now()
    give(model, at=now - timedelta(days=9), user_id=str(mara.pk))
    tally.draw()
    for days in (8, 5, 0):
        give(model, at=now - timedelta(days=days), user_id=str(mara.pk))
    tally.draw()
    assert {(now.date() - day).days for day in DailyDownload.objects.values_list("day", flat=True)} == {9, 8, 5, 0}
    give(model, at=now, user_id=str(mara.pk))
    tally.draw()
    assert DailyDownload.objects.get(day=now.date()).links == 2


def test_days_are_those_of_utc(lyceum: world.World, publish: Publish) -> None:
    late = datetime(2026, 11, 1, 23, 59, 59, tzinfo=UTC)
    give(publish(lyceum, "one"), at=late)
    with connection.cursor() as cursor:
        cursor.execute("SET LOCAL TIME ZONE 'Asia/Tokyo'")
    tally.draw()
    assert DailyDownload.objects.get().day == late.date()


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    wanted=st.one_of(
        st.sampled_from(["", "bytes=", "bytes=-", "bytes=-0", "bytes=5-3", "bytes=0-0,5-6", "items=0-1", "bytes=9-"]),
        st.builds(
            "bytes={}-{}".format, st.one_of(st.just(""), st.integers(0, 40)), st.one_of(st.just(""), st.integers(0, 40))
        ),
        st.text(max_size=20).filter(lambda text: "\0" not in text),
    ),
    size=st.integers(0, 30),
)
@example(wanted="bytes=999999999999999999-", size=5)
@example(wanted="bytes= 1 - 2", size=5)
def test_the_database_counts_a_range_as_the_store_serves_it(db: None, wanted: str, size: int) -> None:
    with connection.cursor() as cursor:
        cursor.execute("SELECT releases_asked(%s, %s)", [wanted, size])
        counted = cursor.fetchone()[0]
    span = span_of({"range": wanted}, size, '"x"')
    assert counted == (span.end - span.start if span else 0)


def test_nothing_is_lost_when_a_person_is_erased(lyceum: world.World, mara: User, publish: Publish) -> None:
    model, now = publish(lyceum, "one"), timezone.now()
    fill(model, 40, [str(mara.pk)], now=now)
    tally.draw()
    asked = tally.asked(model, days=30, today=now.date())
    before = (asked.totals(), list(asked.by("person")), Download.objects.count())
    assert tally.names_of([str(mara.pk)])[str(mara.pk)] == "Mara Lindqvist"
    later = now + timedelta(days=60)
    erase(request=request_erasure(by=mara), now=later)
    assert (asked.totals(), list(asked.by("person")), Download.objects.count()) == before
    assert "Mara" not in tally.names_of([str(mara.pk)])[str(mara.pk)]


def test_a_renamed_model_keeps_its_sums(lyceum: world.World, publish: Publish) -> None:
    model, today = publish(lyceum, "one"), timezone.now().date()
    give(model)
    tally.draw()
    for name in ("One", "another", "ANOTHER", "one", "another"):
        model = actions.rename_model(model=model, lab=lyceum.lab, name=name, by=lyceum.manager)
        assert tally.asked(model, days=30, today=today).totals()["links"] == 1, name


def test_small_public_counts_are_not_told(lyceum: world.World, publish: Publish) -> None:
    model, old = publish(lyceum, "one"), timezone.now() - timedelta(days=31)
    assert ledger.downloads_of(model) == 0
    for number, told in ((4, None), (5, 5)):
        ledger.caches["process"].clear()
        give(model, at=old)
        while Download.objects.filter(at__gt=old).count() < number:
            give(model)
        tally.draw()
        assert ledger.downloads_of(model) == told
