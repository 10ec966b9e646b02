"""Addresses of curves: beside a model, and beside a family."""

from django.urls import path

from releases.curves import views

MODEL = "<segment:namespace>/<segment:name>/curves"
FAMILY = "families/<slug:lab>/<slug:slug>/curves"

urlpatterns = [
    path(FAMILY, views.of_family, name="curves_of_family"),
    path(f"{FAMILY}.json", views.json_of_family, name="curves_json_of_family"),
    path(f"{FAMILY}.csv", views.csv_of_family, name="curves_csv_of_family"),
    path(f"{FAMILY}.svg", views.svg_of_family, name="curves_svg_of_family"),
    path(MODEL, views.of_model, name="curves_of_model"),
    path(f"{MODEL}.json", views.json_of_model, name="curves_json_of_model"),
    path(f"{MODEL}.csv", views.csv_of_model, name="curves_csv_of_model"),
    path(f"{MODEL}.svg", views.svg_of_model, name="curves_svg_of_model"),
]
