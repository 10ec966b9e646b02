"""What stands beside an application: notes, filters, substitutes and spot checks of reviewers, the applicant's appeal."""

from __future__ import annotations

from typing import Final

from django.conf import settings
from django.db import models
from django.db.models.functions import Lower
from django.urls import reverse
from django.utils.translation import gettext_lazy as _

FILTER_LIMIT: Final = 20
"""Saved filters of one person: more than this is not a list that one can read."""
QUERY_LIMIT: Final = 4_000
"""Characters of the address that one of them keeps."""


class SavedFilter(models.Model):
    """One person's name for a way to look at the queue."""

    user = models.ForeignKey(settings.AUTH_USER_MODEL, on_delete=models.CASCADE, related_name="+")
    name = models.CharField(_("name"), max_length=60)
    query = models.CharField(max_length=QUERY_LIMIT, blank=True)
    """The query string of the queue's address, without page."""

    class Meta:
        ordering = [Lower("name")]
        constraints = [models.UniqueConstraint("user", Lower("name"), name="saved_filter_once")]

    def __str__(self) -> str:
        return self.name

    def get_absolute_url(self) -> str:
        """The queue, seen through it."""
        return f"{reverse('access:queue')}?{self.query}"


class Note(models.Model):
    """A line of the reviewers' thread beside an application. The applicant never reads it. Written once, by trigger."""

    application = models.ForeignKey("access.Application", on_delete=models.PROTECT, related_name="notes")
    by = models.ForeignKey(settings.AUTH_USER_MODEL, on_delete=models.PROTECT, related_name="+")
    at = models.DateTimeField()
    text = models.TextField()

    class Meta:
        ordering = ["at", "id"]
        indexes = [models.Index(fields=["application", "at"], name="note_of_application")]

    def __str__(self) -> str:
        return f"{self.by} on {self.application_id}"


class Outcome(models.TextChoices):
    """How an appeal ends."""

    UPHELD = "upheld", _("the decline stands")
    OVERTURNED = "overturned", _("overturned: the application is approved")


class Appeal(models.Model):
    """The applicant asks reviewers who had no part in a decline to look again: once. Kept as written, by trigger."""

    application = models.OneToOneField("access.Application", on_delete=models.PROTECT, related_name="appeal")
    text = models.TextField()
    made_at = models.DateTimeField()
    outcome = models.CharField(max_length=10, choices=Outcome.choices, blank=True)
    message = models.TextField(blank=True)
    """Said to the applicant when the decline stands."""
    decided_at = models.DateTimeField(null=True, blank=True)
    decided_by = models.ForeignKey(
        settings.AUTH_USER_MODEL, on_delete=models.PROTECT, null=True, blank=True, related_name="+"
    )

    class Meta:
        constraints = [
            models.CheckConstraint(
                name="appeal_decided_whole",
                condition=models.Q(outcome="", message="", decided_at=None, decided_by=None)
                | models.Q(outcome__in=Outcome.values, decided_at__isnull=False, decided_by__isnull=False),
            ),
            models.CheckConstraint(
                name="appeal_upheld_with_words", condition=~models.Q(outcome=Outcome.UPHELD, message="")
            ),
        ]

    def __str__(self) -> str:
        return f"appeal of {self.application_id}"


class Found(models.TextChoices):
    """What a spot check found."""

    RIGHT = "right", _("the rules were right")
    WRONG = "wrong", _("a person would have decided otherwise")


class SpotCheck(models.Model):
    """A person looks afterwards at what the rules approved; drawn at random, and never shown to the applicant."""

    application = models.OneToOneField("access.Application", on_delete=models.PROTECT, related_name="spot_check")
    drawn_at = models.DateTimeField()
    found = models.CharField(max_length=8, choices=Found.choices, blank=True)
    note = models.TextField(blank=True)
    """For the lab's staff: what the rules missed."""
    checked_at = models.DateTimeField(null=True, blank=True)
    checked_by = models.ForeignKey(
        settings.AUTH_USER_MODEL, on_delete=models.PROTECT, null=True, blank=True, related_name="+"
    )

    class Meta:
        indexes = [
            models.Index(fields=["drawn_at"], name="spot_check_waiting", condition=models.Q(checked_at=None)),
        ]
        constraints = [
            models.CheckConstraint(
                name="spot_check_whole",
                condition=models.Q(found="", note="", checked_at=None, checked_by=None)
                | models.Q(found__in=Found.values, checked_at__isnull=False, checked_by__isnull=False),
            ),
        ]

    def __str__(self) -> str:
        return f"spot check of {self.application_id}"


class Substitute(models.Model):
    """A colleague of the same lab who acts on what is assigned to an absent reviewer, from one day through another."""

    lab = models.ForeignKey("people.Lab", on_delete=models.PROTECT, related_name="+")
    reviewer = models.ForeignKey(settings.AUTH_USER_MODEL, on_delete=models.PROTECT, related_name="substitutes")
    substitute = models.ForeignKey(settings.AUTH_USER_MODEL, on_delete=models.PROTECT, related_name="stands_in")
    starts_on = models.DateField()
    ends_on = models.DateField()
    made_at = models.DateTimeField()
    ended_at = models.DateTimeField(null=True, blank=True)
    """Set when it was taken back early."""

    class Meta:
        ordering = ["-starts_on", "-id"]
        indexes = [models.Index(fields=["substitute", "ends_on"], name="substitute_standing")]
        constraints = [
            models.CheckConstraint(name="substitute_period", condition=models.Q(ends_on__gte=models.F("starts_on"))),
            models.CheckConstraint(name="substitute_is_another", condition=~models.Q(reviewer=models.F("substitute"))),
        ]

    def __str__(self) -> str:
        return f"{self.substitute} for {self.reviewer}"


class ReasonText(models.Model):
    """A lab's own words for one typed reason, in the mail to the applicant. Without a row the default words stand."""

    lab = models.ForeignKey("people.Lab", on_delete=models.CASCADE, related_name="+")
    reason = models.CharField(max_length=32)
    """`declined_<code>` or `changes_<code>`: the name of the template with the default words."""
    text = models.TextField()

    class Meta:
        constraints = [models.UniqueConstraint(fields=["lab", "reason"], name="reason_text_once")]

    def __str__(self) -> str:
        return f"{self.reason} of {self.lab}"
