"""Addresses of access tokens."""

from django.urls import path

from portal.tokens import api, device_api, device_views, views

app_name = "tokens"
urlpatterns = [
    path("me/tokens/", views.tokens, name="list"),
    path("me/tokens/<uuid:pk>/revoke/", views.revoke, name="revoke"),
    path("api/v1/me/tokens", api.MyTokens.as_view(), name="api_my_tokens"),
    path("api/v1/me/tokens/<uuid:token>/revoke", api.TokenRevocation.as_view(), name="api_revoke_token"),
    path("device/", device_views.device, name="device"),
    path("device/answer/", device_views.answer, name="device_answer"),
    path("oauth/device", device_api.authorize, name="oauth_device"),
    path("oauth/token", device_api.token, name="oauth_token"),
]
