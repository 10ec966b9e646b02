"""What to use instead of a release that is not given out: `namespace/name`, or `namespace/name@commit`."""

from __future__ import annotations

from django.conf import settings
from django.urls import reverse


def address(named: str) -> str:
    """The page of what it names, relative to our origin; "" for ""."""
    model, _at, commit = named.partition("@")
    namespace, slash, name = model.partition("/")
    if not slash:
        return ""
    if commit:
        return reverse("releases:files", args=[namespace, name, commit])
    return reverse("releases:model", args=[namespace, name])


def url(named: str) -> str:
    """The same, absolute."""
    return f"{settings.BASE_URL}{address(named)}" if named else ""
