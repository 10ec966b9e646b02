"""Pages of the calculators, of all systems side by side, and of one's own machines."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from django.conf import settings
from django.contrib import messages
from django.contrib.auth.decorators import login_required
from django.core.paginator import Paginator
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect, JsonResponse
from django.shortcuts import render
from django.urls import reverse
from django.utils.http import url_has_allowed_host_and_scheme
from django.utils.translation import gettext as _
from django.views.decorators.http import require_POST, require_safe

from portal.errors import Conflict, Invalid, NotFound
from portal.http import problem_response, wants_json
from portal.people.models import User
from portal.people.views import signed_in
from releases import actions, views
from releases.costs import answers, inputs, measured, running, side_by_side, subjects, training
from releases.costs.expression import Quantity, given
from releases.costs.forms import MachineForm, RunningForm, TrainingForm
from releases.costs.hardware import accelerators
from releases.costs.subjects import Subject
from releases.costs.writing import Page, Step
from releases.hardware_models import HardwareProfile

Answer = Callable[..., dict[str, Any]]


@require_safe
def running_cost(request: HttpRequest, namespace: str, name: str) -> HttpResponse:
    """What a model costs to run, with every number's arithmetic; as JSON where a program asks."""
    found = views.model_of(request, namespace, name)
    revision = found.main
    context = views.about(request, found, revision) | {"tab": "cost"}
    return _answered(request, lambda: subjects.of_revision(found, revision), _run, answers.running_cost, context)


@require_safe
def running_cost_of_size(request: HttpRequest, lab: str, slug: str, size: str) -> HttpResponse:
    """The same of a size that is described here and hosted elsewhere."""
    family = subjects.entry(lab, slug)
    return _answered(request, lambda: subjects.of_size(family, size), _run, answers.running_cost, {"family": family})


@require_safe
def training_cost(request: HttpRequest, namespace: str, name: str) -> HttpResponse:
    """What a model's training took, on the reader's grid and prices."""
    found = views.model_of(request, namespace, name)
    context = views.about(request, found, found.main) | {"tab": "cost"}
    return _answered(request, lambda: subjects.of_revision(found, found.main), _train, answers.training_cost, context)


@require_safe
def training_cost_of_size(request: HttpRequest, lab: str, slug: str, size: str) -> HttpResponse:
    """The same of a size that is described here and hosted elsewhere."""
    family = subjects.entry(lab, slug)
    return _answered(request, lambda: subjects.of_size(family, size), _train, answers.training_cost, {"family": family})


@require_safe
def compare(request: HttpRequest) -> HttpResponse:
    """The largest of each family: size, access, cost to run and carbon, side by side."""
    page = Paginator(side_by_side.families(), side_by_side.ROWS).get_page(request.GET.get("page"))
    rows = side_by_side.rows(list(page.object_list))
    return render(request, "releases/costs/compare.html", {"page": page, "rows": rows})


@login_required
@require_safe
def hardware(request: HttpRequest) -> HttpResponse:
    """One's own machines."""
    kept, known = HardwareProfile.objects.filter(user=signed_in(request)), accelerators()
    rows = [(each, known.get(each.settings.get("accelerator", ""))) for each in kept]
    return render(request, "releases/costs/hardware.html", {"kept": rows})


@login_required
@require_POST
def save_hardware(request: HttpRequest) -> HttpResponse:
    """Keep the machine of a calculator's page, and go back to it."""
    back = request.POST.get("back", "")
    if not url_has_allowed_host_and_scheme(back, allowed_hosts=None):
        back = reverse("releases:hardware")
    told = {name: request.POST[name] for name in inputs.HARDWARE if request.POST.get(name)}
    try:
        saved = actions.save_hardware(
            by=signed_in(request), name=request.POST.get("name", ""), settings=_hardware(told)
        )
    except (Invalid, Conflict) as refused:
        messages.error(request, refused.message)
    else:
        messages.success(request, _("Kept as %(name)s.") % {"name": saved.name})
    return HttpResponseRedirect(back)


@login_required
@require_POST
def remove_hardware(request: HttpRequest, pk: int) -> HttpResponse:
    """Forget one of one's own machines."""
    actions.remove_hardware(by=signed_in(request), pk=pk)
    messages.success(request, _("Removed."))
    return HttpResponseRedirect(reverse("releases:hardware"))


def _hardware(told: Mapping[str, str]) -> dict[str, Any]:
    """The machine's parameters alone, in their types. Raises Invalid, field by field."""
    form = MachineForm(told)
    form.checked()
    return {name: form.cleaned_data[name] for name in told}


def _answered(
    request: HttpRequest,
    find: Callable[[], Subject],
    draw: Callable[..., HttpResponse],
    answer: Answer,
    context: dict[str, Any],
) -> HttpResponse:
    """A page or, where a program asks at its address, JSON; errors in the shape of whoever asks."""
    said = request.GET.dict()
    if said.pop("format", "") == "json" or wants_json(request):
        try:
            return JsonResponse(answer(find(), said, base=settings.BASE_URL))
        except (Invalid, Conflict, NotFound) as refused:
            return problem_response(refused)
    try:
        subject = find()
    except Conflict as lacking:
        return render(request, "releases/costs/none.html", context | {"lacking": lacking.message})
    return draw(request, subject, said, context)


def _run(request: HttpRequest, subject: Subject, said: dict[str, str], context: dict[str, Any]) -> HttpResponse:
    form = RunningForm(subject, said)
    context |= {"subject": subject, "form": form, "groups": _groups(form), "claims": _claims(subject)}
    if form.is_valid():
        found = running.estimate(subject.shape, subject.parameters, form.plan())
        trees = _trees(found)
        context |= {
            "told": found,
            "trees": trees,
            "ends": list(zip(trees[1][1], trees[2][1], strict=True)),
            "grids": trees[3][1],
            "query": form.query(),
            "measured": measured.of(subject.model) if subject.model else None,
            "kept": _kept(request, form),
            "machine": {name: form.cleaned_data[name] for name in inputs.HARDWARE},
        }
    return render(request, "releases/costs/running.html", context)


def _train(request: HttpRequest, subject: Subject, said: dict[str, str], context: dict[str, Any]) -> HttpResponse:
    form = TrainingForm(subject, said)
    valid, grid = form.is_valid(), form.grid()
    context |= {"subject": subject, "form": form, "grid": grid, "published": side_by_side.published(subject, grid)}
    if valid:
        run, page = form.run(), Page()
        found = training.cost(run)
        context |= {
            "steps": page.all(found.quantities()),
            "found": found,
            "stated": _stated(subject),
            "clocks": [(method, page.all(told)) for method, told in training.by_clock(subject.facts, run)],
            "query": form.query(),
        }
    return render(request, "releases/costs/training.html", context)


def _stated(subject: Subject) -> Quantity | None:
    """The operations of its training, where somebody published them."""
    if "flop" not in subject.facts:
        return None
    amount, source = subject.facts["flop"]
    return given("stated", _("Operations, as published"), amount, "FLOP", source)


def _trees(found: running.Estimate) -> list[tuple[str, list[Step]]]:
    """The arithmetic, in the order of the page: memory and bounds, both ends of the range, grids."""
    page, (slow, fast) = Page(), (found.speed.slow, found.speed.fast)
    parts = (
        (_("Memory, and what bounds the speed"), found.quantities()),
        (_("At the slow end"), slow.quantities()),
        (_("At the fast end"), fast.quantities()),
        (_("By grid, at the fast end"), found.grids),
    )
    return [(title, page.all(quantities)) for title, quantities in parts]


def _groups(form: RunningForm) -> list[tuple[str, list[Any], bool]]:
    """Headings, their fields, and whether they stay folded while nothing is wrong in them."""
    parts = (
        (_("Machine"), [form["accelerator"], *form.group(inputs.MACHINE)], False),
        (_("Use"), [form["weights"], form["cache"], *form.group(inputs.USE)], False),
        (_("Price, power and grid"), form.group(inputs.MONEY), True),
        (_("Another accelerator than those of the list"), form.group(inputs.OWN_CARD), True),
        (_("Assumptions"), form.group(inputs.ASSUMPTIONS), True),
    )
    return [(title, fields, folded and not any(field.errors for field in fields)) for title, fields, folded in parts]


def _claims(subject: Subject) -> list[dict[str, Any]]:
    """What was said of the size in public, each with the address that works it out."""
    if subject.family is None:
        return []
    facts = subject.family.facts
    found = [row for row in facts.get("claims", []) if row["size"] == subject.name]
    return [
        row | {"source": facts["sources"][row["source"]], "query": _worked(subject, row["settings"])} for row in found
    ]


def _worked(subject: Subject, settings: Mapping[str, Any]) -> str:
    form = RunningForm(subject, settings)
    form.checked()
    return form.query()


def _kept(request: HttpRequest, form: RunningForm) -> list[tuple[str, str]]:
    """The reader's own machines, each with the address that asks the same of it."""
    if not isinstance(request.user, User):
        return []
    blank = dict.fromkeys(inputs.HARDWARE)
    return [
        (kept.name, form.query(**blank | kept.settings)) for kept in HardwareProfile.objects.filter(user=request.user)
    ]
