"""The same page and the same answer cost the same, however much there is."""

from __future__ import annotations

import sys
import time
from typing import Any

import pytest
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from portal.tokens import actions as tokens
from portal.tokens.scopes import Kind
from releases import git
from releases.models import Blob, Family, File, Model, Revision
from tests.portal import world
from tests.portal.world import World, person

pytestmark = pytest.mark.django_db


def crowd(lyceum: World, model: Model, number: int) -> None:
    family = Family.objects.create(lab=lyceum.lab, slug="many", title="Many")
    Model.objects.bulk_create(
        Model(
            lab=lyceum.lab,
            name=f"m{i}",
            family=family if i % 2 else None,
            parameters=i + 1,
            opened_at=timezone.now(),
            main=model.main,
        )
        for i in range(number)
    )
    world.counted()


def crowded_files(lyceum: World, model: Model, number: int) -> Model:
    """A model with `number` small files, all of one content."""
    blob = Blob.objects.first()
    assert blob is not None
    made = Model.objects.create(lab=lyceum.lab, name="wide", opened_at=timezone.now(), gate=model.gate)
    now = timezone.now()
    revision = Revision.objects.create(
        model=made, commit="a" * 40, tree="b" * 40, author="x", email="x@y.example", message="m", authored_at=now, state="published",
        checked_at=now, published_at=now,
    )  # fmt: skip
    oid = git.blob_id(b"")
    File.objects.bulk_create(
        (
            File(revision=revision, path=f"d/{i:06d}.txt", folder="d", size=1, sha1=oid, lfs=False, blob=blob)
            for i in range(number)
        ),
        batch_size=5_000,
    )
    world.counted()
    Model.objects.filter(pk=made.pk).update(main=revision)
    return made


def timed(call: Any, times: int = 20) -> float:
    """Milliseconds of CPU of this process for one call."""
    call()
    begin = time.process_time()
    for _ in range(times):
        call()
    return (time.process_time() - begin) / times * 1000


@pytest.mark.parametrize("number", [100, pytest.param(10_000, marks=pytest.mark.drill)])
def test_the_catalogue(client: Client, lyceum: World, publish: Any, number: int) -> None:
    crowd(lyceum, publish(lyceum, "first"), number)
    begin = time.perf_counter()
    with CaptureQueriesContext(connection) as asked:
        assert client.get("/").status_code == 200
    number_asked = len(asked)
    took = (time.perf_counter() - begin) * 1000
    cost = timed(lambda: client.get("/?q=m5&sort=size"), 3)
    sys.stderr.write(f"\n{number:,} models: {number_asked} queries, {took:.0f} ms; a search {cost:.0f} ms of CPU\n")
    assert 0 < number_asked <= 12


@pytest.mark.parametrize(("number", "pages"), [(1, 1), (1_200, 3), pytest.param(10_000, 20, marks=pytest.mark.drill)])
def test_the_files_of_a_revision(client: Client, lyceum: World, publish: Any, number: int, pages: int) -> None:
    wide = crowded_files(lyceum, publish(lyceum, "first"), number)
    client.force_login(lyceum.manager)
    for path in (f"/{wide.full_name}/tree/main", f"/{wide.full_name}/revisions/{'a' * 40}"):
        with CaptureQueriesContext(connection) as asked:
            html = client.get(path).content.decode()
        assert 0 < len(asked) <= 30, path
        assert (f"{number:,} files" if number > 1 else "1 file") in html
    html = client.get(f"/{wide.full_name}/tree/main?page={pages}").content.decode()
    assert ('<nav class="pager"' in html) is (pages > 1)
    assert f"d/{number - 1:06d}.txt" in html


@pytest.mark.parametrize("number", [100, pytest.param(100_000, marks=pytest.mark.drill)])
def test_resolve(client: Client, lyceum: World, publish: Any, number: int) -> None:
    wide = crowded_files(lyceum, publish(lyceum, "gated", gate=lyceum.gate), number)
    holder = person("Mara Lindqvist")
    lyceum.granted(holder)
    _token, secret = tokens.issue(by=holder, kind=Kind.DOWNLOAD, label="growth")
    path, headers = f"/{wide.full_name}/resolve/main/d/{number - 1:06d}.txt", {"authorization": f"Bearer {secret}"}
    with CaptureQueriesContext(connection) as asked:
        assert client.get(path, headers=headers).status_code == 302
    number_asked = len(asked)
    cost = timed(lambda: client.get(path, headers=headers))
    sys.stderr.write(f"\n{number:,} files: {number_asked} queries, {cost:.1f} ms of CPU with the test client\n")
    assert 0 < number_asked <= 14
