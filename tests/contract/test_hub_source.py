"""A model taken in from a running hub: ours, through its own doors."""

from __future__ import annotations

from typing import Any

import pytest

from portal.errors import Invalid
from releases import actions
from releases.ingest import ingest
from releases.models import Download
from tests.contract.hub import Hub


def test_a_gated_model_is_taken_with_a_holders_token(hub: Hub, settings: Any) -> None:
    settings.INGEST_HUB_TOKEN = hub.token(hub.researcher)
    copy = actions.open_model(lab=hub.world.lab, name="copy", by=hub.world.manager)
    revision = ingest(f"hub:{hub.url}/lyceum/gated@{hub.gated.main.commit}", model=copy, by=hub.world.manager)
    assert revision.tree == hub.gated.main.tree
    assert Download.objects.filter(model="lyceum/gated", user_id=str(hub.researcher.pk)).exists()


def test_and_not_without(hub: Hub, settings: Any) -> None:
    settings.INGEST_HUB_TOKEN = hub.token(hub.stranger)
    copy = actions.open_model(lab=hub.world.lab, name="copy", by=hub.world.manager)
    with pytest.raises(Invalid, match="403"):
        ingest(f"hub:{hub.url}/lyceum/gated", model=copy, by=hub.world.manager)
    assert not copy.revisions.exists()
