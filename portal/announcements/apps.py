"""Announcements to everybody."""

from django.apps import AppConfig


class AnnouncementsConfig(AppConfig):
    """Django's registration."""

    name = "portal.announcements"
    label = "announcements"

    def ready(self) -> None:
        """Declare what is held about people."""
        from portal.announcements import holdings  # noqa: F401, PLC0415
