"""Addresses of the documents that are made of a revision."""

from django.urls import path

from releases.exports import views
from releases.exports.shelf import SHELF

REVISION = "<segment:namespace>/<segment:name>/revisions/<segment:revision>"

urlpatterns = [path(f"{REVISION}/{name}", views.document, {"document": name}) for name in SHELF]
