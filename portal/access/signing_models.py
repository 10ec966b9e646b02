"""Which holders were asked by mail to sign which version, so that each is asked once on each occasion."""

from __future__ import annotations

from django.conf import settings
from django.db import models
from django.db.models import Q
from django.utils.translation import gettext_lazy as _


class Occasion(models.TextChoices):
    """When a holder is asked."""

    PUBLISHED = "published", _("at publication")
    FORTNIGHT = "14_days", _("14 days before the date of grace")
    LAST_DAYS = "3_days", _("3 days before the date of grace")


class CallToSign(models.Model):
    """One mail that asked one holder to sign one version."""

    version = models.ForeignKey("agreements.Version", on_delete=models.PROTECT, related_name="calls")
    user = models.ForeignKey(settings.AUTH_USER_MODEL, on_delete=models.CASCADE, related_name="+")
    occasion = models.CharField(max_length=12, choices=Occasion.choices)
    sent_at = models.DateTimeField()

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["version", "user", "occasion"], name="call_to_sign_once"),
            models.CheckConstraint(name="call_to_sign_occasion", condition=Q(occasion__in=Occasion.values)),
        ]

    def __str__(self) -> str:
        return f"{self.user_id} to sign {self.version_id}, {self.occasion}"
