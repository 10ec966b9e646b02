"""Access in the admin: to read. Actions write."""

from django.contrib import admin

from portal.access.application_models import Application
from portal.access.gate_models import Gate
from portal.access.models import Grant
from portal.access.review_models import Review
from portal.access.workflow import Status
from portal.read_only import ReadOnly, among


@admin.register(Gate)
class GateAdmin(ReadOnly[Gate]):
    """Gates by lab."""

    list_display = ("slug", "lab", "agreement", "quorum", "grant_days", "generation")


@admin.register(Application)
class ApplicationAdmin(ReadOnly[Application]):
    """Applications by time."""

    list_display = ("reference", "gate", "applicant", "status", "lane", "submitted_at", "decided_at")
    list_filter = (among("status", lambda: [status.value for status in Status]), "lane")


@admin.register(Review)
class ReviewAdmin(ReadOnly[Review]):
    """Votes by time."""

    list_display = ("application", "reviewer", "round", "vote", "cast_at")


@admin.register(Grant)
class GrantAdmin(ReadOnly[Grant]):
    """Grants by time."""

    list_display = ("reference", "user", "gate", "project", "starts_at", "ends_at", "suspended_at", "revoked_at")
