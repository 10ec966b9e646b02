"""The staff's pages of gates: the list, a new one, its settings, its form with preview and versions, closed and open."""

from __future__ import annotations

from typing import Any, Final

from django.contrib import messages
from django.contrib.auth.decorators import login_required
from django.core.paginator import Paginator
from django.db.models import Count, Q, QuerySet
from django.forms import Field
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.utils.translation import gettext as _
from django.views.decorators.http import require_http_methods, require_safe

from portal.access import actions, form_spec, form_text, forms, sections, sorting
from portal.access.form_models import FormVersion
from portal.access.gate_forms import SETTINGS, GateForm, NewGateForm, settings_of
from portal.access.gate_models import Gate
from portal.access.views.staff import managed_labs, memberships, staff
from portal.access.workflow import QUEUED
from portal.agreements.redline import redline, stretches
from portal.errors import Conflict, Invalid, NotAllowed, NotFound
from portal.people.models import MANAGERS, User
from portal.people.second_factor import step_up

PAGE: Final = 50


def readable(user: User) -> QuerySet[Gate]:
    """The gates of the labs where this person is staff."""
    return Gate.objects.filter(lab__in=memberships(user).values("lab")).select_related("lab", "agreement__lab")


def _found(request: HttpRequest, lab: str, gate: str) -> tuple[User, Gate, bool]:
    """(who asks, the gate, whether they may write it). Anything of another lab is not there."""
    user = staff(request)
    found = readable(user).filter(lab__slug=lab, slug=gate).first()
    if found is None:
        raise NotFound(_("There is no such gate, or it belongs to another lab."))
    may = not user.roles_in(found.lab).isdisjoint(MANAGERS)
    if request.method == "POST" and not may:
        wrong = _("Only a release manager or administrator of %(lab)s writes its gates.") % {"lab": found.lab.name}
        raise NotAllowed(wrong)
    return user, found, may


@login_required
@require_safe
def listing(request: HttpRequest) -> HttpResponse:
    """The gates of one's labs."""
    user = staff(request)
    waiting = Count("applications", filter=Q(applications__status__in=QUEUED))
    rows = readable(user).annotate(waiting=waiting).order_by("lab__name", "title", "pk")
    page = Paginator(rows, PAGE).get_page(request.GET.get("page"))
    return render(request, "access/gates.html", {"page": page, "managed": managed_labs(user)})


@login_required
@require_http_methods(["GET", "HEAD", "POST"])
@step_up
def new(request: HttpRequest, lab: str) -> HttpResponse:
    """Make a gate, from what the portal brings along or like another of the lab."""
    user = staff(request)
    found = managed_labs(user).filter(slug=lab).first()
    if found is None:
        raise NotFound(_("There is no such lab, or its gates are not yours to make."))
    form = NewGateForm(request.POST if request.method == "POST" else None, lab=found)
    if form.is_valid():
        try:
            made = actions.create_gate(by=user, lab=found, **form.cleaned_data)
        except Invalid as error:
            form.take(error.fields)
        else:
            messages.success(request, _("The gate is made. It takes applications; set its rules, or close it first."))
            return redirect("access:gate", found.slug, made.slug)
    context = {"lab": found, "form": form, "agreements": found.agreements.exists()}
    return render(request, "access/gate_new.html", context, status=422 if form.errors else 200)


@login_required
@require_http_methods(["GET", "HEAD", "POST"])
@step_up
def gate(request: HttpRequest, lab: str, gate: str) -> HttpResponse:
    """Its settings. Who saves over newer ones sees what differs, and decides."""
    user, found, may = _found(request, lab, gate)
    posted = request.method == "POST"
    form = GateForm(request.POST if posted else None, initial=settings_of(found))
    stale = False
    if posted and form.is_valid():
        try:
            actions.change_gate(by=user, gate=found, expected=_edits(request), **form.cleaned_data)
        except Invalid as error:
            form.take(error.fields)
        except Conflict:
            stale = True
        else:
            messages.success(request, _("Saved. It holds from now on."))
            return redirect("access:gate", lab, gate)
    context = {
        **_head(found, may=may),
        "form": form,
        "edits": found.edits if stale or not posted else _edits(request),
        "stale": stale,
        "differs": _differs(form, found) if stale else [],
        "rule_set": sorting.in_force(found)[0],
        "sections": sections.of_gate.drawn(found, user, request),
    }
    return render(request, "access/gate.html", context, status=409 if stale else 422 if form.errors else 200)


def _head(found: Gate, *, may: bool) -> dict[str, Any]:
    shown = [(field.label, _words(field, getattr(found, name))) for name, field in GateForm.base_fields.items()]
    return {"gate": found, "may_manage": may, "shown": shown}


def _edits(request: HttpRequest) -> int:
    text = request.POST.get("edits", "")
    return int(text) if text.isascii() and text.isdigit() and len(text) < 10 else -1


def _differs(form: GateForm, found: Gate) -> list[tuple[Any, Any, Any]]:
    """(label, as it is now, as one has written it) of each setting that differs."""
    mine = form.cleaned_data
    return [
        (
            form.fields[name].label,
            _words(form.fields[name], getattr(found, name)),
            _words(form.fields[name], mine[name]),
        )
        for name in SETTINGS
        if getattr(found, name) != mine[name]
    ]


def _words(field: Field, value: object) -> str:
    """A setting as it is read: of a choice, its label."""
    if isinstance(value, bool):
        return _("yes") if value else _("no")
    labels: dict[str, object] = dict(getattr(field, "choices", ()))
    values = value if isinstance(value, list) else [value]
    return ", ".join(str(labels.get(str(each), each)) for each in values)


@login_required
@require_http_methods(["GET", "HEAD", "POST"])
@step_up
def shut(request: HttpRequest, lab: str, gate: str) -> HttpResponse:
    """Close it to new applications, with a reason that everybody reads; or open it again. A reload leads to the gate."""
    user, found, may = _found(request, lab, gate)
    if request.method != "POST":
        return redirect("access:gate", lab, gate)
    try:
        if "open" in request.POST:
            actions.open_gate(by=user, gate=found)
            messages.success(request, _("It takes applications again."))
        else:
            actions.close_gate(by=user, gate=found, reason=request.POST.get("closed_reason", ""))
            messages.success(request, _("It takes no new applications. What was sent goes on."))
    except Invalid as error:
        context = {
            **_head(found, may=may),
            "form": GateForm(initial=settings_of(found)),
            "edits": found.edits,
            "rule_set": sorting.in_force(found)[0],
            "sections": sections.of_gate.drawn(found, user, request),
            **forms.marked(error.fields, {"closed_reason": _("Reason")}),
            "typed": request.POST,
        }
        return render(request, "access/gate.html", context, status=422)
    return redirect("access:gate", lab, gate)


@login_required
@require_http_methods(["GET", "HEAD", "POST"])
@step_up
def form(request: HttpRequest, lab: str, gate: str) -> HttpResponse:
    """Its form as text: written, looked at as applicants see it, and saved as the next version."""
    user, found, may = _found(request, lab, gate)
    text = request.POST.get("text", "").replace("\x00", "").replace("\r\n", "\n").replace("\r", "\n")
    text = text if request.method == "POST" else form_text.write(found.form_spec)
    spec, wrong = form_text.read(text)
    stale = False
    if "save" in request.POST and not wrong:
        try:
            changed = actions.change_gate(by=user, gate=found, expected=_edits(request), form_spec=spec)
        except Conflict:
            stale = True
        else:
            messages.success(request, _("Form version %(n)s is in force.") % {"n": changed.form_version})
            return redirect("access:gate_forms", lab, gate)
    if "preview" in request.POST and not wrong:
        context = {**_head(found, may=may), "text": text, "edits": _edits(request), "parts": _drawn(spec, found)}
        return render(request, "access/gate_preview.html", context)
    context = {
        **_head(found, may=may),
        "text": text,
        "edits": found.edits if stale or request.method != "POST" else _edits(request),
        "wrong_lines": _beside(wrong, text.split("\n")),
        "parts": [] if request.method == "POST" else _drawn(spec, found),
        "stale": stale,
        "changes": stretches(redline(form_text.write(found.form_spec), text)) if stale else [],
        "types": sorted(form_spec.TYPES),
        "prefills": sorted(form_spec.PREFILLS),
    }
    return render(request, "access/gate_form.html", context, status=409 if stale else 422 if wrong else 200)


def _beside(wrong: list[form_text.Wrong], lines: list[str]) -> list[tuple[form_text.Wrong, str]]:
    """Each fault with the line that it is about. YAML knows rarer line ends than a page shows."""
    return [(each, lines[each.line - 1] if 0 < each.line <= len(lines) else "") for each in wrong]


def _drawn(spec: form_spec.Spec, found: Gate) -> list[tuple[dict[str, Any], str, Any]]:
    """(section, its box that answers no to all, its groups of questions) as on the applicant's pages, unanswered."""
    drawn = ((part, forms.questions(part, {}, {}, found.capabilities)) for part in spec)
    return [(form_spec.spoken_section(part), form_spec.none_of(part), forms.grouped(asked)) for part, asked in drawn]


@login_required
@require_safe
def form_versions(request: HttpRequest, lab: str, gate: str) -> HttpResponse:
    """The versions of its form, and what changed between two of them."""
    _user, found, may = _found(request, lab, gate)
    page = Paginator(found.form_versions.select_related("made_by"), PAGE).get_page(request.GET.get("page"))
    new = _version(found, request.GET.get("to", "")) or found.form_versions.first()
    old = _version(found, request.GET.get("from", "")) or _before(new)
    context = {
        **_head(found, may=may),
        "page": page,
        "old": old,
        "new": new,
        "changes": stretches(redline(form_text.write(old.form_spec), form_text.write(new.form_spec)))
        if old and new
        else [],
    }
    return render(request, "access/gate_forms.html", context)


def _version(found: Gate, asked: str) -> FormVersion | None:
    known = asked.isascii() and asked.isdigit() and len(asked) < 10
    return found.form_versions.filter(version=int(asked)).first() if known else None


def _before(version: FormVersion | None) -> FormVersion | None:
    if version is None:
        return None
    return FormVersion.objects.filter(gate=version.gate_id, version__lt=version.version).first()
