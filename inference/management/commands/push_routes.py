"""`manage.py push_routes`: make the gateway's routes equal to the database."""

from __future__ import annotations

from typing import Any

from django.core.management.base import BaseCommand

from inference import routes


class Command(BaseCommand):
    help = "Push every route to the gateway's store."

    def handle(self, *args: Any, **options: Any) -> None:
        self.stdout.write(f"{routes.push()} routes pushed")
