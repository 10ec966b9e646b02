"""Changes of rights and releases, carried to the gateway. Each handler may run twice and out of order."""

from __future__ import annotations

from typing import Any

from django.dispatch import receiver

import portal.celery  # noqa: F401 without it a task goes to a broker that Celery makes up
from inference import allocation_actions, principals, routes, tasks
from inference.batch_models import StandIn
from inference.evaluation_models import EvaluationRun
from portal.outbox.delivery import handler
from portal.people.models import User
from portal.people.signals import leaving
from releases.storage.drawer import drawer


@receiver(leaving)
def take_back_requests(user: User, **_rest: Any) -> None:
    """Whoever is erased waits for no query time."""
    allocation_actions.leave(by=user)


@handler("rights.changed")
def rights_changed(payload: dict[str, Any]) -> None:
    """A token was revoked, or a generation rose: effective at the gateway from its next request on.

    Whoever stands in for a revoked token goes with it. One that is made later finds the token revoked.
    """
    if payload["kind"] == "token":
        principals.bury(payload["digest"])
        for digest in StandIn.objects.filter(batch__token__digest=payload["digest"]).values_list("digest", flat=True):
            principals.bury(digest)
    else:
        principals.bump(payload["kind"], payload["id"], int(payload["generation"]))


@handler("release.changed")
def release_changed(payload: dict[str, Any]) -> None:
    """A model, a pool or a switch changed: push the routes, and have every principal read anew."""
    routes.push()
    principals.forget_all()


@handler("batch.run")
def batch_wanted(payload: dict[str, Any]) -> None:
    """Have a worker go on with a batch; where no broker answers, the outbox tries again."""
    tasks.run_batch.apply_async((payload["batch"],))


@handler("batch.ended")
def batch_ended(payload: dict[str, Any]) -> None:
    """Where an evaluation run waits for it, have it scored."""
    if EvaluationRun.objects.running().filter(batch=payload["batch"]).exists():
        tasks.follow_evaluations.apply_async()


@handler("batch.file_gone")
def file_gone(payload: dict[str, Any]) -> None:
    """Remove the bytes of a file whose row is gone."""
    drawer().delete(payload["file"])
