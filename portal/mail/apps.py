"""Mail: rendered from templates, sent through the outbox, at the pace that the reader chose."""

from django.apps import AppConfig


class MailConfig(AppConfig):
    """Registers the delivery of `mail.send`, and listens to mail services."""

    name = "portal.mail"
    label = "mail"

    def ready(self) -> None:
        """Import the receivers so that the outbox and anymail know them, and declare the letters."""
        from portal.mail import letters, sending, tracking  # noqa: F401, PLC0415
