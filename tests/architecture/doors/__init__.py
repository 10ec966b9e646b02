"""Every address, and what it answers to whom. An address of the URLconf that is not here fails the build.

A new address is one line: its route as the URLconf spells it, then what GET answers, then what POST answers (None, or
left out: nobody may, so 405 or a refusal), in the module of its room: the pages of `portal` are in access.py and
accounts.py, its API in access_api.py, and so on. Answers are groups of groups.py, or `like(group, role="word")`.

The words: `ok` (2xx), `login` (sent to sign in), `moved` (another redirect), `bad` (400, 409, 422: understood, and
refused for what it says), else the status. The roles are those of scene.py. `at` fills parameters with facts of the
scene, `send` is what a POST carries. `bearer_alone` says that the door reads no session, and so needs no CSRF token;
`any_method`, that it looks at none.
"""

from __future__ import annotations

from typing import Final

from tests.architecture.doors import access, access_api, accounts, hub, inference, releases, releases_api, site
from tests.architecture.doors.door import Door

__all__ = ["DOORS", "Door"]

DOORS: Final[tuple[Door, ...]] = (
    *site.DOORS,
    *accounts.DOORS,
    *access.DOORS,
    *access_api.DOORS,
    *releases.DOORS,
    *releases_api.DOORS,
    *inference.DOORS,
    *hub.DOORS,
)
