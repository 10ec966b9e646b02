"""The lab's pages of grants: the list with its filters, the list as a file, one grant and what to do with it."""

from __future__ import annotations

from typing import Any, Final
from uuid import UUID

from django.contrib import messages
from django.contrib.auth.decorators import login_required
from django.core.paginator import Paginator
from django.http import HttpRequest, HttpResponse, StreamingHttpResponse
from django.shortcuts import redirect, render
from django.template.loader import render_to_string
from django.utils import timezone
from django.utils.formats import date_format
from django.utils.translation import gettext as _
from django.views.decorators.http import require_GET, require_http_methods, require_safe

from portal.access import actions, behind, conflicts, exports, forms, leading, sections
from portal.access.actions import grant_moves, renewing
from portal.access.gate_models import Gate
from portal.access.grant_list import SHOWN, Chosen, rows_of
from portal.access.history import grant_timeline
from portal.access.lifetime import GrantVerb, Party, RenewalStatus, grant_verbs
from portal.access.models import Grant
from portal.access.views.staff import memberships, staff
from portal.errors import Invalid, NotFound
from portal.outbox import delivery
from portal.people.models import User
from portal.projects.panels import panels_of

PAGE: Final = 50


@login_required
@require_safe
def grants(request: HttpRequest) -> HttpResponse:
    """Who may pass the gates of one's labs, and what waits; every filter is in the address."""
    user, now = staff(request), timezone.now()
    chosen, rows = Chosen.read(request.GET), rows_of(user)
    page = Paginator(chosen.apply(rows, now), PAGE).get_page(request.GET.get("page"))
    context = {
        "page": page,
        "rows": [(row, row.state(now), _late(row, now)) for row in page],
        "chosen": chosen,
        "shown": _shown(),
        "gates": Gate.objects.filter(lab__in=memberships(user).values("lab")).only("slug", "title"),
        "renewals": Chosen(show="all", waits="renewal").apply(rows, now).count(),
        "overdue": Chosen(show="all", waits="deletion").apply(rows, now).count(),
        "query": chosen.query(),
    }
    return render(request, "access/grants.html", context)


def _late(grant: Grant, now: Any) -> bool:  # noqa: ANN401 a datetime that the stubs call something else
    return grant.closed_out_at is None and grant.deletion_due_at is not None and grant.deletion_due_at <= now


def _shown() -> list[tuple[str, str]]:
    words = {
        "active": _("active"),
        "suspended": _("suspended"),
        "ended": _("ended"),
        "revoked": _("revoked"),
        "closed_out": _("closed out"),
        "all": _("all"),
    }
    return [(str(name), words[str(name)]) for name in SHOWN]


@login_required
@require_GET
def export(request: HttpRequest) -> StreamingHttpResponse:
    """The filtered list as CSV, all pages of it; each lab's audit trail says who took it."""
    user, now = staff(request), timezone.now()
    chosen = Chosen.read(request.GET)
    rows = chosen.apply(rows_of(user), now)
    actions.record_grants_export(by=user, rows=rows, query=chosen.query())
    answer = StreamingHttpResponse(exports.grant_lines(rows, now), content_type="text/csv; charset=utf-8")
    answer["Content-Disposition"] = f'attachment; filename="grants-{now:%Y-%m-%d}.csv"'
    answer["Cache-Control"] = "no-store"
    return answer


@login_required
@require_http_methods(["GET", "HEAD", "POST"])
def grant(request: HttpRequest, pk: UUID) -> HttpResponse:
    """One grant for its lab: what it opens, what happened, what waits; and how to pause or end it at once."""
    user = staff(request)
    found = (
        Grant.objects.for_staff(user)
        .select_related("gate__lab", "user", "project__lab", "application", "revoked_by", "suspended_by", "lead__user")
        .select_related("institutional__institution")
        .filter(pk=pk)
        .first()
    )
    if found is None:
        raise NotFound(_("There is no such grant, or it belongs to another lab."))
    problems: dict[str, list[str]] = {}
    if request.method == "POST":
        try:
            messages.success(request, _act(request, found, user))
        except Invalid as error:
            problems = error.fields
        else:
            return redirect("access:grant", found.pk)
    labels = {"reason": _("Reason"), "message": _("Message to the holder")}
    marked = {**forms.marked(problems, labels), "typed": request.POST}
    context = {**_evidence(found, user), **_sections(request, found, user), **marked}
    return render(request, "access/grant.html", context, status=422 if problems else 200)


def _evidence(grant: Grant, user: User) -> dict[str, Any]:
    acting = grant_moves.parties(grant, user)
    now = timezone.now()
    signatures = grant.user.signatures.filter(version__agreement=grant.gate.agreement_id)
    return {
        "grant": grant,
        "gate": grant.gate,
        "approved_as": grant.application or leading.led_under(grant),
        "team": grant.team.select_related("user"),
        "grant_state": grant.state(now),
        "late": _late(grant, now),
        "verbs": [verb for verb in grant_verbs(grant.state(now), acting) if verb != GrantVerb.EXTEND],
        "behind": behind.links(grant.gate, grant.user),
        "pending": delivery.pending("rights.changed", key=f"user:{grant.user_id}"),
        "signatures": signatures.select_related("version"),
        "timeline": grant_timeline(grant, for_staff=True),
        "waiting": grant.renewals.filter(status=RenewalStatus.SUBMITTED).first(),
        "new_end": renewing.new_end(grant),
        "signed": renewing.signed_until(grant, renewing.new_end(grant)),
        "may_review": Party.REVIEWER in acting and not conflicts.over(user, grant.project, grant.user),
    }


def _sections(request: HttpRequest, grant: Grant, user: User) -> dict[str, Any]:
    """What the apps above show of the grant and its project."""
    back = {"back": request.path}
    drawn = [render_to_string(name, context | back, request) for name, context in panels_of(grant.project, user)]
    return {"sections": [*drawn, *sections.of_grant.drawn(grant, user, request)]}


def _act(request: HttpRequest, grant: Grant, user: User) -> str:
    verb, reason = request.POST.get("verb", ""), request.POST.get("reason", "")
    if verb == "revoke":
        actions.revoke_grant(by=user, grant=grant, reason=reason)
        return _("Revoked. The next download and the next query are refused.")
    if verb == "suspend":
        actions.suspend_grant(by=user, grant=grant, reason=reason)
        return _("Suspended until you resume it.")
    if verb == "resume":
        actions.resume_grant(by=user, grant=grant)
        return _("Resumed. It runs to its old end.")
    if verb == "approve":
        renewal = actions.approve_renewal(by=user, grant=grant)
        return _("Renewed until %(day)s.") % {"day": date_format(renewal.ends_to or grant.ends_at)}
    if verb == "decline":
        actions.decline_renewal(by=user, grant=grant, message=request.POST.get("message", ""))
        return _("Declined. The holder has your words; the grant keeps its end.")
    raise Invalid(_("Choose what to do."), fields={"verb": [_("Choose what to do.")]})
