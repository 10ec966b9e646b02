"""A mail backend of Django's that keeps each mail in the database."""

from __future__ import annotations

from collections.abc import Sequence

from django.core.mail import EmailMessage, EmailMultiAlternatives
from django.core.mail.backends.base import BaseEmailBackend

from portal.mailbox.models import Mail


class MailboxBackend(BaseEmailBackend):
    """Stores mails for the mailbox page; used in the demo only."""

    def send_messages(self, email_messages: Sequence[EmailMessage]) -> int:
        """Keep the mails; returns how many."""
        return len(Mail.objects.bulk_create([_mail(message) for message in email_messages]))


def _mail(message: EmailMessage) -> Mail:
    return Mail(
        to=message.recipients(),
        sender=message.from_email,
        subject=str(message.subject),
        text=str(message.body),
        html=_html(message),
    )


def _html(message: EmailMessage) -> str:
    if not isinstance(message, EmailMultiAlternatives):
        return ""
    return next((str(content) for content, kind in message.alternatives if kind == "text/html"), "")
