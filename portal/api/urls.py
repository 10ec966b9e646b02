"""Where the API is described, and its operations on what lies below it."""

from django.urls import path

from portal.api import mail, profile, views

app_name = "api"
urlpatterns = [
    path("api/v1/openapi.json", views.as_json, name="json"),
    path("api/v1/openapi.yaml", views.as_yaml, name="yaml"),
    path("api/v1/me/mail", mail.MyMail.as_view(), name="my_mail"),
    path("api/v1/me/mail/check", mail.MailCheck.as_view(), name="mail_check"),
    path("api/v1/me/profile", profile.MyProfile.as_view(), name="my_profile"),
    path("api/v1/me/address", profile.MyAddress.as_view(), name="my_address"),
    path("api/v1/institutions", profile.Institutions.as_view(), name="institutions"),
    path("help/api/", views.page, name="page"),
]
