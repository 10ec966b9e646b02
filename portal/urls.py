"""The portal's addresses, composed by string; the Hub's come last, all but one, because a model is `/<namespace>/<name>`."""

from django.contrib import admin
from django.urls import include, path

urlpatterns = [
    path("", include("releases.hub.file_urls")),
    path("admin/", admin.site.urls),
    path("account/second-factor/", include("allauth.mfa.urls")),
    path("account/linked/", include("portal.people.linked_urls")),
    path("account/", include("portal.people.account_urls")),
    path("", include("portal.api.urls")),
    path("", include("portal.audit.urls")),
    path("", include("portal.people.urls")),
    path("", include("portal.mail.urls")),
    path("", include("portal.mailbox.urls")),
    path("", include("portal.agreements.urls")),
    path("", include("portal.access.urls")),
    path("", include("portal.tokens.urls")),
    path("", include("portal.webhooks.urls")),
    path("", include("portal.announcements.urls")),
    path("", include("inference.urls")),
    path("", include("releases.urls")),
]
handler400 = "portal.http.bad_request"
handler403 = "portal.http.forbidden"
handler404 = "portal.http.not_found"
handler500 = "portal.http.server_error"
