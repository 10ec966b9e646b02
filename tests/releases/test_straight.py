"""The one question for a file, and the way past the pages' middleware, say what the steps and the long way say."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any

import pytest
from django.db import connection, transaction
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.utils import timezone
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from portal.errors import WeighbridgeError
from portal.people.models import Role, User
from portal.tokens import actions as tokens
from portal.tokens.models import AccessToken
from portal.tokens.scopes import Kind
from releases import downloads, egress, lookup
from releases.download_models import DailyCap
from releases.models import Download, File, Model, Ref, Revision
from tests.portal import seats
from tests.portal.world import World
from tests.releases.test_policy import EVENTS, happen

FILES = ("model.safetensors", "README.md")


def step_by_step(names: tuple[str, str, str, str], person: User | None, now: Any) -> File | None:
    """As the door looks where the one question finds nothing."""
    namespace, name, revision, path = names
    model = lookup.model(namespace, name, person=person, now=now)
    found = lookup.revision(model, revision, person=person, now=now) if model else None
    return lookup.file(found, path) if found else None


def said(act: Callable[[], Any]) -> Any:
    """What comes of it: what was allowed, or the whole refusal."""
    try:
        return act()
    except WeighbridgeError as error:
        return type(error), error.code, error.message, getattr(error, "reasons", ())


def agree(names: tuple[str, str, str, str], person: User | None, token: AccessToken | None) -> bool:
    """Whether the file was found in one question; fails where the two ways differ."""
    now = timezone.now()
    straight = lookup.straight(*names, person=person, now=now)
    file = step_by_step(names, person, now)
    if straight is None:
        assert file is None, (names, person)
        return False
    assert file is not None, (names, person)
    assert (straight.file.pk, straight.file.revision.commit) == (file.pk, file.revision.commit)
    asked = {"by": person, "token": token, "now": now}
    at_once = said(lambda: downloads.check(file=straight.file, facts=straight.facts, **asked))
    assert at_once == said(lambda: downloads.check(file=file, **asked)), (names, person)
    gate = file.revision.model.gate_id
    assert straight.capped == DailyCap.objects.filter(gate=gate).exists()
    if grant := getattr(at_once, "grant", ""):
        assert straight.capped or egress.cap_of(grant, gate) is None
    return True


@pytest.mark.django_db
@settings(max_examples=10, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    events=EVENTS,
    role=st.sampled_from(list(Role)),
    scope=st.sampled_from([None, "download", "query"]),
    capped=st.booleans(),
)
def test_both_ways_agree_in_random_worlds(
    lyceum: World, publish: Any, mara: User, events: list[str], role: Role, scope: str | None, capped: bool
) -> None:
    if not Model.objects.exists():
        for name, more in {"free": {}, "gated": {"gate": lyceum.gate}, "draft": {"publish": False}}.items():
            made = publish(lyceum, name, **more)
            Ref.objects.create(model=made, kind="tag", name="v/1", revision=made.revisions.get())
        seats.in_force(lyceum)
        User.objects.filter(pk=mara.pk).update(email=f"mara@{seats.DOMAIN}")
    token = AccessToken(scopes=[scope]) if scope else None
    with transaction.atomic():
        if capped:
            DailyCap.objects.create(gate=lyceum.gate, bytes=1)
        for event in events:
            happen(event, lyceum, User.objects.get(pk=mara.pk), role)
        found = [
            agree(("lyceum", revision.model.name, named, path), who, token)
            for who in (None, User.objects.get(pk=mara.pk), lyceum.manager)
            for revision in Revision.objects.select_related("model")
            for named in ("main", "refs/tags/v/1", revision.commit)
            for path in FILES
        ]
        assert any(found)
        transaction.set_rollback(True)


@pytest.mark.django_db
def test_names_are_found_as_the_steps_find_them(lyceum: World, publish: Any, mara: User) -> None:
    commit = publish(lyceum, "free").main.commit
    for namespace, name, revision, path in (
        ("lyceum", "FREE", "main", "README.md"),
        ("lyceum", "free", "refs/heads/main", "README.md"),
        ("lyceum", "free", commit, "README.md"),
    ):
        assert agree((namespace, name, revision, path), mara, None)
    for names in (
        ("Lyceum", "free", "main", "README.md"),
        ("lyceum", "fre_", "main", "README.md"),
        ("lyceum", "free", "main", "readme.md"),
        ("lyceum", "free", "mai%", "README.md"),
        ("lyceum", "free", "main", "nothing.bin"),
        ("lyceum", "free", "absent", "README.md"),
        ("lyceum", "free", "0" * 40, "README.md"),
    ):
        assert not agree(names, mara, None)


def bearer(user: User, kind: Kind = Kind.DOWNLOAD) -> dict[str, str]:
    return {"Authorization": f"Bearer {tokens.issue(by=user, kind=kind, label='t')[1]}"}


@pytest.mark.django_db(transaction=True)
def test_a_gated_file_takes_three_questions_and_a_row(lyceum: World, publish: Any, client: Client, mara: User) -> None:
    model = publish(lyceum, "gated", gate=lyceum.gate)
    lyceum.granted(mara)
    who = bearer(mara)
    path = f"/lyceum/gated/resolve/{model.main.commit}/model.safetensors"
    for method, count, status in (("head", 3, 200), ("get", 4, 302)):
        ask = getattr(client, method)
        for _ in range(2):  # the first puts the questions together, and notes the token's use
            ask(path, headers=who)
        before = Download.objects.count()
        with CaptureQueriesContext(connection) as asked:
            assert ask(path, headers=who).status_code == status
        assert len(asked) == count, [query["sql"][:80] for query in asked]
        assert Download.objects.count() - before == (method == "get")


@pytest.mark.django_db(transaction=True)
def test_the_row_is_no_part_of_a_transaction_that_may_be_undone(lyceum: World, publish: Any) -> None:
    file = publish(lyceum, "free").main.files.get(path="README.md")
    asked = {"file": file, "by": None, "token": None, "now": timezone.now()}
    with pytest.raises(RuntimeError, match="durable"), transaction.atomic():
        downloads.authorize(**asked)
    assert not Download.objects.exists()
    downloads.authorize(**asked)
    assert Download.objects.get().path == "README.md"


@pytest.mark.django_db(transaction=True)
@pytest.mark.parametrize("language", ["en", "de"])
def test_a_program_is_told_the_same_by_both_ways(
    lyceum: World, publish: Any, mara: User, stranger: User, language: str
) -> None:
    publish(lyceum, "free")
    publish(lyceum, "gated", gate=lyceum.gate)
    lyceum.granted(mara)
    unlike = re.compile(r"expires=\d+|sig=[0-9a-f]+")
    for headers in ({}, bearer(mara), bearer(stranger), {"Authorization": "Bearer wb_x"}):
        for name in ("free", "gated", "nothing"):
            for path in ("README.md", "model.safetensors", "nothing"):
                for method in ("head", "get", "post"):
                    told = []
                    for cookie in ("", "theme=dark"):
                        client = Client()
                        sent = {"Accept-Language": language, "X-Request-Id": "r", **headers}
                        sent |= {"Cookie": cookie} if cookie else {}
                        answer = getattr(client, method)(f"/lyceum/{name}/resolve/main/{path}", headers=sent)
                        kept = {k: unlike.sub("", v) for k, v in answer.headers.items()}
                        kept.pop("Content-Security-Policy", None)  # of pages
                        told.append((answer.status_code, kept, answer.content))
                    assert told[0] == told[1], (headers, name, path, method)
