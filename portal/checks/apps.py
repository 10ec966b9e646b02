"""What a public portal must not be set to."""

from django.apps import AppConfig


class ChecksConfig(AppConfig):
    """Django's registration."""

    name = "portal.checks"
    label = "checks"

    def ready(self) -> None:
        """Register the checks."""
        from portal.checks import deployment  # noqa: F401, PLC0415
