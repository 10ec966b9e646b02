"""A right is taken away while its holder downloads: the doors in many threads, on real connections."""

from __future__ import annotations

import threading
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any
from urllib.parse import parse_qs, urlsplit

import pytest
from django.db import connection
from django.test import Client
from django.utils import timezone

from portal.access import actions
from portal.access.models import Grant
from portal.people.models import User
from portal.tokens import actions as tokens
from portal.tokens.scopes import Kind
from releases.models import Download, Model
from releases.permits import MAX_TTL_S
from tests.portal import world

pytestmark = pytest.mark.django_db(transaction=True)
READERS = 3
PATIENCE_S = 30


@pytest.fixture(params=[3, pytest.param(200, marks=[pytest.mark.drill, pytest.mark.timeout(1800)])])
def rounds(request: pytest.FixtureRequest) -> int:
    """How often the race is run: a few times always, 200 times in the drill."""
    return int(request.param)


@dataclass
class Race:
    """Readers who ask again and again until they are refused, and a manager who revokes after the first link."""

    url: str
    secret: str
    first: threading.Event = field(default_factory=threading.Event)
    links: list[tuple[datetime, str]] = field(default_factory=list)
    """When each that was given had been asked for, and its address."""
    refused: list[int] = field(default_factory=list)
    revoked: datetime | None = None
    """When the manager was told that it is done."""

    def ask(self) -> tuple[datetime, Any]:
        begun = timezone.now()
        return begun, Client().get(self.url, headers={"Authorization": f"Bearer {self.secret}"})

    def read(self) -> None:
        """Until the door refuses."""
        deadline = timezone.now() + timedelta(seconds=PATIENCE_S)
        while timezone.now() < deadline:
            begun, answer = self.ask()
            if answer.status_code != 302:
                self.refused.append(answer.status_code)
                break
            self.links.append((begun, answer["Location"]))
            self.first.set()
        connection.close()

    def revoke(self, by: User, grant: Grant) -> None:
        if self.first.wait(PATIENCE_S):
            actions.revoke_grant(by=by, grant=grant, reason="The weights were passed on.")
            self.revoked = timezone.now()
        connection.close()

    def run(self, by: User, grant: Grant) -> None:
        threads = [threading.Thread(target=self.read) for _ in range(READERS)]
        threads.append(threading.Thread(target=self.revoke, args=(by, grant)))
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join(PATIENCE_S + 10)


def test_who_is_revoked_during_downloads_gets_no_link_that_was_asked_for_afterwards(publish: Any, rounds: int) -> None:
    w = world.build(quorum=1)
    model: Model = publish(w, "gated", gate=w.gate)
    for n in range(rounds):
        person = world.person(f"Person {n}")
        grant = w.granted(person)
        _, secret = tokens.issue(by=person, kind=Kind.DOWNLOAD, label="cluster")
        race = Race(f"/{model.full_name}/resolve/main/model.safetensors", secret)
        race.run(w.manager, grant)
        assert race.revoked is not None
        assert race.refused == [403] * READERS, "all of them were refused in the end"
        assert race.ask()[1].status_code == 403
        assert all(begun < race.revoked for begun, _ in race.links), "a link was given to a request that came later"
        last = (race.revoked + timedelta(seconds=MAX_TTL_S)).timestamp()
        assert all(int(parse_qs(urlsplit(link).query)["expires"][0]) <= last + 1 for _, link in race.links)
        ledger = list(Download.objects.filter(user_id=str(person.pk)))
        assert len(ledger) == len(race.links), "each link is in the ledger, and nothing else is"
        assert {row.grant_id for row in ledger} == {str(grant.pk)}
