"""Offers of a team's lead to hand the project over to a member, and what became of them."""

from __future__ import annotations

import uuid
from datetime import datetime

from django.db import models
from django.db.models import Q
from django.urls import reverse
from django.utils import timezone

from portal.access.handovers import OFFER_LIFE, HandoverStatus


class HandoverQuerySet(models.QuerySet["Handover"]):
    """Offers by state."""

    def waiting(self, now: datetime | None = None) -> HandoverQuerySet:
        """Those that can be answered still."""
        since = (now or timezone.now()) - OFFER_LIFE
        return self.filter(status=HandoverStatus.OFFERED, offered_at__gt=since)

    def taken(self) -> Handover | None:
        """The newest that was accepted."""
        rows = self.filter(status=HandoverStatus.ACCEPTED).select_related("member__user", "member__grant")
        return rows.order_by("-closed_at").first()

    def silent(self, now: datetime | None = None) -> HandoverQuerySet:
        """Those whose time is over unanswered."""
        since = (now or timezone.now()) - OFFER_LIFE
        return self.filter(status=HandoverStatus.OFFERED, offered_at__lte=since)


class Handover(models.Model):
    """One offer. The newest accepted one of an application says who leads its team; without any, who applied does."""

    id = models.UUIDField(primary_key=True, default=uuid.uuid4, editable=False)
    application = models.ForeignKey("access.Application", on_delete=models.PROTECT, related_name="handovers")
    grant = models.ForeignKey("access.Grant", on_delete=models.PROTECT, related_name="handovers")
    """Of the lead who offers: the one that the team's rests on."""
    member = models.ForeignKey("access.Member", on_delete=models.PROTECT, related_name="handovers")
    status = models.CharField(max_length=12, default=HandoverStatus.OFFERED.value)
    offered_at = models.DateTimeField()
    closed_at = models.DateTimeField(null=True, blank=True)
    signature = models.ForeignKey(
        "agreements.Signature", on_delete=models.PROTECT, null=True, blank=True, related_name="+"
    )
    """By which the member took the project over."""

    objects = HandoverQuerySet.as_manager()

    class Meta:
        ordering = ["offered_at"]
        constraints = [
            models.UniqueConstraint(
                fields=["application"], condition=Q(status=HandoverStatus.OFFERED), name="handover_one_open"
            ),
            models.CheckConstraint(name="handover_status_known", condition=Q(status__in=list(HandoverStatus))),
            models.CheckConstraint(
                name="handover_closed_with_status",
                condition=Q(status=HandoverStatus.OFFERED, closed_at=None)
                | (~Q(status=HandoverStatus.OFFERED) & Q(closed_at__isnull=False)),
            ),
            models.CheckConstraint(
                name="handover_accepted_with_a_signature",
                condition=Q(status=HandoverStatus.ACCEPTED, signature__isnull=False)
                | (~Q(status=HandoverStatus.ACCEPTED) & Q(signature=None)),
            ),
        ]

    def __str__(self) -> str:
        return f"handover to {self.member}, {self.status}"

    def get_absolute_url(self) -> str:
        """Where the member answers."""
        return reverse("access:take_over", args=[self.pk])

    @property
    def until(self) -> datetime:
        """When it can be accepted no more."""
        return self.offered_at + OFFER_LIFE
