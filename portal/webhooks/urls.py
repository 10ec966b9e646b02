"""Addresses of webhooks."""

from django.urls import path

from portal.webhooks import api, views

app_name = "webhooks"
_WEBHOOK = "api/v1/webhooks/<uuid:webhook>"

urlpatterns = [
    path("webhooks/", views.webhooks, name="list"),
    path("webhooks/<uuid:pk>/", views.endpoint, name="endpoint"),
    path("webhooks/<uuid:pk>/delete/", views.delete, name="delete"),
    path("api/v1/webhooks", api.Webhooks.as_view(), name="api_webhooks"),
    path(_WEBHOOK, api.WebhookDetail.as_view(), name="api_webhook"),
    path(f"{_WEBHOOK}/rotate-secret", api.SecretRotation.as_view(), name="api_rotate_secret"),
    path(f"{_WEBHOOK}/stop", api.WebhookStop.as_view(), name="api_stop"),
    path(f"{_WEBHOOK}/start", api.WebhookStart.as_view(), name="api_start"),
    path(f"{_WEBHOOK}/deliveries", api.Deliveries.as_view(), name="api_deliveries"),
    path(f"{_WEBHOOK}/deliveries/<uuid:delivery>/replay", api.Replay.as_view(), name="api_replay"),
]
