"""The outbox: what must happen after a commit."""

from django.apps import AppConfig


class OutboxConfig(AppConfig):
    """Django's registration."""

    name = "portal.outbox"
    label = "outbox"
