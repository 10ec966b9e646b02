"""Addresses of reports of harm."""

from django.urls import path

from releases.harm import api, views

urlpatterns = [
    path("harm/", views.report, name="harm"),
    path("harm/answered/", views.log, name="harm_log"),
    path("harm/status/<str:token>/", views.status, name="harm_status"),
    path("harm/reports/", views.desk, name="harm_desk"),
    path("harm/reports/<int:pk>/", views.one, name="harm_report"),
    path("api/v1/harm-reports", api.HarmReports.as_view()),
    path("api/v1/harm-reports/answered", api.HarmLog.as_view()),
    path("api/v1/harm-reports/<int:report>/triage", api.HarmTriaged.as_view()),
    path("api/v1/harm-reports/<int:report>/answer", api.HarmAnswered.as_view()),
    path("api/v1/harm-reports/<int:report>/close", api.HarmClosed.as_view()),
]
