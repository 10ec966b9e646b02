"""From the names in a request of the API to a model and a revision; what is not there is answered as the API answers."""

from __future__ import annotations

from django.utils import timezone
from django.utils.translation import gettext as _

from portal.errors import Invalid, NotFound
from portal.people.models import User
from releases import lookup
from releases.actions.rights import require_staff
from releases.models import Model, Revision


def model_seen(lab: str, name: str, *, person: User | None) -> Model:
    """A model, as far as this person may know of it; None for everybody. Raises NotFound."""
    found = lookup.model_ever(lab, name, person=person, now=timezone.now())
    if found is None:
        raise NotFound(_("There is no model %(name)s here, or it is not public.") % {"name": f"{lab}/{name}"})
    return found


def model_of_lab(user: User, lab: str, name: str) -> Model:
    """A model of a lab where this person has a role. Raises NotFound for every other."""
    found = lookup.model_ever(lab, name, person=user, now=timezone.now())
    if found is None or not user.roles_in(found.lab):
        raise NotFound(_("There is no such model, or it belongs to another lab."))
    return found


def model_kept(user: User, lab: str, name: str) -> Model:
    """A model that this person looks after. Raises NotFound without a role in its lab, NotAllowed without one for that."""
    found = model_of_lab(user, lab, name)
    require_staff(user, found.lab)
    return found


def revision_of(
    model: Model, name: str, *, person: User | None, field: str = "revision", drafts: bool = False
) -> Revision:
    """What a field of the request names, as far as the person may know of it; `drafts` as in lookup. Raises Invalid."""
    found = lookup.revision(model, name, person=person, now=timezone.now(), drafts=drafts)
    if found is None:
        wrong = _("This model has no such revision.")
        raise Invalid(wrong, fields={field: [wrong]})
    return found
