"""`manage.py changepassword`: Django's own, with an entry on the audit trail: for an operator whom no mail reaches."""

from __future__ import annotations

from typing import Any

from django.contrib.auth.management.commands import changepassword
from django.core.management.base import CommandParser
from django.db import DEFAULT_DB_ALIAS, transaction

from portal.people.models import User
from portal.people.passwords import given_on_server


class Command(changepassword.Command):
    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("username", help="the first address of the account")
        parser.set_defaults(database=DEFAULT_DB_ALIAS)

    @transaction.atomic
    def handle(self, *args: Any, **options: Any) -> str | None:
        said: str | None = super().handle(*args, **options)
        given_on_server.send(sender=User, user=User.objects.get_by_natural_key(options["username"]))
        return said
