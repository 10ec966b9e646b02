"""Addresses of logbooks: pages under a model's name and under a family's, operations under the logbook's id."""

from django.urls import URLPattern, path

from releases.logbook import api, views

_ENTRY = "api/v1/logbooks/<int:logbook>"


def _pages(subject: str, base: str, end: str) -> list[URLPattern]:
    return [
        path(f"{base}{end}", views.logbook, name=f"logbook_of_{subject}"),
        *(
            path(f"{base}.{shape}", views.export, {"shape": shape}, name=f"logbook_{shape}_of_{subject}")
            for shape in ("json", "md", "csv")
        ),
        path(f"{base}.atom", views.feed, name=f"logbook_feed_of_{subject}"),
        path(f"{base}/edit{end}", views.edit, name=f"logbook_edit_of_{subject}"),
        path(f"{base}/<int:number>{end}", views.entry, name=f"entry_of_{subject}"),
        path(f"{base}/<int:number>/edit{end}", views.edit_entry, name=f"entry_edit_of_{subject}"),
    ]


urlpatterns = [
    path("api/v1/logbooks", api.Logbooks.as_view(), name="api_logbooks"),
    path(f"{_ENTRY}/entries", api.Entries.as_view(), name="api_entries"),
    path(f"{_ENTRY}/entries/<int:number>", api.EntryDetail.as_view(), name="api_entry"),
    path(f"{_ENTRY}/import", api.Imports.as_view(), name="api_logbook_import"),
    path(f"{_ENTRY}/import/take-back", api.ImportTakenBack.as_view(), name="api_logbook_take_back"),
    path(f"{_ENTRY}/freeze", api.Freeze.as_view(), name="api_logbook_freeze"),
    *_pages("family", "families/<slug:lab>/<slug:slug>/logbook", "/"),
]
of_models = _pages("model", "<segment:namespace>/<segment:name>/logbook", "")
"""After the Hub's addresses, as every page of a model."""
