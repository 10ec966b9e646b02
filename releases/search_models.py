"""What search knows of families and models: one row each, with the words of its names and those of its card."""

from __future__ import annotations

from typing import ClassVar

from django.contrib.postgres.indexes import GinIndex
from django.contrib.postgres.search import SearchVector, SearchVectorField
from django.db import models
from django.db.models import Q

from releases.logbook_models import SEARCH


class FindableQuerySet(models.QuerySet["Findable"]):
    """What can be found by whom."""

    def public(self) -> FindableQuerySet:
        """Of families that the catalogue lists, and of models that were published."""
        listed = Q(family__hosted=False) | Q(family__models__main__isnull=False)
        of_family = self.filter(listed).values("pk")
        return self.filter(Q(model__main__isnull=False) | Q(pk__in=of_family))


class Findable(models.Model):
    """One family or one model, as search reads it."""

    family = models.OneToOneField(
        "releases.Family", on_delete=models.CASCADE, null=True, blank=True, related_name="findable"
    )
    model = models.OneToOneField(
        "releases.Model", on_delete=models.CASCADE, null=True, blank=True, related_name="findable"
    )
    names = models.TextField()
    """Its title, name, lab, licence and summary."""
    card = models.TextField(blank=True)
    """The words of the published card, or of what is known of a family held elsewhere."""
    commit = models.CharField(max_length=40, blank=True)
    """The revision whose card it is."""
    by_name = models.GeneratedField(
        expression=SearchVector("names", config=SEARCH), output_field=SearchVectorField(), db_persist=True
    )
    """Small enough to weigh every answer by; `words` decides what answers."""
    words = models.GeneratedField(
        expression=SearchVector("names", weight="A", config=SEARCH) + SearchVector("card", weight="B", config=SEARCH),
        output_field=SearchVectorField(),
        db_persist=True,
    )

    objects: ClassVar[models.Manager[Findable]] = FindableQuerySet.as_manager()

    class Meta:
        constraints = [
            models.CheckConstraint(
                name="findable_one_thing",
                condition=Q(family=None, model__isnull=False) | Q(family__isnull=False, model=None),
            )
        ]
        indexes = [GinIndex(fields=["words"], name="findable_words")]

    def __str__(self) -> str:
        return self.names[:80]
