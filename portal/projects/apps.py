"""Projects: the unit of allocation."""

from django.apps import AppConfig


class ProjectsConfig(AppConfig):
    """Django's registration."""

    name = "portal.projects"
    label = "projects"

    def ready(self) -> None:
        """Declare what is held about people."""
        from portal.projects import holdings  # noqa: F401, PLC0415
