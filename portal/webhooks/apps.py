"""Signed messages to a lab's own servers about what happens in it."""

from importlib import import_module

from django.apps import AppConfig


class WebhooksConfig(AppConfig):
    """Django's registration; what it hears lies in receivers.py."""

    name = "portal.webhooks"
    label = "webhooks"

    def ready(self) -> None:
        """Listen to the audit trail, register the outbox handler, and declare what is held about people."""
        import_module("portal.webhooks.holdings")
        import_module("portal.webhooks.letters")
        import_module("portal.webhooks.receivers")
