"""Who confirms an application from outside, what they answered, and a reviewer's word to go on without them."""

from __future__ import annotations

from typing import Final

from django.conf import settings
from django.db import models
from django.db.models import Q
from django.utils.translation import gettext_lazy as _

from portal.access.referees import NAMED, Party, RefereeStatus, verbs

COMMENT_LIMIT: Final = 2_000


class Confirmer(models.TextChoices):
    """What a gate calls those who confirm."""

    REFEREE = "referee", _("referee")
    SPONSOR = "sponsor", _("sponsor")


class Referee(models.Model):
    """One person whom an applicant has asked to confirm, by mail, without an account."""

    application = models.ForeignKey("access.Application", on_delete=models.PROTECT, related_name="referees")
    name = models.CharField(max_length=120)
    email = models.EmailField()
    mailbox = models.CharField(max_length=254)
    relation = models.CharField(max_length=120)
    """To the applicant, in the applicant's words; the referee reads it."""
    status = models.CharField(max_length=12, default=RefereeStatus.ASKED.value)
    digest = models.CharField(max_length=64, blank=True)
    """SHA-256 of the secret in the mailed link; empty once it was answered, taken back or has run out."""
    asked_at = models.DateTimeField()
    sent_at = models.DateTimeField()
    """When the last mail left."""
    expires_at = models.DateTimeField()
    reminders = models.PositiveSmallIntegerField(default=0)
    """Those that the applicant asked for."""
    notices = models.PositiveSmallIntegerField(default=0)
    """How many of the schedule's reminders have been sent for this end."""
    ended_at = models.DateTimeField(null=True, blank=True)
    """When they answered, were replaced, or the link ran out."""
    comment = models.TextField(blank=True)
    """For the lab's reviewers; the applicant never reads it."""

    class Meta:
        ordering = ["asked_at", "id"]
        indexes = [models.Index(fields=["mailbox"], name="referee_by_mailbox")]
        constraints = [
            models.UniqueConstraint(
                fields=["application", "mailbox"],
                condition=Q(status__in=sorted(NAMED)) & ~Q(mailbox=""),
                name="referee_named_once",
            ),
            models.UniqueConstraint(fields=["digest"], condition=~Q(digest=""), name="referee_link"),
            models.CheckConstraint(name="referee_status_known", condition=Q(status__in=list(RefereeStatus))),
            models.CheckConstraint(
                name="referee_link_while_asked",
                condition=Q(status=RefereeStatus.ASKED, ended_at=None) & ~Q(digest="")
                | ~Q(status=RefereeStatus.ASKED) & Q(digest="", ended_at__isnull=False),
            ),
        ]

    def __str__(self) -> str:
        return f"{self.name}, {self.status}"

    @property
    def applicant_may(self) -> tuple[str, ...]:
        """What the applicant may do about this person now."""
        return verbs(self.status, {Party.APPLICANT})


class Waiver(models.Model):
    """A reviewer goes on without the confirmations that are missing, and says why. For the lab's staff."""

    application = models.OneToOneField("access.Application", on_delete=models.PROTECT, related_name="waiver")
    by = models.ForeignKey(settings.AUTH_USER_MODEL, on_delete=models.PROTECT, related_name="+")
    at = models.DateTimeField()
    reason = models.TextField()

    def __str__(self) -> str:
        return f"waived by {self.by}"
