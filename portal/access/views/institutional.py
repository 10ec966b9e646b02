"""The signing official's pages: asking for an agreement, signing it, its roster, the yearly confirmation, its end."""

from __future__ import annotations

from typing import Any, Final
from uuid import UUID

from django.contrib import messages
from django.contrib.auth.decorators import login_required
from django.core.paginator import Paginator
from django.http import HttpRequest, HttpResponse, StreamingHttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.utils import timezone
from django.utils.translation import gettext as _
from django.utils.translation import ngettext
from django.views.decorators.http import require_GET, require_http_methods, require_POST, require_safe

from portal.access import actions, exports, filters, forms, roster
from portal.access.actions.institutional_moves import RELATED
from portal.access.gate_models import Gate
from portal.access.institutional import ATTESTATION_OPENS, Line, LineVerb, Party, Status, Verb, line_verbs, verbs
from portal.access.institutional_forms import AskForm, PeopleForm
from portal.access.institutional_models import InstitutionalAgreement, RosterLine
from portal.access.lifetime import STANDING as GRANT_STANDING
from portal.agreements.models import Version
from portal.errors import Conflict, Invalid, NotFound
from portal.people.models import Affiliation
from portal.people.second_factor import step_up
from portal.people.views import signed_in

PAGE: Final = 50


def _own(request: HttpRequest, pk: UUID) -> InstitutionalAgreement:
    rows = InstitutionalAgreement.objects.select_related(*RELATED)
    found = rows.filter(pk=pk, official=signed_in(request)).first()
    if found is None:
        raise NotFound(_("There is no such agreement, or you are not its official."))
    return found


@login_required
@require_safe
def mine(request: HttpRequest) -> HttpResponse:
    """The institutional agreements that one signs for, newest first."""
    rows = InstitutionalAgreement.objects.filter(official=signed_in(request)).select_related(*RELATED)
    page = Paginator(rows, PAGE).get_page(request.GET.get("page"))
    place = Affiliation.objects.verified().filter(user=signed_in(request)).select_related("institution").first()
    gates = Gate.objects.filter(lab__is_active=True).select_related("lab").only("slug", "title", "lab__name")[:PAGE]
    return render(request, "institutional/mine.html", {"page": page, "place": place, "gates": gates})


@login_required
@require_http_methods(["GET", "HEAD", "POST"])
def ask(request: HttpRequest, gate: str) -> HttpResponse:
    """A short application of an official; whoever has shown no institution is told how."""
    found = get_object_or_404(Gate.objects.select_related("lab", "agreement"), slug=gate, lab__is_active=True)
    user = signed_in(request)
    place = Affiliation.objects.verified().filter(user=user).select_related("institution").first()
    form = AskForm(request.POST if request.method == "POST" else None, initial={"seats": 25, "days": 365})
    if request.method == "POST" and form.is_valid():
        try:
            made = actions.ask_institutional(by=user, gate=found, **form.cleaned_data)
        except Invalid as error:
            form.take(error.fields)
        else:
            messages.success(request, _("Sent. A release manager of the lab answers; we will write."))
            return redirect(made)
    context = {"form": form, "gate": found, "place": place, "version": found.agreement.current()}
    return render(request, "institutional/ask.html", context, status=422 if form.errors else 200)


@login_required
@require_http_methods(["GET", "HEAD", "POST"])
def agreement(request: HttpRequest, pk: UUID) -> HttpResponse:
    """One agreement for its official: where it stands, and who is on its roster. POST takes back what is not signed."""
    found = _own(request, pk)
    if request.method == "POST":
        actions.withdraw_institutional(by=found.official, agreement=found)
        messages.success(request, _("Taken back."))
        return redirect(found)
    q, gone = filters.words(request.GET.get("q", "")), request.GET.get("show") == "gone"
    page = Paginator(roster.on_roster(found, q=q, gone=gone), PAGE).get_page(request.GET.get("page"))
    context = {
        **shown(found),
        "page": page,
        "lines": [(line, line_verbs(line.status, {Party.OFFICIAL})) for line in page],
        "q": q,
        "gone": gone,
        "join_url": request.build_absolute_uri(f"{found.get_absolute_url()}join/"),
    }
    return render(request, "institutional/agreement.html", context)


def shown(agreement: InstitutionalAgreement) -> dict[str, Any]:
    """What every page about one agreement says of it."""
    state = agreement.state()
    opens = agreement.attest_by - ATTESTATION_OPENS if agreement.attest_by else None
    return {
        "agreement": agreement,
        "gate": agreement.gate,
        "state": state,
        "verbs": verbs(state, {Party.OFFICIAL}),
        "unsigned": agreement.to_sign,
        "opens": opens,
        "running": state in {Status.IN_FORCE, Status.SUSPENDED},
    }


@login_required
@require_http_methods(["GET", "HEAD", "POST"])
@step_up
def sign(request: HttpRequest, pk: UUID) -> HttpResponse:
    """The whole text, then the official's name: the institution is bound from then on."""
    found = _own(request, pk)
    if not found.to_sign:
        return redirect(found)
    problems: dict[str, list[str]] = {}
    if request.method == "POST":
        typed = {name: request.POST.get(name, "") for name in ("typed_name", "text_sha256")}
        try:
            actions.sign_institutional(by=found.official, agreement=found, **typed)
        except Invalid as error:
            problems = error.fields
        else:
            messages.success(request, _("Signed for the institution. Invite your colleagues to their seats."))
            return redirect(found)
    marked = {
        **forms.marked(problems, {"typed_name": _("Type your full name")}),
    }
    context = {**shown(found), **marked, **_proof(found), "version": text_of(found), "typed": request.POST}
    return render(request, "institutional/sign.html", context, status=422 if problems else 200)


def text_of(agreement: InstitutionalAgreement) -> Version:
    """The present text of its gate's agreement. Raises Conflict (`no_text`) before there is one."""
    version = agreement.gate.agreement.current()
    if version is None:
        raise Conflict(
            _("The agreement has no published text yet. The lab has been slow; write to it."), code="no_text"
        )
    return version


@login_required
@require_http_methods(["GET", "HEAD", "POST"])
def invite(request: HttpRequest, pk: UUID) -> HttpResponse:
    """Paste addresses; what is good is invited, what is not stays in the box with its reason beside it."""
    found = _own(request, pk)
    if Verb.INVITE not in verbs(found.state(), {Party.OFFICIAL}):
        return redirect(found)
    form = PeopleForm(request.POST if request.method == "POST" else None)
    refused: list[roster.Pasted] = []
    if request.method == "POST" and form.is_valid():
        try:
            invited, refused = actions.invite_to_roster(
                by=found.official, agreement=found, text=form.cleaned_data["people"]
            )
        except Invalid as error:
            for text in error.fields["people"]:
                form.add_error("people", text)
        else:
            _say_invited(request, len(invited))
            if not refused:
                return redirect(found)
            form = PeopleForm(initial={"people": "\n".join(line.text for line in refused)})
    context = {**shown(found), "form": form, "refused": refused}
    return render(request, "institutional/invite.html", context, status=422 if form.errors or refused else 200)


def _say_invited(request: HttpRequest, count: int) -> None:
    if count:
        text = ngettext("%(n)d invitation is on its way.", "%(n)d invitations are on their way.", count)
        messages.success(request, text % {"n": count})


@login_required
@require_POST
def line(request: HttpRequest, pk: UUID, line: int) -> HttpResponse:
    """Do one thing to one line of the roster. A removal that ends somebody's access is asked about once."""
    found = _own(request, pk)
    row = RosterLine.objects.select_related("user", "grant").filter(agreement=found, pk=min(line, 2**62)).first()
    deeds: dict[str, tuple[Any, str]] = {
        LineVerb.ADMIT: (actions.admit, _("Admitted. The invitation is on its way.")),
        LineVerb.REFUSE: (actions.refuse_seat, _("Refused. We have told them.")),
        LineVerb.INVITE_AGAIN: (actions.invite_again, _("Sent again, with a new link.")),
        LineVerb.REMOVE: (
            actions.remove_from_roster,
            _("Removed. Whatever access they had has ended, and the seat is free."),
        ),
    }
    if row is None or request.POST.get("verb") not in deeds:
        raise NotFound(_("There is no such line on the roster."))
    if _ends_access(found, row, request.POST["verb"]) and not request.POST.get("sure"):
        return render(request, "institutional/seat_remove.html", shown(found) | {"line": row})
    deed, said = deeds[request.POST["verb"]]
    deed(by=found.official, line=row)
    messages.success(request, said)
    return redirect(found)


def _ends_access(agreement: InstitutionalAgreement, line: RosterLine, verb: str) -> bool:
    """Whether this takes away access that somebody has: an invitation is sent again by one press, a seat is not."""
    may = verb == LineVerb.REMOVE and Verb.REMOVE in verbs(agreement.state(), {Party.OFFICIAL})
    return may and line.status == Line.SEATED and line.grant is not None and line.grant.state() in GRANT_STANDING


@login_required
@require_GET
def export(request: HttpRequest, pk: UUID) -> StreamingHttpResponse:
    """The whole roster as CSV; the lab's audit trail says who took it."""
    found, now = _own(request, pk), timezone.now()
    rows = found.roster.select_related("user", "grant").order_by("status", "-since", "-pk")
    actions.record_roster_export(by=found.official, agreement=found, rows=rows.count())
    answer = StreamingHttpResponse(exports.roster_lines(rows), content_type="text/csv; charset=utf-8")
    answer["Content-Disposition"] = f'attachment; filename="roster-{found.reference}-{now:%Y-%m-%d}.csv"'
    answer["Cache-Control"] = "no-store"
    return answer


@login_required
@require_http_methods(["GET", "HEAD", "POST"])
@step_up
def attest(request: HttpRequest, pk: UUID) -> HttpResponse:
    """Everybody with a seat, and one button when all of it is right."""
    found = _own(request, pk)
    if Verb.ATTEST not in verbs(found.state(), {Party.OFFICIAL}) or not found.to_attest:
        return redirect(found)
    if request.method == "POST":
        seen = request.POST.get("version", "")
        expected = int(seen) if seen.isascii() and seen.isdigit() and len(seen) < 12 else 0
        actions.attest_roster(by=found.official, agreement=found, expected=expected)
        messages.success(request, _("Confirmed. Thank you; access goes on."))
        return redirect(found)
    seated = found.roster.filter(status=Line.SEATED).select_related("user", "grant").order_by("user__name", "pk")
    page = Paginator(seated, PAGE).get_page(request.GET.get("page"))
    return render(request, "institutional/attest.html", {**shown(found), **_proof(found), "page": page})


def _proof(agreement: InstitutionalAgreement) -> dict[str, bool]:
    """Whether the official's proof still counts: without it neither a signature nor a confirmation is taken."""
    return {"proved": roster.colleague(agreement.official, agreement) is not None}


@login_required
@require_http_methods(["GET", "HEAD", "POST"])
@step_up
def end(request: HttpRequest, pk: UUID) -> HttpResponse:
    """End it for the institution, after one question."""
    found = _own(request, pk)
    if Verb.END not in verbs(found.state(), {Party.OFFICIAL}):
        return redirect(found)
    if request.method == "POST":
        actions.end_institutional(by=found.official, agreement=found)
        messages.success(request, _("Ended. Every seat has ended with it."))
        return redirect(found)
    return render(request, "institutional/end.html", shown(found))
