"""Agreements, their versions, and signatures under them."""

from django.apps import AppConfig


class AgreementsConfig(AppConfig):
    """Django's registration."""

    name = "portal.agreements"
    label = "agreements"

    def ready(self) -> None:
        """Declare what is held about people."""
        from portal.agreements import holdings  # noqa: F401, PLC0415
