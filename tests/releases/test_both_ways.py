"""Whoever asks for a file, whatever became of it and of their right: both ways to it say the same, down to the ledger.

The short way is that of every client: past the session's middleware, and to the file in one question. The long way is that
of a browser: a cookie leads through all the middleware, and the file is looked up step by step.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any, Final

import pytest
import time_machine
from django.test import Client
from django.utils import timezone

from portal.access import actions as access
from portal.access.models import Grant
from portal.agreements import actions as agreements
from portal.audit.models import Entry
from portal.counters import client as counters
from portal.people.actions import suspend
from portal.people.models import Lab, User
from portal.switches.models import Switch, flip
from portal.tokens import actions as tokens
from portal.tokens import secrets
from portal.tokens.models import AccessToken
from portal.tokens.scopes import Kind
from releases import actions, lookup
from releases.download_models import DailyCap
from releases.models import Blob, BlobState, Download, Model, Ref
from tests.portal import world
from tests.portal.world import World

pytestmark = pytest.mark.django_db(transaction=True)

NOW: Final = datetime.now(UTC).replace(microsecond=0)
MOVES: Final = re.compile(r";(r|t)=\d+")
"""Of RateLimit: what is left, and when the window ends."""
EVERY: Final = [10, pytest.param(1, marks=[pytest.mark.drill, pytest.mark.timeout(600)])]
"""Of the addresses, by each asker, beginning with another: all of them take two minutes. No multiple of the three paths."""
GUARDS: Final = {
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
    "Referrer-Policy": "same-origin",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Strict-Transport-Security": "max-age=60",
}

Said = tuple[int, dict[str, str], bytes, list[dict[str, Any]], int]
"""Status, headers, body, rows of the ledger, entries of the audit trail."""


@pytest.fixture
def still(settings: Any) -> Iterator[time_machine.Coordinates]:
    """One moment for both ways, limits that are counted and never met, and https."""
    settings.HUB_LIMITS = {"api": 10**6, "resolvers": 10**6, "pages": 10**6}
    settings.SECURE_HSTS_SECONDS, settings.SECURE_HSTS_INCLUDE_SUBDOMAINS, settings.SECURE_HSTS_PRELOAD = (
        60,
        False,
        False,
    )
    counters().flushdb()
    with time_machine.travel(NOW, tick=False) as traveller:
        yield traveller
    counters().flushdb()


@dataclass
class Ways:
    """Asks one thing by both ways, and holds the answers against each other."""

    monkeypatch: pytest.MonkeyPatch
    traveller: time_machine.Coordinates
    short: Client
    long: Client

    def ask(self, target: str, method: str = "get", *, who: str = "", **headers: str) -> Said:
        """What both said, or an AssertionError where they differ."""
        self.traveller.shift(0.001)  # a moment of its own for each pair, by which its rows are found
        headers = {"User-Agent": "curl/8", "X-Request-Id": "r", **headers} | ({"Authorization": who} if who else {})
        short = self._said(self.short, target, method, headers)
        with self.monkeypatch.context() as patch:
            patch.setattr(lookup, "straight", lambda *_, **__: None)
            long = self._said(self.long, target, method, headers | {"Cookie": "theme=dark"})
        assert short == long, (method, target, who)
        return short

    def _said(self, client: Client, target: str, method: str, headers: dict[str, str]) -> Said:
        rows = Download.objects.filter(at=timezone.now())
        known, entries = set(rows.values_list("pk", flat=True)), Entry.objects.count()
        answer = getattr(client, method)(target, headers=headers, secure=True)
        told = {name: MOVES.sub("", text) for name, text in answer.headers.items()}
        told.pop("Content-Security-Policy", None)  # of pages
        assert told.items() >= GUARDS.items(), "and what guards an answer is on every one"
        assert answer.status_code == 405 or {"RateLimit", "RateLimit-Policy"} <= told.keys()
        kept = list(rows.exclude(pk__in=known).values())
        for row in kept:
            row.pop("id")
        return answer.status_code, told, answer.content, kept, Entry.objects.count() - entries


@pytest.fixture
def ways(monkeypatch: pytest.MonkeyPatch, still: time_machine.Coordinates) -> Ways:
    return Ways(monkeypatch, still, Client(), Client())


def token_of(user: User, kind: Kind = Kind.DOWNLOAD) -> str:
    return f"Bearer {tokens.issue(by=user, kind=kind, label=kind.value)[1]}"


def askers(w: World) -> dict[str, str]:
    """By who they are, the Authorization that they show."""
    shown = {
        "nobody": "",
        "malformed": "Bearer wb_x",
        "empty": "Bearer ",
        "basic": "Basic eDp5",
        "not ascii": "Bearer \xff",
    }
    shown["unknown"] = f"Bearer {secrets.make(Kind.DOWNLOAD)}"

    def holder(name: str, kind: Kind = Kind.DOWNLOAD) -> Grant:
        grant = w.granted(world.person(name))
        shown[name] = token_of(grant.user, kind)
        return grant

    holder("holder")
    holder("with a token that queries", Kind.QUERY)
    revoked = holder("with a revoked token")
    tokens.revoke(by=revoked.user, token=AccessToken.objects.get(user=revoked.user))
    ended = holder("with an expired token")
    AccessToken.objects.filter(user=ended.user).update(
        created_at=NOW - timedelta(days=9), expires_at=NOW - timedelta(seconds=1)
    )
    suspend(user=holder("suspended").user, by=w.manager, reason="gone")
    access.suspend_grant(by=w.manager, grant=holder("with a suspended grant"), reason="a question")
    access.revoke_grant(by=w.manager, grant=holder("with a revoked grant"), reason="because")
    for name, changes in {
        "with an expired grant": {"starts_at": NOW - timedelta(days=2), "ends_at": NOW},
        "whose grant begins later": {"starts_at": NOW + timedelta(days=1), "ends_at": NOW + timedelta(days=9)},
        "who may query alone": {"capabilities": ["query"]},
    }.items():
        Grant.objects.filter(pk=holder(name).pk).update(**changes)
    closed = holder("whose project is closed").project
    type(closed).objects.filter(pk=closed.pk).update(closed_at=NOW)
    w.applied(world.person("applicant"))
    w.approved(world.person("who has to sign"))
    for name in ("applicant", "who has to sign"):
        shown[name] = token_of(User.objects.get(name=name))
    shown["stranger"] = token_of(world.person("stranger"))
    shown["manager"], shown["publisher"] = token_of(w.manager), token_of(w.manager, Kind.PUBLISH)
    shown["reviewer"] = token_of(w.reviewers[0])
    return shown


def shelf(w: World, publish: Any) -> dict[str, Model]:
    """By what became of it, a model."""
    found = {name: publish(w, name, gate=gate) for name, gate in {"free": None, "gated": w.gate}.items()}
    found["draft"] = publish(w, "draft", publish=False)
    found["withdrawn"] = publish(w, "withdrawn", gate=w.gate)
    actions.withdraw(revision=found["withdrawn"].main, by=w.manager, reason="Wrong.", instead="lyceum/free")
    found["stopped"] = publish(w, "stopped")
    actions.stop_release(subject=found["stopped"], by=w.manager, reason="Harm.")
    found["halted"] = publish(w, "halted", gate=w.gate)
    actions.stop_release(subject=found["halted"].main, by=w.manager, reason="Harm.")
    found["gone"] = publish(w, "gone")
    Model.objects.filter(name="gone").update(withdrawn_at=NOW, withdrawn_reason="Gone.")
    found["before"] = publish(w, "before", gate=w.gate)
    actions.rename_model(model=found["before"], lab=w.lab, name="after", by=w.manager)
    found["planned"] = publish(w, "planned", publish=False)
    actions.plan_opening(
        revision=found["planned"].revisions.get(), by=w.manager, opens_at=NOW + timedelta(days=3), announced=True
    )
    found["harmed"] = publish(w, "harmed", gate=w.gate)
    harmed = found["harmed"].main.files.get(path="model.safetensors")
    Blob.objects.filter(pk=harmed.blob_id).update(state=BlobState.QUARANTINED)
    for model in found.values():
        Ref.objects.create(model=model, kind="tag", name="v/1", revision=model.revisions.get())
    return found


def everything(found: dict[str, Model]) -> Iterator[str]:
    """The addresses of each model's files, and of what it does not have."""
    for name, model in (*found.items(), ("nothing", None)):
        commit = model.revisions.get().commit if model else "0" * 40
        for path in ("README.md", "model.safetensors", "nothing.bin"):
            yield f"/lyceum/{name}/resolve/main/{path}"
        if name not in {"gated", "draft", "withdrawn", "before"}:
            continue
        for named in ("v%2F1", "nowhere", commit, commit[:8], commit.upper(), "refs%2Fheads%2Fmain"):
            yield f"/lyceum/{name}/resolve/{named}/model.safetensors"


@pytest.mark.parametrize("every", EVERY)
def test_every_asker_is_told_the_same_of_every_model(ways: Ways, publish: Any, every: int) -> None:
    w = world.build("lyceum", quorum=1)
    targets, statuses = list(everything(shelf(w, publish))), set()
    for number, who in enumerate(askers(w).values()):
        for target in targets[number % every :: every]:
            for method in ("head", "get"):
                statuses.add(ways.ask(target, method, who=who)[0])
    assert statuses == {200, 302, 307, 401, 403, 404}, "each kind of answer was among them"
    assert Download.objects.exists()


@pytest.mark.parametrize("method", ["post", "put", "delete", "options", "patch"])
def test_other_methods_are_refused_alike(ways: Ways, publish: Any, method: str) -> None:
    w = world.build("lyceum", quorum=1)
    publish(w, "free")
    assert ways.ask("/lyceum/free/resolve/main/README.md", method)[0] == 405


def closed_lab(w: World) -> None:
    Lab.objects.filter(pk=w.lab.pk).update(is_active=False)


def paused(w: World) -> None:
    flip(switch=Switch.DOWNLOAD, on=False, reason="drill", by=None)


def new_version(w: World) -> None:
    agreements.publish_version(by=w.manager, agreement=w.agreement, text=f"{world.TEXT}\n3. More.\n", points=["More."])


def capped(w: World) -> None:
    DailyCap.objects.create(gate=w.gate, bytes=1)


@pytest.mark.parametrize(
    ("happens", "expected"),
    [(closed_lab, {403}), (paused, {403}), (new_version, {403}), (capped, {200, 429})],
)  # fmt: skip
def test_what_happens_to_all_is_told_alike(
    ways: Ways, publish: Any, happens: Callable[[World], None], expected: set[int]
) -> None:
    w = world.build("lyceum", quorum=1)
    publish(w, "gated", gate=w.gate)
    who = token_of(w.granted(world.person("holder")).user)
    happens(w)
    target = "/lyceum/gated/resolve/main/model.safetensors"
    assert {ways.ask(target, method, who=who)[0] for method in ("head", "get")} == expected
    for other in ("", token_of(w.manager)):
        for method in ("head", "get"):
            ways.ask(target, method, who=other)


def test_a_cap_that_is_reached_is_told_alike(ways: Ways, publish: Any) -> None:
    w = world.build("lyceum", quorum=1)
    size = publish(w, "gated", gate=w.gate).main.files.get(path="model.safetensors").size
    grant = w.granted(world.person("holder"))
    DailyCap.objects.create(grant=grant, bytes=3 * size)
    who, target = token_of(grant.user), "/lyceum/gated/resolve/main/model.safetensors"
    status, _, _, rows, _ = ways.ask(target, who=who, Range="bytes=0-9")
    assert (status, rows[0]["wanted"], rows[0]["grant_id"]) == (302, "bytes=0-9", str(grant.pk))
    assert ways.ask(target, who=who)[0] == 302
    status, told, _, rows, _ = ways.ask(target, who=who)
    assert (status, rows) == (429, [])
    assert int(told["Retry-After"]) > 80_000


@pytest.mark.parametrize(
    "headers",
    [
        {"Range": "bytes=0-9"},
        {"Range": "bytes=" + "9" * 300},
        {"Range": "\xff\x80"},
        {"User-Agent": "\xff" * 400},
        {"If-None-Match": '"x"', "If-Modified-Since": "Thu, 01 Jan 1970 00:00:00 GMT"},
        {"Accept": "text/html", "Accept-Language": "de"},
        {"Accept-Encoding": "gzip"},
        {"X-Forwarded-For": "1.2.3.4, nonsense"},
        {"X-Forwarded-Host": "elsewhere.example", "X-Forwarded-Proto": "http"},
        {"HX-Request": "true", "X-Requested-With": "XMLHttpRequest"},
        {"Expect": "100-continue", "Connection": "close"},
    ],
)
def test_no_header_leads_one_way_elsewhere(ways: Ways, publish: Any, headers: dict[str, str]) -> None:
    w = world.build("lyceum", quorum=1)
    publish(w, "free")
    publish(w, "gated", gate=w.gate)
    for target in ("/lyceum/free/resolve/main/config.json", "/lyceum/gated/resolve/main/config.json"):
        for method in ("head", "get"):
            assert ways.ask(f"{target}?download=true", method, **headers)[0] in {200, 302, 401}
