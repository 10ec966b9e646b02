"""Access tokens and the one authentication for all doors."""

from django.apps import AppConfig


class TokensConfig(AppConfig):
    """Django's registration."""

    name = "portal.tokens"
    label = "tokens"

    def ready(self) -> None:
        """Show on `/me/`, declare what is held about people and what is mailed."""
        from portal.tokens import holdings, letters, panels, sessions  # noqa: F401, PLC0415
