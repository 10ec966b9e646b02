"""Who may write, and when."""

from __future__ import annotations

from django.utils.translation import gettext as _

from portal.errors import NotAllowed, NotFound, Unavailable
from portal.people.models import Lab, User
from portal.switches.models import Switch, is_on
from releases import lifecycle
from releases.models import Model


def require_staff(by: User | None, lab: Lab) -> None:
    """Raise NotAllowed without a role that looks after the lab's releases; `by` None is the operator at a shell."""
    if by is not None and not by.roles_in(lab) & lifecycle.STAFF:
        told = _("Only a release manager or administrator of %(lab)s may do this.")
        raise NotAllowed(told % {"lab": lab.slug}, code="not_staff")


def require_there(model: Model) -> None:
    """Raise NotFound for a model that its lab has deleted. Of a row that is locked: who comes second is told."""
    if model.withdrawn_at is not None and model.opened_at is None:
        raise NotFound(_("%(model)s was deleted by its lab.") % {"model": model.full_name}, code="deleted")


def require_open() -> None:
    """Raise Unavailable while the operator has paused publishing."""
    if not is_on(Switch.PUBLISH):
        raise Unavailable(
            _("The operator has paused publishing. Try again later."), retry_after_s=300, code="switched_off"
        )
