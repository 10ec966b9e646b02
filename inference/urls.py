"""Usage pages, and the page that says how to query a model."""

from django.urls import path

from inference import (
    allocation_api,
    allocation_views,
    allowance_views,
    api,
    astray,
    content_views,
    receipt_api,
    signal_api,
    signal_views,
    standing_api,
    standing_views,
    tryit,
    usage_api,
    usage_views,
    views,
)
from inference.batches import api as batches
from inference.batches import pages
from inference.evaluating import api as evaluating
from inference.evaluating import pages as evaluation_pages

app_name = "inference"

_ALLOCATION = "api/v1/allocation-requests/<uuid:pk>"
_RUN = "api/v1/evaluation-runs/<uuid:run>"

urlpatterns = [
    path("status/", standing_views.status, name="status"),
    path("api/v1/status", standing_api.Status.as_view(), name="api_status"),
    path("api/v1/status/models", standing_api.ServedModels.as_view(), name="api_served"),
    path("me/usage/receipts/<slug:request_id>.json", views.receipt_json, name="receipt_json"),
    path("api/v1/receipts/<slug:request_id>", receipt_api.Receipt.as_view(), name="api_receipt"),
    path("me/usage/", usage_views.usage_page, name="usage"),
    path("me/usage/sums.csv", usage_views.usage_csv, name="usage_csv"),
    path("me/usage/requests.csv", usage_views.requests_csv, name="requests_csv"),
    path("projects/usage/", usage_views.lab_usage, name="lab_usage"),
    path("projects/usage.csv", usage_views.lab_usage_csv, name="lab_usage_csv"),
    path("review/signals/", signal_views.signals, name="signals"),
    path("review/signals/<uuid:pk>/", signal_views.signal, name="signal"),
    path("review/content/", content_views.disclosures, name="disclosures"),
    path("review/content/<uuid:pk>/", content_views.one, name="disclosure"),
    path("review/content/<uuid:pk>/<slug:request_id>/", content_views.look, name="content"),
    path("projects/requests/", allocation_views.queue, name="allocation_queue"),
    path("projects/requests/<uuid:pk>/", allocation_views.one, name="allocation_request"),
    path("projects/<uuid:pk>/requests/", allocation_views.of_project, name="allocation_requests"),
    path("projects/default/<slug:lab>/", allowance_views.of_lab_page, name="lab_allowance"),
    path("projects/<uuid:pk>/allowance/", allowance_views.allowance, name="allowance"),
    path("projects/<uuid:pk>/allowance/<str:namespace>/<str:name>/", allowance_views.of_model, name="model_allowance"),
    path("api/v1/labs/<slug:lab>/allowance", api.LabAllowance.as_view(), name="api_lab_allowance"),
    path("api/v1/projects/<uuid:project>/allowance", api.ProjectAllowance.as_view(), name="api_allowance"),
    path(
        "api/v1/projects/<uuid:project>/allowance/<slug:lab>/<str:name>",
        api.ModelAllowance.as_view(),
        name="api_model_allowance",
    ),
    path(
        "api/v1/projects/<uuid:project>/allocation-requests",
        allocation_api.OfProject.as_view(),
        name="api_project_allocations",
    ),
    path("api/v1/allocation-requests", allocation_api.Queue.as_view(), name="api_allocations"),
    path(_ALLOCATION, allocation_api.One.as_view(), name="api_allocation"),
    path(f"{_ALLOCATION}/grant", allocation_api.Grant.as_view(), name="api_grant_allocation"),
    path(f"{_ALLOCATION}/decline", allocation_api.Decline.as_view(), name="api_decline_allocation"),
    path(f"{_ALLOCATION}/withdraw", allocation_api.Withdraw.as_view(), name="api_withdraw_allocation"),
    path("api/v1/signals", signal_api.Signals.as_view(), name="api_signals"),
    path("api/v1/signals/<uuid:pk>", signal_api.One.as_view(), name="api_signal"),
    path("api/v1/usage", usage_api.Mine.as_view(), name="api_usage"),
    path("api/v1/usage/energy", usage_api.Energy.as_view(), name="api_usage_energy"),
    path("api/v1/labs/<slug:lab>/usage", usage_api.OfLab.as_view(), name="api_lab_usage"),
    path("me/batches/", pages.batches, name="batches"),
    path("me/batches/<uuid:pk>/", pages.batch, name="batch"),
    path("me/batches/<uuid:pk>/<slug:field>.jsonl", pages.batch_file, name="batch_file"),
    path("v1/files", batches.files, name="files"),
    path("v1/files/<str:file>", batches.file, name="file"),
    path("v1/files/<str:file>/content", batches.file_content, name="file_content"),
    path("v1/batches", batches.batches, name="v1_batches"),
    path("v1/batches/<str:batch>", batches.batch, name="v1_batch"),
    path("v1/batches/<str:batch>/cancel", batches.cancel, name="v1_batch_cancel"),
    path("v1/<path:rest>", batches.absent, name="v1_absent"),
    path("completions", astray.query, name="astray_completions"),
    path("chat/completions", astray.query, name="astray_chat"),
    path("embeddings", astray.query, name="astray_embeddings"),
    path("models", astray.query, name="astray_models"),
    path("evaluations/runs/<uuid:pk>/", evaluation_pages.run, name="evaluation_run"),
    path("evaluations/runs/<uuid:pk>/<slug:file>.jsonl", evaluation_pages.file, name="evaluation_file"),
    path(
        "api/v1/models/<slug:lab>/<str:name>/evaluation-runs",
        evaluating.RunsOfModel.as_view(),
        name="api_evaluation_runs",
    ),
    path(_RUN, evaluating.OneRun.as_view(), name="api_evaluation_run"),
    path(f"{_RUN}/attach", evaluating.RunAttached.as_view(), name="api_attach_evaluation"),
    path(f"{_RUN}/discard", evaluating.RunDiscarded.as_view(), name="api_discard_evaluation"),
    path(f"{_RUN}/cancel", evaluating.RunCancelled.as_view(), name="api_cancel_evaluation"),
    path("<str:namespace>/<str:name>/evaluations/runs", evaluation_pages.of_model, name="evaluation_runs"),
    path("<str:namespace>/<str:name>/query", views.query, name="query"),
    path("<str:namespace>/<str:name>/try", tryit.tryit, name="try"),
    path("<str:namespace>/<str:name>/try/token", tryit.token, name="try_token"),
]
