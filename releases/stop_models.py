"""Emergency stops: one row says that a family, a model or one revision is not given out, since when, and why."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, ClassVar
from uuid import UUID

from django.conf import settings
from django.db import models
from django.db.models import Exists, OuterRef, Q
from django.utils import timezone

from portal.prepared import Prepared

if TYPE_CHECKING:
    from portal.people.models import Lab
    from releases.models import Family, Model, Revision


class StopQuerySet(models.QuerySet["Stop"]):
    """Stops by what they hold back."""

    def in_force(self) -> StopQuerySet:
        """Those that were not lifted."""
        return self.filter(lifted_at=None)

    def over(self, *, model: Any, family: Any, lab: Any, revision: Any) -> StopQuerySet:  # noqa: ANN401 keys, or what stands for them
        """Those in force of a model, of its family in the same lab, or of one revision, by their keys."""
        return self.in_force().filter(Q(model=model) | Q(family=family, family__lab=lab) | Q(revision=revision))

    def beside(self, model: Model) -> StopQuerySet:
        """Everything that was ever stopped of this model, its revisions and its family, newest first."""
        of_family = Q(family=model.family_id, family__lab=model.lab_id) if model.family_id else Q(pk=None)
        found = self.filter(Q(model=model.pk) | Q(revision__model=model.pk) | of_family)
        return found.select_related("family__lab", "model__lab", "revision__model__lab", "stopped_by", "lifted_by")


class Stop(models.Model):
    """Downloads and queries of one family, model or revision are refused, until it is lifted."""

    family = models.ForeignKey("releases.Family", on_delete=models.PROTECT, null=True, blank=True, related_name="stops")
    model = models.ForeignKey("releases.Model", on_delete=models.PROTECT, null=True, blank=True, related_name="stops")
    revision = models.ForeignKey(
        "releases.Revision", on_delete=models.PROTECT, null=True, blank=True, related_name="stops"
    )
    reason = models.TextField()
    """For every reader."""
    instead = models.CharField(max_length=300, blank=True)
    """What to use: `namespace/name`, or `namespace/name@commit`; empty where nothing is."""
    stopped_at = models.DateTimeField(default=timezone.now)
    stopped_by = models.ForeignKey(
        settings.AUTH_USER_MODEL, on_delete=models.PROTECT, null=True, blank=True, related_name="+"
    )
    lifted_at = models.DateTimeField(null=True, blank=True)
    lifted_by = models.ForeignKey(
        settings.AUTH_USER_MODEL, on_delete=models.PROTECT, null=True, blank=True, related_name="+"
    )
    told_at = models.DateTimeField(null=True, blank=True)
    """When the holders were written to; null before."""
    told_lifted_at = models.DateTimeField(null=True, blank=True)

    objects: ClassVar[models.Manager[Stop]] = StopQuerySet.as_manager()

    class Meta:
        ordering = ["-stopped_at", "-pk"]
        constraints = [
            models.CheckConstraint(
                name="stop_of_one_thing",
                condition=Q(family__isnull=False, model=None, revision=None)
                | Q(family=None, model__isnull=False, revision=None)
                | Q(family=None, model=None, revision__isnull=False),
            ),
            models.CheckConstraint(name="stop_with_reason", condition=~Q(reason="")),
            models.CheckConstraint(
                name="stop_lifted_later", condition=Q(lifted_at=None) | Q(lifted_at__gte=models.F("stopped_at"))
            ),
            *(
                models.UniqueConstraint(
                    fields=[kind],
                    name=f"stop_of_{kind}_once",
                    condition=Q(lifted_at=None, **{f"{kind}__isnull": False}),
                )
                for kind in ("family", "model", "revision")
            ),
        ]

    def __str__(self) -> str:
        return f"stop of {self.subject}"

    @property
    def subject(self) -> Family | Model | Revision:
        """What is stopped."""
        subject = self.family or self.model or self.revision
        assert subject is not None  # noqa: S101 one of them is set, by constraint
        return subject

    @property
    def whole(self) -> Family | Model:
        """The family or model; of a revision, its model."""
        whole = self.family or self.model or (self.revision.model if self.revision else None)
        assert whole is not None  # noqa: S101 one of them is set, by constraint
        return whole

    @property
    def lab(self) -> Lab:
        """Whose release it is."""
        return self.whole.lab

    @property
    def name(self) -> str:
        """What is stopped, by name: a family or model as `lab/name`, a revision as `lab/name@commit`."""
        return f"{self.whole.full_name}@{self.revision.commit[:12]}" if self.revision else self.whole.full_name


def stop_over(model: Model, revision: Revision | None) -> Stop | None:
    """The newest stop in force of the model, of its family, or of the revision; None means what `main` names."""
    return _over.first(
        model=model.pk, family=model.family_id, lab=model.lab_id, revision=revision.pk if revision else model.main_id
    )


@Prepared
def _over(model: int, family: int | None, lab: UUID, revision: int | None) -> models.QuerySet[Stop]:
    return Stop.objects.over(model=model, family=family, lab=lab, revision=revision)


def stopped() -> Exists:
    """The condition on Model that it is stopped: itself, its family, or the revision that `main` names."""
    own = {"model": OuterRef("pk"), "family": OuterRef("family"), "lab": OuterRef("lab"), "revision": OuterRef("main")}
    return Exists(Stop.objects.over(**own))
