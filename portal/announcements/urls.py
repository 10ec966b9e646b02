"""Addresses of the announcements."""

from django.urls import path

from portal.announcements import api, views

app_name = "announcements"
urlpatterns = [
    path("announcements/", views.announcements, name="list"),
    path("announcements/<int:pk>/", views.announcement, name="announcement"),
    path("announcements/feed.atom", views.feed, name="feed"),
    path("api/v1/announcements", api.Announcements.as_view(), name="api_announcements"),
]
