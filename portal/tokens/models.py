"""Access tokens: a digest, what it may be used for, and until when. The secret itself is never stored."""

from __future__ import annotations

import uuid
from datetime import datetime

from django.conf import settings
from django.contrib.postgres.fields import ArrayField
from django.db import models
from django.db.models import F, Q
from django.utils import timezone

from portal.tokens import device_models, page_models  # noqa: F401 Django looks for every model of an app here
from portal.tokens.scopes import Kind, Scope


class TokenQuerySet(models.QuerySet["AccessToken"]):
    """Questions about tokens."""

    def active(self, now: datetime | None = None) -> TokenQuerySet:
        """Tokens that open something today, as far as the token itself goes."""
        now = now or timezone.now()
        return self.filter(revoked_at=None, expires_at__gt=now, user__is_active=True)

    def named(self) -> TokenQuerySet:
        """Tokens that a person has made and named; a page's own are not among them."""
        return self.exclude(kind=Kind.PAGE)

    def listed(self, now: datetime | None = None) -> TokenQuerySet:
        """What a person sees of their tokens: all that they named, and of their pages' own those that still open something."""
        live = Q(revoked_at=None, expires_at__gt=now or timezone.now())
        return self.filter(~Q(kind=Kind.PAGE) | live)


class AccessToken(models.Model):
    """Lets a program act for one person, within scopes, until a date."""

    id = models.UUIDField(primary_key=True, default=uuid.uuid4, editable=False)
    user = models.ForeignKey(settings.AUTH_USER_MODEL, on_delete=models.CASCADE, related_name="tokens")
    project = models.ForeignKey(
        "projects.Project", on_delete=models.PROTECT, null=True, blank=True, related_name="tokens"
    )
    """What queries are charged to; null where nothing is charged."""
    kind = models.CharField(max_length=4, choices=[(kind.value, kind.name.lower()) for kind in Kind])
    digest = models.CharField(max_length=64, unique=True)
    hint = models.CharField(max_length=20)
    label = models.CharField(max_length=80)
    scopes = ArrayField(models.CharField(max_length=16))
    created_at = models.DateTimeField(auto_now_add=True)
    expires_at = models.DateTimeField()
    revoked_at = models.DateTimeField(null=True, blank=True)
    revoked_by = models.ForeignKey(
        settings.AUTH_USER_MODEL,
        on_delete=models.PROTECT,
        null=True,
        blank=True,
        related_name="+",
    )
    last_used_at = models.DateTimeField(null=True, blank=True)

    objects = TokenQuerySet.as_manager()

    class Meta:
        ordering = ["-created_at"]
        constraints = [
            models.CheckConstraint(
                name="token_revoked_by_somebody",
                condition=Q(revoked_at=None, revoked_by=None) | Q(revoked_at__isnull=False, revoked_by__isnull=False),
            ),
            models.CheckConstraint(
                name="token_scopes_known",
                condition=Q(scopes__contained_by=[scope.value for scope in Scope], scopes__len__gt=0),
            ),
            models.CheckConstraint(name="token_kind_known", condition=Q(kind__in=[kind.value for kind in Kind])),
            models.CheckConstraint(
                name="token_query_names_a_project",
                condition=~Q(scopes__contains=[Scope.QUERY.value]) | Q(project__isnull=False),
            ),
            models.CheckConstraint(name="token_ends_after_it_begins", condition=Q(expires_at__gt=F("created_at"))),
        ]

    def __str__(self) -> str:
        return f"{self.label} ({self.hint}…)"

    def ended(self, now: datetime | None = None) -> bool:
        """Revoked, or past its end."""
        return self.revoked_at is not None or self.expires_at <= (now or timezone.now())
