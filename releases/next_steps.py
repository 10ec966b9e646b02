"""What a page says of a right that is missing: in a line, and on the button that leads on. A terminal is told the address."""

from __future__ import annotations

from typing import Any, Final

from django.utils.functional import Promise
from django.utils.translation import gettext_lazy as _

from portal.errors import Reason

NEXT: Final[dict[str, tuple[Promise, Promise]]] = {
    "apply": (_("Access is by application"), _("Apply for access")),
    "draft": (_("Your application is not sent yet"), _("Finish it")),
    "pending": (_("Your application is being reviewed"), _("Follow it")),
    "changes_requested": (_("The reviewers ask for changes"), _("Make them")),
    "sign": (_("Your application is approved"), _("Sign the agreement")),
    "appealed": (_("Your appeal is being read"), _("Follow it")),
    "declined": (_("Your application was declined"), _("Read why, and what you can do")),
    "revoked": (_("Your access was revoked"), _("Read why, or apply again")),
    "removed": (_("You are no longer on the team of your grant"), _("Apply in your own name")),
    "expired": (_("Your grant has ended"), _("Renew it")),
    "suspended": (_("Your access is suspended"), _("Read why")),
    "project_closed": (_("The project of your grant is closed"), _("Apply again")),
    "agreement_changed": (_("The agreement has a new version"), _("Read and sign it")),
    "institution_not_in_force": (
        _("The agreement of your institution is not in force. Ask {official}, who signs for it."),
        _("See your grant"),
    ),
    "institution_not_attested": (
        _("{official} has not confirmed who works at your institution, so its seats are paused."),
        _("See your grant"),
    ),
}
"""By code of a reason."""


def reason(code: str, text: str | Promise, url: str, **facts: Any) -> Reason:
    """The reason of this code for terminals and pages; `text` names the address as `{url}`, or has none."""
    said, step = NEXT.get(code, ("", ""))
    return Reason(code, str(text).format(url=url, **facts), url, str(said).format(**facts), str(step))
