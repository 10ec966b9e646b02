"""Pictures of every page: `python -m infra.screens [folder]`, docs/screens unless told.

It starts a demo of its own in an empty home, walks through it in four looks, and ends it; nobody's own demo is touched.
"""

from __future__ import annotations

import json
import os
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from io import BytesIO
from pathlib import Path
from typing import Any, Final

from PIL import Image
from playwright.sync_api import Page, sync_playwright

from infra.embedded.home import ROOT
from infra.walk.chromium import FLAGS, executable
from infra.walk.walker import Walker

FOLDER: Final = ROOT / "docs" / "screens"
READY_S: Final = 420.0
PROMPTS: Final = ("def mean(values):", "class Queue:", "import os", "def read_lines(path):", "# Sort the list", "try:")
COLOURS: Final = 96
"""Pages are ink on paper: few colours are enough for a picture, at a third of the bytes."""


def main(folder: Path) -> int:
    """Take the pictures; returns the exit status."""
    with sync_playwright() as playwright:
        path = executable(playwright)
        if path is None:
            print("No Chromium here. Install one (apt-get install chromium) and run the same command again.")
            return 3
        with demo() as (base_url, known):
            query(base_url, known)
            browser = playwright.chromium.launch(executable_path=path, args=FLAGS)
            count = take(Walker(browser, base_url, known), folder)
            browser.close()
    print(f"{count} pictures in {folder}")
    return 0


def query(base_url: str, known: dict[str, Any]) -> None:
    """Send each prompt to the served model, so that the usage page has something true to show; without engine, nothing."""
    served = (known.get("engine") or {}).get("model")
    if not served:
        return
    headers = {"Authorization": f"Bearer {known['tokens']['query']}", "Content-Type": "application/json"}
    for prompt in PROMPTS:
        body = json.dumps({"model": served, "prompt": prompt, "max_tokens": 48}).encode()
        request = urllib.request.Request(f"{base_url}/v1/completions", body, headers)
        with urllib.request.urlopen(request, timeout=120) as answer:
            answer.read()
    time.sleep(3)  # the ledger is posted each second


def take(walker: Walker, folder: Path) -> int:
    """Photograph every stop in every look into `folder`/<stop>.<look>.png; returns how many."""
    fresh = Path(tempfile.mkdtemp(prefix="weighbridge-screens-"))
    count = 0
    for stop, look, page in walker.walk():
        picture(page, fresh / f"{stop.name}.{look.name}.png")
        count += 1
    shutil.rmtree(folder, ignore_errors=True)
    shutil.copytree(fresh, folder)
    shutil.rmtree(fresh)
    return count


def picture(page: Page, path: Path) -> None:
    """Photograph the whole page, in few colours."""
    page.evaluate("document.fonts.ready")
    page.evaluate("document.activeElement?.blur()")
    for frame in page.locator("iframe").all():
        frame.scroll_into_view_if_needed()  # Chromium draws none before it was in sight
    path.write_bytes(smaller(page.screenshot(full_page=True, animations="disabled")))


def smaller(png: bytes) -> bytes:
    """Return the picture with a palette of COLOURS."""
    small = BytesIO()
    Image.open(BytesIO(png)).convert("RGB").quantize(
        COLOURS, Image.Quantize.MAXCOVERAGE, dither=Image.Dither.NONE
    ).save(small, "PNG", optimize=True)
    return small.getvalue()


@contextmanager
def demo() -> Iterator[tuple[str, dict[str, Any]]]:
    """Run a demo of its own and yield its address and demo.json."""
    home = Path(tempfile.mkdtemp(prefix="wb-screens-", dir="/tmp")) / "home"
    port = _free_port()
    base_url = f"http://127.0.0.1:{port}"
    env = {**os.environ, "WEIGHBRIDGE_HOME": str(home), "PORT": str(port), "HOST": "127.0.0.1"}
    home.parent.chmod(0o711)
    log = home.parent / "demo.log"
    with log.open("w") as output:
        process = subprocess.Popen(
            [sys.executable, "-m", "infra.embedded", "demo"], cwd=ROOT, env=env, stdout=output, stderr=output
        )
    try:
        _wait(process, log)
        yield base_url, json.loads((home / "demo.json").read_text(encoding="utf-8"))
    finally:
        process.send_signal(signal.SIGINT)
        process.wait(60)
        shutil.rmtree(home.parent, ignore_errors=True)


def _wait(process: subprocess.Popen[bytes], log: Path) -> None:
    end = time.monotonic() + READY_S
    while "Weighbridge is ready" not in (said := log.read_text(errors="replace")):
        if process.poll() is not None or time.monotonic() > end:
            raise SystemExit(f"The demo did not start:\n{said}")
        time.sleep(0.2)


def _free_port() -> int:
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        return int(listener.getsockname()[1])


if __name__ == "__main__":
    sys.exit(main(Path(sys.argv[1]) if len(sys.argv) > 1 else FOLDER))
