"""Projects in the admin: to read."""

from django.contrib import admin

from portal.projects.models import Project


@admin.register(Project)
class ProjectAdmin(admin.ModelAdmin[Project]):
    """Read only; actions write."""

    list_display = ("title", "kind", "lab", "owner", "closed_at")
    readonly_fields = ("title", "kind", "lab", "owner", "generation", "created_at", "closed_at")
