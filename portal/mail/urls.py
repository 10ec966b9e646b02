"""`/mail/`: for mail services and mail programs, which have no account."""

from django.urls import path

from portal.mail import views

app_name = "mail"

urlpatterns = [
    path("mail/events/<slug:service>/", views.events, name="events"),
    path("mail/stop/<str:token>/", views.stop, name="stop"),
]
