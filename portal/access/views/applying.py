"""The form's pages: its sections one by one, then the check before sending."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Final

from django.contrib import messages
from django.contrib.auth.decorators import login_required
from django.http import HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.urls import reverse
from django.utils import timezone
from django.utils.translation import gettext as _
from django.views.decorators.http import require_http_methods

from portal.access import actions, form_spec, forms, waiting
from portal.access.application_models import Application
from portal.access.gate_models import Gate
from portal.access.models import Grant
from portal.access.workflow import EDITABLE, Status
from portal.errors import Invalid, NotFound
from portal.people.views import signed_in

CHECK: Final = "check"
"""The last step: read everything once more and send."""


@dataclass(frozen=True, slots=True)
class StepState:
    """One line of the steps beside the form."""

    name: str
    title: str
    url: str
    state: str
    count: int = 0


@login_required
@require_http_methods(["GET", "HEAD", "POST"])
def apply(request: HttpRequest, gate: str, section: str = "") -> HttpResponse:
    """One section of the form, or the check before sending. The draft begins at the first save."""
    found = get_object_or_404(Gate.objects.select_related("lab", "agreement"), slug=gate, lab__is_active=True)
    draft = Application.objects.open().filter(gate=found, applicant=signed_in(request)).first()
    if draft and Status(draft.status) not in EDITABLE:
        return redirect(draft)
    held = Grant.objects.standing().filter(gate=found, user=signed_in(request)).first()
    if held:
        return render(request, "access/held.html", {"gate": found, "grant": held})
    if found.closed_at and draft is None:
        return render(request, "access/closed.html", {"gate": found})
    spec = found.form_spec
    names = [part["name"] for part in spec] + [CHECK]
    if section and section not in names:
        raise NotFound(_("The form has no such section."))
    known = forms.prefill(spec, signed_in(request))
    name = section or _first_open(found, draft.answers if draft else known, known, started=draft is not None)
    if name == CHECK:
        return _check(request, found, draft)
    return _section(request, found, draft, known, name)


def _section(
    request: HttpRequest, gate: Gate, draft: Application | None, known: dict[str, Any], name: str
) -> HttpResponse:
    answers = draft.answers if draft else known
    part = form_spec.section(gate.form_spec, name) or gate.form_spec[0]
    problems: dict[str, list[str]] = {}
    find = request.POST.get("find", "")
    if request.method == "POST":
        user = signed_in(request)
        draft = actions.save_draft(by=user, gate=gate, answers=_posted(request, part))
        if request.headers.get("HX-Request"):
            frame = _frame(gate, draft, draft.answers, name)
            return render(request, "access/_saved.html", {**frame, "now": timezone.now()})
        draft, refused = _attached(request, part, draft)
        answers = draft.answers
        problems = {} if find else {**forms.section_problems(part, answers, gate.capabilities), **refused}
        if not problems and not find:
            return redirect("access:apply_section", gate.slug, _after(gate, name))
    elif "fix" in request.GET:
        problems = forms.section_problems(part, answers, gate.capabilities)
    kept = forms.still_known(part, answers, known, problems) - {find}
    questions = forms.questions(part, answers, problems, gate.capabilities, find=find)
    context = {
        **_frame(gate, draft, answers, name),
        "part": form_spec.spoken_section(part),
        "groups": forms.grouped([each for each in questions if each.name not in kept]),
        "known": forms.grouped([each for each in questions if each.name in kept]),
        "known_answers": _read(part, answers, kept),
        "elsewhere": [
            (form_spec.spoken_section(each), _read(each, known, set(known))) for each in gate.form_spec if each != part
        ]
        if not draft
        else [],
        "located": forms.located(
            problems, {entry["name"]: form_spec.spoken(entry["label"]) for entry in part["fields"]}
        ),
        "back": _before(gate, draft, answers, name),
        "none_of": form_spec.none_of(part),
        "uploads": any(entry["type"] == "file" for entry in part["fields"]),
        "left": form_spec.inputs_left(gate.form_spec, answers),
        "next_is_check": _after(gate, name) == CHECK,
        "number": [each["name"] for each in gate.form_spec].index(part["name"]) + 1,
    }
    return render(request, "access/apply.html", context, status=422 if problems and request.method == "POST" else 200)


def _read(part: dict[str, Any], answers: dict[str, Any], names: set[str]) -> list[forms.Answer]:
    """Answers of these names in one section, to be read."""
    [(_title, read)] = forms.read_back([part], answers)
    return [answer for answer in read if answer.name in names]


def _check(request: HttpRequest, gate: Gate, draft: Application | None) -> HttpResponse:
    if draft is None:
        return redirect("access:apply", gate.slug)
    problems: dict[str, list[str]] = {}
    if request.method == "POST":
        try:
            sent = actions.submit(by=signed_in(request), application=draft)
        except Invalid as error:
            problems = error.fields
        else:
            approved = _(
                "It is approved: the lab’s rules do so where everything is plain. Read the agreement and sign it."
            )
            waits = _("Your application is sent. A receipt is on its way to your address.")
            messages.success(request, approved if sent.decided_rules else waits)
            return (
                redirect("access:referees", sent.pk) if sent.confirmations and not sent.rounds > 1 else redirect(sent)
            )
    sections = forms.read_back(gate.form_spec, draft.answers)
    context = {
        **_frame(gate, draft, draft.answers, CHECK),
        "sections": [(part["name"], title, read) for part, (title, read) in zip(gate.form_spec, sections, strict=True)],
        "located": _located(gate, problems),
        "asked": draft.message if draft.status == Status.CHANGES_REQUESTED else "",
    }
    return render(request, "access/check.html", context, status=422 if problems else 200)


def _located(gate: Gate, problems: dict[str, list[str]]) -> list[tuple[str, str, str]]:
    """(address of the field, its label, what is wrong) in the order of the form."""
    return [
        (
            f"{reverse('access:apply_section', args=[gate.slug, part['name']])}?fix=1#id_{entry['name']}",
            form_spec.spoken(entry["label"]),
            text,
        )
        for part in gate.form_spec
        for entry in part["fields"]
        for text in problems.get(entry["name"], [])
    ]


def _posted(request: HttpRequest, part: dict[str, Any]) -> dict[str, Any]:
    """What this section of the form sent; an unticked box counts as an answer, and so does "none of these"."""
    answers: dict[str, Any] = {}
    for entry in part["fields"]:
        name = entry["name"]
        if entry["type"] == "capabilities":
            answers[name] = request.POST.getlist(name)
        elif entry["type"] == "checkbox":
            answers[name] = name in request.POST
        elif entry["type"] == "institution" and name in request.POST:
            chosen = request.POST.get(f"{name}.pick") or request.POST.get(f"{name}.ror", "")
            answers[name] = {"name": request.POST[name], "ror": chosen, "site": request.POST.get(f"{name}.site", "")}
        elif entry["type"] == "declaration" and form_spec.none_of(part) in request.POST:
            answers[name] = request.POST.get(name, "no")
        elif entry["type"] != "file" and name in request.POST:
            answers[name] = request.POST[name]
    return answers


def _attached(
    request: HttpRequest, part: dict[str, Any], draft: Application
) -> tuple[Application, dict[str, list[str]]]:
    """Keep the files that came with this section, and take back those that were ticked off: (draft, problems by field)."""
    user, problems = signed_in(request), dict[str, list[str]]()
    for entry in part["fields"]:
        name = entry["name"]
        if entry["type"] != "file":
            continue
        if f"{name}.remove" in request.POST:
            draft = actions.detach(by=user, application=draft, field=name)
        upload = request.FILES.get(name)
        if upload is None:
            continue
        try:
            draft = actions.attach(
                by=user,
                application=draft,
                field=name,
                name=upload.name or "",
                size=upload.size or 0,
                content=upload.read(),
            )
        except Invalid as error:
            problems |= error.fields
    return draft, problems


def _frame(gate: Gate, draft: Application | None, answers: dict[str, Any], here: str) -> dict[str, Any]:
    return {
        "gate": gate,
        "application": draft,
        "steps": _steps(gate, draft, answers),
        "here": here,
        "agreement": gate.agreement.current(),
        "times": waiting.times(gate),
        "check": CHECK,
    }


def _steps(gate: Gate, draft: Application | None, answers: dict[str, Any]) -> list[StepState]:
    steps = []
    for part in gate.form_spec:
        problems = forms.section_problems(part, answers, gate.capabilities)
        told = any(answers.get(entry["name"]) for entry in part["fields"])
        begun = told and (draft is not None or not problems)
        wrong = [name for name in problems if answers.get(name)]
        state = "wrong" if wrong else "complete" if not problems and begun else "started" if begun else "open"
        url = reverse("access:apply_section", args=[gate.slug, part["name"]])
        steps.append(StepState(part["name"], form_spec.spoken(part["title"]), url, state, len(wrong)))
    return steps


def _first_open(gate: Gate, answers: dict[str, Any], known: dict[str, Any], *, started: bool) -> str:
    if not started:
        asks = (part["name"] for part in gate.form_spec if {entry["name"] for entry in part["fields"]} - known.keys())
        return str(next(asks, gate.form_spec[0]["name"]))
    open_parts = (part["name"] for part in gate.form_spec if forms.section_problems(part, answers, gate.capabilities))
    return next(open_parts, CHECK)


def _after(gate: Gate, name: str) -> str:
    names = [part["name"] for part in gate.form_spec] + [CHECK]
    return str(names[names.index(name) + 1])


def _before(gate: Gate, draft: Application | None, answers: dict[str, Any], name: str) -> StepState | None:
    steps = _steps(gate, draft, answers)
    place = [step.name for step in steps].index(name)
    return steps[place - 1] if place else None
