"""Page tokens: what a page of ours queries with, for the browser session that opened it."""

from __future__ import annotations

from datetime import datetime

from django.db import models
from django.utils import timezone


class PageTokenQuerySet(models.QuerySet["PageToken"]):
    """Questions about page tokens."""

    def in_session(self, now: datetime | None = None) -> PageTokenQuerySet:
        """Those whose session is still there."""
        return self.filter(session__expire_date__gt=now or timezone.now())


class PageToken(models.Model):
    """What binds an access token of the kind *page*: one session, one thing. It opens nothing without this row.

    A session ends in many ways (signing out, a new password, its time), and none of them may fail because of this row:
    so it is no constraint of the database, and whoever reads it asks whether the session is there.
    """

    token = models.OneToOneField("tokens.AccessToken", on_delete=models.CASCADE, primary_key=True, related_name="page")
    session = models.ForeignKey("sessions.Session", on_delete=models.DO_NOTHING, db_constraint=False, related_name="+")
    resource = models.CharField(max_length=200)
    """Public name of the one thing that it opens."""

    objects = PageTokenQuerySet.as_manager()

    def __str__(self) -> str:
        return f"{self.token_id} for {self.resource}"
