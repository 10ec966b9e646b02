"""The staff's pages of agreements: their versions, the draft, its publication, and who has yet to sign."""

from __future__ import annotations

from datetime import datetime
from typing import Any, Final
from urllib.parse import urlencode

from django.contrib import messages
from django.contrib.auth.decorators import login_required
from django.core.paginator import Paginator
from django.db.models import Prefetch, QuerySet
from django.http import HttpRequest, HttpResponse, StreamingHttpResponse
from django.shortcuts import redirect, render
from django.utils import timezone
from django.utils.translation import gettext as _
from django.views.decorators.http import require_GET, require_http_methods, require_safe

from portal.access import actions, exports, outstanding
from portal.access.views.staff import managed_labs, memberships, staff
from portal.agreements import actions as agreements
from portal.agreements.forms import DraftForm, NewAgreementForm, initial
from portal.agreements.models import Agreement, ChangeClass, Version
from portal.agreements.redline import redline, stretches
from portal.errors import Conflict, Invalid, NotAllowed, NotFound
from portal.people.models import MANAGERS, User
from portal.people.second_factor import step_up

PAGE: Final = 50
NAMED: Final = 10


def readable(user: User) -> QuerySet[Agreement]:
    """The agreements of the labs where this person is staff."""
    return Agreement.objects.filter(lab__in=memberships(user).values("lab")).select_related("lab")


def found(user: User, lab: str, slug: str) -> Agreement:
    """One of them. Raises NotFound for anything else."""
    agreement = readable(user).filter(lab__slug=lab, slug=slug).first()
    if agreement is None:
        raise NotFound(_("There is no such agreement, or it belongs to another lab."))
    return agreement


def _managed(request: HttpRequest, lab: str, slug: str) -> tuple[User, Agreement]:
    user = staff(request)
    agreement = found(user, lab, slug)
    if user.roles_in(agreement.lab).isdisjoint(MANAGERS):
        raise NotAllowed(
            _("Only a release manager or administrator of %(name)s writes its agreements.")
            % {"name": agreement.lab.name}
        )
    return user, agreement


@login_required
@require_safe
def listing(request: HttpRequest) -> HttpResponse:
    """The agreements of one's labs."""
    versions = Prefetch("versions", Version.objects.defer("text"))
    user = staff(request)
    rows = readable(user).prefetch_related(versions, "gates").order_by("lab__name", "title", "pk")
    page = Paginator(rows, PAGE).get_page(request.GET.get("page"))
    listed = [(row, *_present(list(row.versions.all()))) for row in page]
    return render(request, "access/agreements.html", {"page": page, "rows": listed, "managed": managed_labs(user)})


@login_required
@require_http_methods(["GET", "HEAD", "POST"])
@step_up
def new(request: HttpRequest, lab: str) -> HttpResponse:
    """Make an agreement; its text is written as a draft next."""
    user = staff(request)
    found = managed_labs(user).filter(slug=lab).first()
    if found is None:
        raise NotFound(_("There is no such lab, or its agreements are not yours to make."))
    form = NewAgreementForm(request.POST if request.method == "POST" else None)
    if form.is_valid():
        try:
            made = agreements.create_agreement(by=user, lab=found, **form.cleaned_data)
        except Invalid as error:
            form.take(error.fields)
        else:
            messages.success(request, _("The agreement is made. Write its first text."))
            return redirect("access:agreement_draft", found.slug, made.slug)
    context = {"lab": found, "form": form}
    return render(request, "access/agreement_new.html", context, status=422 if form.errors else 200)


def _present(versions: list[Version]) -> tuple[Version | None, Version | None]:
    """(the version in force, the draft) of versions that come newest first."""
    published = next((version for version in versions if version.published_at), None)
    return published, next((version for version in versions if version.published_at is None), None)


@login_required
@require_safe
def agreement(request: HttpRequest, lab: str, slug: str) -> HttpResponse:
    """One agreement: its versions, what changed last, its draft, and how many have yet to sign."""
    user = staff(request)
    shown = found(user, lab, slug)
    versions = list(shown.versions.select_related("published_by", "edited_by"))
    current, draft = _present(versions)
    published = [version for version in versions if version.published_at]
    context = {
        "agreement": shown,
        "versions": published,
        "current": current,
        "draft": draft,
        "gates": shown.gates.all(),
        "may_manage": not user.roles_in(shown.lab).isdisjoint(MANAGERS),
        "changes": _changes(published[1], published[0]) if len(published) > 1 else [],
        "counts": outstanding.counts(shown, timezone.now()),
    }
    return render(request, "access/agreement.html", context)


def _changes(old: Version | None, new: Version) -> list[Any]:
    return stretches(redline(old.text if old else "", new.text))


@login_required
@require_http_methods(["GET", "HEAD", "POST"])
def draft(request: HttpRequest, lab: str, slug: str) -> HttpResponse:
    """Write the next version. Who saves over a newer draft sees both, and decides."""
    user, shown = _managed(request, lab, slug)
    begin = shown.draft() or shown.current()
    form = DraftForm(request.POST if request.method == "POST" else None, initial=initial(begin))
    stale = False
    if request.method == "POST" and form.is_valid():
        try:
            agreements.save_draft(by=user, agreement=shown, expected=_edits(request), **form.values())
        except Invalid as error:
            form.take(error.fields)
        except Conflict:
            stale = True
        else:
            messages.success(request, _("Saved. Nobody sees it but the lab's staff."))
            return redirect(
                "access:agreement_publish" if "next" in request.POST else "access:agreement_draft", lab, slug
            )
    theirs = Agreement.objects.get(pk=shown.pk)  # as it is now: the form carries what its writer has seen
    other = theirs.draft() or theirs.current()
    context = {
        "agreement": shown,
        "form": form,
        "draft": theirs.draft(),
        "edits": theirs.edits if stale else _edits(request) if request.method == "POST" else shown.edits,
        "stale": stale,
        "theirs": other,
        "changes": _changes(other, Version(text=form.cleaned_data["text"])) if stale else [],
    }
    status = 409 if stale else 422 if form.errors else 200
    return render(request, "access/agreement_draft.html", context, status=status)


def _edits(request: HttpRequest) -> int:
    text = request.POST.get("edits", "")
    return int(text) if text.isascii() and text.isdigit() and len(text) < 10 else -1


@login_required
@require_http_methods(["GET", "HEAD", "POST"])
def discard(request: HttpRequest, lab: str, slug: str) -> HttpResponse:
    """Throw the draft away, after a second look."""
    user, shown = _managed(request, lab, slug)
    if request.method == "POST":
        agreements.discard_draft(by=user, agreement=shown, expected=_edits(request))
        messages.success(request, _("The draft is discarded."))
        return redirect("access:agreement", lab, slug)
    return render(request, "access/agreement_discard.html", {"agreement": shown, "draft": _written(shown)})


def _written(agreement: Agreement) -> Version:
    draft = agreement.versions.filter(published_at=None).select_related("edited_by", "agreement__lab").first()
    if draft is None:
        raise NotFound(
            _("There is no draft of this agreement. Somebody published or discarded it, or never wrote one.")
        )
    return draft


@login_required
@require_http_methods(["GET", "HEAD", "POST"])
def publish(request: HttpRequest, lab: str, slug: str) -> HttpResponse:
    """What publication would change and ask, of whom and by when; then publish."""
    user, shown = _managed(request, lab, slug)
    problem = ""
    if request.method == "POST":
        try:
            version = agreements.publish_draft(by=user, agreement=shown, expected=_edits(request))
        except (Conflict, Invalid) as error:
            problem = error.message
        else:
            messages.success(request, _("Version %(n)s is published.") % {"n": version.number})
            return redirect("access:agreement", lab, slug)
        shown.refresh_from_db()
        if shown.draft() is None:
            messages.error(request, problem)
            return redirect("access:agreement", lab, slug)
    written, current, people = _written(shown), shown.current(), outstanding.holders(shown)
    context = {
        "agreement": shown,
        "draft": written,
        "current": current,
        "changes": _changes(current, written),
        "classes": _classes(written),
        "people": people[:NAMED],
        "counts": outstanding.counts(shown, timezone.now()),
        "problem": problem,
    }
    return render(request, "access/agreement_publish.html", context, status=409 if problem else 200)


def _classes(draft: Version) -> list[tuple[str, str, bool]]:
    """(class, its words, whether the draft has it)."""
    return [(value, str(label), value == draft.change_class) for value, label in ChangeClass.choices]


@login_required
@require_safe
def outstanding_page(request: HttpRequest, lab: str, slug: str) -> HttpResponse:
    """Who has yet to sign, and until when; every filter is in the address."""
    shown, now = found(staff(request), lab, slug), timezone.now()
    chosen, asked = _chosen(request), outstanding.demands(shown, now)
    page = Paginator(_rows(shown, chosen, now), PAGE).get_page(request.GET.get("page"))
    context = {
        "agreement": shown,
        "page": page,
        "rows": [outstanding.standing_of(row, asked, now) for row in page],
        "chosen": chosen,
        "shown": _shown(),
        "query": urlencode({name: value for name, value in chosen.items() if value}),
    }
    return render(request, "access/agreement_outstanding.html", context)


@login_required
@require_GET
def outstanding_csv(request: HttpRequest, lab: str, slug: str) -> StreamingHttpResponse:
    """The same list as a file. That it was taken is on record."""
    user = staff(request)
    shown, now = found(user, lab, slug), timezone.now()
    chosen, asked = _chosen(request), outstanding.demands(shown, now)
    rows = _rows(shown, chosen, now)
    actions.record_outstanding_export(by=user, agreement=shown, rows=rows.count(), show=chosen["show"])
    lines = exports.outstanding_lines(outstanding.standing_of(row, asked, now) for row in rows.iterator(exports.CHUNK))
    response = StreamingHttpResponse(lines, content_type="text/csv; charset=utf-8")
    response["Content-Disposition"] = f'attachment; filename="{shown.lab.slug}-{shown.slug}-outstanding.csv"'
    return response


def _chosen(request: HttpRequest) -> dict[str, str]:
    show = request.GET.get("show", "")
    return {"show": show if show in outstanding.SHOWN else outstanding.SHOWN[0], "q": request.GET.get("q", "")}


def _rows(agreement: Agreement, chosen: dict[str, str], now: datetime) -> QuerySet[User]:
    people = outstanding.chosen(agreement, show=chosen["show"], now=now)
    return outstanding.with_standing(outstanding.matching(people, chosen["q"]), agreement)


def _shown() -> list[tuple[str, str]]:
    words = {
        "outstanding": _("yet to sign"),
        "paused": _("yet to sign, access paused"),
        "grace": _("yet to sign, access goes on"),
        "signed": _("signed"),
        "all": _("all holders"),
    }
    return [(name, words[name]) for name in outstanding.SHOWN]
