"""Projects in the admin: to read. Actions write."""

from django.contrib import admin

from portal.projects.models import Project
from portal.read_only import ReadOnly


@admin.register(Project)
class ProjectAdmin(ReadOnly[Project]):
    """Projects by lab."""

    list_display = ("title", "kind", "lab", "owner", "closed_at")
    list_select_related = ("lab", "owner")
