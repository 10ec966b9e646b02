"""The letters of inference: query time that is asked for or comes to its end, and batches that are over."""

from __future__ import annotations

from typing import Final

from django.utils.translation import gettext_lazy as _

from portal.mail.registry import Letter, Topic, declare

ABOUT: Final = {
    "name": "Mara Lindqvist",
    "project": "How small models forget",
    "lab": "Lyceum Laboratory",
    "path": "/me/usage/",
}
_LEAD: Final = _("the project’s lead")

declare(
    Letter(
        "allocation_to_review", Topic.REVIEW, _("the lab’s reviewers and managers"), _("a project asks for more query time"),
        ABOUT | {"name": "Noor Haddad", "lead": "Mara Lindqvist", "path": "/projects/requests/"},
    ),
    Letter(
        "allocation_granted", Topic.DECISIONS, _LEAD, _("the lab gives a project more query time"), ABOUT | {"until": "2027-05-31"},
    ),
    Letter(
        "allowance_reached", Topic.QUERIES, _LEAD, _("a project has used 80 or 100 percent of its tokens"),
        ABOUT | {"share": 80, "all": False, "until": "2026-12-01 00:00 UTC"}, later=("until",),
    ),
    Letter(
        "project_allowance_reached", Topic.LAB, _("the lab’s managers"), _("a project of the lab has used 80 or 100 percent of its tokens"),
        ABOUT | {"name": "Noor Haddad", "lead": "Mara Lindqvist", "share": 80, "path": "/projects/usage/"},
    ),
    Letter("allocation_declined", Topic.DECISIONS, _LEAD, _("the lab declines to"), ABOUT),
    Letter(
        "signals_raised", Topic.LAB, _("the lab’s managers"), _("a day of queries stands out by a rule"),
        {"name": "Noor Haddad", "lab": "Lyceum Laboratory", "n": 2, "day": "2026-11-24", "path": "/review/signals/"},
    ),
    Letter(
        "content_to_allow", Topic.REVIEW, _("the other managers of the lab"), _("a manager asks to open kept content"),
        ABOUT | {
            "name": "Noor Haddad", "asker": "Ines Almeida", "n": 3,
            "path": "/review/content/0f3a9c11-d2e4-4b7f-9a5c-6d7e8f901234/",
        },
    ),
    Letter(
        "content_opened", Topic.LEGAL, _("everybody in the project"), _("two people of the lab opened kept content of it"),
        ABOUT | {"n": 3, "path": "/applications/"},
    ),
    Letter(
        "batch_ended", Topic.QUERIES, _("whoever made the batch"), _("a batch is over, however it ended"),
        {
            "name": "Mara Lindqvist", "batch": "batch_0f3a9c11d2e44b7f9a5c6d7e8f901234", "state": "completed",
            "total": 1200, "completed": 1197, "failed": 3, "until": "2026-12-25 14:20 UTC",
            "path": "/me/batches/0f3a9c11-d2e4-4b7f-9a5c-6d7e8f901234/",
        },
        later=("until",),
    ),
)  # fmt: skip
