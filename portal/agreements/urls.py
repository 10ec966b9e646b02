"""Addresses of agreements and receipts."""

from django.urls import path

from portal.agreements import views

app_name = "agreements"
urlpatterns = [
    path("agreements/<slug:lab>/<slug:slug>/<int:number>/", views.version, name="version"),
    path("agreements/<slug:lab>/<slug:slug>/compare/", views.compare, name="compare"),
    path("receipts/", views.find, name="find"),
    path(".well-known/jwks.json", views.jwks, name="jwks"),
    path("receipts/key.json", views.key, name="key"),
    path("receipts/<uuid:receipt_id>/", views.receipt, name="receipt"),
    path("receipts/<uuid:receipt_id>/receipt.json", views.receipt_json, name="receipt_json"),
    path("receipts/<uuid:receipt_id>/receipt.pdf", views.receipt_pdf, name="receipt_pdf"),
]
