"""What access knows about a receipt, for the page of agreements, which may not ask by itself."""

from __future__ import annotations

from django import template
from django.db.models import Q

from portal.access.models import Grant
from portal.agreements.models import Signature

register = template.Library()


@register.inclusion_tag("access/_standing.html")
def standing(signature: Signature) -> dict[str, object]:
    """Whether the grant that the signature opened still stands today."""
    own = Q(application_id=signature.application) | Q(membership__application_id=signature.application)
    rows = Grant.objects.with_conditions().filter(own, user=signature.user_id) if signature.application else None
    held = rows.first() if rows is not None else None
    return {"word_for": held.shown_state if held else ""}
