"""What the Hugging Face clients ask for beside files, what this hub does not offer, and last the rest of `/api/`."""

from django.urls import path

from releases.hub import batching, large_files, publishing, requests, settings, views
from releases.hub.cloning import views as cloning

MODEL = "api/models/<segment:namespace>/<segment:name>"
PARTS = ("revision", "tree", "commits", "paths-info", "preupload", "commit", "branch", "tag", "super-squash")
"""What clients ask about a model by its revision; a one-word model of another hub is told apart by them."""

urlpatterns = [
    path("api/agent-harnesses", views.agent_harnesses),
    path("api/telemetry/<tail:topic>", views.telemetry),
    path("api/whoami-v2", views.whoami),
    path("api/models", views.models),
    path(MODEL, views.model_info),
    path(f"{MODEL}/revision/<segment:revision>", views.model_info),
    path(f"{MODEL}/tree/<segment:revision>", views.tree),
    path(f"{MODEL}/tree/<segment:revision>/<tail:path>", views.tree),
    path(f"{MODEL}/paths-info/<segment:revision>", views.paths_info),
    path(f"{MODEL}/refs", views.refs),
    path(f"{MODEL}/commits/<segment:revision>", views.commits),
    path(f"{MODEL}/auth-check", views.auth_check),
    path(f"{MODEL}/user-access-request/cancel", requests.cancel),
    path(f"{MODEL}/user-access-request/handle", requests.handle),
    path(f"{MODEL}/user-access-request/batch", requests.batch),
    path(f"{MODEL}/user-access-request/grant", requests.grant),
    path(f"{MODEL}/user-access-request/<segment:stage>", requests.access_requests),
    path(f"{MODEL}/discussions", views.absent),
    path(f"{MODEL}/safetensors-metadata/<tail:path>", views.absent),
    path(f"{MODEL}/xet-read-token/<tail:path>", views.absent),
    path(f"{MODEL}/xet-write-token/<tail:path>", views.absent),
    path("api/models/<segment:name>", views.missing),
    *(path(f"api/models/<segment:name>/{part}/<tail:rest>", views.missing) for part in PARTS),
    path(f"{MODEL}/preupload/<segment:revision>", publishing.preupload),
    path(f"{MODEL}/commit/<segment:revision>", publishing.commit),
    path(f"{MODEL}/branch/<segment:revision>", settings.branch),
    path(f"{MODEL}/tag/<segment:revision>", settings.tag),
    path(f"{MODEL}/super-squash/<segment:revision>", settings.squash),
    path(f"{MODEL}/settings", settings.settings),
    path(f"{MODEL}/lfs-files", large_files.large_files),
    path(f"{MODEL}/lfs-files/batch", large_files.delete_large_files),
    path("api/uploads/<segment:ticket>/complete", publishing.complete),
    path("api/uploads/<segment:ticket>/verify", publishing.verify),
    path("api/repos/create", publishing.create),
    path("api/repos/delete", settings.delete),
    path("api/repos/move", settings.move),
    path("api/repos/<tail:rest>", views.unsupported),
    path("api/validate-yaml", publishing.validate_yaml),
    path("oauth/<tail:rest>", views.unsupported),
    path("api/datasets", views.nothing),
    path("api/spaces", views.nothing),
    path("api/datasets/<tail:rest>", views.missing),
    path("api/spaces/<tail:rest>", views.missing),
    path("datasets/<tail:rest>", views.missing),
    path("spaces/<tail:rest>", views.missing),
    path("api/<tail:rest>", views.absent),
    path("<segment:namespace>/<segment:name>.git/info/lfs/objects/batch", batching.batch),
    *(path(f"<segment:namespace>/<segment:name>{end}/info/refs", cloning.refs) for end in (".git", "")),
    *(path(f"<segment:namespace>/<segment:name>{end}/git-upload-pack", cloning.upload_pack) for end in (".git", "")),
    path("<segment:namespace>/<segment:name>/commit/<segment:revision>", publishing.commit_page),
    path("<segment:namespace>/<segment:name>/ask-access", requests.ask_access),
    path("<segment:namespace>/<segment:name>/raw/<segment:revision>/<tail:path>", views.raw),
    path("<segment:name>/resolve/<segment:revision>/<tail:path>", views.missing),
    path("<segment:namespace>/<segment:name>/info/lfs/<tail:rest>", views.unsupported),
]
