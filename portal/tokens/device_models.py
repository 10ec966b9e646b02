"""Device logins: a program asks for a token, a person with a browser answers. Only digests of both codes are kept."""

from __future__ import annotations

import uuid
from datetime import datetime

from django.conf import settings
from django.db import models
from django.db.models import F, Q
from django.utils import timezone
from django.utils.crypto import salted_hmac

from portal.tokens import devices
from portal.tokens.devices import State
from portal.tokens.scopes import Kind


def digest(code: str) -> str:
    """The only form in which a code is stored. Keyed, because a user code is short enough to be tried out offline."""
    return digests(code)[0]


def digests(code: str) -> list[str]:
    """Those that it may be stored as: of the present SECRET_KEY, and of those that it was exchanged for since."""
    secrets = (settings.SECRET_KEY, *settings.SECRET_KEY_FALLBACKS)
    return [salted_hmac("portal.tokens.devices", code, of, algorithm="sha256").hexdigest() for of in secrets]


class DeviceLoginQuerySet(models.QuerySet["DeviceLogin"]):
    """Questions about device logins."""

    def waiting(self, user_code: str, now: datetime | None = None) -> DeviceLoginQuerySet:
        """The login that this user code can still answer."""
        now = now or timezone.now()
        return self.filter(user_digest__in=digests(user_code), state=State.WAITING, expires_at__gt=now)


class DeviceLogin(models.Model):
    """One login of a program that has no browser: waits for a person, then gives one token, once."""

    id = models.UUIDField(primary_key=True, default=uuid.uuid4, editable=False)
    device_digest = models.CharField(max_length=64, unique=True)
    user_digest = models.CharField(max_length=64, unique=True)
    client_id = models.CharField(max_length=100)
    agent = models.CharField(max_length=200, blank=True)
    """What the program calls itself."""
    place = models.CharField(max_length=45)
    """The network address that it asked from."""
    state = models.CharField(max_length=9, default=State.WAITING, choices=[(s.value, s.value) for s in State])
    created_at = models.DateTimeField(auto_now_add=True)
    expires_at = models.DateTimeField()
    polled_at = models.DateTimeField(null=True, blank=True)
    interval_s = models.PositiveSmallIntegerField(default=devices.INTERVAL_S)
    user = models.ForeignKey(
        settings.AUTH_USER_MODEL, on_delete=models.CASCADE, null=True, blank=True, related_name="device_logins"
    )
    """Who answered."""
    decided_at = models.DateTimeField(null=True, blank=True)
    kind = models.CharField(max_length=4, blank=True, choices=[(kind.value, kind.name.lower()) for kind in Kind])
    label = models.CharField(max_length=80, blank=True)
    project = models.ForeignKey("projects.Project", on_delete=models.CASCADE, null=True, blank=True, related_name="+")
    token_ends_at = models.DateTimeField(null=True, blank=True)
    token = models.OneToOneField(
        "tokens.AccessToken", on_delete=models.CASCADE, null=True, blank=True, related_name="device_login"
    )

    objects = DeviceLoginQuerySet.as_manager()

    class Meta:
        ordering = ["-created_at"]
        constraints = [
            models.CheckConstraint(
                name="device_login_state_known", condition=Q(state__in=[state.value for state in State])
            ),
            models.CheckConstraint(
                name="device_login_answered_by_somebody",
                condition=Q(state=State.WAITING, user=None, decided_at=None)
                | (~Q(state=State.WAITING) & Q(user__isnull=False, decided_at__isnull=False)),
            ),
            models.CheckConstraint(
                name="device_login_token_when_collected",
                condition=Q(state=State.COLLECTED, token__isnull=False) | (~Q(state=State.COLLECTED) & Q(token=None)),
            ),
            models.CheckConstraint(
                name="device_login_ends_after_it_begins", condition=Q(expires_at__gt=F("created_at"))
            ),
        ]

    def __str__(self) -> str:
        return f"{self.client} at {self.place}"

    @property
    def client(self) -> str:
        """The program, in a word: what we call it, or what it calls itself."""
        return devices.client_name(self.client_id) or self.client_id
