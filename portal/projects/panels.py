"""What the lab's page of a grant shows of its project, to whoever looks at it; a project knows no use."""

from __future__ import annotations

from typing import Final

from portal.people.models import User
from portal.people.panels import Panels
from portal.projects.models import Project

_of_project: Final = Panels[[Project, User]]()
project_panel = _of_project.register
panels_of = _of_project.of
