"""What one contract test does to its hub the next one does not see."""

from __future__ import annotations

from pathlib import Path

import psycopg2.errors
import pytest
from django.conf import settings

from releases.models import Blob, Model
from releases.permits import place
from tests import leftovers
from tests.contract import clients
from tests.contract import hub as hubs
from tests.contract.hub import Hub


def test_a_hub_that_was_taken_apart_stands_whole_again(
    hub: Hub, hub_templates: dict[str, hubs.Template], tmp_path: Path
) -> None:
    before = clients.digests(hub.folder / "gated")
    stored = place(settings.STORE_PATH, hub.gated.main.files.get(path="model.safetensors").blob_id)
    kept = stored.read_bytes()
    stored.write_bytes(b"spoilt")
    (hub.folder / "gated" / "README.md").write_text("spoilt")
    hub.stranger.name = "Spoilt"
    hub.stranger.save()
    leftovers.empty()
    again = hub_templates[settings.RECEIPT_SIGNING_KEY].stand(tmp_path / "again")
    assert stored.read_bytes() == kept
    assert clients.digests(again.folder / "gated") == before
    assert again.stranger.name == "Ida Fremd"
    assert Model.objects.count() == 2
    assert {place(settings.STORE_PATH, one.pk).exists() for one in Blob.objects.all()} == {True}


def test_a_hub_is_not_put_beside_another(hub: Hub, hub_templates: dict[str, hubs.Template], tmp_path: Path) -> None:
    with pytest.raises(psycopg2.errors.UniqueViolation):
        hub_templates[settings.RECEIPT_SIGNING_KEY].stand(tmp_path / "again")
