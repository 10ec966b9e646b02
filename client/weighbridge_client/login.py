"""`weighbridge login`: a code on this screen, a person with a browser, and a token in the file that `hf` reads too."""

from __future__ import annotations

import os
import time
from collections.abc import Callable
from pathlib import Path

from weighbridge_client import home
from weighbridge_client.errors import Refused, Unreachable, Usage
from weighbridge_client.names import clean
from weighbridge_client.portal import Portal

CLIENT = "weighbridge"
GRANT = "urn:ietf:params:oauth:grant-type:device_code"
Say = Callable[[str], None]


def login(portal: Portal, say: Say, *, replace: bool = False) -> Path:
    """Get a token by device code (RFC 8628) and store it; the file. Raises Usage, Refused or Unreachable."""
    held = home.stored_token()
    if held and not held.startswith(home.OURS) and not replace:
        raise Usage(
            f"{home.token_file()} holds the token of another hub. Add --replace to write over it, or set HF_HOME to a "
            "folder for this portal."
        )
    if os.environ.get("HF_TOKEN", "").strip():
        say("HF_TOKEN is set, and goes before the token that is stored here. Unset it, or this login has no effect.\n")
    home.can_store()  # before anybody approves: a code is good for one token, which would be lost
    status, told = portal.post("/oauth/device", {"client_id": CLIENT})
    if status != 200 or "device_code" not in told:
        raise Refused(_said(told, f"{portal.address} offers no login by code."))
    say(f"Open {clean(str(told.get('verification_uri', '')))} in a browser and type the code\n")
    say(f"    {clean(str(told.get('user_code', '')))}\n")
    say(f"Or open {clean(str(told.get('verification_uri_complete', '')))} and compare it. Waiting …")
    secret = _waited(portal, told)
    path = home.store_token(secret)
    home.remember(portal.address)
    return path


def _waited(portal: Portal, told: dict[str, object]) -> str:
    """Poll until somebody has answered, as slowly as the portal asks."""
    interval, left = _seconds(told, "interval", 5), _seconds(told, "expires_in", 600)
    end = time.monotonic() + left
    sent = {"grant_type": GRANT, "device_code": str(told["device_code"]), "client_id": CLIENT}
    while time.monotonic() < end:
        time.sleep(interval)
        try:
            status, answer = portal.post("/oauth/token", sent)
        except Unreachable:
            continue  # the network may come back before the code ends
        error = answer.get("error", "")
        if status == 200 and isinstance(answer.get("access_token"), str):
            return str(answer["access_token"])
        if error == "slow_down":
            interval += 5
        elif error != "authorization_pending" and status < 500:
            raise Refused(_said(answer, "The login was refused."))
    raise Refused("Nobody approved in time. Begin again with: weighbridge login")


def _seconds(told: dict[str, object], name: str, otherwise: int) -> float:
    value = told.get(name)
    return float(value) if isinstance(value, (int, float)) and 0 < value <= 3600 else float(otherwise)


def _said(told: dict[str, object], otherwise: str) -> str:
    return clean(str(told.get("error_description") or "")) or otherwise
