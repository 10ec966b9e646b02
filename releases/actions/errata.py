"""An erratum is raised, and everybody who may hold a copy hears of it."""

from __future__ import annotations

from django.db import transaction
from django.db.models import Q
from django.utils import timezone
from django.utils.formats import number_format
from django.utils.translation import gettext as _

from portal.access.models import Grant
from portal.audit import trail
from portal.audit.events import Event
from portal.errors import Invalid
from portal.mail import sending
from portal.outbox import delivery
from portal.people.models import Membership, User
from releases import lifecycle
from releases.actions.rights import require_open, require_staff
from releases.models import Model, Revision
from releases.proof_models import Erratum, Publication, Severity

ERRATUM_RAISED = "erratum.raised"
"""The outbox topic."""
_MOST = {"title": 160, "text": 8000}


@transaction.atomic
def add_erratum(
    *,
    model: Model,
    revision: Revision | None,
    severity: str,
    title: str,
    text: str,
    by: User,
    corrects: Erratum | None = None,
) -> Erratum:
    """Say in public what is wrong with a model that is out. Raises Invalid, field by field.

    It is never edited: a further one `corrects` it.
    """
    require_open()
    require_staff(by, model.lab)
    told = {name: value.replace("\0", "").strip() for name, value in (("title", title), ("text", text))}
    problems = {name: [_("Write it.")] for name, value in told.items() if not value}
    problems |= {
        name: [_("At most %(n)s characters.") % {"n": number_format(_MOST[name], force_grouping=True)}]
        for name, value in told.items()
        if len(value) > _MOST[name]
    }
    if severity not in Severity.values:
        problems["severity"] = [_("Choose how serious it is.")]
    if corrects and corrects.model_id != model.pk:
        problems["corrects"] = [_("Choose an erratum of this model.")]
    if model.opened_at is None or (revision and revision.published_at is None):
        raise Invalid(_("Only what was published can have an erratum. Commit the files anew instead."))
    if problems:
        raise Invalid(_("The erratum was not raised."), fields=problems)
    return raise_erratum(
        Erratum(model=model, revision=revision, severity=severity, corrects=corrects, by=by, **told), by=by
    )


def raise_erratum(erratum: Erratum, *, by: User | None) -> Erratum:
    """Save, note and announce it, in the caller's transaction."""
    erratum.save(force_insert=True)
    model = erratum.model
    trail.record(
        Event.ERRATUM_RAISED, by=by, target=erratum, lab=model.lab, model=model.full_name, severity=erratum.severity,
        commit=erratum.revision.commit if erratum.revision else "", scrub=erratum.scrub,
    )  # fmt: skip
    delivery.enqueue(ERRATUM_RAISED, key=f"erratum:{erratum.pk}", erratum=erratum.pk)
    return erratum


@transaction.atomic
def tell_of_erratum(*, erratum: Erratum) -> int:
    """Mail whoever may have a copy of the model, and the lab's managers; how many. Twice is once."""
    locked = Erratum.objects.select_for_update(of=("self",)).select_related("model__lab", "corrects").get(pk=erratum.pk)
    if locked.told_at is not None:
        return 0
    Erratum.objects.filter(pk=locked.pk).update(told_at=timezone.now())
    model = locked.model
    managers = Membership.objects.active().filter(lab=model.lab, role__in=lifecycle.STAFF).values("user")
    holders = Grant.objects.may_hold_copies().filter(_behind(model)).values("user")
    readers = User.objects.filter(Q(pk__in=managers) | Q(pk__in=holders), is_active=True)
    told = 0
    for user in readers.iterator(chunk_size=500):
        context = {
            "name": user.get_full_name(), "model": model.full_name, "lab": model.lab.name,
            "path": locked.get_absolute_url(), "severity": locked.severity, "title": _line(locked.title),
            "corrects": _line(locked.corrects.title) if locked.corrects else "",
        }  # fmt: skip
        sending.send(
            to=user.email,
            template="erratum_raised",
            context=context,
            key=f"erratum:{erratum.pk}",
            language=user.language,
        )
        told += 1
    return told


def _line(title: str) -> str:
    """On one line, whatever a program sent: a letter's text would show what follows as a paragraph of our own."""
    return " ".join(title.split())


def _behind(model: Model) -> Q:
    """Grants for the gate that the model stands behind, and for those that its revisions were published behind."""
    then = Publication.objects.filter(revision__model=model).exclude(gate="").values_list("gate", flat=True).distinct()
    slugs = [name.partition("/")[2] for name in then]
    return Q(gate__isnull=False, gate=model.gate_id) | Q(gate__slug__in=slugs)
