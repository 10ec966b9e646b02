"""`manage.py relay`: the loop that delivers the outbox and seals the audit trail."""

from __future__ import annotations

import logging
import signal
import threading
from collections.abc import Callable
from typing import Any

from django.core.management.base import BaseCommand, CommandParser
from django.db import Error, connection

from portal.audit import trail
from portal.outbox import delivery
from portal.postgres.faults import is_lost

logger = logging.getLogger(__name__)


def _quick() -> int:
    return delivery.deliver_due() + trail.seal()


def _slow() -> int:
    return delivery.deliver_due(limit=10, slow=True)


class Command(BaseCommand):
    help = "Deliver the outbox and seal the audit trail, until stopped."

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("--once", action="store_true", help="one pass, then end")
        parser.add_argument("--interval", type=float, default=0.5, help="seconds between passes when idle")

    def handle(self, *args: Any, **options: Any) -> None:
        stop = threading.Event()
        for number in (signal.SIGTERM, signal.SIGINT):
            signal.signal(number, lambda *_: stop.set())
        if options["once"]:
            _quick()
            _slow()
            return
        beside = threading.Thread(target=self._loop, args=(stop, options["interval"], _slow), name="slow topics")
        beside.start()
        self._loop(stop, options["interval"], _quick)
        beside.join()

    def _loop(self, stop: threading.Event, interval: float, work: Callable[[], int]) -> None:
        while not stop.is_set():
            stop.wait(0 if self._pass(work) else interval)

    def _pass(self, work: Callable[[], int]) -> int:
        try:
            return work()
        except Error as error:
            if is_lost(error):
                logger.warning("the database is not there (%s); trying again", type(error).__name__)
            else:
                logger.exception("the database refused a statement; going on")
        except Exception:
            logger.exception("a fault of ours; going on")  # the thread must not end: nobody would start it again
        connection.close()
        return 0
