"""What tokens hold about people."""

from __future__ import annotations

from datetime import timedelta

from django.utils.translation import gettext_lazy as _

from portal.people.privacy import Holding, hold

hold(
    Holding(
        "tokens.AccessToken", why=_("to let programs act for one"), kept=_("as long as the account"), of="user",
        erased={"user": None, "hint": "", "label": "", "revoked_by": None}, secret=("digest",), plain=("scopes",),
        deletes=True,
    ),
    Holding(
        "tokens.DeviceLogin", why=_("to let a program without a browser have a token"), kept=_("a day"), of="user",
        erased={"user": None, "agent": "", "place": "", "label": ""}, secret=("device_digest", "user_digest"),
        plain=("client_id",),
        purge="expires_at", age=timedelta(days=1), deletes=True,
    ),
    Holding(
        "tokens.PageToken", why=_("to let a page query for the session that opened it"),
        kept=_("30 days; it opens nothing after a quarter of an hour"), of="token__user",
        secret=("session",), plain=("resource",), deletes=True,
    ),
)  # fmt: skip
