"""What follows when a revision is published: the scores that it carries are kept. Safe to run twice."""

from __future__ import annotations

import logging
from typing import Any

from portal.errors import Invalid
from portal.outbox.delivery import handler
from releases.actions.revisions import PUBLISHED
from releases.evaluations import carried
from releases.models import Revision

logger = logging.getLogger(__name__)


@handler(PUBLISHED)
def published(payload: dict[str, Any]) -> None:
    """Import the revision's own record of evaluations. One that cannot be read is logged: trying again would not help."""
    revision = Revision.objects.select_related("model__lab").filter(pk=payload["revision"]).first()
    if revision is None:
        return
    try:
        carried.take_in(revision=revision, by=None)
    except Invalid as fault:
        logger.warning("Scores of %s were not imported: %s %s", revision, fault.message, fault.fields)
