"""The front pages, the operator's admin, and what belongs to no room alone."""

from __future__ import annotations

from typing import Final

from tests.architecture.doors.door import Door
from tests.architecture.doors.groups import ABSENT, OPERATOR, PUBLIC, PUBLIC_MOVED

DOORS: Final = (
    # `**` stands for everything below
    Door("admin/**", OPERATOR, OPERATOR),
    # --- Public pages
    Door("", PUBLIC),
    Door("help/", PUBLIC),
    Door("numbers/", PUBLIC),
    Door("releases.atom", PUBLIC),
    Door("robots.txt", PUBLIC),
    Door("sitemap/<slug:section>.xml", ABSENT),
    Door(".well-known/security.txt", ABSENT),
    Door(".well-known/change-password", PUBLIC_MOVED),
    Door("status/", PUBLIC),
    Door("announcements/", PUBLIC),
    Door("announcements/<int:pk>/", ABSENT),
    Door("announcements/feed.atom", PUBLIC),
    Door("gallery/", PUBLIC),
    Door("mailbox/", PUBLIC),
    Door("mailbox/<int:pk>/", ABSENT),
    # --- Mail services and mail programs, which have no account: a secret, or a signed address
    Door("mail/events/<slug:service>/", None, ABSENT, bearer_alone=True),
    Door("mail/stop/<str:token>/", PUBLIC, PUBLIC, {"token": "{stop}"}, bearer_alone=True),
    # --- Our API: its description, and what lies beside its operations
    Door("help/api/", PUBLIC),
    Door("api/v1/openapi.json", PUBLIC),
    Door("api/v1/openapi.yaml", PUBLIC),
    Door("api/v1/", ABSENT, ABSENT),
    Door("api/v1/<path:rest>", ABSENT, ABSENT),
    Door("api/v1/numbers", PUBLIC),
    Door("api/v1/status", PUBLIC),
    Door("api/v1/status/models", PUBLIC),
    Door("api/v1/announcements", PUBLIC),
)
