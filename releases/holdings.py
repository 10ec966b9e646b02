"""What releases hold about people: who was given a link, and the author that a commit names."""

from __future__ import annotations

from datetime import timedelta
from typing import Final

from django.utils.translation import gettext_lazy as _

from portal.people.privacy import Holding, hold, impersonal
from releases.download_models import DailyDownload, Surge
from releases.harm_models import HarmReport
from releases.models import Download

_ERASED: Final = "erased with its reporter"
"""What stands in place of words that a report cannot be without."""

hold(
    Holding(
        "releases.Download", why=_("who was given a link to which file"), kept=_("for good: each hour is anchored"),
        of=lambda user: Download.objects.filter(user_id=str(user.pk)),
        stays=("user_id", "user", "token_id", "grant_id", "wanted", "client"),
        plain=("lab", "model", "commit", "path", "sha256", "gate"),
    ),
    Holding(
        "releases.DailyDownload", why=_("how much was given to whom on which day"), kept=_("drawn from the ledger, for good"),
        of=lambda user: DailyDownload.objects.filter(user_id=str(user.pk)),
        stays=("user_id", "client"), plain=("lab", "model", "commit"),
    ),
    Holding(
        "releases.Surge", why=_("a day that stood out, of which a lab was told"), kept=_("one year"),
        of=lambda user: Surge.objects.filter(user_id=str(user.pk)), stays=("user_id",), purge="told_at",
        age=timedelta(days=365),
    ),
    Holding(
        "releases.Upload", why=_("who may end an upload that they began"), kept=_("30 days"), of="user",
        erased={"user": None}, plain=("sha256", "size", "reference"), purge="ends_at", age=timedelta(days=30),
    ),
    Holding(
        "releases.Opening", why=_("who planned to open a revision"), kept=_("for good"), stays=("planned_by",), exported=False,
        plain=("state", "held_reason"),
    ),
    Holding(
        "releases.OpeningApproval", why=_("who was to approve an opening, and did"), kept=_("for good"), of="person",
        stays=("person",),
    ),
    Holding(
        "releases.OpeningStep", why=_("what was done to a planned opening, and by whom"), kept=_("for good"), stays=("by", "text"),
        exported=False, plain=("verb",),
    ),
    Holding(
        "releases.Stop", why=_("who stopped a release, and who lifted the stop"), kept=_("for good"),
        stays=("stopped_by", "lifted_by"), exported=False, plain=("reason", "instead"),
    ),
    Holding(
        "releases.Conversion", why=_("who asked for it, in whose name its result is committed"),
        kept=_("as long as the model"), of="asked_by", erased={"asked_by": None},
        plain=("branch", "operation", "options", "files", "stage", "log", "problem", "receipt", "receipt_sha256", "key_id", "seal"),
    ),
    Holding(
        "releases.Logbook", why=_("who froze it"), kept=_("for good"), stays=("frozen_by",), exported=False,
        plain=("title", "source", "state"),
    ),
    Holding(
        "releases.Entry", why=_("who wrote or imported it"), kept=_("for good, under the pseudonym"), of="by",
        stays=("by",), plain=(
            "raw_stamp", "confidence", "kind", "raw_kind", "severity", "title", "text", "before", "after", "source",
            "ref", "digest",
        ),
    ),
    Holding(
        "releases.ModelSignature", why=_("who brought a lab's signature"), kept=_("for good, under the pseudonym"),
        of="by", stays=("by",), plain=("bundle",),
    ),
    Holding(
        "releases.Score", why=_("who entered it; who ran an evaluation is told as its source does"),
        kept=_("as long as the model"), of="entered_by", erased={"entered_by": None}, stays=("ran_by",),
        plain=(
            "subject", "task", "task_version", "metric", "variant", "prompt", "harness", "harness_version", "weights",
            "raw_path", "raw_url", "source", "source_url", "note", "identity", "withdrawn_reason", "unit", "kind", "direction",
        ),
    ),
    Holding(
        "releases.Reproduction", why=_("who measured a score again, and who of the lab answered"),
        kept=_("as long as the score, without the name"), of="by",
        erased={"by": None, "note": "", "environment": _ERASED, "command": _ERASED}, stays=("reviewed_by", "review_note"),
        plain=("harness", "harness_version", "weights", "verdict", "state"),
    ),
    Holding(
        "releases.HarmReport", why=_("what somebody reported, and where the answer goes until it has gone"),
        kept=_("for good; the address until it is answered or closed"),
        of=lambda user: HarmReport.objects.filter(email__iexact=user.email).exclude(email=""),
        erased={"email": ""}, stays=("text", "answer", "handled_by"), plain=("language", "about", "publish", "state", "gravity"),
    ),
    Holding(
        "releases.Recording", why=_("who imported a file of numbers into a logbook"), kept=_("as long as the logbook"),
        of="by", erased={"by": None}, plain=("format", "source", "sha256"),
    ),
    Holding(
        "releases.Erratum", why=_("who raised it"), kept=_("for good, under the pseudonym"),
        of="by", stays=("by",), plain=("severity", "title", "text", "scrub"),
    ),
    Holding(
        "releases.HardwareProfile", why=_("machines that a person keeps for the calculator"),
        kept=_("until removed"), of="user", deletes=True,
        erased={"user": None, "name": "", "settings": {}},
    ),
    Holding(
        "releases.Revision", why=_("the author is part of the commit's id"), kept=_("as long as the model is published"),
        stays=("author", "email", "message"), exported=False,
        plain=("commit", "tree", "parent", "folders", "findings", "notices", "refused", "facts", "withdrawn_reason", "withdrawn_instead"),
    ),
)  # fmt: skip
impersonal("releases.DailyCap", "releases.DailyFile", "releases.Run")
impersonal(
    "releases.Family",
    "releases.Findable",
    "releases.FormerName",
    "releases.Model",
    "releases.Ref",
    "releases.Blob",
    "releases.File",
)
impersonal("releases.Proof", "releases.Tensor", "releases.Publication", "releases.SigningKey", "releases.Damage")
impersonal("releases.Curve", "releases.CurveSegment", "releases.CurveBlock")
