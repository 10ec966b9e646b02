"""`manage.py post_usage`: the loop that posts settled requests to the ledger and settles those of dead gateways."""

from __future__ import annotations

import logging
import os
import signal
import socket
import threading
import time
from typing import Any, Final

import redis
from django.core.management.base import BaseCommand, CommandParser
from django.db import InterfaceError, OperationalError, close_old_connections, connection
from django.utils import timezone

from inference import ledger
from inference.gateway import limits
from inference.posting import Poster, ensure_group
from portal.counters import client

logger = logging.getLogger(__name__)

REAP_EVERY_S: Final = 1.0
TIDY_EVERY_S: Final = 60.0
_PAUSE_S: Final = 1.0


class Command(BaseCommand):
    help = "Post settled requests to the ledger and reap dead leases, until stopped."

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("--once", action="store_true", help="post all there is, then end")
        parser.add_argument("--apart", action="store_true", help="try once more what was kept apart, then end")

    def handle(self, *args: Any, **options: Any) -> None:
        stop = threading.Event()
        for number in (signal.SIGTERM, signal.SIGINT):
            signal.signal(number, lambda *_: stop.set())
        poster = Poster(client(), f"{socket.gethostname()}-{os.getpid()}")
        if options["apart"]:
            posted, left = poster.again()
            self.stdout.write(f"{posted} entries posted, {left} still kept apart")
            return
        if options["once"]:
            self._once(poster)
        while not stop.is_set() and not options["once"]:
            try:
                self._run(poster, stop)
            except (redis.RedisError, OperationalError, InterfaceError) as error:
                logger.warning("posting waits: %s", error)
                connection.close()
                stop.wait(_PAUSE_S)

    def _run(self, poster: Poster, stop: threading.Event) -> None:
        ensure_group(poster.store)
        reap_at = tidy_at = 0.0
        while not stop.is_set():
            now = time.monotonic()
            if now >= reap_at:
                reap_at = now + REAP_EVERY_S
                limits.reap(poster.store)
            if now >= tidy_at:
                tidy_at = now + TIDY_EVERY_S
                ledger.make_partitions(timezone.now().date())
                poster.forget_silent()
                poster.trim()
            if not poster.step(block_ms=500):
                close_old_connections()

    def _once(self, poster: Poster) -> None:
        ensure_group(poster.store)
        ledger.make_partitions(timezone.now().date())
        handled = 0
        while count := poster.step(block_ms=1):
            handled += count
        poster.trim()
        self.stdout.write(f"{handled} entries posted")
