"""Where the browser is, and how it must be started in a container."""

from __future__ import annotations

import os
import shutil
from pathlib import Path
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:  # the set-up asks for NAMES before there is any package
    from playwright.sync_api import Playwright

_WITHOUT: Final = (
    *("WebUIOmniboxPopup", "WebUIOmniboxAimPopup"),  # two pages for the address bar of each window, which nobody sees
    "SpareRendererForSitePerProcess",  # a process for a page that may never be asked for
    # Playwright's own list, whole: of two lists a browser heeds the last.
    *("AvoidUnnecessaryBeforeUnloadCheckSync", "DestroyProfileOnBrowserClose", "HttpsUpgrades"),
    *("HttpsFirstBalancedModeAutoEnable", "LensOverlay", "MediaRouter", "PaintHolding"),
    *("ThirdPartyStoragePartitioning", "AvoidCorsURLLoaderRestartOnRedirect", "TcpPortRandomizationWin"),
    *("OptimizationHints", "NetworkTimeServiceQuerying", "AimEnabled", "PreconnectToSearch"),
    *("msForceBrowserSignIn", "msEdgeUpdateLaunchServicesPreferredVersion"),
)
FLAGS: Final = [
    f"--disable-features={','.join(_WITHOUT)}",
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--hide-scrollbars",
]
NAMES: Final = ("chromium-headless-shell", "chromium", "chromium-browser", "google-chrome", "google-chrome-stable")
"""The first is Chromium without its own windows, as Debian packs it: the same pages for a third less processor time."""


def executable(playwright: Playwright) -> str | None:
    """Path of the browser that CHROMIUM names, else the system's, else Playwright's own download; None if there is none."""
    found = os.environ.get("CHROMIUM") or next((path for name in NAMES if (path := shutil.which(name))), None)
    if found:
        return found
    own = playwright.chromium.executable_path
    return own if Path(own).exists() else None
