"""`manage.py first_administrator`: the first account of a new portal, by a link that works once."""

from __future__ import annotations

from typing import Any, Final

from allauth.account.forms import default_token_generator
from allauth.account.models import EmailAddress
from allauth.account.utils import user_pk_to_url_str
from django.conf import settings
from django.core.exceptions import ValidationError
from django.core.management.base import BaseCommand, CommandError, CommandParser
from django.core.validators import validate_email
from django.db import transaction
from django.urls import reverse

from portal.errors import WeighbridgeError
from portal.people.actions import create_lab, give_role, make_first_operator
from portal.people.models import Lab, Role, User
from portal.postgres.locks import alone

_PATIENCE_S: Final = 10.0


class Command(BaseCommand):
    help = "Print a link with which the first administrator chooses a password; nothing once that was done."

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("--email", required=True)
        parser.add_argument(
            "--lab",
            help="slug of their lab, the namespace of its models (the first where somebody works, or a new one: lab)",
        )
        parser.add_argument("--lab-name", default="Laboratory")

    def handle(self, *args: Any, **options: Any) -> None:
        with alone("first administrator", within_s=_PATIENCE_S) as mine:
            if not mine:
                raise CommandError("Another run of this command is making the account. Try again when it has ended.")
            self._print_link(options)

    def _print_link(self, options: dict[str, Any]) -> None:
        if any(user.has_usable_password() for user in User.objects.filter(is_superuser=True, is_active=True)):
            return
        try:
            user = _administrator(options["email"].strip().lower(), options["lab"], options["lab_name"])
        except WeighbridgeError as error:
            raise CommandError(error.message) from error
        except ValidationError as error:
            raise CommandError(" ".join(error.messages)) from error
        key = default_token_generator.make_token(user)
        path = reverse("account_reset_password_from_key", args=[user_pk_to_url_str(user), key])
        self.stdout.write(settings.BASE_URL + path)


@transaction.atomic
def _administrator(email: str, slug: str | None, name: str) -> User:
    """The operator, administrator of the lab, without a password until the link is used."""
    validate_email(email)
    user = make_first_operator(email=email)
    EmailAddress.objects.get_or_create(user=user, email=email, defaults={"verified": True, "primary": True})
    # Labs of the catalogue's reference entries are nobody's to look after: no one works there.
    there = Lab.objects.filter(slug=slug) if slug else Lab.objects.filter(memberships__isnull=False)
    lab = there.first() or create_lab(slug=slug or "lab", name=name, by=user, contact=email)
    give_role(user=user, lab=lab, role=Role.ADMINISTRATOR, by=user)
    return user
