"""Addresses of the audit trail: its signed roots, for everybody."""

from django.urls import path

from portal.audit import views

app_name = "audit"
urlpatterns = [path("audit/roots.json", views.roots_json, name="roots")]
