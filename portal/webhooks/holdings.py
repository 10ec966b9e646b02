"""What webhooks hold about people: ids alone, which erasing turns into those of a pseudonym."""

from __future__ import annotations

from django.utils.translation import gettext_lazy as _

from portal.people.privacy import Holding, hold, impersonal

hold(
    Holding(
        "webhooks.Delivery", why=_("what a lab's own servers were told"), kept=_("as long as the webhook: ids, no names"),
        stays=("body",), plain=("event", "problem"), exported=False,
    )
)  # fmt: skip
impersonal("webhooks.Endpoint")
