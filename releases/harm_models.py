"""Reports of harm or misuse of a model."""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar, Final

from django.conf import settings
from django.core import signing
from django.db import models
from django.db.models import Q
from django.urls import reverse
from django.utils import timezone
from django.utils.translation import gettext_lazy as _

from portal.people.models import Membership
from releases.harm_lifecycle import OPEN, State
from releases.lifecycle import STAFF

if TYPE_CHECKING:
    from portal.people.models import User

_SALT: Final = "harm.status"


class About(models.TextChoices):
    """What a report is about."""

    OUTPUT = "output", _("harmful or hateful output")
    BIAS = "bias", _("unfair treatment of people or groups")
    PRIVACY = "privacy", _("personal data in what it writes")
    MISUSE = "misuse", _("somebody uses it against the agreement or the law")
    SECURITY = "security", _("a weakness that others could use")
    OTHER = "other", _("something else")


class Publish(models.TextChoices):
    """What the reporter allows the public log to show."""

    NOTHING = "nothing", _("nothing; it is only counted")
    ANSWER = "answer", _("what it is about, and the laboratory’s answer")
    ALL = "all", _("my words too, with the answer")


class Gravity(models.TextChoices):
    """How much a report weighs, as the lab sees it."""

    MINOR = "minor", _("minor")
    SERIOUS = "serious", _("serious")
    CRITICAL = "critical", _("critical")


STATES = {
    State.RECEIVED.value: _("received"),
    State.TRIAGED.value: _("being looked into"),
    State.ANSWERED.value: _("answered"),
    State.CLOSED.value: _("closed"),
}


class HarmReportQuerySet(models.QuerySet["HarmReport"]):
    """Reports by who may read them."""

    def of_labs_of(self, person: User) -> HarmReportQuerySet:
        """Those to the labs whose releases this person looks after."""
        labs = Membership.objects.active().filter(user=person, role__in=STAFF).values("lab")
        return self.filter(lab__in=labs)

    def by_token(self, token: str) -> HarmReport | None:
        """The report whose status has this signed address; None for what was not signed here."""
        try:
            pk = signing.Signer(salt=_SALT).unsign(token)
        except signing.BadSignature:
            return None
        return self.select_related("lab", "model__lab", "family__lab").filter(pk=pk).first()

    def open(self) -> HarmReportQuerySet:
        """Those that wait for the lab."""
        return self.filter(state__in=OPEN)

    def log(self) -> HarmReportQuerySet:
        """Answered ones whose reporters allow it, for everybody."""
        return self.filter(state=State.ANSWERED).exclude(publish=Publish.NOTHING)


class HarmReport(models.Model):
    """What somebody says that a model does, or that is done with it. Its number is its key."""

    lab = models.ForeignKey("people.Lab", on_delete=models.PROTECT, related_name="+")
    model = models.ForeignKey("releases.Model", on_delete=models.PROTECT, null=True, blank=True, related_name="+")
    family = models.ForeignKey("releases.Family", on_delete=models.PROTECT, null=True, blank=True, related_name="+")
    about = models.CharField(max_length=12, choices=About.choices)
    text = models.TextField()
    email = models.EmailField(blank=True)
    """Where the answer goes. Forgotten as soon as it has gone there."""
    publish = models.CharField(max_length=8, choices=Publish.choices, default=Publish.NOTHING)
    language = models.CharField(max_length=12, blank=True)
    state = models.CharField(max_length=10, choices=list(STATES.items()), default=State.RECEIVED.value)
    gravity = models.CharField(max_length=8, choices=Gravity.choices, blank=True)
    received_at = models.DateTimeField(default=timezone.now)
    triaged_at = models.DateTimeField(null=True, blank=True)
    ended_at = models.DateTimeField(null=True, blank=True)
    handled_by = models.ForeignKey(
        settings.AUTH_USER_MODEL, on_delete=models.SET_NULL, null=True, blank=True, related_name="+"
    )
    """Who of the lab acted last."""
    answer = models.TextField(blank=True)
    """To the reporter, and to everybody where that is allowed; of a closed one the reason, for the reporter alone."""

    objects: ClassVar[models.Manager[HarmReport]] = HarmReportQuerySet.as_manager()

    class Meta:
        ordering = ["-received_at", "-pk"]
        constraints = [
            models.CheckConstraint(name="harm_of_one_thing", condition=~Q(model__isnull=False, family__isnull=False)),
            models.CheckConstraint(name="harm_state_known", condition=Q(state__in=[each.value for each in State])),
            models.CheckConstraint(name="harm_about_known", condition=Q(about__in=About.values)),
            models.CheckConstraint(name="harm_publish_known", condition=Q(publish__in=Publish.values)),
            models.CheckConstraint(
                name="harm_triaged_with_gravity",
                condition=~Q(state="triaged") | Q(triaged_at__isnull=False) & ~Q(gravity=""),
            ),
            models.CheckConstraint(
                name="harm_ended_with_words",
                condition=Q(state__in=["received", "triaged"], ended_at=None)
                | Q(state__in=["answered", "closed"], ended_at__isnull=False, email="") & ~Q(answer=""),
            ),
        ]
        indexes = [
            models.Index(fields=["lab", "state", "received_at"], name="harm_of_lab"),
            models.Index(fields=["-ended_at"], name="harm_log", condition=Q(state="answered")),
        ]

    def __str__(self) -> str:
        return self.number

    def get_absolute_url(self) -> str:
        """Its page for the lab."""
        return reverse("releases:harm_report", args=[self.pk])

    def status_path(self) -> str:
        """The address of its status, signed, so that nobody can guess another's."""
        token = signing.Signer(salt=_SALT).sign(str(self.pk))
        return reverse("releases:harm_status", args=[token])

    @property
    def number(self) -> str:
        """What both sides call it."""
        return f"H-{self.pk}"

    @property
    def subject(self) -> str:
        """The model or family by name; the lab's where neither is named."""
        named = self.model or self.family
        return named.full_name if named else self.lab.slug
