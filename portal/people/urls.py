"""`/me/`, the register of institutions, help, and the gallery of components."""

from django.urls import path

from portal.people import affiliation_views, data_views, language, mail_views, views, well_known

app_name = "people"

urlpatterns = [
    path("me/", views.me, name="me"),
    path("me/profile/", views.profile, name="profile"),
    path("me/address/", affiliation_views.address, name="address"),
    path("me/address/<str:secret>/", affiliation_views.confirm_address, name="confirm_address"),
    path("me/mail/", mail_views.mail, name="mail"),
    path("me/mail/check/", mail_views.ask_check, name="ask_mail_check"),
    path("me/mail/check/<str:token>/", mail_views.check, name="mail_check"),
    path("me/data/", data_views.data, name="data"),
    path("me/data/export/", data_views.export, name="export_data"),
    path("me/data/erase/", data_views.erase, name="erase"),
    path("me/data/keep/", data_views.keep, name="keep_data"),
    path("institutions/", affiliation_views.institutions, name="institutions"),
    path("me/language/", language.choose, name="set_language"),
    path("help/", views.help_page, name="help"),
    path(".well-known/security.txt", well_known.security, name="security"),
    path(".well-known/change-password", well_known.change_password, name="change_password"),
    path("gallery/", views.gallery, name="gallery"),
]
