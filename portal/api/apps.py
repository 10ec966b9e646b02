"""What every part of the REST API shares: operations, problems, idempotency keys, the description."""

from importlib import import_module

from django.apps import AppConfig


class ApiConfig(AppConfig):
    """Django's registration."""

    name = "portal.api"
    label = "api"

    def ready(self) -> None:
        """Declare what is held about people."""
        import_module("portal.api.holdings")
