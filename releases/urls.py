"""Addresses of the releases: pages first, then what the Hub's clients ask for, which takes every `/<a>/<b>`."""

from django.urls import include, path

from portal.api.problems import absent
from releases import (
    api,
    card_views,
    compare_api,
    compare_views,
    crawlers,
    describe_api,
    describing,
    desk,
    download_api,
    download_views,
    errata_api,
    errata_views,
    key_views,
    licence_views,
    news_views,
    opening_api,
    openings,
    proof_views,
    publishing,
    stop_api,
    stops,
    views,
)
from releases.conversion import api as conversion_api
from releases.conversion import views as conversions
from releases.costs import urls as costs
from releases.curves import urls as curves
from releases.hub.views import misplaced
from releases.logbook import urls as logbook
from releases.search import api as search_api
from releases.search import views as searching

app_name = "releases"
MODEL = "<segment:namespace>/<segment:name>"
API_MODEL = "api/v1/models/<slug:lab>/<segment:name>"
REVISION = f"{MODEL}/revisions/<segment:revision>"

urlpatterns = [
    path("", views.catalogue, name="catalogue"),
    path("releases.atom", news_views.of_portal, name="releases_feed"),
    path("robots.txt", crawlers.robots, name="robots"),
    path("sitemap/<slug:section>.xml", crawlers.sitemap, name="sitemap"),
    path("", include("releases.evaluations.urls")),
    path("search/", searching.search, name="search"),
    path("", include("releases.harm.urls")),
    path("publish/", publishing.publish, name="publish"),
    path("families/<slug:lab>/<slug:slug>/", views.family, name="family"),
    path("downloads/", download_views.downloads, name="downloads"),
    path("me/downloads/", download_views.my_downloads, name="my_downloads"),
    path("me/downloads.csv", download_views.my_downloads_csv, name="my_downloads_csv"),
    path("grants/<uuid:pk>/cap/", download_views.grant_cap, name="grant_cap"),
    path("gates/<slug:lab>/<slug:gate>/cap/", download_views.gate_cap, name="gate_cap"),
    path("api/v1/why", api.Why.as_view(), name="api_why"),
    path("api/v1/downloads", download_api.Mine.as_view(), name="api_my_downloads"),
    path(f"{API_MODEL}/downloads", download_api.OfModel.as_view(), name="api_downloads"),
    path("api/v1/grants/<uuid:grant>/cap", download_api.GrantCap.as_view(), name="api_grant_cap"),
    path("api/v1/gates/<slug:lab>/<slug:gate>/cap", download_api.GateCap.as_view(), name="api_gate_cap"),
    path("api/v1/search", search_api.Search.as_view(), name="api_search"),
    path("api/v1/conversions", conversion_api.Conversions.as_view(), name="api_conversions"),
    path("api/v1/conversions/<uuid:conversion>", conversion_api.ConversionDetail.as_view(), name="api_conversion"),
    path("api/v1/conversions/<uuid:conversion>/cancel", conversion_api.ConversionCancelled.as_view()),
    path("api/v1/conversions/<uuid:conversion>/retry", conversion_api.ConversionRetried.as_view()),
    path(f"{API_MODEL}/openings", opening_api.Openings.as_view(), name="api_openings"),
    path("api/v1/openings/<int:opening>", opening_api.OpeningDetail.as_view(), name="api_opening"),
    path("api/v1/openings/<int:opening>/approve", opening_api.Approve.as_view()),
    path("api/v1/openings/<int:opening>/take-back", opening_api.TakeBack.as_view()),
    path("api/v1/openings/<int:opening>/hold", opening_api.Hold.as_view()),
    path("api/v1/openings/<int:opening>/resume", opening_api.Resume.as_view()),
    path("api/v1/openings/<int:opening>/cancel", opening_api.Cancel.as_view()),
    path(f"{API_MODEL}/settings", describe_api.Description.as_view(), name="api_describe"),
    path(f"{API_MODEL}/stops", stop_api.Stops.as_view(), name="api_stops"),
    path("api/v1/stops/<int:stop>/lift", stop_api.Lift.as_view(), name="api_lift_stop"),
    path(f"{API_MODEL}/compare", compare_api.Comparison.as_view(), name="api_compare"),
    path(f"{API_MODEL}/errata", errata_api.Errata.as_view(), name="api_errata"),
    path("", include("releases.logbook.urls")),
    path("", include(curves)),
    path("", include(costs)),
    path("api/v1/", absent),  # the rest of our own API, before the Hub takes the rest of /api/
    path("api/v1/<path:rest>", absent),
    path("keys/", key_views.keys, name="keys"),
    path("keys/portal.pem", key_views.portal_pem, name="portal_pem"),
    path("keys/vouches.json", key_views.vouches, name="vouches"),
    path("keys/<slug:fingerprint>.pem", key_views.pem, name="pem"),
    path("keys/<slug:lab>/", key_views.of_lab, name="keys_of_lab"),
    *curves.of_models,
    path("", include("releases.hub.urls")),
    *logbook.of_models,
    path(MODEL, views.model, name="model"),
    path("", include(costs.of_models)),
    path(f"{MODEL}/tree/<segment:revision>", views.files, name="files"),
    path(f"{MODEL}/why", views.why, name="why"),
    path(f"{MODEL}/downloads", download_views.model_downloads, name="model_downloads"),
    path(f"{MODEL}/downloads.csv", download_views.model_downloads_csv, name="model_downloads_csv"),
    path(f"{MODEL}/revisions", views.revisions, name="revisions"),
    path(f"{MODEL}/cards/<slug:which>", card_views.edit, name="card_edit"),
    path(f"{MODEL}/licence", licence_views.licence, name="licence"),
    path(f"{MODEL}/compare", compare_views.choose, name="compare"),
    path(f"{MODEL}/compare/<segment:pair>", compare_views.comparison, name="comparison"),
    path(REVISION, desk.revision, name="desk"),
    path(f"{REVISION}/convert", conversions.convert, name="convert"),
    path(f"{MODEL}/conversions/<uuid:conversion>", conversions.conversion, name="conversion"),
    path(f"{MODEL}/conversions/<uuid:conversion>/receipt.json", conversions.receipt, name="conversion_receipt"),
    path(f"{REVISION}/release.json", proof_views.release_json, name="release_json"),
    path(f"{REVISION}/tensors.json", proof_views.tensors_json, name="tensors_json"),
    path(f"{REVISION}/opening", openings.opening, name="opening"),
    path(f"{MODEL}/upload", publishing.upload, name="upload"),
    path(f"{MODEL}/upload/plan", publishing.plan, name="upload_plan"),
    path(f"{MODEL}/upload/begin", publishing.begin, name="upload_begin"),
    path(f"{MODEL}/upload/commit", publishing.commit, name="upload_commit"),
    path(f"{MODEL}/stops", stops.stops, name="stops"),
    path(f"{MODEL}/settings", describing.describe, name="describe"),
    path(f"{REVISION}/model.sig", proof_views.model_sig, name="model_sig"),
    path(f"{REVISION}/bom.cdx.json", proof_views.bom_json, name="bom_json"),
    path("", include("releases.exports.urls")),
    path("families/<slug:lab>/<slug:slug>/releases.atom", news_views.of_family, name="releases_feed_of_family"),
    path("families/<slug:lab>/<slug:slug>/errata.atom", errata_views.feed_of_family, name="errata_feed_of_family"),
    path(f"{MODEL}/errata", errata_views.errata, name="errata"),
    path(f"{MODEL}/revisions.atom", news_views.of_model, name="revisions_feed"),
    path(f"{MODEL}/errata.atom", errata_views.feed_of_model, name="errata_feed"),
    path(f"{MODEL}/manifest/<segment:revision>", views.manifest, name="manifest"),
    path(f"{MODEL}/sha256sums/<segment:revision>", views.sums, name="sums"),
    path(f"{MODEL}/download/<segment:revision>/<tail:path>", views.download, name="download"),
    path(
        "<tail:before>/api/<tail:rest>", misplaced
    ),  # an HF_ENDPOINT with a path; last, as a model may be called `api`
    path(f"<tail:before>/{MODEL}/resolve/<segment:revision>/<tail:path>", misplaced),
]
