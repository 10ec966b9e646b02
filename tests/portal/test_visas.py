"""GA4GH visas: what one holds, said so that a stranger can check it with nothing but the published keys."""

from __future__ import annotations

from datetime import timedelta
from itertools import count

import jwt
import pytest
import time_machine
from cryptography.hazmat.primitives.asymmetric import ec
from django.test import Client
from django.utils import timezone

from portal.access import actions
from portal.access.application_models import Lane
from portal.agreements import actions as agreements
from portal.agreements.models import ChangeClass
from portal.tokens import actions as tokens
from portal.tokens.scopes import Kind
from releases import actions as releases
from releases.ingest import ingest
from tests.portal import world
from tests.portal.test_passing import trust, verified
from tests.releases.folders import model_folder

URL = "/api/v1/me/passport"
NUMBERS = count()
"""The live tokens of a person are called by different names."""


@pytest.fixture(autouse=True)
def _key(settings):
    settings.RECEIPT_SIGNING_KEY = "a secret of the test's own"
    settings.BASE_URL = "https://models.example"


@pytest.fixture
def released(lyceum, tmp_path):
    for name in ("large-5m", "large-9m"):
        model = releases.open_model(lab=lyceum.lab, name=name, by=lyceum.manager, gate=lyceum.gate, summary=name)
        ingest(model_folder(tmp_path / name, name=name), model=model, by=lyceum.manager, publish=True)
    releases.open_model(lab=lyceum.lab, name="unpublished", by=lyceum.manager, gate=lyceum.gate, summary="x")
    return lyceum


def bearer(person, kind=Kind.DOWNLOAD):
    secret = tokens.issue(by=person, kind=kind, label=f"visas {next(NUMBERS)}")[1]
    return {"Authorization": f"Bearer {secret}"}


def asked(person):
    return Client().get(URL, headers=bearer(person)).json()


def keys():
    return jwt.PyJWKSet.from_dict(Client().get("/.well-known/jwks.json").json())


def checked(visa, **more):
    """As another portal reads it: the key by its id, one algorithm, our name."""
    key = keys()[jwt.get_unverified_header(visa)["kid"]]
    return jwt.decode(
        visa,
        key,
        algorithms=["ES256"],
        issuer="https://models.example",
        options={"require": ["exp", "iat", "sub"]},
        **more,
    )


def test_a_stranger_checks_each_visa_with_the_published_keys(released, mara):
    grant = released.granted(mara)
    told = asked(mara)
    claims = [checked(visa) for visa in told["ga4gh_passport_v1"]]
    assert [claim["ga4gh_visa_v1"]["value"] for claim in claims] == [
        "https://models.example/lyceum/large-5m", "https://models.example/lyceum/large-9m"
    ]  # fmt: skip
    one, header = claims[0], jwt.get_unverified_header(told["ga4gh_passport_v1"][0])
    assert one["sub"] == str(mara.pk)
    assert one["exp"] - one["iat"] == 3600
    assert one["ga4gh_visa_v1"] == {
        "type": "ControlledAccessGrants", "value": "https://models.example/lyceum/large-5m", "by": "dac",
        "source": "https://models.example", "asserted": int(grant.application.decided_at.timestamp()),
    }  # fmt: skip
    assert (header["typ"], header["alg"], header["jku"]) == (
        "vnd.ga4gh.visa+jwt", "ES256", "https://models.example/.well-known/jwks.json"
    )  # fmt: skip
    carried = checked(told["passport"])
    assert carried["ga4gh_passport_v1"] == told["ga4gh_passport_v1"]
    assert jwt.get_unverified_header(told["passport"])["typ"] == "vnd.ga4gh.passport+jwt"


def test_no_forged_visa_passes(released, mara):
    released.granted(mara)
    visa = asked(mara)["ga4gh_passport_v1"][0]
    claims = jwt.decode(visa, options={"verify_signature": False})
    kid = jwt.get_unverified_header(visa)["kid"]
    other = ec.generate_private_key(ec.SECP256R1())
    forged = {
        "without signature": jwt.encode(claims, None, "none", headers={"kid": kid}),
        "with another key": jwt.encode(claims, other, "ES256", headers={"kid": kid}),
        "with the public key as a secret": jwt.encode(claims, keys()[kid].Algorithm.to_jwk(keys()[kid].key) + "0" * 32, "HS256", headers={"kid": kid}),
        "with another body": ".".join([visa.split(".")[0], jwt.encode(claims | {"sub": "x"}, other, "ES256").split(".")[1], visa.split(".")[2]]),
    }  # fmt: skip
    for how, token in forged.items():
        with pytest.raises(jwt.InvalidTokenError):
            pytest.fail(f"a visa {how} was read as {checked(token)}")


def test_a_visa_ends_within_the_hour_and_never_after_the_grant(released, mara):
    grant = released.granted(mara)
    visa = asked(mara)["ga4gh_passport_v1"][0]
    with time_machine.travel(timezone.now() + timedelta(minutes=61)), pytest.raises(jwt.ExpiredSignatureError):
        checked(visa)
    with time_machine.travel(grant.ends_at - timedelta(minutes=10)):
        late = checked(asked(mara)["ga4gh_passport_v1"][0])
        assert late["exp"] == int(grant.ends_at.timestamp())


def test_a_visa_never_outlives_a_date_of_grace(released, mara):
    released.granted(mara)
    grace = timezone.now() + timedelta(minutes=30)
    agreements.publish_version(
        by=released.manager, agreement=released.agreement, text=world.TEXT + "More.", change_class=ChangeClass.NOTICE,
        grace_ends_at=grace,
    )  # fmt: skip
    assert checked(asked(mara)["ga4gh_passport_v1"][0])["exp"] == int(grace.timestamp())
    with time_machine.travel(grace + timedelta(seconds=5)):
        assert asked(mara)["ga4gh_passport_v1"] == []


@pytest.mark.parametrize("verb", ["suspend_grant", "revoke_grant"])
def test_what_is_taken_away_gives_no_visa_any_more(released, mara, verb):
    grant = released.granted(mara)
    assert len(asked(mara)["ga4gh_passport_v1"]) == 2
    getattr(actions, verb)(by=released.manager, grant=grant, reason="x")
    told = asked(mara)
    assert told["ga4gh_passport_v1"] == []
    assert checked(told["passport"])["ga4gh_passport_v1"] == []


def test_what_rules_approved_says_so(released, mara):
    trust(released)
    passed = released.applied(verified(mara))
    assert passed.lane == Lane.GREEN
    released.signed(mara, passed)
    assert checked(asked(mara)["ga4gh_passport_v1"][0])["ga4gh_visa_v1"]["by"] == "system"


def test_one_reads_ones_own_visas_alone_and_only_with_the_scope(released, mara, stranger):
    released.granted(mara)
    assert asked(stranger)["ga4gh_passport_v1"] == []
    assert Client().get(URL).status_code == 401
    assert Client().get(URL, headers=bearer(mara, Kind.QUERY)).status_code == 403
    assert Client().get(URL, headers=bearer(mara))["Cache-Control"] == "no-store"


def test_a_portal_without_a_signing_key_says_so_and_tells_nobody_to_ask_again(released, mara, settings):
    settings.RECEIPT_SIGNING_KEY = ""
    refused = Client().get(URL, headers=bearer(mara))
    assert (refused.status_code, refused.json()["code"]) == (503, "not_set_up")
    assert "Retry-After" not in refused


def test_a_grant_that_opens_no_downloads_gives_no_visa(released, mara):
    sent = released.applied(mara, capabilities=["query"])
    for reviewer in released.reviewers[:2]:
        sent = actions.cast_vote(by=reviewer, application=sent, vote="approve")
    released.signed(mara, sent)
    assert asked(mara)["ga4gh_passport_v1"] == []


def test_terms_of_use_stand_in_the_api_and_among_the_tags_of_a_model(released):
    actions.change_gate(by=released.manager, gate=released.gate, duo=["DUO:0000018"])
    told = Client().get(f"/api/v1/gates/{released.gate.slug}").json()["terms_of_use"]
    assert told == [
        {
            "id": "DUO:0000018",
            "label": "not for profit, non commercial use only",
            "url": "http://purl.obolibrary.org/obo/DUO_0000018",
        }
    ]
    assert "DUO:0000018" in Client().get("/api/models/lyceum/large-5m").json()["tags"]


def test_without_a_signing_key_nothing_is_signed(settings, released, mara):
    released.granted(mara)
    settings.RECEIPT_SIGNING_KEY = ""
    assert Client().get(URL, headers=bearer(mara)).status_code == 503
    assert Client().get("/.well-known/jwks.json").json() == {"keys": []}


def test_another_secret_is_another_key(settings):
    first = Client().get("/.well-known/jwks.json").json()["keys"][0]
    settings.RECEIPT_SIGNING_KEY = "another"
    second = Client().get("/.well-known/jwks.json").json()["keys"][0]
    assert first["kid"] != second["kid"]
    assert "d" not in first, "the private part stays"
