"""The writers of conversions. A worker's words are taken only while the row says that it runs: whoever cancels, wins."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import timedelta
from typing import Any, Final
from uuid import UUID

from django.conf import settings
from django.db import transaction
from django.db.models import Q, QuerySet
from django.utils import timezone
from django.utils.translation import gettext as _

from portal import signing
from portal.audit import trail
from portal.audit.events import Event
from portal.errors import Conflict, NotFound, NotSetUp
from portal.outbox import delivery
from portal.people.models import User
from releases import conversion_lifecycle as lifecycle
from releases.actions import Change, NewFile, amend, files_of
from releases.actions.rights import require_open, require_staff, require_there
from releases.conversion import receipts, wishes
from releases.conversion.wishes import Wish
from releases.conversion_lifecycle import Stage, Verb
from releases.conversion_models import Conversion
from releases.lifecycle import State
from releases.models import MAIN, Model, RefKind, Revision
from releases.sentences import Sentence

SILENT: Final = timedelta(minutes=3)
"""How long a running conversion may go without a word; its worker tells each second."""
UNCALLED: Final = timedelta(minutes=10)
"""How long one waits before the converter is called for again: what the broker held may be lost, and twice is once."""
LOG_MAX: Final = 500


@transaction.atomic
def request(*, revision: Revision, wish: Wish, by: User) -> Conversion:
    """Have a worker make other files of the revision's weights, as a new draft after it.

    Raises Invalid by field; Conflict unless the revision is the newest of a branch, or while one is under way;
    NotSetUp where this portal has no converter.
    """
    require_open()
    require_staff(by, revision.model.lab)
    if not settings.CONVERTER_PYTHON:
        raise NotSetUp(
            _("This portal has no converter. Its operator can add one: CONVERTER_PYTHON, or `make engine`."),
            code="no_converter",
        )
    model = Model.objects.select_for_update(of=("self",)).select_related("lab", "tip").get(pk=revision.model_id)
    revision = _there(model, revision)
    if revision.conversions.filter(stage__in=lifecycle.LIVE).exists():
        raise Conflict(_("A conversion of this revision is under way. Wait for it, or cancel it."))
    wishes.check(wish, revision.files.values_list("path", flat=True))
    conversion = Conversion.objects.create(
        model=model, source=revision, branch=_branch_of(model, revision), operation=wish.operation, options=wish.options(),
        files=list(wish.files), asked_by=by,
    )  # fmt: skip
    _tell(Event.CONVERSION_REQUESTED, conversion, by, operation=wish.operation)
    _enqueue(conversion)
    return conversion


@transaction.atomic
def begin(*, pk: UUID) -> Conversion | None:
    """The conversion, now running; None when it is not queued any more, because it runs, is over, was cancelled or is gone."""
    locked = Conversion.objects.select_for_update(of=("self",)).filter(pk=pk).first()
    if locked is None or lifecycle.next_stage(locked.stage, Verb.BEGIN) is None:
        return None
    now = timezone.now()
    Conversion.objects.filter(pk=pk).update(stage=Stage.RUNNING, began_at=now, heard_at=now, done=0, total=0, log=[])
    return Conversion.objects.select_related("model__lab", "source", "asked_by").get(pk=pk)


def require_wanted(conversion: Conversion) -> User:
    """Whoever asked for it, as long as what they asked for may be made.

    Raises Conflict where they have no account any more or the revision was withdrawn, NotAllowed where they look after the
    lab's releases no longer, or the lab is closed, NotFound where the model was deleted.
    """
    by = conversion.asked_by
    if by is None or not by.is_active:
        raise Conflict(_("Whoever asked for this conversion has no account here any more. Ask for it again."))
    require_staff(by, conversion.model.lab)
    _there(conversion.model, conversion.source)
    return by


def progress(*, conversion: Conversion, done: int, total: int, log: Sequence[tuple[str, str]]) -> bool:
    """Write down how far it is; whether it is still to go on."""
    now, lines = timezone.now(), list(log)[-LOG_MAX:]
    return bool(_going_on(conversion).update(done=done, total=total, log=lines, heard_at=now))


@transaction.atomic
def finish(
    *, conversion: Conversion, inputs: Sequence[NewFile], outputs: Sequence[NewFile], report: dict[str, Any]
) -> Conversion:
    """Commit what was made as a draft after the source, and seal the receipt. Raises Stale, Conflict, Invalid.

    The commit is made in the name of who asked, with the rights that they have now. A conversion that was cancelled
    meanwhile stays so, and nothing is committed; nor is anything made of a revision that was withdrawn meanwhile.
    """
    locked = (
        Conversion.objects.select_for_update(of=("self",)).select_related("model__lab", "source").get(pk=conversion.pk)
    )
    if lifecycle.next_stage(locked.stage, Verb.FINISH) is None:
        return locked
    # A withdrawal waits for this lock, or was before it.
    locked.source = Revision.objects.select_for_update(of=("self",)).get(pk=locked.source_id)
    by = require_wanted(locked)
    wish = Wish.of(locked.operation, locked.files, locked.options)
    change = Change(files=outputs, gone=wish.gone(files_of(locked.source)))
    made = amend(
        model=locked.model,
        branch=locked.branch,
        change=change,
        by=by,
        message=_message(locked),
        parent=locked.source.commit,
    )
    now = timezone.now()
    locked.stage, locked.ended_at, locked.result, locked.done = Stage.DONE.value, now, made, locked.total
    locked.receipt = receipts.document(
        locked, inputs=inputs, outputs=outputs, report=report, commit=made.commit, at=now.isoformat(),
        seconds=(now - (locked.began_at or now)).total_seconds(),
    )  # fmt: skip
    locked.receipt_sha256 = signing.digest(locked.receipt)
    locked.key_id, locked.seal = signing.seal(locked.receipt)
    locked.save()
    _tell(Event.CONVERSION_DONE, locked, by, result=made.commit, receipt=locked.receipt_sha256)
    return locked


@transaction.atomic
def fail(*, conversion: Conversion, problem: Sentence) -> None:
    """It has ended without a result; nothing happens where it does not run any more, or runs anew."""
    locked = _going_on(conversion).select_for_update(of=("self",)).select_related("model__lab", "source").first()
    if locked is None:
        return
    Conversion.objects.filter(pk=locked.pk).update(stage=Stage.FAILED, problem=problem.kept(), ended_at=timezone.now())
    _tell(Event.CONVERSION_FAILED, locked, None, problem=str(problem))


@transaction.atomic
def cancel(*, conversion: Conversion, by: User) -> None:
    """Stop it; its worker ends the program within a second or two. Raises Conflict once it is over."""
    locked = _step(conversion, Verb.CANCEL, by)
    Conversion.objects.filter(pk=locked.pk).update(stage=Stage.CANCELLED, ended_at=timezone.now())
    _tell(Event.CONVERSION_CANCELLED, locked, by)


@transaction.atomic
def retry(*, conversion: Conversion, by: User) -> None:
    """Put a failed or cancelled one in the queue again, in the name of who does so. Raises Conflict otherwise."""
    require_open()
    locked = _step(conversion, Verb.RETRY, by)
    # Whoever deletes the model cancels what waits then, so it must not be deleted until this one does.
    _there(Model.objects.select_for_update(of=("self",)).get(pk=locked.model_id), locked.source)
    if locked.source.conversions.filter(stage__in=lifecycle.LIVE).exists():
        raise Conflict(_("A conversion of this revision is under way. Wait for it, or cancel it."))
    Conversion.objects.filter(pk=locked.pk).update(
        stage=Stage.QUEUED,
        asked_by=by,
        began_at=None,
        ended_at=None,
        problem=None,
        done=0,
        total=0,
        log=[],
    )
    _tell(Event.CONVERSION_RETRIED, locked, by)
    _enqueue(locked)


def fail_abandoned() -> int:
    """Fail those whose worker has gone silent; how many there were."""
    silent = list(Conversion.objects.filter(stage=Stage.RUNNING, heard_at__lt=timezone.now() - SILENT))
    for conversion in silent:
        fail(conversion=conversion, problem=Sentence("The worker that converted it went away. Try again."))
    return len(silent)


def call_waiting() -> int:
    """Call the converter again for each that has waited since it was last called for; for how many. Safe to run twice."""
    before, count = timezone.now() - UNCALLED, 0
    waiting = Conversion.objects.filter(stage=Stage.QUEUED).filter(Q(heard_at=None) | Q(heard_at__lt=before))
    for pk in list(waiting.values_list("pk", flat=True)):
        with transaction.atomic():
            conversion = waiting.select_for_update(of=("self",), skip_locked=True).filter(pk=pk).first()
            if conversion is not None:
                _enqueue(conversion)
                count += 1
    return count


def _going_on(conversion: Conversion) -> QuerySet[Conversion]:
    """The row while this very run of it goes on: one that was cancelled and begun anew is another worker's."""
    stages = [stage for stage, verb in lifecycle.TABLE if verb is Verb.FINISH]
    return Conversion.objects.filter(pk=conversion.pk, stage__in=stages, began_at=conversion.began_at)


def _there(model: Model, revision: Revision) -> Revision:
    """The revision as it is now. Raises NotFound where it or its model was deleted, Conflict where it is withdrawn."""
    require_there(model)
    found = model.revisions.filter(pk=revision.pk).first()
    if found is None:
        raise NotFound(_("This draft was deleted."), code="deleted")
    if found.state == State.WITHDRAWN:
        raise Conflict(_("This revision is withdrawn, so nothing is made of it."))
    return found


def _branch_of(model: Model, revision: Revision) -> str:
    if model.tip_id == revision.pk:
        return MAIN
    ref = model.refs.filter(kind=RefKind.BRANCH, revision=revision).order_by("name").first()
    if ref is None:
        raise Conflict(
            _("This revision is not the newest of a branch, so nothing can follow it. Convert the newest one.")
        )
    return ref.name


def _step(conversion: Conversion, verb: Verb, by: User) -> Conversion:
    locked = (
        Conversion.objects.select_for_update(of=("self",)).select_related("model__lab", "source").get(pk=conversion.pk)
    )
    require_staff(by, locked.model.lab)
    if lifecycle.next_stage(locked.stage, verb) is None:
        raise Conflict(_("This conversion is over, or runs again. Load its page again."))
    return locked


def _enqueue(conversion: Conversion) -> None:
    Conversion.objects.filter(pk=conversion.pk).update(heard_at=timezone.now())
    delivery.enqueue("conversion.run", key=f"conversion:{conversion.pk}", conversion=str(conversion.pk))


def _message(conversion: Conversion) -> str:
    wish = Wish.of(conversion.operation, conversion.files, conversion.options)
    what = {
        "convert": "Convert the weights to safetensors",
        "consolidate": "Consolidate the weights into safetensors",
        "reshard": f"Deal the weights to {wish.shards} files",
        "cast": f"Cast the weights to {wish.dtype}",
    }
    return f"{what[conversion.operation]}\n\nConversion {conversion.pk}"


def _tell(event: Event, conversion: Conversion, by: User | None, **facts: Any) -> None:
    trail.record(
        event, by=by, target=conversion, lab=conversion.model.lab, model=conversion.model.full_name,
        commit=conversion.source.commit, **facts,
    )  # fmt: skip
