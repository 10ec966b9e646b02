"""The demo's mailbox: where mail goes when there is no mail server."""

from django.apps import AppConfig


class MailboxConfig(AppConfig):
    """Django's registration."""

    name = "portal.mailbox"
    label = "mailbox"

    def ready(self) -> None:
        """Declare what is held about people."""
        from portal.mailbox import holdings  # noqa: F401, PLC0415
