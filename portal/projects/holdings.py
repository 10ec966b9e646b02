"""What projects hold about people."""

from __future__ import annotations

from django.utils.translation import gettext_lazy as _

from portal.people.privacy import Holding, hold

hold(
    Holding(
        "projects.Project", why=_("what access is granted for"), kept=_("for good: grants name it; the title goes"),
        of="owner", erased={"title": "Erased project"}, stays=("owner",),
    ),
    Holding(
        "projects.ProjectMember", why=_("who works on a project"), kept=_("for good, under the pseudonym"), of="user",
        stays=("user",),
    ),
)  # fmt: skip
