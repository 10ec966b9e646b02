"""Linked accounts, under /account/linked/. The names are allauth's, which looks them up itself."""

from django.urls import include, path

from portal.people import linked_views

urlpatterns = [
    path("", include("allauth.socialaccount.urls")),
    path("confirm/", linked_views.confirm, name="linked_confirm"),
    path("github/login/", linked_views.begin, {"provider_id": "github"}, name="github_login"),
    path("github/login/callback/", linked_views.finish, {"provider_id": "github"}, name="github_callback"),
    path("<slug:provider_id>/login/", linked_views.begin, name="openid_connect_login"),
    path("<slug:provider_id>/login/callback/", linked_views.finish, name="openid_connect_callback"),
]
