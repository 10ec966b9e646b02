"""Whatever could hold something about a person is declared, with a purpose and a time."""

from __future__ import annotations

from pathlib import Path

import pytest
from django.apps import apps
from django.contrib.postgres.fields import ArrayField
from django.db import models

from portal.people import privacy
from portal.people.management.commands import privacy_table
from portal.people.models import User

ROOT = Path(__file__).resolve().parents[2]
WORDS = (
    models.CharField,
    models.TextField,
    models.JSONField,
    models.GenericIPAddressField,
    models.FileField,
    ArrayField,
)
HOLDINGS = {holding.model.lower(): holding for holding in privacy.holdings()}
MODELS = [model for model in apps.get_models() if not model._meta.proxy]


def telling(model) -> set[str]:
    """Fields that could say something about somebody: words that were not chosen from a list, and links to people."""
    names = set()
    for field in model._meta.concrete_fields:
        if field.is_relation:
            if field.related_model is User:
                names.add(field.name)
        elif isinstance(field, WORDS) and not field.choices:
            names.add(field.name)
    return names


@pytest.mark.parametrize("model", MODELS, ids=lambda model: model._meta.label)
def test_every_field_is_declared(model):
    name = model._meta.label_lower
    if name in privacy.IMPERSONAL:
        linked = {field.name for field in model._meta.concrete_fields if field.related_model is User}
        assert linked == set(), "it names people: declare it with hold()"
        return
    assert name in HOLDINGS, "declare it in its app's holdings.py: hold(…) or impersonal(…)"
    holding = HOLDINGS[name]
    undeclared = telling(model) - {*holding.personal, *holding.plain}
    assert undeclared == set(), "say in its app's holdings.py what they hold, and what erasing does to them"


@pytest.mark.parametrize("holding", privacy.holdings(), ids=lambda holding: holding.model)
def test_what_is_declared_is_there(holding):
    fields = {field.name for field in apps.get_model(holding.model)._meta.get_fields()}
    assert {*holding.personal, *holding.plain} - fields == set()
    assert not holding.purge or holding.purge in fields
    assert holding.why
    assert holding.kept


def test_every_declared_model_exists():
    assert {*HOLDINGS, *privacy.IMPERSONAL} - {model._meta.label_lower for model in MODELS} == set()


def test_the_table_is_in_the_documentation():
    assert privacy_table.table() in (ROOT / "docs" / "privacy.md").read_text(), "paste: manage.py privacy_table"
