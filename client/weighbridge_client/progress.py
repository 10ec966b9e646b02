"""How far a download is: one line that is written over where somebody watches, a line now and then where nobody does."""

from __future__ import annotations

import sys
import threading
import time

_SHOWN_S, _LOGGED_S = 0.2, 15.0


class Progress:
    """Counts bytes of several threads."""

    def __init__(self, total: int, files: int, *, quiet: bool = False) -> None:
        self.total, self.files, self.quiet = total, files, quiet
        self.done = self.fetched = self.ready = 0
        self._watched = sys.stderr.isatty()
        self._began = self._shown = time.monotonic()
        self._waits_until = 0.0
        self._lock = threading.Lock()

    def found(self, size: int) -> None:
        """Bytes that an earlier run has brought."""
        with self._lock:
            self.done += size

    def arrived(self, size: int) -> None:
        """Bytes that came just now; negative where they have to come again."""
        with self._lock:
            self.done += size
            self.fetched += max(0, size)
            now = time.monotonic()
            if self.quiet or now - self._shown < (_SHOWN_S if self._watched else _LOGGED_S):
                return
            self._shown = now
        self._write(self.line(now), end="" if self._watched else "\n")

    def waits(self, seconds: float, told: str) -> None:
        """The portal asks to wait for so long: said once, however many threads wait."""
        with self._lock:
            now = time.monotonic()
            if self.quiet or not seconds or now < self._waits_until:
                return
            self._waits_until = now + seconds
        self._write(f"{told} Goes on in {_clock(seconds)}.", end="\n")

    def one_ready(self) -> None:
        """A file is whole and proven."""
        with self._lock:
            self.ready += 1

    def end(self) -> None:
        """The last line."""
        if not self.quiet and self.fetched:
            self._write(self.line(time.monotonic()), end="\n")

    def line(self, now: float) -> str:
        """All of it in words."""
        elapsed = max(now - self._began, 0.001)
        rate = self.fetched / elapsed
        left = (self.total - self.done) / rate if rate else 0
        share = 100 * self.done / self.total if self.total else 100
        return (
            f"{in_bytes(self.done)} of {in_bytes(self.total)}, {share:.0f} %, {in_bytes(rate)}/s, "
            f"{_clock(left)} left, {self.ready} of {self.files} files"
        )

    def _write(self, line: str, end: str) -> None:
        start = "\r\x1b[K" if self._watched else ""
        print(start + line, end=end, file=sys.stderr, flush=True)


def in_bytes(size: float) -> str:
    """A size in decimal units: 12.4 MB."""
    for unit in ("B", "kB", "MB", "GB"):
        if size < 1000:
            return f"{size:.0f} {unit}" if unit == "B" else f"{size:.1f} {unit}"
        size /= 1000
    return f"{size:.2f} TB"


def _clock(seconds: float) -> str:
    minutes, rest = divmod(int(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02}:{rest:02}" if hours else f"{minutes}:{rest:02}"
