"""The groups in which answers are told, so that one name says who gets what."""

from __future__ import annotations

from typing import Final

from tests.architecture.doors.door import answers, like

PUBLIC: Final = answers("ok")
PUBLIC_MOVED: Final = answers("moved")
ABSENT: Final = answers("404")
PERSON: Final = answers("login", people="ok")
"""Whoever is signed in. Pages read sessions alone: a token is nobody there."""
PERSON_BAD: Final = like(PERSON, people="bad")
PERSON_MOVED: Final = like(PERSON, people="moved")
PERSON_REFUSED: Final = like(PERSON, people="403")
"""A way of allauth's that this portal does not offer."""
PERSON_AGAIN: Final = like(PERSON, people="moved")
"""Whoever is signed in, once the password is given again."""
NOBODYS: Final = like(PERSON, people="404")
APPLICANT: Final = like(NOBODYS, applicant="ok")
HOLDER: Final = like(NOBODYS, holder="ok")
HOLDER_MOVED: Final = like(NOBODYS, holder="moved")
ANY_STAFF: Final = like(NOBODYS, staff="ok", second_lab="ok")
"""Pages that show one's own labs: the second lab's staff sees its own."""
MANAGING: Final = like(ANY_STAFF, reviewer="404")
ANY_STAFF_MOVED: Final = like(NOBODYS, staff="moved", second_lab="moved")
LAB: Final = like(NOBODYS, staff="ok")
"""Things of the first lab."""
LAB_BAD: Final = like(NOBODYS, staff="bad")
MANAGERS: Final = like(LAB, reviewer="403")
MANAGERS_MOVED: Final = like(MANAGERS, manager="moved", administrator="moved")
MANAGERS_NONE: Final = like(NOBODYS, reviewer="403")
MANAGERS_BAD: Final = like(MANAGERS, manager="bad", administrator="bad")
MANAGING_ONE: Final = like(MANAGERS, reviewer="404")
MANAGING_ONE_BAD: Final = like(MANAGERS_BAD, reviewer="404")
MANAGERS_OF_LAB: Final = like(NOBODYS, manager="ok", administrator="ok")
MANAGERS_OF_LAB_BAD: Final = like(NOBODYS, manager="bad", administrator="bad")
RECKONED: Final = like(PUBLIC, tokens="bad", dead="bad")
"""A page to people and JSON to programs; the scene's models have no config from which anything follows."""
VISITOR: Final = like(PUBLIC, people="moved")
"""Sign-in and the like: whoever is signed in goes on."""
OPERATOR: Final = answers("login", operator="ok")

API: Final = answers("401", people="404", tokens="403")
API_REVIEW: Final = like(API, staff="ok", review_token="ok")
API_MANAGE: Final = like(API, staff="ok", manage_token="ok")
API_RELEASING: Final = like(API_MANAGE, reviewer="404")
API_RELEASING_BAD: Final = like(API_RELEASING, manager="bad", administrator="bad", manage_token="bad")
API_REVIEWERS: Final = like(API, people="ok", review_token="ok")
"""Lists of one's own labs: people without a lab see an empty one."""
API_STAFF: Final = like(API, staff="ok", review_token="ok", manage_token="ok")
API_IN_PERSON: Final = answers("401", people="ok", tokens="403")
"""What no token says for anybody."""
API_IN_PERSON_BAD: Final = like(API_IN_PERSON, people="bad")
API_APPLICANT: Final = like(API_IN_PERSON, people="404", applicant="ok")
API_OFFICIAL: Final = like(API_IN_PERSON, people="404", holder="ok")
"""The scene's official is the holder of its grant."""
API_NOBODYS: Final = like(API_IN_PERSON, people="404")
API_MANAGERS: Final = like(API, manager="ok", administrator="ok", manage_token="ok")
API_MANAGERS_BAD: Final = like(API, manager="bad", administrator="bad", manage_token="bad")
API_MANAGE_BAD: Final = like(API, people="bad", manage_token="bad")
API_LOOKED_AFTER: Final = like(API_MANAGERS, reviewer="403")
"""What those who look after releases do; their lab's reviewers know of it."""
API_LOOKED_AFTER_BAD: Final = like(API_MANAGERS_BAD, reviewer="403")
API_NO_OPENING: Final = like(API, manage_token="404")
API_NONE_KEPT: Final = like(API, manage_token="404")
API_NONE_IMPORTED: Final = like(API_NONE_KEPT, reviewer="403")
API_NO_WEBHOOK: Final = like(API, manage_token="404")
API_OWN: Final = answers("401", people="ok", tokens="ok")
