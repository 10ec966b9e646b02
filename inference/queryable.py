"""Which served models somebody may query on a project's account: asked alike where rights are built and where they are shown."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime
from typing import Any

from django.conf import settings
from django.urls import reverse
from django.utils.translation import gettext as _

from inference import routes
from inference.models import Pool
from portal.access.models import Grant
from portal.errors import Reason
from portal.people.models import Lab, User
from portal.projects.models import Project
from portal.tokens.scopes import Scope
from releases import policy


def right(
    *, person: User, project: Project, scopes: Iterable[str], pool: Pool, now: datetime
) -> policy.Allow | policy.Deny:
    """Whether the person may query the pool's model on this project's account.

    The rule itself is releases.policy; here it is asked about the revision that the pool has. A grant's use is charged to
    the project that holds it: with any other project the answer is no, and names the one that it is.
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
    holder = Grant.objects.select_related("project").get(pk=verdict.grant).project
    return verdict if holder.pk == project.pk else _elsewhere(pool, holder)


def _elsewhere(pool: Pool, holder: Project) -> policy.Deny:
    tokens = f"{settings.BASE_URL}{reverse('tokens:list')}"
    told = {"model": pool.model.full_name, "project": holder.title, "tokens": tokens}
    text = _(
        "Your grant for %(model)s belongs to the project “%(project)s”, and this token to another one. "
        "Make a query token that is charged to “%(project)s”: %(tokens)s"
    )
    return policy.Deny((Reason("another_project", text % told, tokens),))


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
