"""What mail remembers: how often somebody wants it, what waits for the day's digest, what was sent and how it arrived."""

from __future__ import annotations

from django.conf import settings
from django.db import models
from django.utils import timezone
from django.utils.translation import gettext_lazy as _

from portal.mail.registry import CHOOSABLE, Topic


class Pace(models.TextChoices):
    """How often mail about a topic comes."""

    AT_ONCE = "at_once", _("at once")
    DAILY = "daily", _("once a day, in one mail")
    OFF = "off", _("not at all")


class Choice(models.Model):
    """The pace of one topic for one person; without a row it is at once."""

    user = models.ForeignKey(settings.AUTH_USER_MODEL, on_delete=models.CASCADE, related_name="+")
    topic = models.CharField(max_length=20, choices=Topic.choices)
    pace = models.CharField(max_length=10, choices=Pace.choices)

    class Meta:
        constraints = [
            models.UniqueConstraint(name="mail_choice_once", fields=["user", "topic"]),
            models.CheckConstraint(
                name="mail_choice_topic", condition=models.Q(topic__in=[t.value for t in CHOOSABLE])
            ),
            models.CheckConstraint(name="mail_choice_pace", condition=models.Q(pace__in=Pace.values)),
        ]

    def __str__(self) -> str:
        return f"{self.topic} {self.pace}"


class DigestHour(models.Model):
    """From which hour of their own day somebody wants the digest; without a row it is 8 in the morning, UTC."""

    user = models.OneToOneField(settings.AUTH_USER_MODEL, on_delete=models.CASCADE, related_name="+")
    hour = models.PositiveSmallIntegerField(default=8)
    zone = models.CharField(max_length=64, default="UTC")
    last_on = models.DateField(null=True)
    """The day, in that zone, of the last digest: one a day at most."""

    class Meta:
        constraints = [models.CheckConstraint(name="mail_digest_hour", condition=models.Q(hour__lte=23))]

    def __str__(self) -> str:
        return f"{self.hour}:00 {self.zone}"


class Waiting(models.Model):
    """One mail that somebody gets as a line of their next digest."""

    user = models.ForeignKey(settings.AUTH_USER_MODEL, on_delete=models.CASCADE, related_name="+")
    letter = models.CharField(max_length=60)
    subject = models.CharField(max_length=300)
    path = models.CharField(max_length=300)
    at = models.DateTimeField(default=timezone.now)

    class Meta:
        ordering = ["id"]

    def __str__(self) -> str:
        return self.subject


class State(models.TextChoices):
    """How a mail fared, as far as we are told."""

    SENT = "sent", _("handed over")
    DELAYED = "delayed", _("delayed: the other side will be asked again")
    DELIVERED = "delivered", _("delivered")
    REFUSED = "refused", _("refused by the mail service")
    BOUNCED = "bounced", _("bounced for good")
    COMPLAINED = "complained", _("reported as spam")
    WITHHELD = "withheld", _("not sent: mail does not reach the address")


class Sent(models.Model):
    """One mail that was handed over, or withheld: what it was, never what it said."""

    address = models.CharField(max_length=254)
    letter = models.CharField(max_length=60)
    message_id = models.CharField(max_length=254, blank=True)
    """The mail service's id, or the Message-ID header where there is no service."""
    state = models.CharField(max_length=12, choices=State.choices, default=State.SENT)
    sent_at = models.DateTimeField(default=timezone.now)
    state_at = models.DateTimeField(default=timezone.now)

    class Meta:
        ordering = ["-id"]
        verbose_name = _("sent mail")
        verbose_name_plural = _("sent mail")
        constraints = [
            models.CheckConstraint(name="mail_sent_state_known", condition=models.Q(state__in=State.values)),
        ]
        indexes = [
            models.Index(fields=["message_id"], name="mail_sent_message"),
            models.Index(fields=["address", "-id"], name="mail_sent_address"),
        ]

    def __str__(self) -> str:
        return f"{self.letter} {self.state}"


class Unreachable(models.Model):
    """An address that mail does not reach, until its person shows that it does."""

    class Why(models.TextChoices):
        """What the mail service told."""

        BOUNCED = "bounced", _("the address does not take mail")
        COMPLAINED = "complained", _("a mail of ours was reported as spam")

    address = models.CharField(max_length=254)
    why = models.CharField(max_length=12, choices=Why.choices)
    since = models.DateTimeField()
    reached_at = models.DateTimeField(null=True)

    class Meta:
        ordering = ["-id"]
        verbose_name = _("unreachable address")
        verbose_name_plural = _("unreachable addresses")
        constraints = [
            models.UniqueConstraint(
                name="mail_unreachable_once", fields=["address"], condition=models.Q(reached_at=None)
            ),
            models.CheckConstraint(name="mail_unreachable_why", condition=models.Q(why__in=["bounced", "complained"])),
        ]

    def __str__(self) -> str:
        return self.address


class Told(models.Model):
    """An event that a mail service has told: each counts once, however often it is told."""

    digest = models.CharField(max_length=64, unique=True)
    at = models.DateTimeField(default=timezone.now)

    def __str__(self) -> str:
        return self.digest
