"""Gates, applications, reviews and grants: who may use what stands behind a gate."""

from django.apps import AppConfig


class AccessConfig(AppConfig):
    """Django's registration."""

    name = "portal.access"
    label = "access"

    def ready(self) -> None:
        """Listen to agreements, show on `/me/`, declare what is held about people and what is mailed."""
        from portal.access import holdings, institutional_letters, letters, panels, receivers  # noqa: F401, PLC0415
