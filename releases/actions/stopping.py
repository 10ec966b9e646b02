"""The emergency stop of a release: at once, for everybody, with a reason, and reversible."""

from __future__ import annotations

from typing import Any

from django.db import transaction
from django.db.models import F, QuerySet
from django.utils import timezone
from django.utils.translation import gettext as _

from portal.access.actions.gates import bump_gate
from portal.access.gate_models import Gate
from portal.access.models import Grant
from portal.audit import trail
from portal.audit.events import Event
from portal.errors import Conflict, Invalid
from portal.mail import sending
from portal.outbox import delivery
from portal.people.models import Lab, User
from releases import lookup
from releases.actions.rights import require_staff
from releases.models import Family, Model, Revision
from releases.stop_models import Stop

TELL = "release.tell"
"""Topic of the outbox: the holders are to be written to."""


def replacement(named: str, *, gone: Family | Model | Revision) -> str:
    """What to use instead of `gone`, as `lab/name` or `lab/name@commit`; "" for "".

    Raises Invalid unless it names a published model or revision that does not go with it.
    """
    named = named.strip().strip("/")
    if not named:
        return ""
    full_name, _at, commit = named.partition("@")
    namespace, _slash, name = full_name.partition("/")
    model = lookup.by_any_name(namespace, name)
    found = model.main if model else None
    if model and commit:
        found = model.revisions.published().filter(commit__startswith=commit.lower()).first()
    if model is None or found is None:
        raise _unknown(_("Name a published model as lab/name, or one revision of it as lab/name@commit."))
    if _within(gone, model, found):
        raise _unknown(_("This is what is taken away itself. Name something else, or leave it empty."))
    return f"{model.full_name}@{found.commit[:12]}" if commit else model.full_name


@transaction.atomic
def stop_release(*, subject: Family | Model | Revision, by: User | None, reason: str, instead: str = "") -> Stop:
    """Refuse every download and query of it from the next request on, and cut the streams that run.

    Works while publishing is paused too. Raises Invalid without a reason or for an unknown replacement, Conflict where
    it is stopped already.
    """
    locked = _locked(subject)
    require_staff(by, _lab_of(locked))
    if not reason.strip():
        raise Invalid(_("Say why it is stopped: its users will ask."), fields={"reason": [_("Say why.")]})
    instead = replacement(instead, gone=locked)
    if locked.stops.in_force().exists():
        raise Conflict(_("It is stopped already. Lift that stop first to give another reason."))
    stop = locked.stops.create(reason=reason.strip(), instead=instead, stopped_by=by)
    _cut(affected(stop))
    _announce(stop, Event.RELEASE_STOPPED, by, reason=stop.reason, instead=instead)
    return stop


@transaction.atomic
def lift_stop(*, stop: Stop, by: User | None) -> Stop:
    """Give it out again to whoever may have it; lifted twice is lifted once."""
    locked = Stop.objects.select_for_update(of=("self",)).get(pk=stop.pk)
    require_staff(by, locked.lab)
    if locked.lifted_at is not None:
        return locked
    locked.lifted_at, locked.lifted_by = max(timezone.now(), locked.stopped_at), by  # a clock may have been set back
    locked.save(update_fields=["lifted_at", "lifted_by"])
    _announce(locked, Event.RELEASE_RESUMED, by)
    return locked


def affected(stop: Stop) -> QuerySet[Model]:
    """The models that the stop holds back, whole or in part."""
    if stop.family:
        return Model.objects.filter(family=stop.family, lab=stop.family.lab)
    return Model.objects.filter(pk=stop.whole.pk)


@transaction.atomic
def tell_holders(*, stop: Stop, lifted: bool) -> int:
    """Write to everybody who holds a grant for it; how many. Twice is once."""
    locked = Stop.objects.select_for_update(of=("self",)).get(pk=stop.pk)
    told = "told_lifted_at" if lifted else "told_at"
    if getattr(locked, told) is not None:
        return 0
    setattr(locked, told, timezone.now())
    locked.save(update_fields=[told])
    gates = affected(locked).exclude(gate=None).values("gate")
    holders = User.objects.filter(pk__in=Grant.objects.active().filter(gate__in=gates).values("user")).order_by("pk")
    for holder in holders:
        _write(locked, holder, lifted=lifted)
    return len(holders)


def _write(stop: Stop, holder: User, *, lifted: bool) -> None:
    context: dict[str, Any] = {
        "name": holder.get_full_name(),
        "release": stop.name,
        "lab": stop.lab.name,
        "path": stop.whole.get_absolute_url(),
    }
    if not lifted:
        context["instead"] = stop.instead
    letter = "release_resumed" if lifted else "release_stopped"
    sending.send(to=holder.email, template=letter, context=context, key=f"stop:{stop.pk}", language=holder.language)


def _locked(subject: Family | Model | Revision) -> Family | Model | Revision:
    """The row, locked: of two who stop it at once, the second finds it stopped."""
    if isinstance(subject, Revision):
        return Revision.objects.select_for_update(of=("self",)).select_related("model__lab").get(pk=subject.pk)
    if isinstance(subject, Family):  # its models before it: so does who publishes one, and says so of its family
        list(Model.objects.select_for_update().filter(family=subject).order_by("pk").values_list("pk"))
    return type(subject).objects.select_for_update(of=("self",)).select_related("lab").get(pk=subject.pk)


def _lab_of(subject: Family | Model | Revision) -> Lab:
    return subject.model.lab if isinstance(subject, Revision) else subject.lab


def _within(gone: Family | Model | Revision, model: Model, revision: Revision) -> bool:
    if isinstance(gone, Revision):
        return gone.pk == revision.pk
    return gone.pk == (model.family_id if isinstance(gone, Family) else model.pk)


def _cut(models: QuerySet[Model]) -> None:
    """Make every principal that holds a right to one of them be read anew; running streams end at their heartbeat."""
    for gate in Gate.objects.filter(models__in=models).distinct().order_by("pk"):
        bump_gate(gate)
    for model in models.filter(gate=None).order_by("pk"):
        Model.objects.filter(pk=model.pk).update(generation=F("generation") + 1)
        model.refresh_from_db(fields=["generation"])
        delivery.enqueue(
            "rights.changed", key=f"model:{model.pk}", kind="gate", id=model.own_gate, generation=model.generation
        )


def _announce(stop: Stop, event: Event, by: User | None, **more: str) -> None:
    trail.record(event, by=by, target=stop.subject, lab=stop.lab, release=stop.name, **more)
    delivery.enqueue("release.changed", key=f"stop:{stop.pk}", stop=stop.pk)
    delivery.enqueue(TELL, key=f"stop:{stop.pk}", stop=stop.pk, lifted=event is Event.RELEASE_RESUMED)


def _unknown(text: str) -> Invalid:
    return Invalid(text, fields={"instead": [text]})
