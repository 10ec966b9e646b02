"""Page tokens: made under a session for one model, and worth nothing beyond either."""

from __future__ import annotations

from datetime import timedelta
from importlib import import_module

import pytest
from allauth.account.signals import password_reset
from django.conf import settings
from django.test import Client
from django.utils import timezone

from inference import actions, introspection, principals
from inference.contract import Limits, tombstone_key
from portal.audit.models import Entry
from portal.errors import BadToken
from portal.outbox import delivery
from portal.people.actions import create_lab
from portal.tokens import authentication, page_actions, secrets
from portal.tokens.models import AccessToken
from portal.tokens.page_models import PageToken
from portal.tokens.scopes import Kind
from releases.actions import rename_model
from tests.inference.bench import GATED, OPEN, publish, serve
from tests.portal import world


def asked(client: Client, model: str = GATED, **data: str):
    return client.post(f"/{model}/try/token", data, headers={"Accept": "application/json"})


def stands_for(secret: str, **more):
    return introspection.introspect(secrets.digest(secret), **more)


@pytest.fixture
def mara(bench, client):
    client.force_login(bench.researcher)
    return client


@pytest.fixture
def secret(mara, bench) -> str:
    answer = asked(mara, project=str(bench.project.pk))
    assert answer.status_code == 201, answer.content
    return answer.json()["token"]


def test_the_holders_page_queries_its_model_and_no_other(bench, secret):
    principal = stands_for(secret).principal
    assert set(principal.models) == {GATED}
    assert principal.project_id == str(bench.project.pk)
    assert set(stands_for(page_secret(bench, OPEN)).principal.models) == {OPEN}


def test_a_page_is_limited_and_counted_as_any_token_of_its_project_where_two_labs_serve(bench, mara):
    harbour = create_lab(slug="harbour", name="Harbour", by=None)
    serve(publish(harbour, "tide"), 8103)
    actions.set_allowance(by=None, lab=bench.world.lab, limits=Limits(tokens_per_period=500))
    actions.set_allowance(by=None, lab=harbour, limits=Limits(tokens_per_period=90))
    whole = principals.build(bench.new_token(bench.researcher))
    for model in (OPEN, "harbour/tide"):
        page = stands_for(page_secret(bench, model)).principal
        assert set(page.models) == {model}
        assert page.models[model].limits == whole.models[model].limits
        assert page.project_limits == whole.project_limits
        assert page.project_limits.tokens_per_period == 500


def test_an_open_page_goes_on_when_its_model_gets_another_name(bench, secret):
    """Its reader sits before a page that says the former one, with a token that was made for it."""
    for name in ("Gated-Again", "gated-again", "another"):
        rename_model(model=bench.gated_model, lab=bench.world.lab, name=name, by=bench.world.manager)
        assert set(stands_for(secret).principal.models) == {f"{bench.world.lab.slug}/{name}"}
    assert set(stands_for(page_secret(bench, OPEN)).principal.models) == {OPEN}


def page_secret(bench, model: str) -> str:
    client = Client()
    client.force_login(bench.researcher)
    return asked(client, model).json()["token"]


def test_it_is_told_how_long_it_lives_and_what_is_left(mara, bench):
    answer = asked(mara, project=str(bench.project.pk))
    told = answer.json()
    assert 840 < told["seconds"] <= 900
    assert told["left"] == 2_000_000
    assert "no-store" in answer["Cache-Control"]


def test_a_stranger_gets_one_that_opens_nothing_behind_the_gate(bench, client):
    client.force_login(world.person("Ida Fremd"))
    principal = stands_for(asked(client).json()["token"]).principal
    assert principal.models == {}
    assert principal.refused[GATED].code


def test_nobody_charges_somebody_elses_project(bench, client):
    client.force_login(world.person("Ida Fremd"))
    assert asked(client, project=str(bench.project.pk)).status_code == 404
    assert asked(client, project="no-uuid").status_code == 404
    assert PageToken.objects.count() == 0


def test_who_is_not_signed_in_gets_none(bench, client):
    assert asked(client).status_code == 302
    assert AccessToken.objects.filter(kind=Kind.PAGE).count() == 0


def test_a_form_of_another_site_gets_none(bench):
    client = Client(enforce_csrf_checks=True)
    client.force_login(bench.researcher)
    assert asked(client).status_code == 403
    assert AccessToken.objects.filter(kind=Kind.PAGE).count() == 0


def test_signing_out_ends_it_at_the_gateway_and_leaves_other_sessions_alone(mara, bench, secret, store):
    elsewhere = page_secret(bench, GATED)
    assert stands_for(secret).active
    mara.post("/account/logout/")
    delivery.deliver_due()
    assert store.exists(tombstone_key(secrets.digest(secret)))
    assert stands_for(secret).code == "token_revoked"
    assert stands_for(elsewhere).active
    row = AccessToken.objects.get(digest=secrets.digest(secret))
    assert row.revoked_at is not None
    assert [entry.event for entry in Entry.objects.filter(target_id=str(row.pk)).order_by("id")] == [
        "token.issued", "token.revoked",
    ]  # fmt: skip


def test_a_session_that_vanishes_takes_it_along(mara, secret):
    key = mara.session.session_key
    import_module(settings.SESSION_ENGINE).SessionStore(key).delete()
    assert stands_for(secret).code == "token_revoked"


def test_it_ends_by_itself(secret):
    late = timezone.now() + timedelta(minutes=15, seconds=1)
    assert stands_for(secret, now=late).code == "token_expired"


def test_it_opens_no_door_but_the_gateways(secret, client):
    with pytest.raises(BadToken, match="one page"):
        authentication.by_secret(secret)
    assert client.get("/api/whoami-v2", headers={"Authorization": f"Bearer {secret}"}).status_code == 401


def test_a_revoked_grant_holds_for_it_as_for_any_token(bench, secret):
    bench.grant.__class__.objects.filter(pk=bench.grant.pk).update(starts_at=timezone.now() + timedelta(days=1))
    assert principals.build(AccessToken.objects.get(digest=secrets.digest(secret))).models == {}


def test_the_tokens_page_shows_it_while_it_lives_and_not_afterwards(mara, secret):
    assert "wb_page_" in mara.get("/me/tokens/").content.decode()
    AccessToken.objects.filter(kind=Kind.PAGE).update(
        created_at=timezone.now() - timedelta(hours=1), expires_at=timezone.now() - timedelta(minutes=1)
    )
    assert "wb_page_" not in mara.get("/me/tokens/").content.decode()


def test_many_pages_at_once_are_refused_with_a_time(mara, bench, monkeypatch):
    monkeypatch.setattr(page_actions, "LIVE_LIMIT", 2)
    assert [asked(mara).status_code for _ in range(3)] == [201, 201, 429]
    assert 0 < int(asked(mara)["Retry-After"]) <= 901


def test_its_row_goes_a_month_after_its_end(mara, secret, bench):
    now = timezone.now()
    assert page_actions.drop_ended(now + timedelta(days=29)) == 0
    assert page_actions.drop_ended(now + timedelta(days=31)) > 0
    assert not AccessToken.objects.filter(kind=Kind.PAGE).exists()
    assert AccessToken.objects.filter(pk=bench.token.pk).exists()


def test_the_page_offers_the_grants_project_and_a_stranger_reads_what_is_missing(mara, bench, client):
    page = mara.get(f"/{GATED}/try").content.decode()
    assert f'value="{bench.project.pk}"' in page
    stranger = Client()
    stranger.force_login(world.person("Ida Fremd"))
    told = stranger.get(f"/{GATED}/try").content.decode()
    assert "One thing is still needed" in told
    assert 'id="try"' not in told


def test_a_model_that_nobody_serves_cannot_be_tried(mara, bench):
    actions.retire(by=bench.world.manager, pool=bench.open_model.pools.get())
    told = mara.get(f"/{OPEN}/try").content.decode()
    assert "No engine serves this model at present" in told
    assert 'id="try"' not in told
    assert asked(mara, OPEN).status_code == 404
    assert "Try it" not in mara.get(f"/{OPEN}").content.decode()
    assert "Try it" in mara.get(f"/{GATED}").content.decode()


def test_a_new_password_ends_what_the_pages_of_other_sessions_query_with(mara, bench, secret):
    """Whoever sat there with the old one is out, at the gateway too; one's own page asks for another."""
    bench.researcher.set_password("an old pass phrase")
    bench.researcher.save()
    own = Client()
    own.force_login(bench.researcher)
    theirs = Client()
    theirs.force_login(bench.researcher)
    other = asked(theirs, project=str(bench.project.pk)).json()["token"]
    said = {"oldpassword": "an old pass phrase", "password1": "another pass phrase", "password2": "another pass phrase"}
    assert own.post("/account/password/change/", said).status_code == 302
    assert stands_for(other).code == "token_revoked"
    assert stands_for(asked(own, project=str(bench.project.pk)).json()["token"]).active
    assert asked(theirs).status_code == 302


def test_a_password_that_was_reset_by_mail_ends_them_too_and_nobody_elses(mara, bench, secret):
    other = Client()
    other.force_login(bench.world.manager)
    theirs = asked(other).json()["token"]
    password_reset.send(sender=type(bench.researcher), request=None, user=bench.researcher)
    assert (stands_for(secret).code, stands_for(theirs).active) == ("token_revoked", True)
