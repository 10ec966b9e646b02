"""One POST to a lab's own server, to an address that may be used."""

from __future__ import annotations

import re
from urllib.parse import urlsplit

from django.conf import settings
from django.utils.translation import gettext as _

from portal import outward


class NotSent(Exception):
    """There was no answer; the text says why."""


def fault(url: str) -> str:
    """What is wrong with an address, in words; empty when it may be used."""
    try:
        parts = urlsplit(url)
        port_ok = parts.port != 0
    except ValueError:
        return _("This is not an address.")
    if not parts.hostname or not port_ok or parts.username or parts.password:
        return _("Write a whole address without a name or password in it: https://…")
    if not re.fullmatch("[!-~]*", parts.path + parts.query):
        return _("Behind the server’s name, write spaces and letters beyond a to z percent-encoded.")
    if parts.scheme == "https" or (parts.scheme == "http" and settings.WEBHOOK_PRIVATE):
        return ""
    return _("The address must begin with https://.")


def post(url: str, body: bytes, headers: dict[str, str]) -> int:
    """Send, and return the status of the answer, whatever it is. Raises NotSent."""
    if problem := fault(url):
        raise NotSent(problem)
    sent = {**headers, "Content-Type": "application/json"}
    try:
        return outward.ask("POST", url, body, headers=sent, private=settings.WEBHOOK_PRIVATE)
    except outward.NoAnswer as error:
        raise NotSent(str(error)) from error
