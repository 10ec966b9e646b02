"""The letters of access tokens."""

from __future__ import annotations

from typing import Final

from django.utils.translation import gettext_lazy as _

from portal.mail.registry import Letter, Topic, declare

TOKEN: Final = {
    "name": "Mara Lindqvist",
    "label": "cluster-batch",
    "hint": "wb_dl_x7Kq",
    "scopes": "download",
    "until": "2027-02-23 14:20 UTC",
    "path": "/me/tokens/",
}

declare(
    Letter("token_made", Topic.SECURITY, _("whose token it is"), _("an access token is made"), TOKEN),
    Letter("token_revoked", Topic.SECURITY, _("whose token it is"), _("an access token is revoked"), TOKEN),
)
