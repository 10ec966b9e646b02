"""What a token stands for: each condition of the answer, one test each, through the real actions."""

from __future__ import annotations

import json
from datetime import timedelta

import pytest
from django.utils import timezone

from inference import contract, principals
from inference.actions import set_allowance
from inference.introspection import introspect
from portal.access import actions as access
from portal.outbox.delivery import deliver_due
from portal.people import actions as people
from portal.projects import actions as projects
from portal.projects.models import ProjectMember
from portal.switches.models import Switch, flip
from portal.tokens import actions as tokens
from portal.tokens.scopes import Kind
from tests.inference.bench import GATED, OPEN
from tests.portal import world


def test_a_granted_token_may_query_the_open_and_the_gated_model(bench):
    answer = introspect(bench.token.digest)
    assert answer.active
    principal = answer.principal
    assert set(principal.models) == {OPEN, GATED}
    assert (principal.user_id, principal.project_id) == (str(bench.researcher.pk), str(bench.project.pk))
    assert principal.models[GATED].gate == "lyceum/lyceum-large"
    assert principal.models[OPEN].gate == bench.open_model.own_gate


def test_the_right_ends_with_the_first_of_token_and_grant(bench):
    principal = introspect(bench.token.digest).principal
    assert principal.not_after == int(bench.token.expires_at.timestamp() * 1000)
    assert principal.models[GATED].not_after == principal.not_after
    type(bench.grant).objects.filter(pk=bench.grant.pk).update(ends_at=timezone.now() + timedelta(hours=1))
    principal = introspect(bench.token.digest).principal
    bench.grant.refresh_from_db()
    assert principal.models[GATED].not_after == int(bench.grant.ends_at.timestamp() * 1000)
    assert principal.models[OPEN].not_after == principal.not_after


def test_a_personal_project_queries_open_models_alone_even_for_a_grantee(bench):
    token = bench.new_token(bench.researcher)
    assert set(introspect(token.digest).principal.models) == {OPEN}


def test_a_grantee_with_a_token_of_another_project_is_told_which_one_to_take(bench):
    told = introspect(bench.new_token(bench.researcher).digest).principal.refused[GATED]
    assert told.code == "another_project"
    assert f"“{bench.project.title}”" in told.message
    assert told.url.endswith("/me/tokens/")
    assert introspect(bench.token.digest).principal.refused == {}


def test_a_stranger_queries_open_models_alone_and_hears_of_nobodys_project(bench):
    principal = introspect(bench.new_token(world.person("Ida Fremd")).digest).principal
    assert set(principal.models) == {OPEN}
    assert principal.refused[GATED].code == "apply"
    assert bench.project.title not in principal.refused[GATED].message


def test_a_query_is_a_use_of_its_token(bench, django_capture_on_commit_callbacks):
    with django_capture_on_commit_callbacks(execute=True):
        introspect(bench.token.digest)
    bench.token.refresh_from_db()
    assert bench.token.last_used_at is not None


def test_a_refused_token_was_not_used(bench, django_capture_on_commit_callbacks):
    tokens.revoke(by=bench.researcher, token=bench.token)
    with django_capture_on_commit_callbacks(execute=True):
        introspect(bench.token.digest)
    bench.token.refresh_from_db()
    assert bench.token.last_used_at is None


@pytest.mark.parametrize("digest", ["", "x", "0" * 63, "G" * 64, "0" * 64, "../" * 20, "0" * 63 + "\n"])
def test_an_unknown_or_malformed_digest_opens_nothing(bench, digest):
    answer = introspect(digest)
    assert (answer.active, answer.code) == (False, "invalid_token")


def test_an_expired_token_opens_nothing(bench):
    answer = introspect(bench.token.digest, now=bench.token.expires_at)
    assert (answer.active, answer.code) == (False, "token_expired")


def test_a_revoked_token_opens_nothing(bench):
    tokens.revoke(by=bench.researcher, token=bench.token)
    answer = introspect(bench.token.digest)
    assert (answer.active, answer.code) == (False, "token_revoked")


def test_a_token_of_another_kind_opens_nothing(bench):
    token = bench.new_token(bench.researcher, kind=Kind.DOWNLOAD)
    answer = introspect(token.digest)
    assert (answer.active, answer.code) == (False, "wrong_kind")


def test_a_suspended_person_opens_nothing(bench):
    people.suspend(user=bench.researcher, by=bench.world.manager, reason="A test.")
    answer = introspect(bench.token.digest)
    assert (answer.active, answer.code) == (False, "account_suspended")


def test_a_revoked_grant_leaves_the_open_model(bench):
    access.revoke_grant(by=bench.world.manager, grant=bench.grant, reason="The weights were passed on.")
    assert set(introspect(bench.token.digest).principal.models) == {OPEN}


def test_a_closed_project_opens_nothing(bench):
    projects.close(project=bench.project, by=bench.world.manager, reason="The work is done.")
    answer = introspect(bench.token.digest)
    assert (answer.active, answer.code) == (False, "project_closed")


def test_a_former_member_opens_nothing(bench):
    ProjectMember.objects.filter(project=bench.project, user=bench.researcher).update(left_at=timezone.now())
    answer = introspect(bench.token.digest)
    assert (answer.active, answer.code) == (False, "not_in_project")


def test_a_withdrawn_revision_is_not_served(bench):
    bench.open_model.revisions.update(state="withdrawn", withdrawn_at=timezone.now(), withdrawn_reason="A wrong file.")
    assert set(introspect(bench.token.digest).principal.models) == {GATED}


def test_the_switch_closes_every_model(bench):
    flip(switch=Switch.QUERY, on=False, reason="A test.", by=None)
    assert introspect(bench.token.digest).principal.models == {}


def test_the_answer_fills_the_store_and_survives_json(bench, store):
    answer = introspect(bench.token.digest)
    kept = store.get(contract.principal_key(bench.token.digest))
    assert contract.Principal.from_json(kept) == answer.principal
    assert contract.Introspection.from_json(answer.to_json()) == answer
    assert 0 < store.pttl(contract.principal_key(bench.token.digest)) <= contract.PRINCIPAL_TTL_MS


def test_an_inactive_answer_fills_nothing(bench, store):
    introspect("0" * 64)
    assert list(store.scan_iter("wb:principal:*")) == []


@pytest.mark.parametrize("change", ["grant", "person", "project"])
def test_a_change_of_rights_makes_the_kept_principal_stale(bench, store, change):
    introspect(bench.token.digest)
    kept = contract.Principal.from_json(store.get(contract.principal_key(bench.token.digest)))
    if change == "grant":
        access.revoke_grant(by=bench.world.manager, grant=bench.grant, reason="The weights were passed on.")
    elif change == "person":
        people.suspend(user=bench.researcher, by=bench.world.manager, reason="A test.")
    else:
        projects.close(project=bench.project, by=bench.world.manager, reason="The work is done.")
    deliver_due()
    known = {
        "user": int(store.get(contract.generation_key("user", kept.user_id)) or 0),
        "project": int(store.get(contract.generation_key("project", kept.project_id)) or 0),
        "gate": int(store.get(contract.generation_key("gate", "lyceum/lyceum-large")) or 0),
    }
    carried = {
        "user": kept.user_generation,
        "project": kept.project_generation,
        "gate": kept.models[GATED].gate_generation,
    }
    assert any(known[kind] > carried[kind] for kind in known)


def test_revoking_a_token_leaves_a_tombstone_and_no_principal(bench, store):
    introspect(bench.token.digest)
    tokens.revoke(by=bench.researcher, token=bench.token)
    deliver_due()
    assert store.exists(contract.tombstone_key(bench.token.digest))
    assert not store.exists(contract.principal_key(bench.token.digest))


def test_the_salt_is_the_projects_own(bench):
    first, second = bench.new_token(bench.researcher), bench.new_token(bench.researcher, project=bench.project)
    salts = [introspect(token.digest).principal.cache_salt for token in (bench.token, first, second)]
    assert salts[0] == salts[2] != salts[1]
    assert str(bench.project.pk) not in json.dumps(salts)


def test_the_cost_does_not_grow_with_tokens(bench, django_assert_max_num_queries):
    for _ in range(20):
        bench.new_token(bench.researcher)
    with django_assert_max_num_queries(25):
        principals.build(bench.token)


def test_rights_that_were_read_before_a_lab_closed_are_not_kept_after_it(bench, store, monkeypatch):
    """They come a moment late, from another process: no generation of theirs rises, and they held for a minute."""
    built, turns = principals.build, [people.close_lab, people.reopen_lab]

    def interrupted(*given, **more):
        found = built(*given, **more)
        if turns:
            turns.pop(0)(lab=bench.world.lab, by=bench.world.manager)
            while deliver_due():
                pass
        return found

    monkeypatch.setattr(principals, "build", interrupted)
    assert set(introspect(bench.token.digest).principal.models) == {OPEN, GATED}
    assert turns == [], "what was read while the lab was open, and while it was closed, is read again"
    turns.append(people.close_lab)
    assert introspect(bench.token.digest).principal.models == {}
    kept = contract.Principal.from_json(store.get(contract.principal_key(bench.token.digest)))
    assert kept.models == {}


def test_a_default_of_the_lab_that_changes_meanwhile_holds_from_the_next_request_on(bench, monkeypatch):
    built, figures = principals.build, [500, 0]

    def interrupted(*given, **more):
        found = built(*given, **more)
        if figures:
            set_allowance(by=None, lab=bench.world.lab, limits=contract.Limits(tokens_per_day=figures.pop(0)))
            while deliver_due():
                pass
        return found

    monkeypatch.setattr(principals, "build", interrupted)
    assert introspect(bench.token.digest).principal.project_limits.tokens_per_day == 0


def test_a_closed_lab_is_queried_no_more_from_the_next_request_on_and_opened_again_it_is(bench, store):
    operator, key = bench.world.manager, contract.principal_key(bench.token.digest)
    assert set(introspect(bench.token.digest).principal.models) == {OPEN, GATED}
    for turn, left in ((people.close_lab, set()), (people.reopen_lab, {OPEN, GATED})):
        assert store.exists(key)
        turn(lab=bench.world.lab, by=operator)
        while deliver_due():
            pass
        assert not store.exists(key), "the gateways must ask again"
        assert set(introspect(bench.token.digest).principal.models) == left
