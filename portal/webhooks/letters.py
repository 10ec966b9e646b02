"""The letters of webhooks."""

from __future__ import annotations

from django.utils.translation import gettext_lazy as _

from portal.mail.registry import Letter, Topic, declare

declare(
    Letter(
        "webhook_stopped",
        Topic.LAB,
        _("the lab’s managers and administrators"),
        _("a webhook has failed for a day, 20 times or more on end"),
        {"name": "Noor Haddad", "lab": "Lyceum Laboratory", "path": "/webhooks/"},
    )
)
declare(
    Letter(
        "webhook_secret_due",
        Topic.LAB,
        _("the lab’s managers and administrators"),
        _("the operator exchanged the key that a webhook’s secret came from"),
        {"name": "Noor Haddad", "lab": "Lyceum Laboratory", "path": "/webhooks/"},
    )
)
