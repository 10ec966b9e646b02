"""Accounts, under /account/. The names are allauth's, which looks them up itself."""

from django.urls import include, path

from portal.people.address_views import Addresses

urlpatterns = [
    path("email/", Addresses.as_view(), name="account_email"),
    path("", include("allauth.account.urls")),
]
