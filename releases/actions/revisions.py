"""A revision is published, withdrawn; releases.actions.checking comes before."""

from __future__ import annotations

from typing import Final

from django.db import transaction
from django.db.models.functions import Coalesce
from django.utils import timezone
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from portal.audit import trail
from portal.audit.events import Event
from portal.errors import Conflict, Invalid, NotFound
from portal.outbox import delivery
from portal.people.models import User
from releases import cards, chronicles, lifecycle
from releases.actions import proving
from releases.actions.freezing import freeze_with
from releases.actions.rights import require_open, require_staff, require_there
from releases.actions.stopping import replacement
from releases.lifecycle import State, Verb
from releases.models import Family, Model, Revision
from releases.opening_models import Opening
from releases.search.indexing import index_model

PUBLISHED = "revision.published"
"""Topic of the outbox: what a revision carries beside its files may be read."""
RECORD = "logbook.record"
"""The outbox topic: a revision was published that may carry its logbook."""
CURVES = "curves.record"
"""Topic of the outbox: a revision was published that carries the numbers of its training."""


_STANDS: Final = {
    State.DRAFT: gettext_lazy("Revision %(commit)s has not passed its check. Have it checked first."),
    State.CHECKED: gettext_lazy("Revision %(commit)s is not published yet. Publish it first."),
    State.PUBLISHED: gettext_lazy("Revision %(commit)s is published, and stays as it is."),
    State.WITHDRAWN: gettext_lazy("Revision %(commit)s was withdrawn, and stays so."),
}
"""Why something cannot be done to a revision where it stands."""


class Deleted(NotFound):
    """The draft is gone: somebody has deleted files that it held."""

    def __init__(self, revision: Revision) -> None:
        told = _("Draft %(commit)s was deleted with files that it held.")
        super().__init__(told % {"commit": revision.commit[:8]}, code="deleted")


@transaction.atomic
def publish(*, revision: Revision, by: User | None) -> Revision:
    """Open the revision to everybody whom the policy allows; `main` names it from now on.

    Raises Conflict where its opening is planned: nobody goes past the rules of a plan without cancelling it.
    """
    require_open()
    locked = step(revision, Verb.PUBLISH, by)
    if locked.state == State.PUBLISHED:
        return locked
    if Opening.objects.live().filter(revision=locked).exists():
        raise Conflict(_("The opening of this revision is planned. Cancel the plan first, or let it open by itself."))
    require_there(Model.objects.select_for_update(of=("self",)).select_related("lab").get(pk=locked.model_id))
    now = timezone.now()
    told = {"state": State.PUBLISHED.value, "published_at": now, "check_wanted_at": None}  # no check has a say any more
    Revision.objects.filter(pk=locked.pk).update(**told)
    Model.objects.filter(pk=locked.model_id).update(opened_at=Coalesce("opened_at", now))
    _name(locked, locked.model)
    proving.prove(revision=Revision.objects.select_related("model__lab", "model__gate__lab").get(pk=locked.pk))
    Family.objects.filter(models=locked.model_id).update(changed_at=now)
    freeze_with(locked.model)
    index_model(locked.model)
    trail.record(
        Event.REVISION_PUBLISHED,
        by=by,
        target=locked,
        lab=locked.model.lab,
        model=locked.model.full_name,
        commit=locked.commit,
        warnings=sorted({notice["rule"] for notice in locked.notices}),
    )
    delivery.enqueue("release.changed", key=f"model:{locked.model.full_name}", model=locked.model.full_name)
    delivery.enqueue(PUBLISHED, key=f"revision:{locked.pk}", revision=locked.pk)
    if locked.files.filter(path__in=chronicles.RECORDS).exists():
        delivery.enqueue(RECORD, key=f"logbook:{locked.pk}", revision=locked.pk)
    if locked.files.filter(path="records/metrics.jsonl").exists():
        delivery.enqueue(CURVES, key=f"curves:{locked.pk}", revision=locked.pk)
    return Revision.objects.get(pk=locked.pk)


@transaction.atomic
def withdraw(*, revision: Revision, by: User | None, reason: str, instead: str = "") -> Revision:
    """Stop giving out a published revision; `main` falls back to the one published before it.

    `instead` names what to use: `lab/name`, or `lab/name@commit`. Raises Invalid without a reason, or for an unknown one;
    Conflict where it was withdrawn before, for another reason.
    """
    if not reason.strip():
        raise Invalid(_("Say why it is withdrawn: its readers will ask."), fields={"reason": [_("Say why.")]})
    locked = step(revision, Verb.WITHDRAW, by)
    if locked.state == State.WITHDRAWN:
        if locked.withdrawn_reason != reason.strip():
            raise Conflict(_("It was withdrawn already, and its readers see the reason that was given then."))
        return locked
    Revision.objects.filter(pk=locked.pk).update(
        state=State.WITHDRAWN.value, withdrawn_at=timezone.now(), withdrawn_reason=reason.strip(),
        withdrawn_instead=replacement(instead, gone=locked),
    )  # fmt: skip
    last = Revision.objects.published().filter(model=locked.model_id).order_by("-published_at").first()
    _name(last, locked.model)
    Model.objects.filter(pk=locked.model_id, tip=locked.pk).update(tip=last)
    index_model(locked.model)
    trail.record(
        Event.REVISION_WITHDRAWN,
        by=by,
        target=locked,
        lab=locked.model.lab,
        model=locked.model.full_name,
        commit=locked.commit,
        reason=reason,
        instead=instead,
    )
    delivery.enqueue("release.changed", key=f"model:{locked.model.full_name}", model=locked.model.full_name)
    return Revision.objects.get(pk=locked.pk)


def step(revision: Revision, verb: Verb, by: User | None) -> Revision:
    """The locked revision, when `verb` may be done to it now, or when it is done already.

    Raises Conflict by the table, Deleted where its files were deleted, and it with them.
    """
    found = Revision.objects.select_for_update(of=("self",)).select_related("model__lab").filter(pk=revision.pk)
    locked = found.first()
    if locked is None:
        raise Deleted(revision)
    require_staff(by, locked.model.lab)
    reached = {step.to for (_, known), step in lifecycle.TABLE.items() if known == verb}
    if locked.state not in reached and lifecycle.next_state(locked.state, verb) is None:
        raise Conflict(str(_STANDS[State(locked.state)]) % {"commit": locked.commit[:8]})
    return locked


def _name(main: Revision | None, model: Model) -> None:
    """What `main` names from now on, and what the model and its family are said to be by it."""
    Model.objects.filter(pk=model.pk).update(
        main=main,
        parameters=main.facts.get("parameters", 0) if main else 0,
        licence=cards.licence(main) if main else "",
    )
    if model.family_id:
        largest = (
            Model.objects.filter(family=model.family_id).order_by("-parameters").values_list("parameters", flat=True)[0]
        )
        Family.objects.filter(pk=model.family_id).update(largest=largest)
