"""Gates, with the constraints that hold their settings within bounds."""

from __future__ import annotations

from django.contrib.postgres.fields import ArrayField
from django.db import models
from django.db.models import Q
from django.urls import reverse
from django.utils.translation import gettext_lazy as _

from portal.access import form_spec
from portal.access.duo import TERMS, Term, terms
from portal.access.referee_models import Confirmer
from portal.people.models import Lab


class Capability(models.TextChoices):
    """What a grant allows."""

    DOWNLOAD = "download", _("download the weights")
    QUERY = "query", _("query the model")


def all_capabilities() -> list[str]:
    """The default of a gate: both."""
    return list(Capability.values)


def known_capabilities() -> Q:
    """What the database holds of a column of capabilities: some, and none but ours."""
    return Q(capabilities__contained_by=list(Capability.values), capabilities__len__gt=0)


class Gate(models.Model):
    """What one applies for: an agreement, a form, reviewers, and the capabilities that it opens.

    A gate does not know what stands behind it.
    """

    lab = models.ForeignKey(Lab, on_delete=models.PROTECT, related_name="gates")
    slug = models.SlugField(max_length=96, unique=True)
    title = models.CharField(max_length=200)
    summary = models.TextField(blank=True)
    agreement = models.ForeignKey("agreements.Agreement", on_delete=models.PROTECT, related_name="gates")
    form_spec = models.JSONField(default=form_spec.research)
    form_version = models.PositiveIntegerField(default=1)
    quorum = models.PositiveSmallIntegerField(default=1)
    target_days = models.PositiveSmallIntegerField(default=5)
    """Business days within which the lab means to decide."""
    auto_approve_green = models.BooleanField(default=False)
    """Whether the rules approve what they put into the green lane, and nobody votes (ADR 9). A new form switches it off."""
    spot_check_percent = models.PositiveSmallIntegerField(default=10)
    """Of those, how many in a hundred a person looks at afterwards, drawn at random."""
    capabilities = ArrayField(models.CharField(max_length=16), default=all_capabilities)
    grant_days = models.PositiveIntegerField(default=365)
    renew_unchanged = models.BooleanField(default=False)
    """Whether a renewal with nothing to report, of an application that was green, needs no review."""
    confirmations = models.PositiveSmallIntegerField(default=0)
    """How many people outside must confirm an application before it can be approved."""
    confirmer = models.CharField(max_length=8, choices=Confirmer.choices, default=Confirmer.REFEREE)
    """What the gate calls them."""
    team_limit = models.PositiveSmallIntegerField(default=10)
    """How many members an applicant may name; 0: everybody applies alone."""
    deletion_days = models.PositiveSmallIntegerField(default=14)
    """Days within which a holder whose access ended attests that every copy is deleted."""
    contact = models.EmailField(blank=True)
    """Whom applicants ask; the lab's contact where it is empty."""
    duo = ArrayField(models.CharField(max_length=16), default=list, blank=True)
    """Ids of TERMS in duo.py: what it may be used for."""
    closed_at = models.DateTimeField(null=True, blank=True)
    """Since when it takes no new applications."""
    closed_reason = models.CharField(max_length=500, blank=True)
    """Shown to everybody."""
    edits = models.PositiveIntegerField(default=0)
    """Raised by every change: who saves over a newer one is told."""
    generation = models.PositiveBigIntegerField(default=1)
    created_at = models.DateTimeField(auto_now_add=True)

    class Meta:
        ordering = ["title"]
        constraints = [
            models.CheckConstraint(name="gate_quorum", condition=Q(quorum__gte=1, quorum__lte=5)),
            models.CheckConstraint(name="gate_spot_check_percent", condition=Q(spot_check_percent__lte=100)),
            models.CheckConstraint(name="gate_grant_days", condition=Q(grant_days__gte=1, grant_days__lte=1830)),
            models.CheckConstraint(
                name="gate_deletion_days", condition=Q(deletion_days__gte=1, deletion_days__lte=365)
            ),
            models.CheckConstraint(name="gate_capabilities", condition=known_capabilities()),
            models.CheckConstraint(
                name="gate_confirmations", condition=Q(confirmations__lte=3, confirmer__in=Confirmer.values)
            ),
            models.CheckConstraint(name="gate_team_limit", condition=Q(team_limit__lte=50)),
            models.CheckConstraint(name="gate_duo", condition=Q(duo__contained_by=list(TERMS))),
            models.CheckConstraint(
                name="gate_closed_with_reason",
                condition=Q(closed_at=None, closed_reason="") | (Q(closed_at__isnull=False) & ~Q(closed_reason="")),
            ),
        ]

    def __str__(self) -> str:
        return self.title

    def get_absolute_url(self) -> str:
        """Where one applies."""
        return reverse("access:apply", args=[self.slug])

    @property
    def asks(self) -> str:
        """The address for questions; empty where nobody is named."""
        return self.contact or self.lab.contact

    @property
    def duo_terms(self) -> list[Term]:
        """What it may be used for, in DUO's words."""
        return terms(self.duo)

    @property
    def full_name(self) -> str:
        """`lab/gate`: how the gateway knows it."""
        return f"{self.lab.slug}/{self.slug}"
