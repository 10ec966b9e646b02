"""`manage.py createsuperuser`: not here. Django's own would make an operator with no entry on the audit trail."""

from __future__ import annotations

from typing import Any

from django.contrib.auth.management.commands import createsuperuser
from django.core.management.base import CommandError


class Command(createsuperuser.Command):
    help = "Not here: `first_administrator` makes the first operator, and operators make others in the admin."

    def execute(self, *args: Any, **options: Any) -> str | None:
        raise CommandError(
            "Give `manage.py first_administrator --email ADDRESS`, which prints a link for the first operator of a "
            "portal. Any other is made by one who is there, at /admin/people/user/, so that it is on the audit trail."
        )
