"""Secrets, what they open, and for how long."""

from __future__ import annotations

import random
import re
from datetime import timedelta

import pytest
import time_machine
from django.db import IntegrityError, transaction
from django.urls import reverse
from django.utils import timezone
from hypothesis import given
from hypothesis import strategies as st

from portal.audit.models import Entry
from portal.errors import BadToken, Conflict, Invalid, NotAllowed, NotFound
from portal.mail import sending
from portal.outbox.models import Message
from portal.people.actions import give_role, suspend
from portal.people.models import Role
from portal.projects.actions import open_project
from portal.tokens import actions, secrets
from portal.tokens.authentication import identify
from portal.tokens.models import AccessToken
from portal.tokens.scopes import KIND_SCOPES, LIFETIMES, Kind, Scope
from portal.tokens.templatetags.token_words import uses
from tests.portal.world import browser


def test_ten_thousand_secrets_are_distinct_and_whole():
    made = {secrets.make(kind) for kind in Kind for _ in range(10_000 // len(Kind))}
    assert len(made) == 10_000 // len(Kind) * len(Kind)
    assert all(secrets.checksum(secret) for secret in made)


def test_each_secret_has_one_other_spelling_and_nothing_else_has():
    for kind in Kind:
        secret = secrets.make(kind)
        other = secrets.for_hub(secret)
        assert re.fullmatch(r"hf_[0-9A-Za-z]{34,}", other), "llama.cpp takes nothing else"
        assert secrets.plain(other) == secret
        assert secrets.plain(secret) == secret
        assert not secrets.checksum(secrets.plain(other[:-1] + ("0" if other[-1] != "0" else "1")))
    for text in ("hf_" + "a" * 37, "hf_wb", "hf_wbxx" + "a" * 38, "hf_" + secrets.make("dl"), ""):
        assert secrets.plain(text) == text


@given(st.sampled_from(Kind), st.integers(0, 45), st.sampled_from(secrets.ALPHABET))
def test_one_wrong_character_breaks_the_checksum(kind, place, letter):
    secret = secrets.make(kind)
    place = min(place, len(secret) - 1)
    forged = secret[:place] + letter + secret[place + 1 :]
    assert secrets.checksum(forged) == (forged == secret)


@given(st.text(max_size=80))
def test_no_text_makes_the_checksum_raise(text):
    assert secrets.checksum(text) is False
    assert secrets.checksum("wb_dl_" + text) is False


def test_a_look_alike_is_refused_without_asking_the_database():
    """Without the `db` fixture every query would fail the test."""
    for _ in range(200):
        body = "".join(random.choices(secrets.ALPHABET, k=38))
        with pytest.raises(BadToken):
            identify(f"Bearer wb_q_{body}")


@pytest.mark.parametrize(
    "header",
    [
        "",
        "Bearer",
        "Bearer ",
        "bearer x",
        "Basic eA==",
        "Bearer wb_dl_é",
        "Bearer \x00",
        "Token wb",
        "Bearer " + "a" * 65_536,
        "Bearer a b",
    ],
)
def test_malformed_headers_are_bad_tokens(header):
    with pytest.raises(BadToken) as refused:
        identify(header)
    assert refused.value.code == "invalid_token"


def test_no_header_is_nobody():
    assert identify(None) is None


def test_a_secret_is_identified_by_one_query_and_never_stored(mara, django_assert_num_queries):
    token, secret = actions.issue(by=mara, kind=Kind.DOWNLOAD, label="laptop")
    with django_assert_num_queries(1):
        credential = identify(f"bearer {secret}")
    assert credential.token == token
    everything = [list(model.objects.values_list()) for model in (AccessToken, Message, Entry)]
    assert secret not in str(everything)
    assert secret.startswith(token.hint)


@pytest.mark.parametrize("kind", [Kind.DOWNLOAD, Kind.QUERY, Kind.CI])
def test_every_kind_ends_by_itself(mara, kind):
    token, secret = actions.issue(by=mara, kind=kind, label="x")
    assert token.expires_at - timezone.now() <= LIFETIMES[kind][0]
    with time_machine.travel(token.expires_at - timedelta(seconds=1)):
        assert identify(f"Bearer {secret}")
    with time_machine.travel(token.expires_at), pytest.raises(BadToken):
        identify(f"Bearer {secret}")


def test_nobody_makes_a_token_that_outlives_its_kind(mara):
    for end in (timezone.now() + timedelta(days=91), timezone.now() - timedelta(seconds=1)):
        with pytest.raises(Invalid):
            actions.issue(by=mara, kind=Kind.DOWNLOAD, label="x", expires_at=end)


def test_a_suspended_person_has_no_tokens(mara, lyceum):
    _, secret = actions.issue(by=mara, kind=Kind.DOWNLOAD, label="x")
    suspend(user=mara, by=lyceum.manager, reason="x")
    with pytest.raises(BadToken):
        identify(f"Bearer {secret}")


def test_revoking_is_for_the_holder_once_and_is_announced(mara, stranger):
    token, secret = actions.issue(by=mara, kind=Kind.QUERY, label="x")
    with pytest.raises(NotFound):
        actions.revoke(by=stranger, token=token)
    actions.revoke(by=mara, token=token)
    with pytest.raises(Conflict):
        actions.revoke(by=mara, token=token)
    with pytest.raises(BadToken):
        identify(f"Bearer {secret}")
    message = Message.objects.get(topic="rights.changed", key=f"token:{token.pk}")
    assert message.payload["digest"] == secrets.digest(secret)


def test_a_query_token_is_charged_to_a_project_of_its_holder(mara, stranger, lyceum):
    token, _ = actions.issue(by=mara, kind=Kind.QUERY, label="x")
    assert token.project.owner == mara
    other = open_project(by=stranger, owner=stranger, title="Not hers", lab=lyceum.lab)
    with pytest.raises(Invalid):
        actions.issue(by=mara, kind=Kind.QUERY, label="y", project=other)
    with pytest.raises(IntegrityError), transaction.atomic():
        AccessToken.objects.filter(pk=token.pk).update(project=None)


@pytest.mark.parametrize("kind", list(Kind))
@pytest.mark.parametrize("scopes", [None, {Scope.MANAGE}, set(Scope), {Scope.DOWNLOAD}])
@pytest.mark.parametrize("role", ["nobody", "reviewer", "manager"])
def test_no_token_carries_more_than_its_kind_and_its_maker(lyceum, mara, kind, scopes, role):
    maker = {"nobody": mara, "reviewer": lyceum.reviewers[0], "manager": lyceum.manager}[role]
    rights = {"nobody": set(), "reviewer": {Scope.REVIEW}, "manager": {Scope.PUBLISH, Scope.MANAGE}}[role]
    try:
        token, _ = actions.issue(by=maker, kind=kind, label="x", scopes=scopes)
    except (Invalid, NotAllowed):
        asked = KIND_SCOPES[kind] if scopes is None else scopes
        beyond_kind = not asked <= KIND_SCOPES[kind] or (scopes is None and kind == Kind.SERVICE)
        assert beyond_kind or asked - {Scope.DOWNLOAD, Scope.QUERY} - rights
    else:
        assert set(token.scopes) <= KIND_SCOPES[kind] & (rights | {Scope.DOWNLOAD, Scope.QUERY})


def test_a_name_is_used_by_one_live_token(mara):
    token, _ = actions.issue(by=mara, kind=Kind.DOWNLOAD, label=" my  laptop ")
    assert token.label == "my laptop"
    for label in ("my laptop", "", " ", "x" * 81):
        with pytest.raises(Invalid):
            actions.issue(by=mara, kind=Kind.DOWNLOAD, label=label)
    actions.revoke(by=mara, token=token)
    actions.issue(by=mara, kind=Kind.DOWNLOAD, label="my laptop")


def test_the_last_use_is_written_at_most_once_a_minute(
    mara, django_capture_on_commit_callbacks, django_assert_num_queries
):
    token, secret = actions.issue(by=mara, kind=Kind.DOWNLOAD, label="x")
    start = timezone.now()
    with time_machine.travel(start, tick=False), django_capture_on_commit_callbacks(execute=True):
        identify(f"Bearer {secret}")
    with time_machine.travel(start + timedelta(seconds=59), tick=False):
        with django_capture_on_commit_callbacks() as later, django_assert_num_queries(1):
            identify(f"Bearer {secret}")
        assert later == []
    with time_machine.travel(start + timedelta(seconds=61), tick=False):
        with django_capture_on_commit_callbacks(execute=True):
            identify(f"Bearer {secret}")
        token.refresh_from_db()
        assert token.last_used_at == timezone.now()


def test_the_maker_is_told_of_every_new_and_every_revoked_token(mara):
    token, _ = actions.issue(by=mara, kind=Kind.DOWNLOAD, label="x")
    actions.revoke(by=mara, token=token)
    sent = Message.objects.filter(topic="mail.send").order_by("id")
    assert [(m.payload["template"], m.payload["to"]) for m in sent] == [
        ("token_made", mara.email),
        ("token_revoked", mara.email),
    ]


@pytest.mark.parametrize(
    ("scopes", "said"),
    [
        ({Scope.DOWNLOAD}, "It may be used to: download weights. It ends"),
        ({Scope.MANAGE, Scope.REVIEW}, "It may be used to: manage what a lab has here, review applications. It ends"),
        ({Scope.PUBLISH, Scope.QUERY}, "It may be used to: publish models, query models. It ends"),
    ],
)
def test_the_letter_of_a_new_token_says_in_words_what_it_may_be_used_for(lyceum, scopes, said):
    keeper = lyceum.manager
    give_role(user=keeper, lab=lyceum.lab, role=Role.REVIEWER, by=None)
    actions.issue(by=keeper, kind=Kind.SERVICE, label="x", scopes=scopes)
    told = Message.objects.filter(topic="mail.send").latest("id").payload["context"]
    letter = sending.render("token_made", {**told, "base_url": "https://models.example"})
    assert said in " ".join(letter.body.split())
    assert said in " ".join(str(letter.alternatives[0][0]).split())


def test_each_scope_has_words_and_what_is_no_scope_stays_as_it_is():
    words = [uses([scope.value]) for scope in Scope]
    assert len(set(words)) == len(Scope)
    assert not set(words) & {scope.value for scope in Scope}
    assert uses("download, fly") == "download weights, fly"


def test_the_page_of_tokens_says_in_words_what_each_may_be_used_for(mara):
    actions.issue(by=mara, kind=Kind.DOWNLOAD, label="cluster")
    page = browser(mara).get(reverse("tokens:list")).content.decode()
    assert "<td>download weights</td>" in page


@pytest.mark.parametrize("wrong", [{"scopes": []}, {"scopes": ["fly"]}, {"kind": "zz"}, {"revoked_at": timezone.now()}])
def test_the_database_refuses_a_token_that_makes_no_sense(mara, wrong):
    token, _ = actions.issue(by=mara, kind=Kind.DOWNLOAD, label="x")
    with pytest.raises(IntegrityError), transaction.atomic():
        AccessToken.objects.filter(pk=token.pk).update(**wrong)
