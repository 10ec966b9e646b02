"""Pools and their backends, allowances, and the ledger of what was used."""

from __future__ import annotations

import uuid
from datetime import UTC, date, datetime, timedelta
from typing import Final, Self

from django.core.validators import RegexValidator
from django.db import models
from django.db.models import Exists, F, OuterRef, Q
from django.utils import timezone
from django.utils.translation import gettext_lazy as _

from inference import alert_models, allocation_models, batch_models, contract, hourly_models  # noqa: F401 Django looks for every model of an app here
from inference.content_models import DisclosedRequest as DisclosedRequest
from inference.content_models import Disclosure as Disclosure
from inference.content_models import KeptContent as KeptContent
from inference.energy_models import EnergyFields, all_or_none
from inference.evaluation_models import EvaluationRun as EvaluationRun
from inference.receipt_models import QueryReceipt as QueryReceipt
from inference.signal_models import Signal as Signal
from releases.models import Revision

ENGINE_NAME: Final = RegexValidator(
    r"^[A-Za-z0-9][A-Za-z0-9._/-]{0,190}$", "Use letters, digits, dots, dashes and slashes."
)
COMMIT: Final = RegexValidator(r"^[0-9a-f]{40}$", "A commit id is 40 lower-case hexadecimal digits.")


class LimitFields(models.Model):
    """What one scope may use; null does not limit. Counts per UTC day and per named period."""

    requests_per_minute = models.PositiveIntegerField(null=True, blank=True)
    tokens_per_minute = models.PositiveIntegerField(null=True, blank=True)
    concurrency = models.PositiveIntegerField(null=True, blank=True)
    tokens_per_day = models.PositiveBigIntegerField(null=True, blank=True)
    tokens_per_period = models.PositiveBigIntegerField(null=True, blank=True)

    class Meta:
        abstract = True

    def limits(self, period: str = "") -> contract.Limits:
        """The same figures as the contract wants them."""
        return contract.Limits(
            requests_per_minute=self.requests_per_minute,
            tokens_per_minute=self.tokens_per_minute,
            concurrency=self.concurrency,
            tokens_per_day=self.tokens_per_day,
            tokens_per_period=self.tokens_per_period,
            period=period if self.tokens_per_period is not None else "",
        )


def published() -> Exists:
    """Whether the pinned revision of a pool is published and not withdrawn."""
    return Exists(Revision.objects.filter(model=OuterRef("model"), commit=OuterRef("commit"), state="published"))


class PoolQuerySet(models.QuerySet["Pool"]):
    """Questions about pools."""

    def serving(self) -> Self:
        """Pools that are not retired, with what a route needs."""
        needed = ("lab", "model__lab", "model__gate__lab")
        return self.filter(retired_at=None).select_related(*needed).prefetch_related("backends")

    def offered(self) -> Self:
        """Those whose pinned revision is published, and the model not withdrawn."""
        return self.filter(published(), model__withdrawn_at=None)

    def proper(self) -> Self:
        """The models' own pools, without canaries."""
        return self.filter(canary_percent=None)


class Pool(LimitFields, EnergyFields):
    """Servers that answer for one model at one pinned revision. Its limits protect the servers: above them, 503."""

    lab = models.ForeignKey("people.Lab", on_delete=models.PROTECT, related_name="pools")
    name = models.SlugField(max_length=60)
    model = models.ForeignKey("releases.Model", on_delete=models.PROTECT, related_name="pools")
    commit = models.CharField(max_length=40, validators=[COMMIT])
    engine_model = models.CharField(max_length=191, validators=[ENGINE_NAME])
    context = models.PositiveIntegerField()
    generates = models.BooleanField(default=True)
    """Its engine writes text: completions, and chat where there is a template."""
    chat = models.BooleanField(default=True)
    embeds = models.BooleanField(default=False)
    tools = models.BooleanField(default=False)
    """The engine lets the model choose among tools by itself."""
    tokenizer_info = models.BooleanField(default=False)
    template_overhead = models.PositiveIntegerField(default=16)
    canary_percent = models.PositiveSmallIntegerField(null=True, blank=True)
    """Null: the model's own pool. Otherwise its canary, which this share of the projects meets in its place."""
    created_at = models.DateTimeField(default=timezone.now)
    retired_at = models.DateTimeField(null=True, blank=True)

    objects = PoolQuerySet.as_manager()

    class Meta:
        ordering = ["lab", "name"]
        constraints = [
            models.UniqueConstraint(fields=["lab", "name"], name="pool_name_in_lab"),
            models.UniqueConstraint(
                fields=["model"], condition=Q(retired_at=None, canary_percent=None), name="pool_one_own_per_model"
            ),
            models.UniqueConstraint(
                fields=["model"], condition=Q(retired_at=None, canary_percent__isnull=False), name="pool_one_canary"
            ),
            models.CheckConstraint(
                condition=Q(canary_percent=None) | Q(canary_percent__gte=1, canary_percent__lte=100),
                name="pool_canary_is_a_share",
            ),
            models.CheckConstraint(condition=Q(commit__regex=r"^[0-9a-f]{40}$"), name="pool_commit_is_an_id"),
            models.CheckConstraint(condition=Q(context__gt=0), name="pool_has_a_context"),
            models.CheckConstraint(
                condition=all_or_none(),
                name="pool_energy_whole",
                violation_error_message="Give the four figures of energy and energy_source, or none of them.",
            ),
        ]

    def __str__(self) -> str:
        return f"{self.lab.slug}/{self.name}"


class Backend(models.Model):
    """One engine server. `started_at` is when its counters were zero: the ledger is compared from there."""

    pool = models.ForeignKey(Pool, on_delete=models.CASCADE, related_name="backends")
    name = models.SlugField(max_length=60)
    url = models.URLField(max_length=200)
    engine = models.CharField(max_length=80, blank=True)
    draining = models.BooleanField(default=False)
    started_at = models.DateTimeField(default=timezone.now)

    class Meta:
        ordering = ["pool", "name"]
        constraints = [models.UniqueConstraint(fields=["pool", "name"], name="backend_name_in_pool")]

    def __str__(self) -> str:
        return f"{self.pool}/{self.name}"


class AllowanceQuerySet(models.QuerySet["Allowance"]):
    """Questions about allowances."""

    def current(self, now: datetime | None = None) -> Self:
        """Those whose period holds `now`."""
        now = now or timezone.now()
        return self.filter(starts_at__lte=now).not_over(now)

    def not_over(self, now: datetime) -> Self:
        """Those, and what a clock gave that was ahead."""
        return self.filter(Q(ends_at=None) | Q(ends_at__gt=now))


class Allowance(LimitFields):
    """What a project may use in a period: of everything (`model` null) or of one model.

    A lab's allowance (no project) is the default of every project that has none of its own, personal ones above all;
    its period is the calendar month in UTC.
    """

    id = models.UUIDField(primary_key=True, default=uuid.uuid4, editable=False)
    lab = models.ForeignKey("people.Lab", null=True, blank=True, on_delete=models.PROTECT, related_name="allowances")
    project = models.ForeignKey(
        "projects.Project", null=True, blank=True, on_delete=models.PROTECT, related_name="allowances"
    )
    model = models.ForeignKey(
        "releases.Model", null=True, blank=True, on_delete=models.PROTECT, related_name="allowances"
    )
    top_class = models.CharField(
        max_length=12, choices=[(name, name) for name in contract.CLASSES], default=contract.CLASSES[0]
    )
    """The highest class that its requests may wait in where a pool is full."""
    starts_at = models.DateTimeField(default=timezone.now)
    ends_at = models.DateTimeField(null=True, blank=True)
    counted_from = models.DateTimeField(null=True, blank=True)
    """Since when a project's tokens are counted, where it went on with the count of the former one; else since it starts."""

    objects = AllowanceQuerySet.as_manager()

    class Meta:
        ordering = ["-starts_at"]
        constraints = [
            models.CheckConstraint(
                condition=Q(lab=None, project__isnull=False) | Q(lab__isnull=False, project=None, model=None),
                name="allowance_of_a_project_or_a_lab",
            ),
            models.CheckConstraint(condition=Q(ends_at=None) | Q(ends_at__gt=F("starts_at")), name="allowance_period"),
            models.CheckConstraint(condition=Q(top_class__in=contract.CLASSES), name="allowance_class_is_known"),
            models.UniqueConstraint(
                fields=["lab", "project", "model"],
                condition=Q(ends_at=None),
                nulls_distinct=False,
                name="allowance_one_open",
            ),
        ]

    def __str__(self) -> str:
        return f"allowance of {self.project or self.lab}"

    def period(self, now: datetime) -> tuple[str, datetime, datetime | None]:
        """Name, start and end of the accounting period that holds `now`."""
        if self.project_id is not None:
            since = self.counted_from or self.starts_at
            return since.astimezone(UTC).isoformat(timespec="milliseconds"), since, self.ends_at
        return month_of(now)

    @property
    def last_day(self) -> date | None:
        """The last on which it holds, in UTC; None for good."""
        return last_day(self.ends_at) if self.ends_at else None


def last_day(end: datetime) -> date:
    """The day of the last moment before an end, in UTC."""
    return (end - timedelta.resolution).astimezone(UTC).date()


def month_of(now: datetime) -> tuple[str, datetime, datetime]:
    """Name (`2026-11`), start and end of the UTC month that holds `now`."""
    first = now.astimezone(UTC).replace(day=1, hour=0, minute=0, second=0, microsecond=0)
    following = (first + timedelta(days=32)).replace(day=1)
    return f"{first:%Y-%m}", first, following


class Status(models.TextChoices):
    """How a request ended."""

    OK = "ok", _("complete")
    CLIENT_ABORT = "client_abort", _("stopped by client, billed as delivered")
    UPSTREAM_ERROR = "upstream_error", _("engine failed")
    REVOKED = "revoked", _("cut: the right was withdrawn")
    LOST = "lost", _("gateway lost, billed as delivered")


class UsageRecord(models.Model):
    """One settled request: the ledger. Inserted once; a trigger refuses every change and removal.

    People, tokens, projects and models are copied as words, never referenced: the ledger outlives all of them.
    The table is partitioned by month, so the key carries the day: see ledger.py for what keeps a request id unique.
    """

    pk = models.CompositePrimaryKey("request_id", "started_day")
    request_id = models.CharField(max_length=80)
    started_day = models.DateField()
    token_id = models.CharField(max_length=64)
    user_id = models.CharField(max_length=64)
    project_id = models.CharField(max_length=64)
    model = models.CharField(max_length=200)
    revision = models.CharField(max_length=40)
    pool = models.CharField(max_length=160)
    backend = models.CharField(max_length=160)
    endpoint = models.CharField(max_length=40)
    stream = models.BooleanField()
    status = models.CharField(max_length=20, choices=Status)
    prompt_tokens = models.BigIntegerField()
    completion_tokens = models.BigIntegerField()
    cached_tokens = models.BigIntegerField()
    reserved_tokens = models.BigIntegerField()
    started_at = models.DateTimeField()
    first_byte_at = models.DateTimeField(null=True)
    ended_at = models.DateTimeField()
    fingerprint = models.CharField(max_length=120, blank=True)
    engine = models.CharField(max_length=80, blank=True)
    parameters = models.CharField(max_length=64, blank=True)
    """Digest of what was asked beside the prompt; empty for what takes no parameters, and before it was kept."""
    posted_at = models.DateTimeField(default=timezone.now)

    class Meta:
        ordering = ["-started_at"]
        indexes = [
            models.Index(fields=["project_id", "-started_at"], name="usage_by_project"),
            models.Index(fields=["user_id", "-started_at"], name="usage_by_user"),
            models.Index(fields=["backend", "started_at"], name="usage_by_backend"),
        ]

    def __str__(self) -> str:
        return self.request_id

    @property
    def tokens(self) -> int:
        """Prompt and completion tokens together: what counts against an allowance."""
        return self.prompt_tokens + self.completion_tokens


class DailyUsage(models.Model):
    """Sums of the ledger by day: kept in the transaction that inserts the rows, from the inserted rows alone."""

    pk = models.CompositePrimaryKey("day", "project_id", "user_id", "model", "status")
    day = models.DateField()
    project_id = models.CharField(max_length=64)
    user_id = models.CharField(max_length=64)
    model = models.CharField(max_length=200)
    status = models.CharField(max_length=20, choices=Status)
    requests = models.BigIntegerField(default=0)
    prompt_tokens = models.BigIntegerField(default=0)
    completion_tokens = models.BigIntegerField(default=0)
    cached_tokens = models.BigIntegerField(default=0)

    class Meta:
        ordering = ["-day"]
        indexes = [
            models.Index(fields=["project_id", "day"], name="daily_by_project"),
            models.Index(fields=["user_id", "day"], name="daily_by_user"),
        ]

    def __str__(self) -> str:
        return f"{self.day} {self.project_id} {self.model}"


class EngineCount(models.Model):
    """One comparison of the ledger with an engine's own counters, as reconcile_usage found it."""

    at = models.DateTimeField(default=timezone.now)
    backend = models.CharField(max_length=160)
    since = models.DateTimeField()
    engine_prompt = models.BigIntegerField()
    engine_completion = models.BigIntegerField()
    finished_prompt = models.BigIntegerField()
    finished_completion = models.BigIntegerField()
    aborted_prompt = models.BigIntegerField()
    aborted_completion = models.BigIntegerField()

    class Meta:
        ordering = ["-at"]
        indexes = [models.Index(fields=["backend", "-at"], name="engine_count_newest")]

    def __str__(self) -> str:
        return f"{self.backend} {self.at:%Y-%m-%d %H:%M}"

    @property
    def prompt_drift(self) -> int:
        """Prompt tokens that the engine counted and the ledger did not."""
        return self.engine_prompt - self.finished_prompt - self.aborted_prompt

    @property
    def completion_drift(self) -> int:
        """Completion tokens that the engine counted and the ledger did not; aborted streams explain small ones."""
        return self.engine_completion - self.finished_completion - self.aborted_completion


def day_of(milliseconds: int) -> date:
    """The UTC day of a time of the contract."""
    return datetime.fromtimestamp(milliseconds / 1000, tz=UTC).date()
