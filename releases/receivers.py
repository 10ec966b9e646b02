"""What a lab's publishers asked for, carried to the workers. The handler may run twice: a check repeats harmlessly."""

from __future__ import annotations

from typing import Any

import portal.celery  # noqa: F401 without it a task goes to a broker that Celery makes up
from portal.outbox.delivery import handler
from releases import actions, tasks
from releases.actions.revisions import RECORD
from releases.actions.stopping import TELL
from releases.logbook import recording
from releases.models import Revision
from releases.proof_models import Erratum
from releases.stop_models import Stop


@handler("revision.check")
def check_wanted(payload: dict[str, Any]) -> None:
    """Have a worker check the revision; where no broker answers, the outbox tries again."""
    tasks.check_revision.delay(payload["revision"], payload["by"])


@handler(TELL, slow=True)
def tell_holders(payload: dict[str, Any]) -> None:
    """Mail to all who hold a grant for what was stopped, or is given out again: there may be thousands."""
    actions.tell_holders(stop=Stop.objects.get(pk=payload["stop"]), lifted=payload["lifted"])


@handler("conversion.run")
def conversion_wanted(payload: dict[str, Any]) -> None:
    """Have the converter carry it out."""
    tasks.convert.delay(payload["conversion"])


@handler(actions.ERRATUM_RAISED, slow=True)
def erratum_raised(payload: dict[str, Any]) -> None:
    """Mail whoever may hold a copy: there may be thousands."""
    actions.tell_of_erratum(erratum=Erratum.objects.get(pk=payload["erratum"]))


@handler(RECORD, slow=True)
def logbook_wanted(payload: dict[str, Any]) -> None:
    """Take the logbook that a published revision carries: it may have thousands of entries."""
    recording.record(Revision.objects.select_related("model__lab", "model__family").get(pk=payload["revision"]))
