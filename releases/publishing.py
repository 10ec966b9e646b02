"""The browser's way to publish: choose or make a model, send a folder's files straight to the store, get a draft.

The pages and what their script asks read the session, under CSRF; they call the actions that the Hub's doors call. The
bytes go from the browser to the store by the same signed links.
"""

from __future__ import annotations

from typing import Any, Final
from urllib.parse import urlsplit

from csp.decorators import csp_update
from django.conf import settings
from django.contrib.auth.decorators import login_required
from django.core import signing
from django.core.paginator import Paginator
from django.http import HttpRequest, HttpResponse, HttpResponseBase, JsonResponse
from django.shortcuts import redirect, render
from django.urls import reverse
from django.utils.translation import gettext as _
from django.views.decorators.http import require_http_methods, require_POST, require_safe

from portal.errors import Conflict, Invalid, NotFound
from portal.people.models import Lab, Membership, User
from portal.people.views import signed_in
from releases import actions, formats, lifecycle, names
from releases.actions import Change, Stale
from releases.forms import NewModelForm
from releases.hub.bodies import read_json, text_of
from releases.hub.publishing import SALT
from releases.models import MAIN, Model
from releases.views import about, model_of

FILES: Final = 1_000
"""How many files one page sends; more go by `hf upload`."""
PAGE: Final = 50


@login_required
@require_http_methods(["GET", "HEAD", "POST"])
def publish(request: HttpRequest) -> HttpResponse:
    """The models that one may publish to, and a form for a new one. To who looks after no lab it is not there."""
    user = signed_in(request)
    labs = _labs(user)
    if not labs:
        raise NotFound(_("There is nothing at this address."))
    form = NewModelForm(request.POST if request.method == "POST" else None, labs=labs)
    if form.is_valid():
        try:
            made = actions.open_model(
                lab=form.lab(), by=user, **{one: form.cleaned_data[one] for one in ("name", "summary", "gate")}
            )
        except Invalid as error:
            form.take(error.fields or {"name": [error.message]})
        except Conflict as error:
            form.take({"name": [error.message]})
        else:
            return redirect("releases:upload", made.lab.slug, made.name)
    own = Model.objects.filter(lab__in=labs, withdrawn_at=None).select_related("lab").order_by("lab__slug", "name")
    context = {"page": Paginator(own, PAGE).get_page(request.GET.get("page")), "form": form}
    return render(request, "releases/publish.html", context, status=422 if form.errors else 200)


@login_required
@require_safe
def upload(request: HttpRequest, namespace: str, name: str) -> HttpResponseBase:
    """Choose or drop a folder; the page's script does the rest, and may reach the store."""
    found = _own(request, namespace, name)
    context = about(request, found, found.main) | {"tab": "revisions", "tip": found.tip, "words": _words()}
    page = render(request, "releases/upload.html", context)
    stores = _stores()
    return csp_update({"connect-src": stores})(lambda _request: page)(request) if stores else page


@login_required
@require_POST
def plan(request: HttpRequest, namespace: str, name: str) -> HttpResponse:
    """What is wrong with each of the chosen files by name and size, before anything is read: `""` where nothing is."""
    _own(request, namespace, name)
    files = _files(read_json(request))
    clashes = names.clashes(path for path, _size in files)
    return JsonResponse(
        {"files": [{"path": path, "fault": _fault(path, size) or clashes.get(path, "")} for path, size in files]}
    )


@login_required
@require_POST
def begin(request: HttpRequest, namespace: str, name: str) -> HttpResponse:
    """Links for one file's parts, and the address that completes it; `{"held": true}` for what the lab has already."""
    found, asked = _own(request, namespace, name), read_json(request)
    sha256, size = text_of(asked, "sha256"), _size(asked)
    if size == 0:
        return JsonResponse({"held": True})
    begun = actions.begin_upload(model=found, sha256=sha256, size=size, by=signed_in(request))
    if begun is None:
        return JsonResponse({"held": True})
    ticket = signing.dumps(begun.upload.key, salt=SALT)
    told = {"links": list(begun.links), "part_bytes": begun.part_bytes, "complete": f"/api/uploads/{ticket}/complete"}
    return JsonResponse(told, status=201)


@login_required
@require_POST
def commit(request: HttpRequest, namespace: str, name: str) -> HttpResponse:
    """The files that were sent become a draft on `main`; where its page is."""
    found, asked, user = _own(request, namespace, name), read_json(request), signed_in(request)
    sent = [(path, text_of(each, "sha256")) for (path, _size), each in zip(_files(asked), asked["files"], strict=True)]
    files = [actions.held_file(lab=found.lab, path=path, sha256=sha256) for path, sha256 in sent]
    gone = actions.files_of(found.tip).keys() - {file.path for file in files} if asked.get("whole") is True else ()
    try:
        made = actions.amend(
            model=found, branch=MAIN, change=Change(files, sorted(gone)), by=user,
            message=text_of(asked, "message", default="").strip()[:10_000] or "Upload files",
            parent=text_of(asked, "parent", default=""),
        )  # fmt: skip
    except Stale:
        raise Stale(
            _(
                "There is a newer draft than when you opened this page. Look at it, load this page again and choose the same folder: what has arrived is not sent again."
            )
        ) from None
    return JsonResponse({"page": reverse("releases:desk", args=[found.lab.slug, found.name, made.commit])}, status=201)


def _own(request: HttpRequest, namespace: str, name: str) -> Model:
    """A model whose lab this person looks after; any other is not there."""
    user, found = signed_in(request), model_of(request, namespace, name)
    if not user.roles_in(found.lab) & lifecycle.STAFF:
        raise NotFound(_("There is nothing at this address."))
    return found


def _labs(user: User) -> list[Lab]:
    held = Membership.objects.active().filter(user=user, role__in=lifecycle.STAFF)
    return list(Lab.objects.filter(pk__in=held.values("lab")).order_by("slug"))


def _files(asked: dict[str, Any]) -> list[tuple[str, int]]:
    files = asked.get("files")
    if not isinstance(files, list) or not 0 < len(files) <= FILES or not all(isinstance(each, dict) for each in files):
        raise Invalid(_("Send between one file and %(n)d. For more use hf upload.") % {"n": FILES})
    return [(text_of(each, "path"), _size(each)) for each in files]


def _size(asked: dict[str, Any]) -> int:
    size = asked.get("size")
    if not isinstance(size, int) or isinstance(size, bool) or size < 0:
        raise Invalid(_("A file has a size in bytes."))
    return size


def _fault(path: str, size: int) -> str:
    try:
        names.check_path(path)
        formats.check_name(path, size)
    except Invalid as refused:
        return refused.message
    return ""


def _stores() -> list[str]:
    """Where the browser sends parts beside our own origin."""
    if settings.STORE != "s3":
        return []
    endpoint = urlsplit(settings.S3_ENDPOINT or f"https://s3.{settings.S3_REGION}.amazonaws.com")
    hosts = [endpoint.netloc, f"{settings.S3_BUCKET}.{endpoint.netloc}"]
    return [f"{endpoint.scheme}://{host}" for host in hosts]


def _words() -> dict[str, str]:
    """What the script says."""
    return {
        "asking": _("being looked at"), "ready": _("ready to be sent"), "reading": _("being read"), "sending": _("being sent"),
        "checking": _("being read back"), "done": _("in the store"), "held": _("the lab has it already"),
        "failed": _("stopped"), "refused": _("left out"), "count": _("%(done)s of %(all)s files"),
        "again": _("Sending stopped: %(why)s Press “Send” again, or come back within a day and choose the same folder: what has arrived is not sent again."),
        "lost": _("the connection was lost."), "answered": _("the store or the portal answered %(status)s."),
        "signed_out": _("you are signed out. Sign in again in another tab."),
        "not_made": _("No draft was made: %(why)s"), "unseen": _("These files could not be looked at: %(why)s"),
        "hidden": _("Left out: %(names)s. Names that begin with a dot are not published."), "more": _("%(names)s, and %(n)s more"),
        "none": _("There is no file in it."), "nothing": _("None of these files can be published."), "committing": _("The files become a draft…"),
    }  # fmt: skip
