"""The published training log of a family or a model: Logbook, the Runs it is about, and its Entries.

A logbook is one for each model, and one for each family beside those of its models. An entry keeps what its source
says (`raw_stamp`, `raw_kind`, its place in the order) beside what we read from it (`at`, `confidence`, `kind`).
"""

from __future__ import annotations

from datetime import datetime
from typing import TYPE_CHECKING, ClassVar, Final

from django.conf import settings
from django.contrib.postgres.indexes import GinIndex
from django.contrib.postgres.search import SearchQuery, SearchVector, SearchVectorField
from django.db import models
from django.db.models import F, Q
from django.urls import reverse
from django.utils import timezone
from django.utils.translation import gettext_lazy as _
from django.utils.translation import pgettext_lazy

from portal.people.models import Lab, Membership, User
from releases.logbook_lifecycle import State

if TYPE_CHECKING:
    from releases.models import Family, Model


SEARCH: Final = "english"
"""PostgreSQL's configuration for the words of entries; what is sought is read by the same."""
HEADLINE: Final = 160
_PRECISIONS: Final = ("seconds", "milliseconds", "microseconds")


def _visible_to(person: User | None, now: datetime | None, prefix: str) -> Q:
    """A family's own logbook, those of models that were ever published, and all of the labs where one holds a role."""
    seen = Q(**{f"{prefix}model": None}) | Q(**{f"{prefix}model__opened_at__isnull": False})
    if person is None:
        return seen
    labs = Membership.objects.active(now).filter(user=person).values("lab")
    return seen | Q(**{f"{prefix}model__lab__in": labs})


class LogbookQuerySet(models.QuerySet["Logbook"]):
    """Logbooks by reader."""

    def visible_to(self, person: User | None, now: datetime | None = None) -> LogbookQuerySet:
        """Those whose model or family the person may see."""
        return self.filter(_visible_to(person, now, ""))

    def with_subjects(self) -> LogbookQuerySet:
        """Each with the model or family that it is about, and its lab."""
        return self.select_related("model__lab", "family__lab")


class EntryQuerySet(models.QuerySet["Entry"]):
    """Entries by reader, words and standing."""

    def visible_to(self, person: User | None, now: datetime | None = None) -> EntryQuerySet:
        """Those of logbooks that the person may see."""
        return self.filter(_visible_to(person, now, "logbook__"))

    def saying(self, sought: str) -> EntryQuerySet:
        """Those with these words, as one types them into a search engine: quotes, `or`, `-`. Uses the index."""
        return self.filter(words=SearchQuery(sought, config=SEARCH, search_type="websearch"))

    def standing(self) -> EntryQuerySet:
        """Those that no later entry corrects."""
        return self.filter(successor=None)


class Logbook(models.Model):
    """The log of one model's training, or of a family's where no single model is meant."""

    family = models.ForeignKey(
        "releases.Family", on_delete=models.PROTECT, null=True, blank=True, related_name="logbooks"
    )
    """Null for a model that belongs to no family."""
    model = models.ForeignKey(
        "releases.Model", on_delete=models.PROTECT, null=True, blank=True, related_name="logbooks"
    )
    """Null where it tells of the family as a whole, or of sizes that are not hosted here."""
    title = models.CharField(max_length=160)
    source = models.TextField(blank=True)
    """Who wrote it, where the original is."""
    state = models.CharField(max_length=8, choices=[(s.value, s.value) for s in State], default=State.OPEN.value)
    created_at = models.DateTimeField(default=timezone.now)
    changed_at = models.DateTimeField(default=timezone.now)
    last_number = models.PositiveIntegerField(default=0)
    """The highest number of entries that were taken back: it is given to no other."""
    frozen_at = models.DateTimeField(null=True, blank=True)
    frozen_by = models.ForeignKey(
        settings.AUTH_USER_MODEL, on_delete=models.PROTECT, null=True, blank=True, related_name="+"
    )
    """Null while it is open, and where the publishing of its model froze it."""

    objects: ClassVar[models.Manager[Logbook]] = LogbookQuerySet.as_manager()

    class Meta:
        ordering = ["pk"]
        constraints = [
            models.CheckConstraint(name="logbook_of_something", condition=Q(family__isnull=False) | Q(model__isnull=False)),
            models.UniqueConstraint(fields=["model"], name="logbook_once_for_model"),
            models.UniqueConstraint(fields=["family"], condition=Q(model=None), name="logbook_once_for_family"),
            models.CheckConstraint(name="logbook_state_known", condition=Q(state__in=[s.value for s in State])),
            models.CheckConstraint(
                name="logbook_frozen_with_time",
                condition=Q(state="frozen", frozen_at__isnull=False) | Q(state="open", frozen_at=None, frozen_by=None),
            ),
        ]  # fmt: skip

    def __str__(self) -> str:
        return self.title

    def get_absolute_url(self) -> str:
        """Its page."""
        return reverse(f"releases:logbook_of_{'model' if self.model_id else 'family'}", args=self.names)

    @property
    def curves_url(self) -> str:
        """The page of what was measured in its runs; it says so where nothing was."""
        return reverse(f"releases:curves_of_{'model' if self.model_id else 'family'}", args=self.names)

    @property
    def subject(self) -> Model | Family:
        """What it is about."""
        found = self.model or self.family
        assert found is not None  # noqa: S101 logbook_of_something
        return found

    @property
    def lab(self) -> Lab:
        """Whose it is."""
        return self.subject.lab

    @property
    def names(self) -> tuple[str, str]:
        """Lab and subject, as addresses name them."""
        return self.lab.slug, self.model.name if self.model else self.subject.slug  # type: ignore[union-attr]


class RunKind(models.TextChoices):
    """How a run began."""

    START = "start", _("from scratch")
    FORK = "fork", _("fork")
    ROLLBACK = "rollback", _("rollback")
    RESUME = "resume", _("resume")


class Run(models.Model):
    """One uninterrupted piece of training, and the run that it went on from. What was measured in it hangs on it."""

    logbook = models.ForeignKey(Logbook, on_delete=models.CASCADE, related_name="runs")
    name = models.CharField(max_length=120, db_collation="C")
    """As the source names it (`12.45.2`); a numbered segment of a run is `<run>.<segment>` from the second on."""
    kind = models.CharField(max_length=8, choices=RunKind.choices, default=RunKind.START)
    parent = models.ForeignKey("self", on_delete=models.PROTECT, null=True, blank=True, related_name="children")
    parent_step = models.BigIntegerField(null=True, blank=True)
    """The parent's step that it went on from; null when unknown."""
    told_at = models.DateTimeField(null=True, blank=True)
    """The moment by which the import is named that lists it among its runs, as long as that one is not taken back."""

    class Meta:
        ordering = ["pk"]
        constraints = [
            models.UniqueConstraint(fields=["logbook", "name"], name="run_name_once"),
            models.CheckConstraint(name="run_kind_known", condition=Q(kind__in=RunKind.values)),
            models.CheckConstraint(name="run_start_has_no_parent", condition=~Q(kind="start") | Q(parent=None)),
            models.CheckConstraint(
                name="run_parent_step", condition=Q(parent_step=None) | Q(parent__isnull=False, parent_step__gte=0)
            ),
        ]

    def __str__(self) -> str:
        return self.name


class Kind(models.TextChoices):
    """What an entry is about."""

    DECISION = "decision", _("decision")
    LAUNCH = "launch", _("launch")
    RESTART = "restart", _("restart")
    ROLLBACK = "rollback", _("rollback")
    DIVERGENCE = "divergence", _("divergence")
    HYPERPARAMETER = "hyperparameter", _("hyperparameter")
    OPTIMIZER = "optimizer", _("optimizer")
    LOSS_SCALE = "loss_scale", _("loss scale")
    ARCHITECTURE = "architecture", _("architecture")
    CONFIGURATION = "configuration", _("configuration")
    DATA = "data", pgettext_lazy("kind of entry", "data")
    BUG = "bug", _("bug")
    HARDWARE = "hardware", _("hardware")
    SOFTWARE = "software", _("software")
    STORAGE = "storage", pgettext_lazy("kind of entry", "storage")
    VENDOR = "vendor", _("vendor")
    INCIDENT = "incident", _("incident")
    AUTOMATION = "automation", _("automation")
    CHECKPOINT = "checkpoint", _("checkpoint")
    EVALUATION = "evaluation", _("evaluation")
    MILESTONE = "milestone", _("milestone")
    RUN_END = "run_end", _("end of a run")
    COMPLETE = "complete", _("complete")
    NOTE = "note", pgettext_lazy("kind of entry", "note")


class Severity(models.TextChoices):
    """How much an entry mattered to the run."""

    INFO = "info", _("information")
    WARNING = "warning", _("warning")
    CRITICAL = "critical", _("critical")


class Confidence(models.TextChoices):
    """How exactly the time of an entry is known; `at` is the start of that minute or day."""

    EXACT = "exact", _("exact")
    MINUTE = "minute", _("to the minute")
    DAY = "day", _("to the day")
    INFERRED = "inferred", _("inferred")
    UNKNOWN = "unknown", _("unknown")


class Entry(models.Model):
    """One thing that happened, as its source tells it. Once its logbook is frozen no row of it changes (a trigger)."""

    logbook = models.ForeignKey(Logbook, on_delete=models.CASCADE, related_name="entries")
    run = models.ForeignKey(Run, on_delete=models.PROTECT, null=True, blank=True, related_name="entries")
    order = models.PositiveIntegerField()
    """Its place in the logbook, from 1, given once: the number in its address. Times may disagree with it."""
    raw_stamp = models.CharField(max_length=200, blank=True)
    """The time as the source writes it, zone and slips included."""
    at = models.DateTimeField(null=True, blank=True)
    confidence = models.CharField(max_length=8, choices=Confidence.choices, default=Confidence.UNKNOWN)
    step = models.BigIntegerField(null=True, blank=True)
    kind = models.CharField(max_length=16, choices=Kind.choices, default=Kind.NOTE)
    raw_kind = models.CharField(max_length=80, blank=True)
    """What the source calls it, where that is another word."""
    severity = models.CharField(max_length=8, choices=Severity.choices, default=Severity.INFO)
    title = models.CharField(max_length=300, blank=True)
    text = models.TextField(blank=True)
    before = models.JSONField(default=dict, blank=True)
    """Parameters or measurements before the event, by name."""
    after = models.JSONField(default=dict, blank=True)
    supersedes = models.OneToOneField("self", on_delete=models.PROTECT, null=True, blank=True, related_name="successor")
    """The entry that this one corrects; both are kept."""
    annotates = models.ForeignKey("self", on_delete=models.PROTECT, null=True, blank=True, related_name="annotations")
    """The entry that this one adds something to."""
    erratum = models.BooleanField(default=False)
    """Whether it corrects an entry of a logbook that was frozen."""
    source = models.TextField(blank=True)
    """Where it is taken from: a file and line, a title, an address."""
    ref = models.CharField(max_length=400, blank=True, db_collation="C")
    """What an importer knows it by in its source; empty for one that was written here."""
    digest = models.CharField(max_length=64, blank=True, db_collation="C")
    """Of what was imported: the same ref with another digest is a correction of the source."""
    by = models.ForeignKey(settings.AUTH_USER_MODEL, on_delete=models.PROTECT, null=True, blank=True, related_name="+")
    """Who wrote or imported it here; null for the portal."""
    created_at = models.DateTimeField(default=timezone.now)
    words = models.GeneratedField(
        expression=SearchVector("title", "kind", weight="A", config=SEARCH)
        + SearchVector("text", weight="B", config=SEARCH),
        output_field=SearchVectorField(),
        db_persist=True,
        editable=False,
    )

    objects: ClassVar[models.Manager[Entry]] = EntryQuerySet.as_manager()

    class Meta:
        ordering = ["logbook", "order"]
        verbose_name_plural = "entries"
        constraints = [
            models.UniqueConstraint(fields=["logbook", "order"], name="entry_order_once"),
            models.UniqueConstraint(fields=["logbook", "ref", "digest"], condition=~Q(ref=""), name="entry_imported_once"),
            models.CheckConstraint(name="entry_kind_known", condition=Q(kind__in=Kind.values)),
            models.CheckConstraint(name="entry_severity_known", condition=Q(severity__in=Severity.values)),
            models.CheckConstraint(name="entry_confidence_known", condition=Q(confidence__in=Confidence.values)),
            models.CheckConstraint(
                name="entry_time_as_known",
                condition=Q(confidence="unknown", at=None) | ~Q(confidence="unknown") & Q(at__isnull=False),
            ),
            models.CheckConstraint(name="entry_step_from_zero", condition=Q(step=None) | Q(step__gte=0)),
            models.CheckConstraint(name="entry_says_something", condition=~Q(title="") | ~Q(text="")),
            models.CheckConstraint(name="entry_erratum_corrects", condition=Q(erratum=False) | Q(supersedes__isnull=False)),
            models.CheckConstraint(
                name="entry_one_relation",
                condition=(Q(supersedes=None) | Q(annotates=None))
                & (Q(supersedes=None) | ~Q(supersedes=F("pk")))
                & (Q(annotates=None) | ~Q(annotates=F("pk"))),
            ),
        ]  # fmt: skip
        indexes = [
            GinIndex(fields=["words"], name="entry_words"),
            models.Index(fields=["logbook", "at", "order"], name="entry_by_time"),
            models.Index(fields=["logbook", "kind", "order"], name="entry_by_kind"),
            models.Index(fields=["logbook", "step"], name="entry_by_step", condition=Q(step__isnull=False)),
        ]

    def __str__(self) -> str:
        return self.headline

    def get_absolute_url(self) -> str:
        """Its own page."""
        book = self.logbook
        return reverse(f"releases:entry_of_{'model' if book.model_id else 'family'}", args=[*book.names, self.order])

    @property
    def headline(self) -> str:
        """Its title; without one, the first sentence of its text."""
        first = self._first
        return self.title or (first if len(first) <= HEADLINE else f"{first[: HEADLINE - 1]}…")

    @property
    def body(self) -> str:
        """Its text, without a first sentence that stands as the headline already."""
        if self.title or len(self._first) > HEADLINE:
            return self.text
        return self.text[len(self._first) :].lstrip(". \n")

    @property
    def as_written(self) -> str:
        """The raw stamp, where it says anything else than the time in UTC does."""
        exact = self.at and self.raw_stamp in {self.at.isoformat(timespec=unit) for unit in _PRECISIONS}
        day = self.at and self.confidence == Confidence.DAY and self.raw_stamp == f"{self.at:%Y-%m-%d}"
        return "" if exact or day else self.raw_stamp

    @property
    def _first(self) -> str:
        return self.text.partition("\n")[0].partition(". ")[0]
