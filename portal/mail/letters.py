"""The letters of mail itself."""

from __future__ import annotations

from django.utils.translation import gettext_lazy as _

from portal.mail.registry import Letter, Topic, declare

declare(
    Letter(
        "digest",
        Topic.DIGEST,
        _("whoever has a topic once a day"),
        _("the hour that they chose comes, and something waits"),
        {
            "name": "Noor Haddad",
            "total": 3,
            "groups": [
                {
                    "label": "what waits for a reviewer",
                    "count": 3,
                    "links": [
                        {"subject": "To review: A-2026-0417, Lyceum large", "path": "/review/"},
                        {"subject": "Yours to review: A-2026-0409, Lyceum large", "path": "/review/"},
                    ],
                    "more": 1,
                }
            ],
            "path": "/me/",
            "stop_url": "https://models.example/mail/stop/example/",
        },
    ),
    Letter(
        "address_check",
        Topic.SIGN_IN,
        _("whoever asked"),
        _("somebody whose mail came back asks for a link to show that it arrives"),
        {"name": "Mara Lindqvist", "path": "/me/mail/check/example/"},
    ),
)
