"""Votes of reviewers."""

from __future__ import annotations

from django.conf import settings
from django.db import models
from django.db.models import Q
from django.utils.translation import gettext_lazy as _

from portal.access.application_models import Application


class Vote(models.TextChoices):
    """What one reviewer says in one round."""

    APPROVE = "approve", _("approve")
    DECLINE = "decline", _("decline")
    RECUSE = "recuse", _("recused")


class Review(models.Model):
    """One reviewer's vote in one round."""

    application = models.ForeignKey(Application, on_delete=models.PROTECT, related_name="reviews")
    reviewer = models.ForeignKey(settings.AUTH_USER_MODEL, on_delete=models.PROTECT, related_name="reviews")
    round = models.PositiveSmallIntegerField()
    vote = models.CharField(max_length=8, choices=Vote.choices)
    note = models.TextField(blank=True)
    """For the other reviewers; never sent to the applicant."""
    in_place_of = models.ForeignKey(
        settings.AUTH_USER_MODEL, on_delete=models.PROTECT, null=True, blank=True, related_name="+"
    )
    """The absent reviewer for whom a substitute cast it: it counts once, as theirs."""
    cast_at = models.DateTimeField()

    class Meta:
        ordering = ["cast_at"]
        constraints = [
            models.UniqueConstraint(fields=["application", "reviewer", "round"], name="review_one_vote_a_round"),
            models.UniqueConstraint(fields=["application", "in_place_of", "round"], name="review_one_vote_in_place"),
            models.CheckConstraint(name="review_vote_known", condition=Q(vote__in=Vote.values)),
        ]

    def __str__(self) -> str:
        return f"{self.vote} by {self.reviewer}"
