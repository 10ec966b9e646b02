"""`/mailbox/`, in the demo."""

from django.urls import path

from portal.mailbox import views

app_name = "mailbox"

urlpatterns = [
    path("mailbox/", views.mails, name="list"),
    path("mailbox/<int:pk>/", views.mail, name="mail"),
]
