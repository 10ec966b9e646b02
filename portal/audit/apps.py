"""The audit trail: who did what here."""

from django.apps import AppConfig


class AuditConfig(AppConfig):
    """Django's registration."""

    name = "portal.audit"
    label = "audit"
