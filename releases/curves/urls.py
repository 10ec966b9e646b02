"""Addresses of curves: beside a model, and beside a family."""

from __future__ import annotations

from django.urls import URLPattern, path

from releases.curves import api, views


def _pages(subject: str, base: str) -> list[URLPattern]:
    return [
        path(base, views.curves, name=f"curves_of_{subject}"),
        path(f"{base}/take-back", views.take_back, name=f"curves_take_back_of_{subject}"),
        *(
            path(f"{base}.{shape}", views.form, {"shape": shape}, name=f"curves_{shape}_of_{subject}")
            for shape in ("json", "csv", "svg")
        ),
    ]


urlpatterns = [
    path("api/v1/logbooks/<int:logbook>/curves", api.CurvesOf.as_view(), name="api_curves"),
    path(
        "api/v1/logbooks/<int:logbook>/curves/take-back", api.CurvesTakenBackOf.as_view(), name="api_curves_take_back"
    ),
    *_pages("family", "families/<slug:lab>/<slug:slug>/curves"),
]
of_models = _pages("model", "<segment:namespace>/<segment:name>/curves")
"""After the rest of our own API."""
