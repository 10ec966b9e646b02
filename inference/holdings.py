"""What inference holds about people: how much they used; what they asked only in the files of their own batches."""

from __future__ import annotations

from datetime import timedelta

from django.db.models import QuerySet
from django.utils.translation import gettext_lazy as _

from inference.batches.actions import erase
from inference.content_models import KeptContent
from inference.hourly_models import HourlyUsage
from inference.models import DailyUsage, UsageRecord
from inference.receipt_models import QueryReceipt
from inference.signal_models import Signal
from portal.people.models import User
from portal.people.privacy import Holding, hold, impersonal
from portal.projects.models import Project


def _signals(user: User) -> QuerySet[Signal]:
    projects = Project.objects.filter(owner=user).values_list("pk", flat=True)
    return Signal.objects.filter(project_id__in=[str(key) for key in projects])


hold(
    Holding(
        "inference.UsageRecord", why=_("to count what is used"), kept=_("for good, under the pseudonym's id"),
        of=lambda user: UsageRecord.objects.filter(user_id=str(user.pk)),
        stays=("user_id", "project_id", "token_id", "request_id"),
        plain=("model", "revision", "pool", "backend", "endpoint", "fingerprint", "engine", "parameters"),
    ),
    Holding(
        "inference.DailyUsage", why=_("sums of the same"), kept=_("for good, under the pseudonym's id"),
        of=lambda user: DailyUsage.objects.filter(user_id=str(user.pk)),
        stays=("user_id", "project_id"), plain=("model",),
    ),
    Holding(
        "inference.QueryReceipt", why=_("proof of a query, for whoever sent it"),
        kept=_("for good, under the pseudonym's id"),
        of=lambda user: QueryReceipt.objects.filter(user_id=str(user.pk)),
        stays=("user_id", "request_id", "document"), plain=("document_sha256", "key_id", "seal"),
    ),
    Holding(
        "inference.HourlyUsage", why=_("sums of the same by the hour"), kept=_("for good, under the pseudonym's id"),
        of=lambda user: HourlyUsage.objects.filter(user_id=str(user.pk)),
        stays=("user_id", "project_id"), plain=("model", "revision", "pool", "fingerprint", "status"),
    ),
    Holding(
        "inference.Signal", why=_("a day of queries that stood out, for the lab’s managers"), kept=_("one year"),
        of=_signals, erased={"project_id": "", "note": "", "decided_by": None}, plain=("model", "figures"), deletes=True,
        exported=False, purge="raised_at", age=timedelta(days=365),
    ),
)  # fmt: skip
hold(
    Holding(
        "inference.AllocationRequest", why=_("to decide on more query time for a project"), of="asked_by",
        kept=_("the decision for good; texts as long as the account"),
        erased={"case": "", "published": "", "message": ""}, stays=("asked_by", "decided_by"),
        plain=("status", "ground"),
    ),
    Holding(
        "inference.Batch", why=_("requests that somebody had sent for them"), kept=_("30 days after its end"), of="owner",
        erased={"owner": None, "metadata": {}}, deletes=True, purge="ended_at", age=timedelta(days=30),
        plain=("state", "endpoint", "model", "problems", "met"),
    ),
    Holding(
        "inference.BatchAnswer", why=_("answers of a batch until its files are written"), kept=_("as long as it runs"),
        of="batch__owner", erased={"record": b""}, deletes=True, exported=False,
    ),
    Holding(
        "inference.BatchFile", why=_("what they wrote for a batch, and what came of it"),
        kept=_("30 days, or as long as its owner said"), of="owner", erased={"owner": None, "name": ""}, deletes=True,
        eraser=erase,
    ),
    Holding(
        "inference.EvaluationRun", why=_("scores that somebody had measured for their lab"), kept=_("for good, under the pseudonym's id"),
        of="owner", stays=("owner",),
        plain=(
            "state", "task", "type", "licence", "digest", "weights", "failures", "results", "engine", "answers_sha256",
            "receipts_sha256", "problem",
        ),
    ),
    Holding(
        "inference.StandIn", why=_("under which a worker asks for a batch's owner"), kept=_("15 minutes"),
        of="batch__owner", secret=("digest",), erased={"digest": ""}, deletes=True, purge="expires_at",
    ),
)  # fmt: skip
hold(
    Holding(
        "inference.KeptContent", why=_("prompts and answers, where the operator and the agreement say so; encrypted"),
        kept=_("30 days, or as the operator set"), of=lambda user: KeptContent.objects.filter(user_id=str(user.pk)),
        secret=("sealed",), erased={"user_id": "", "project_id": "", "request_id": ""}, plain=("model", "key"),
        deletes=True, purge="expires_at",
    ),
    Holding(
        "inference.Disclosure", why=_("who asked to open kept content, why, and who allowed it"), kept=_("three years"),
        of="asked_by", erased={"reason": ""}, stays=("asked_by", "decided_by", "project_id"), plain=("state",),
        purge="asked_at", age=timedelta(days=1096),
    ),
    Holding(
        "inference.DisclosedRequest", why=_("which requests it was about"), kept=_("as long as that"),
        of="disclosure__asked_by", stays=("request_id",),
    ),
)  # fmt: skip
impersonal(
    "inference.AllowanceAlert", "inference.Pool", "inference.Backend", "inference.Allowance", "inference.EngineCount"
)
