"""The daily cap of a grant: what counts, who may set it, and that two at once do not both pass it."""

from __future__ import annotations

import itertools
import json
import threading
from datetime import timedelta
from typing import Any

import pytest
from django.db import connection
from django.test import Client
from django.utils import timezone

from portal.access.models import Grant
from portal.audit.models import Entry
from portal.errors import Invalid, NotAllowed
from portal.people.models import User
from portal.tokens import actions as tokens
from portal.tokens.scopes import Kind
from releases import actions, egress
from releases.models import Download, Model
from tests.portal import world
from tests.releases.conftest import Publish
from tests.releases.ledgers import give


@pytest.fixture
def gated(lyceum: world.World, publish: Publish) -> Model:
    return publish(lyceum, "gated", gate=lyceum.gate)


@pytest.fixture
def grant(lyceum: world.World, mara: User) -> Grant:
    return lyceum.granted(mara)


_count = itertools.count(1)


class Reader:
    """A person with a token, at the door."""

    def __init__(self, person: User) -> None:
        _token, self.secret = tokens.issue(by=person, kind=Kind.DOWNLOAD, label=f"laptop {next(_count)}")

    def get(self, model: Model, path: str = "model.safetensors", wanted: str = "") -> Any:
        headers = {"Authorization": f"Bearer {self.secret}"} | ({"Range": wanted} if wanted else {})
        return Client().get(f"/{model.full_name}/resolve/main/{path}", headers=headers)


def size_of(model: Model, path: str = "model.safetensors") -> int:
    assert model.main is not None
    return int(model.main.files.get(path=path).size)


@pytest.mark.django_db(transaction=True)
def test_what_was_given_in_a_day_counts_and_the_next_is_refused(
    lyceum: world.World, mara: User, gated: Model, grant: Grant
) -> None:
    size, reader = size_of(gated), Reader(mara)
    actions.cap_gate(gate=lyceum.gate, limit=size + 10, by=lyceum.manager)
    assert reader.get(gated).status_code == 302
    refused = reader.get(gated, wanted="bytes=0-10")
    assert refused.status_code == 429
    assert 86_000 < int(refused["Retry-After"]) <= 86_401
    assert "daily cap" in refused["X-Error-Message"]
    assert refused["X-Error-Message"] == json.loads(refused.content)["error"]
    assert "X-Error-Code" not in refused, "the right is there; only today’s share is used up"
    assert refused["X-HF-Warning"].startswith("daily_cap; ")
    assert reader.get(gated, wanted="bytes=0-9").status_code == 302, "ten bytes fit"
    assert reader.get(gated, "README.md").status_code == 302, "what is public needs no grant and costs nothing"
    assert egress.use_of(grant, timezone.now()) == egress.Use(size + 10, own=False, taken=size + 10)
    assert Download.objects.count() == 3, "what was refused is in no ledger"


@pytest.mark.django_db(transaction=True)
def test_a_file_that_goes_on_is_charged_for_the_rest_and_its_link_opens_no_more(
    lyceum: world.World, mara: User, gated: Model, grant: Grant
) -> None:
    size, reader = size_of(gated), Reader(mara)
    actions.cap_gate(gate=lyceum.gate, limit=size, by=lyceum.manager)
    rest = reader.get(gated, wanted=f"bytes={size - 5}-")
    assert rest.status_code == 302
    assert egress.taken(str(grant.pk), timezone.now()) == 5
    assert "span=bytes" in rest["Location"]


@pytest.mark.django_db(transaction=True)
def test_yesterday_is_forgotten_and_the_wait_is_until_then(
    lyceum: world.World, mara: User, gated: Model, grant: Grant
) -> None:
    size, reader, now = size_of(gated), Reader(mara), timezone.now()
    actions.cap_gate(gate=lyceum.gate, limit=size, by=lyceum.manager)
    for hours in (25, 23):
        give(gated, at=now - timedelta(hours=hours), grant_id=str(grant.pk), size=size)
    refused = reader.get(gated)
    assert refused.status_code == 429
    assert 3_500 < int(refused["Retry-After"]) <= 3_602, "the row of 23 hours ago leaves in one"
    give(gated, at=now, grant_id="another", size=size)
    assert egress.taken(str(grant.pk), now) == size, "another grant’s bytes are its own"


@pytest.mark.django_db(transaction=True)
def test_a_file_above_the_cap_says_whom_to_ask(lyceum: world.World, mara: User, gated: Model, grant: Grant) -> None:
    actions.cap_gate(gate=lyceum.gate, limit=1, by=lyceum.manager)
    assert "Ask the lab to raise it" in Reader(mara).get(gated)["X-Error-Message"]


@pytest.mark.django_db(transaction=True)
def test_a_grants_own_cap_stands_before_its_gates(lyceum: world.World, mara: User, gated: Model, grant: Grant) -> None:
    reader = Reader(mara)
    actions.cap_gate(gate=lyceum.gate, limit=1, by=lyceum.manager)
    actions.cap_grant(grant=grant, limit=None, by=lyceum.manager)
    assert reader.get(gated).status_code == 302, "none: whatever the gate has"
    actions.cap_grant(grant=grant, limit=None, as_gate=True, by=lyceum.manager)
    assert reader.get(gated).status_code == 429
    actions.cap_gate(gate=lyceum.gate, limit=None, by=lyceum.manager)
    assert reader.get(gated).status_code == 302
    events = Entry.objects.filter(event="daily_cap.set").order_by("id").values_list("data__bytes", flat=True)
    assert list(events) == [1, None, None, None]


@pytest.mark.django_db
def test_only_the_labs_managers_set_it_and_only_to_something(
    lyceum: world.World, harbour: world.World, mara: User, grant: Grant
) -> None:
    for stranger in (lyceum.reviewers[0], harbour.manager, mara):
        with pytest.raises(NotAllowed):
            actions.cap_grant(grant=grant, limit=1, by=stranger)
        with pytest.raises(NotAllowed):
            actions.cap_gate(gate=lyceum.gate, limit=1, by=stranger)
    for nonsense in (0, -1, 10**15 + 1):
        with pytest.raises(Invalid):
            actions.cap_gate(gate=lyceum.gate, limit=nonsense, by=lyceum.manager)


@pytest.mark.django_db(transaction=True)
def test_two_at_once_cannot_both_pass(lyceum: world.World, mara: User, gated: Model, grant: Grant) -> None:
    size, readers = size_of(gated), [Reader(mara) for _ in range(4)]
    actions.cap_gate(gate=lyceum.gate, limit=2 * size, by=lyceum.manager)
    start, seen = threading.Barrier(len(readers)), []

    def read(reader: Reader) -> None:
        start.wait()
        try:
            seen.append(reader.get(gated).status_code)
        finally:
            connection.close()

    threads = [threading.Thread(target=read, args=(reader,)) for reader in readers]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(30)
    assert sorted(seen) == [302, 302, 429, 429]
    assert egress.taken(str(grant.pk), timezone.now()) == 2 * size
