"""Which served models somebody may query on a project's account: asked alike where rights are built and where they are shown."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime
from typing import Any

from inference import routes
from inference.models import Pool
from portal.people.models import Lab, User
from portal.projects.models import Project
from portal.tokens.scopes import Scope
from releases import policy


def right(
    *, person: User, project: Project, scopes: Iterable[str], pool: Pool, now: datetime
) -> policy.Allow | policy.Deny | None:
    """Whether the person may query the pool's model; None where another project holds the grant.

    The rule itself is releases.policy; here it is asked about the revision that the pool has. A grant's use is charged to
    the project that holds it.
    """
    verdict = policy.decide(
        person=person,
        scopes=frozenset(scopes),
        model=pool.model,
        revision=pool.model.revisions.filter(commit=pool.commit).first(),
        capability="query",
        now=now,
    )
    if isinstance(verdict, policy.Deny) or not verdict.grant:
        return verdict
    return verdict if project.grants.filter(pk=verdict.grant).exists() else None


def labs(project: Project, now: datetime) -> list[Lab]:
    """The labs whose defaults make a project's limits where it has no allowance of its own: see Budget.whole.

    Its own lab; for a personal project, those whose models its owner may query.
    """
    if project.lab is not None:
        return [project.lab]
    given: dict[Any, Lab] = {}
    for pool in routes.met_by(str(project.pk)):
        if pool.lab_id not in given:
            found = right(person=project.owner, project=project, scopes=[Scope.QUERY], pool=pool, now=now)
            if isinstance(found, policy.Allow):
                given[pool.lab_id] = pool.lab
    return list(given.values())
