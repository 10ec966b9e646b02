"""Addresses of curves: beside a model, and beside a family."""

from __future__ import annotations

from django.urls import URLPattern, path

from releases.curves import views


def _pages(subject: str, base: str) -> list[URLPattern]:
    return [
        path(base, views.curves, name=f"curves_of_{subject}"),
        *(
            path(f"{base}.{shape}", views.form, {"shape": shape}, name=f"curves_{shape}_of_{subject}")
            for shape in ("json", "csv", "svg")
        ),
    ]


urlpatterns = [
    *_pages("family", "families/<slug:lab>/<slug:slug>/curves"),
    *_pages("model", "<segment:namespace>/<segment:name>/curves"),
]
