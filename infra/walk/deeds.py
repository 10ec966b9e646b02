"""The longer deeds of the walk: a folder that is sent from the browser, and an opening that is planned for it."""

from __future__ import annotations

import json
import struct
import tempfile
from datetime import UTC, datetime, timedelta
from pathlib import Path

from playwright.sync_api import Page

CARD = "---\nlicense: other\nlanguage: en\n---\n\n# Pico next\n\nA small model that opens on a day.\n"


def name_model(page: Page) -> None:
    """Make the model `pico-next-9m`; its page of upload follows."""
    page.get_by_label("Name").fill("pico-next-9m")
    page.get_by_label("Summary").fill("A small model that opens on a day.")
    with page.expect_navigation():
        page.get_by_role("button", name="Make it, then choose files").click()


def send_folder(page: Page) -> None:
    """Choose a folder, send it, and wait until its revision stands."""
    with tempfile.TemporaryDirectory() as kept:
        page.locator("#id_folder").set_input_files(_folder(Path(kept) / "pico-next-9m"))
        page.locator("[data-send]:enabled").wait_for()
        page.get_by_role("button", name="Send").click()
        page.wait_for_url("**/revisions/*", timeout=60_000)


def plan_opening(page: Page) -> None:
    """Open it in thirty days, with one approval, and say so to everybody."""
    day = datetime.now(UTC) + timedelta(days=30)
    page.get_by_label("Not before, in UTC").fill(f"{day:%Y-%m-%dT12:00}")
    page.get_by_role("checkbox").first.check()
    page.get_by_label("Approvals needed").fill("1")
    page.get_by_label("Announce it").check()
    with page.expect_navigation():
        page.get_by_role("button", name="Plan the opening").click()


def _folder(folder: Path) -> Path:
    """A model that could be published: a card, a config, one tensor."""
    folder.mkdir()
    head = json.dumps({"w": {"dtype": "F32", "shape": [4], "data_offsets": [0, 16]}}).encode()
    (folder / "README.md").write_text(CARD, encoding="utf-8")
    (folder / "config.json").write_text(json.dumps({"model_type": "opt", "architectures": ["OPTForCausalLM"]}))
    (folder / "model.safetensors").write_bytes(struct.pack("<Q", len(head)) + head + bytes(16))
    return folder
