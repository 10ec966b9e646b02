"""The thin path: apply, two approvals, sign, token, revoke."""

from __future__ import annotations

import pytest

from portal.access import actions
from portal.access.models import Grant
from portal.access.workflow import Status
from portal.errors import BadToken
from portal.tokens import actions as tokens
from portal.tokens.authentication import identify
from portal.tokens.scopes import Kind, Scope


def test_a_researcher_applies_is_approved_twice_signs_and_holds_access(lyceum, mara):
    grant = lyceum.granted(mara)
    assert grant.application.status == Status.GRANTED
    assert list(Grant.objects.active()) == [grant]
    assert grant.project.lab == lyceum.lab


def test_a_revoked_grant_opens_nothing(lyceum, mara):
    grant = lyceum.granted(mara)
    actions.revoke_grant(by=lyceum.manager, grant=grant, reason="The weights were passed on.")
    assert not Grant.objects.active().exists()


def test_a_token_identifies_its_maker_until_revoked(mara):
    token, secret = tokens.issue(by=mara, kind=Kind.DOWNLOAD, label="laptop")
    credential = identify(f"Bearer {secret}")
    assert credential is not None
    assert (credential.user, credential.scopes) == (mara, {Scope.DOWNLOAD})
    tokens.revoke(by=mara, token=token)
    with pytest.raises(BadToken):
        identify(f"Bearer {secret}")
