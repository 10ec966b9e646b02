"""Families and models: opened, described."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import Any, Final

from django.db import transaction
from django.db.models import QuerySet
from django.utils import timezone
from django.utils.translation import gettext as _

from portal.access.gate_models import Gate
from portal.agreements.models import Agreement
from portal.audit import trail
from portal.audit.events import Event
from portal.errors import Conflict, Invalid
from portal.outbox import delivery
from portal.people.models import Lab, User
from releases import names
from releases.actions.committing import lock
from releases.actions.rights import require_open, require_staff
from releases.conversion_lifecycle import LIVE, Stage
from releases.conversion_models import Conversion
from releases.models import Family, FormerName, Model
from releases.opening_models import Opening
from releases.search.indexing import index_family, index_model
from releases.sentences import Sentence

DESCRIBED: Final = ("family", "gate", "agreement", "summary")
"""What may be changed of a model that is there."""


@transaction.atomic
def open_family(
    *,
    lab: Lab,
    slug: str,
    title: str,
    by: User | None,
    summary: str = "",
    hosted: bool = True,
    facts: dict[str, Any] | None = None,
    largest: int = 0,
    changed_at: datetime | None = None,
) -> Family:
    """Make the family, or bring an existing one up to date; nothing happens when nothing differs.

    `changed_at` is when an entry from a data file was last changed (default: now).
    """
    require_staff(by, lab)
    wanted = {"title": title, "summary": summary, "hosted": hosted, "facts": facts or {}, "largest": largest}
    moment = changed_at or timezone.now()
    family, created = Family.objects.select_for_update().get_or_create(
        lab=lab, slug=slug, defaults={**wanted, "changed_at": moment}
    )
    changed = {name: value for name, value in wanted.items() if getattr(family, name) != value}
    if changed:
        Family.objects.filter(pk=family.pk).update(**changed, changed_at=moment)
        family.refresh_from_db()
    if created or changed:
        index_family(family)
        trail.record(Event.FAMILY_CREATED, by=by, target=family, lab=lab, changed=sorted(changed))
    return family


@transaction.atomic
def open_model(
    *,
    lab: Lab,
    name: str,
    by: User | None,
    family: Family | None = None,
    gate: Gate | None = None,
    summary: str = "",
) -> Model:
    """Make the model `lab/name`, without a revision. Raises Conflict when the name is, or ever was, taken."""
    require_staff(by, lab)
    names.check_model_name(name)
    _require_own(lab, {"family": family, "gate": gate})
    _require_free(lab, name)
    model = Model.objects.create(lab=lab, name=name, family=family, gate=gate, summary=summary)
    trail.record(
        Event.MODEL_CREATED, by=by, target=model, lab=lab, model=model.full_name, gate=gate.slug if gate else ""
    )
    return model


@transaction.atomic
def describe_model(*, model: Model, by: User | None, **changes: Any) -> Model:
    """Change what a model says of itself, its family or its gate; nothing happens when nothing differs.

    `changes` are any of DESCRIBED; raises Invalid for another, and for what is another lab's, NotFound where it was deleted.
    """
    require_staff(by, model.lab)
    locked = lock(model)
    unknown = changes.keys() - set(DESCRIBED)
    if unknown:
        raise Invalid(f"A model has no {sorted(unknown)[0]} to change.")
    _require_own(locked.lab, changes)
    differing = {name: value for name, value in changes.items() if getattr(locked, name) != value}
    if differing:
        Model.objects.filter(pk=locked.pk).update(**differing)
        if "family" in differing:
            locked.logbooks.update(family=differing["family"])
        index_model(locked)
        trail.record(
            Event.MODEL_CHANGED, by=by, target=locked, lab=locked.lab, **{k: str(v or "") for k, v in differing.items()}
        )
        delivery.enqueue("release.changed", key=f"model:{locked.full_name}", model=locked.full_name)
    return Model.objects.get(pk=locked.pk)


def gives_away(model: Model, gate: Gate | None) -> bool:
    """Whether a published model would lose its gate: who wants that says so twice."""
    return model.main_id is not None and model.gate_id is not None and gate is None


def shown_terms(lab: Lab) -> QuerySet[Agreement]:
    """Agreements of which a model without a gate can show a version."""
    return lab.agreements.filter(versions__published_at__isnull=False).distinct()


def _require_own(lab: Lab, named: Mapping[str, Any]) -> None:
    """Another lab's reviewers decide on nothing of this one."""
    for what in ("family", "gate", "agreement"):
        if named.get(what) and named[what].lab_id != lab.pk:
            message = _("Choose one of %(lab)s.") % {"lab": lab.name}
            raise Invalid(message, fields={what: [message]})


@transaction.atomic
def rename_model(*, model: Model, lab: Lab, name: str, by: User | None) -> Model:
    """Another name, in a lab that the same person looks after; the old name leads here for ever.

    Raises Conflict where the name is taken, or where the model has a gate of the lab that it leaves, NotFound where it was
    deleted.
    """
    require_open()
    require_staff(by, model.lab)
    require_staff(by, lab)
    names.check_model_name(name)
    locked = lock(model)
    if (locked.lab_id, locked.name) == (lab.pk, name):
        return locked
    if locked.lab_id != lab.pk and (locked.gate_id or locked.agreement_id or locked.family_id):
        told = _("%(model)s stands behind a gate, terms or a family of %(lab)s. Take it out first.")
        raise Conflict(told % {"model": locked.full_name, "lab": locked.lab.slug})
    before = locked.full_name
    own = FormerName.objects.filter(model=locked, lab=lab)
    if not own.filter(name__iexact=name).exists() and (locked.lab_id != lab.pk or locked.name.lower() != name.lower()):
        _require_free(lab, name)
    own.filter(name=name).delete()
    # Also where only the spelling changes: ledgers have the name as it was.
    FormerName.objects.create(model=locked, lab=locked.lab, name=locked.name)
    Model.objects.filter(pk=locked.pk).update(lab=lab, name=name)
    index_model(locked)
    locked.lab, locked.name = lab, name
    trail.record(Event.MODEL_RENAMED, by=by, target=locked, lab=lab, before=before, after=locked.full_name)
    for known in (before, locked.full_name):
        delivery.enqueue("release.changed", key=f"model:{known}", model=known)
    return locked


@transaction.atomic
def delete_model(*, model: Model, by: User | None) -> None:
    """Take away a model that was never published, and cancel its conversions. Its name stays taken.

    Raises Conflict once it was published, or where a conversion was asked for just now, NotFound where it was deleted already.
    """
    require_open()
    require_staff(by, model.lab)
    live = Conversion.objects.filter(model=model, stage__in=LIVE)
    # Before the model: so does the worker that commits a result, and who tries a conversion again.
    ended = list(live.select_for_update(of=("self",)).select_related("source").order_by("pk"))
    locked = lock(model)
    if live.exclude(pk__in=[conversion.pk for conversion in ended]).exists():
        raise Conflict(_("Somebody has asked for a conversion just now. Look again at what you want to delete."))
    if locked.opened_at:
        told = _("%(model)s was published, so it is kept. Withdraw its revisions, with a reason, on its page.")
        raise Conflict(told % {"model": model.full_name})
    if Opening.objects.live().filter(model=locked).exists():
        raise Conflict(_("An opening of %(model)s is planned. Cancel the plan first.") % {"model": model.full_name})
    Model.objects.filter(pk=locked.pk).update(withdrawn_at=timezone.now(), withdrawn_reason="Deleted by its lab.")
    for conversion in ended:
        _cancel(conversion, locked, by)
    trail.record(Event.MODEL_DELETED, by=by, target=locked, lab=model.lab, model=model.full_name)


def _cancel(conversion: Conversion, model: Model, by: User | None) -> None:
    reason = Sentence("Its model was deleted by its lab.")
    Conversion.objects.filter(pk=conversion.pk).update(
        stage=Stage.CANCELLED, problem=reason.kept(), ended_at=timezone.now()
    )
    trail.record(
        Event.CONVERSION_CANCELLED, by=by, target=conversion, lab=model.lab, model=model.full_name,
        commit=conversion.source.commit, reason=str(reason),
    )  # fmt: skip


def _require_free(lab: Lab, name: str) -> None:
    taken = Model.objects.filter(lab=lab, name__iexact=name).exists()
    if taken or FormerName.objects.filter(lab=lab, name__iexact=name).exists():
        told = _("A model repository called %(name)s already exists, or did once. Choose another name.")
        raise Conflict(told % {"name": f"{lab.slug}/{name}"})
