"""The letters of accounts and people."""

from __future__ import annotations

from typing import Final

from django.utils.translation import gettext_lazy as _

from portal.mail.registry import Letter, Topic, declare

ACCOUNT: Final = {
    "name": "Mara Lindqvist",
    "email": "mara@northfield.example",
    "event": "password_changed",
    "path": "/account/password/reset/",
}
EXAMPLE: Final = "https://models.example/account/example/"

declare(
    Letter(
        "account_confirm", Topic.SIGN_IN, _("whoever gave an address"), _("an address is given at sign-up or later"),
        ACCOUNT | {"activate_url": EXAMPLE}, link="activate_url",
    ),
    Letter(
        "account_exists", Topic.SIGN_IN, _("the person of the account"), _("somebody signs up with an address that has one"),
        ACCOUNT | {"name": "", "password_reset_url": EXAMPLE, "signup_url": EXAMPLE}, link="password_reset_url",
    ),
    Letter(
        "account_reset", Topic.SIGN_IN, _("the person of the account"), _("a new password is asked for"),
        ACCOUNT | {"password_reset_url": EXAMPLE}, link="password_reset_url",
    ),
    Letter(
        "account_unknown", Topic.SIGN_IN, _("whoever has the address"), _("a new password is asked for an address without an account"),
        ACCOUNT | {"name": "", "signup_url": EXAMPLE}, link="signup_url",
    ),
    Letter(
        "account_changed", Topic.SECURITY, _("the person of the account"), _("a password, address, second factor or linked account changes"), ACCOUNT,
    ),
    Letter(
        "institution_confirm", Topic.SIGN_IN, _("an address at an institution"), _("somebody shows by it that they work there"),
        {"name": "Mara Lindqvist", "institution": "University of Northfield", "path": "/me/address/example/"},
    ),
    Letter(
        "erasure_done", Topic.SECURITY, _("whoever was erased"), _("the day has come, and it is done"),
        {"name": "", "day": "2026-12-09 14:20 UTC", "path": "/help/"},
    ),
    Letter(
        "erasure_requested", Topic.SECURITY, _("whoever asked"), _("somebody asks to be erased"),
        {"name": "Mara Lindqvist", "day": "2026-12-09 14:20 UTC", "path": "/me/data/"},
    ),
)  # fmt: skip
