"""`manage.py announcement`: tell everybody something from a shell, where the admin's pages cannot be reached."""

from __future__ import annotations

from argparse import ArgumentParser
from datetime import UTC, datetime
from typing import Any

from django.core.management.base import BaseCommand, CommandError
from django.utils.dateparse import parse_datetime

from portal.announcements import actions
from portal.announcements.models import Announcement, Kind
from portal.errors import WeighbridgeError


class Command(BaseCommand):
    help = "Tell everybody of planned work, a disturbance or news; add to an announcement, or end it. Without a title: what is told now."

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("title", nargs="?", default="", help="of a new announcement, in a line")
        parser.add_argument("--kind", choices=Kind.values, default=Kind.DISTURBANCE.value)
        parser.add_argument("--text", default="", help="what people should know; what they should do")
        parser.add_argument("--from", dest="start", type=_moment, help="2026-11-30T14:00, UTC; left out: now")
        parser.add_argument("--until", type=_moment, help="left out: until it is ended; planned work needs it")
        parser.add_argument(
            "--of", type=int, metavar="NUMBER", help="an announcement that is told, for the two that follow"
        )
        parser.add_argument("--remark", default="", help="add this to it")
        parser.add_argument("--end", action="store_true", help="it is over now")

    def handle(self, *args: Any, **options: Any) -> None:
        if options["title"] and options["of"]:
            raise CommandError("Give a title, for a new announcement, or --of, for one that is told: not both.")
        if (options["remark"] or options["end"]) and not options["of"]:
            raise CommandError("Say with --of which announcement is meant; without anything, this command lists them.")
        try:
            self._write(options)
        except WeighbridgeError as error:
            raise CommandError(error.message) from error
        for announcement in Announcement.objects.open():
            self.stdout.write(_line(announcement))

    def _write(self, options: dict[str, Any]) -> None:
        if options["title"]:
            actions.publish(
                kind=Kind(options["kind"]), title=options["title"], text=options["text"], starts_at=options["start"],
                ends_at=options["until"], by=None,
            )  # fmt: skip
        if options["of"]:
            announcement = Announcement.objects.filter(pk=options["of"]).first()
            if announcement is None:
                raise CommandError(f"There is no announcement {options['of']}.")
            if options["remark"]:
                actions.remark(announcement=announcement, text=options["remark"], by=None)
            if options["end"]:
                actions.end(announcement=announcement, by=None)


def _moment(text: str) -> datetime:
    found = parse_datetime(text)
    if found is None:
        raise ValueError(text)
    return found if found.tzinfo else found.replace(tzinfo=UTC)


def _line(announcement: Announcement) -> str:
    until = f"{announcement.ends_at:%Y-%m-%d %H:%M}" if announcement.ends_at else "it is ended"
    return f"{announcement.pk}  {announcement.kind}  {announcement.starts_at:%Y-%m-%d %H:%M} UTC until {until}: {announcement.title}"
