"""Pages of downloads: a lab's sums by model, one's own links, and the caps."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, Final
from uuid import UUID

from django.contrib import messages
from django.contrib.auth.decorators import login_required
from django.core.paginator import Paginator
from django.db.models import Sum
from django.http import HttpRequest, HttpResponse, StreamingHttpResponse
from django.shortcuts import redirect, render
from django.urls import reverse
from django.utils import timezone
from django.utils.translation import gettext as _
from django.views.decorators.http import require_GET, require_http_methods, require_safe

from portal.access.exports import line
from portal.access.gate_models import Gate
from portal.access.models import Grant
from portal.agreements.actions import require_manager
from portal.errors import NotFound
from portal.people.models import Membership, Role
from portal.people.views import signed_in
from portal.postgres.cursors import in_pages
from releases import actions, egress, ledger, tally
from releases.cap_forms import CapForm
from releases.download_models import DailyDownload, Surge
from releases.models import Model
from releases.views import about, model_of

PAGE: Final = 50
TOP: Final = 20
"""Lines of each table but days, of which there are as many as the period has."""
PERIODS: Final = (30, 90, 365)
SEES_PEOPLE: Final = frozenset({Role.MANAGER, Role.ADMINISTRATOR})
COLUMNS: Final = ("at", "model", "commit", "path", "size", "wanted", "given", "client", "token_id", "link_ends_at")


@login_required
@require_safe
def downloads(request: HttpRequest) -> HttpResponse:
    """The models of one's labs by what was given out in 30 days, and days of holders that stood out."""
    user, today = signed_in(request), timezone.now().date()
    held = Membership.objects.active().filter(user=user)
    if not held.exists():
        raise NotFound(_("There is nothing at this address."))
    labs = held.values("lab__slug")
    rows = DailyDownload.objects.filter(lab__in=labs, day__gt=today - tally.MONTH).order_by().values("model")
    page = Paginator(rows.annotate(n=Sum("links"), size=Sum("bytes")).order_by("-size", "model"), PAGE)
    surges = Surge.objects.filter(
        lab__in=held.filter(role__in=SEES_PEOPLE).values("lab"), day__gt=today - tally.MONTH
    ).select_related("lab")[:TOP]
    names = tally.names_of([surge.user_id for surge in surges])
    told = [(surge, names.get(surge.user_id, surge.user_id)) for surge in surges]
    shown = page.get_page(request.GET.get("page"))
    listed = [(row, reverse("releases:model_downloads", args=row["model"].split("/", 1))) for row in shown]
    return render(request, "releases/downloads.html", {"page": shown, "listed": listed, "surges": told})


@login_required
@require_safe
def model_downloads(request: HttpRequest, namespace: str, name: str) -> HttpResponse:
    """One model's sums for the staff of its lab: by day, person, file, client and revision."""
    found, asked, days, people = _asked(request, namespace, name)
    person = list(asked.by("person")[:TOP]) if people else []
    names = tally.names_of([row["key"] for row in person])
    context = about(request, found, found.main) | {
        "tab": "downloads",
        "days": days,
        "periods": PERIODS,
        "commit": asked.commit,
        "totals": asked.totals(),
        "by_day": list(asked.by("day")),
        "by_person": [row | {"name": names.get(row["key"], row["key"])} for row in person] if people else None,
        "tables": [(title, what, list(asked.by(what)[:TOP])) for title, what in _tables()],
        "top": TOP,
    }
    return render(request, "releases/model_downloads.html", context)


def _tables() -> list[tuple[str, str]]:
    return [(_("By file"), "file"), (_("By client"), "client"), (_("By revision"), "revision")]


@login_required
@require_GET
def model_downloads_csv(request: HttpRequest, namespace: str, name: str) -> StreamingHttpResponse:
    """One of the page's tables, all of it, as CSV."""
    found, asked, _days, people = _asked(request, namespace, name)
    what = request.GET.get("by", "day")
    if what not in tally.WAYS or (what == "person" and not people):
        raise NotFound(_("There is no such table. Choose among: %(ways)s.") % {"ways": ", ".join(tally.WAYS)})
    return _csv(f"{found.name}-downloads-by-{what}", (what, "links", "bytes"), tally.lines(asked, what))


def _asked(request: HttpRequest, namespace: str, name: str) -> tuple[Model, tally.Asked, int, bool]:
    """(model, its sums, days, whether people are shown). To all but the lab's staff it is not there."""
    user, found = signed_in(request), model_of(request, namespace, name)
    roles = user.roles_in(found.lab)
    if not roles:
        raise NotFound(_("There is nothing at this address."))
    said = request.GET.get("days", "")
    days = int(said) if said in {str(each) for each in PERIODS} else PERIODS[0]
    commit = request.GET.get("revision", "")
    commit = commit if len(commit) == 40 and commit.isalnum() else ""
    sums = tally.asked(found, days=days, today=timezone.now().date(), commit=commit)
    return found, sums, days, bool(roles & SEES_PEOPLE)


@login_required
@require_safe
def my_downloads(request: HttpRequest) -> HttpResponse:
    """Every link that one was given: what, when, how much, whether it still opens."""
    user, now = signed_in(request), timezone.now()
    page = Paginator(ledger.links_of(user), PAGE).get_page(request.GET.get("page"))
    grants = (
        Grant.objects.active(now).filter(user=user, capabilities__contains=["download"]).select_related("gate__lab")
    )
    capped = [(grant, use) for grant in grants[:TOP] if (use := egress.use_of(grant, now)).bytes is not None]
    return render(request, "releases/my_downloads.html", {"page": page, "now": now, "capped": capped})


@login_required
@require_GET
def my_downloads_csv(request: HttpRequest) -> StreamingHttpResponse:
    """The same, all of it, oldest first, as CSV."""
    rows = in_pages(ledger.links_of(signed_in(request)), "at", "id", size=2_000)
    return _csv("downloads", COLUMNS, ([getattr(row, name) for name in COLUMNS] for row in rows))


def _csv(name: str, head: tuple[Any, ...], rows: Any) -> StreamingHttpResponse:  # noqa: ANN401 lines of any cells
    def lines() -> Iterator[str]:
        yield line(head)
        for row in rows:
            yield line(row)

    answer = StreamingHttpResponse(lines(), content_type="text/csv; charset=utf-8")
    answer["Content-Disposition"] = f'attachment; filename="{name}-{timezone.now():%Y-%m-%d}.csv"'
    answer["Cache-Control"] = "no-store"
    return answer


@login_required
@require_http_methods(["GET", "HEAD", "POST"])
def grant_cap(request: HttpRequest, pk: UUID) -> HttpResponse:
    """What one grant of one's lab may be given in a day; its own page shows the same form."""
    user = signed_in(request)
    found = Grant.objects.for_staff(user).select_related("gate__lab", "user").filter(pk=pk).first()
    if found is None:
        raise NotFound(_("There is no such grant, or it belongs to another lab."))
    require_manager(user, found.gate.lab)
    use = egress.use_of(found, timezone.now())
    form = CapForm(request.POST, auto_id="cap_%s") if request.method == "POST" else CapForm.of(use.bytes)
    if form.is_valid():
        as_gate = request.POST.get("verb") == "as_gate"
        actions.cap_grant(by=user, grant=found, limit=None if as_gate else form.limit(), as_gate=as_gate)
        messages.success(request, _("Set. It holds from the next link on."))
        return redirect("access:grant", found.pk)
    context = {"form": form, "thing": found.reference, "lab": found.gate.lab, "use": use, "grant": found}
    return render(request, "releases/cap.html", context, status=422 if form.errors else 200)


@login_required
@require_http_methods(["GET", "HEAD", "POST"])
def gate_cap(request: HttpRequest, lab: str, gate: str) -> HttpResponse:
    """What each grant behind one gate of one's lab may be given in a day; the gate's page shows the same form."""
    user = signed_in(request)
    found = Gate.objects.select_related("lab").filter(lab__slug=lab, slug=gate).first()
    if found is None or not user.roles_in(found.lab):
        raise NotFound(_("There is no such gate, or it belongs to another lab."))
    require_manager(user, found.lab)
    posted = request.method == "POST"
    form = CapForm(request.POST, auto_id="cap_%s") if posted else CapForm.of(egress.cap_of_gate(found))
    if form.is_valid():
        actions.cap_gate(by=user, gate=found, limit=form.limit())
        messages.success(request, _("Set. It holds from the next link on."))
        return redirect("access:gate", lab, gate)
    context = {"form": form, "thing": found.title, "lab": found.lab, "gate": found}
    return render(request, "releases/cap.html", context, status=422 if form.errors else 200)
