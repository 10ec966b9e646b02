"""`manage.py privacy_table`: the table of docs/privacy.md, from what the apps declare that they hold."""

from __future__ import annotations

from typing import Any

from django.core.management.base import BaseCommand

from portal.people import privacy


def table() -> str:
    """The table as Markdown."""
    lines = ["| table | what for | kept | erasing | stays |", "|---|---|---|---|---|"]
    for holding in privacy.holdings():
        gone = ", ".join(f"`{name}`" for name in holding.erased)
        erasing = "the rows go" if holding.deletes else f"{gone} emptied" if gone else "nothing"
        stays = ", ".join(f"`{name}`" for name in holding.stays)
        lines.append(f"| `{holding.model}` | {holding.why} | {holding.kept} | {erasing} | {stays} |")
    return "\n".join(lines) + "\n"


class Command(BaseCommand):
    help = "Print the table of personal data, purposes and retention."

    def handle(self, *args: Any, **options: Any) -> None:
        self.stdout.write(table(), ending="")
