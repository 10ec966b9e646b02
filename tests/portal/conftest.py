from __future__ import annotations

import pytest
from django.core.cache import caches

from portal.access.institutional_models import InstitutionalAgreement
from portal.people.models import User
from tests.portal import seats, world


@pytest.fixture(autouse=True)
def _fresh_limits() -> None:
    """Nobody pays for the requests of another test, or reads its numbers."""
    for name in ("default", "process"):
        caches[name].clear()


@pytest.fixture
def lyceum(db: None) -> world.World:
    return world.build("lyceum")


@pytest.fixture
def harbour(db: None) -> world.World:
    return world.build("harbour")


@pytest.fixture
def mara(db: None) -> User:
    return world.person("Mara Lindqvist")


@pytest.fixture
def stranger(db: None) -> User:
    return world.person("Ida Fremd")


@pytest.fixture
def operator(db: None) -> User:
    """Who runs the portal, with all rights in the admin."""
    return User.objects.create_superuser("root@operator.example", world.PASSWORD, name="Root")


@pytest.fixture
def official(db: None) -> User:
    """Somebody who may sign for an institution."""
    return seats.at_home("Ingrid Solberg")


@pytest.fixture
def cover(lyceum: world.World, official: User) -> InstitutionalAgreement:
    """An institutional agreement of lyceum's, in force."""
    return seats.in_force(lyceum, official)
