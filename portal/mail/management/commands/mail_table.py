"""`manage.py mail_table` prints the table of docs/mail.md from what the apps declare in their letters.py."""

from __future__ import annotations

from typing import Any

from django.conf import settings
from django.core.management.base import BaseCommand
from django.utils import translation

from portal.mail import registry


def table() -> str:
    """The table, as Markdown, in English."""
    with translation.override(settings.LANGUAGE_CODE):
        rows = [f"| `{each.name}` | {each.when} | {each.to} | {each.topic.label} |" for each in registry.letters()]
    return "\n".join(["| letter | goes when | to | about |", "|---|---|---|---|", *rows])


class Command(BaseCommand):
    help = "Print the table of docs/mail.md."

    def handle(self, *args: Any, **options: Any) -> None:
        self.stdout.write(table())
