"""Words of the ledger, for pages."""

from collections.abc import Mapping
from datetime import date, datetime

from django import template
from django.utils.functional import Promise
from django.utils.safestring import SafeString
from django.utils.translation import gettext_lazy as _

from inference import allocation
from inference.batch_lifecycle import State
from inference.batch_models import Batch
from inference.evaluating.telling import STATES
from inference.evaluation_lifecycle import State as RunState
from inference.evaluation_models import EvaluationRun
from inference.models import Pool, Status, UsageRecord
from portal.people.templatetags.weighbridge import state
from portal.written import day, stamp
from releases.models import Model

register = template.Library()

_KINDS = {
    Status.OK: "ok",
    Status.CLIENT_ABORT: "wait",
    Status.LOST: "wait",
    Status.UPSTREAM_ERROR: "stop",
    Status.REVOKED: "stop",
}


_STATES: dict[State, tuple[str, Promise]] = {
    State.VALIDATING: ("wait", _("file is being read")),
    State.FAILED: ("stop", _("not begun")),
    State.IN_PROGRESS: ("wait", _("running")),
    State.FINALIZING: ("wait", _("files are being written")),
    State.COMPLETED: ("ok", _("complete")),
    State.EXPIRED: ("stop", _("its time is over")),
    State.CANCELLING: ("wait", _("being cancelled")),
    State.CANCELLED: ("mute", _("cancelled")),
}


@register.simple_tag
def batch_state(batch: Batch) -> SafeString:
    """Where a batch stands, as icon and words."""
    kind, words = _STATES[State(batch.state)]
    return state(kind, str(words))


_RUNS: dict[RunState, str] = {
    RunState.RUNNING: "wait",
    RunState.SCORED: "here",
    RunState.ATTACHED: "ok",
    RunState.DISCARDED: "mute",
    RunState.CANCELLED: "mute",
    RunState.FAILED: "stop",
}


@register.simple_tag
def run_state(run: EvaluationRun) -> SafeString:
    """Where an evaluation run stands, as icon and words."""
    at = RunState(run.state)
    return state(_RUNS[at], str(STATES[at]))


@register.simple_tag
def outcome(record: UsageRecord) -> SafeString:
    """How a request ended, as icon and words."""
    status = Status(record.status)
    return state(_KINDS[status], str(status.label))


@register.simple_tag
def served(model: Model) -> Pool | None:
    """The pool that answers for the model here."""
    return Pool.objects.filter(model=model, retired_at=None).first()


@register.simple_tag
def allocation_state(status: str) -> SafeString:
    """Where an allocation request stands, as icon and word."""
    kind, word = {
        allocation.Status.SUBMITTED: ("wait", _("with the lab")),
        allocation.Status.GRANTED: ("ok", _("granted")),
        allocation.Status.DECLINED: ("stop", _("declined")),
        allocation.Status.WITHDRAWN: ("mute", _("taken back")),
    }[allocation.Status(status)]
    return state(kind, str(word))


@register.filter
def named(names: Mapping[str, str], key: str) -> str:
    """The name under `key`, or a dash for what has none any more."""
    return names.get(key, "—")


@register.filter
def written_time(key: str) -> SafeString:
    """The day or hour of a sum, as people write it."""
    return stamp(datetime.fromisoformat(key)) if "T" in key else day(date.fromisoformat(key))


@register.filter
def thousandfold(value: float) -> float:
    """Kilowatt-hours as watt-hours."""
    return value * 1000
