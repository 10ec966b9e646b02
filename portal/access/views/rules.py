"""Triage rules: to read, to try on past applications, and to change."""

from __future__ import annotations

from typing import Any, Final

from django.contrib import messages
from django.contrib.auth.decorators import login_required
from django.core.paginator import Paginator
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.utils.translation import gettext as _
from django.views.decorators.http import require_http_methods, require_safe

from portal.access import actions, forms, sorting, triage
from portal.access.actions.rules import checked
from portal.access.gate_models import Gate
from portal.access.rule_models import RuleSet
from portal.access.views.staff import managed_labs, memberships, staff
from portal.errors import Invalid, NotFound
from portal.people.models import MANAGERS, Lab, User

PAGE: Final = 20
"""Gates on a page: each has a table of its own."""
VERSIONS: Final = 50


@login_required
@require_safe
def rules(request: HttpRequest) -> HttpResponse:
    """The rules in force at each gate of one's labs, in words, and the versions there were."""
    user = staff(request)
    gates = Gate.objects.filter(lab__in=_labs(user)).select_related("lab").order_by("lab__name", "title", "pk")
    page = Paginator(gates, PAGE).get_page(request.GET.get("page"))
    shown = list(page)
    found = sorting.in_force_at(shown)
    context = {
        "page": page,
        "gates": [(gate, *found[gate.pk]) for gate in shown],
        "sets": RuleSet.objects.filter(lab__in=_labs(user)).select_related("lab", "gate", "made_by")[:VERSIONS],
        "managed": managed_labs(user),
    }
    return render(request, "access/rules.html", context)


def _labs(user: User) -> list[Any]:
    return list(memberships(user).values_list("lab", flat=True).distinct())


@login_required
@require_http_methods(["GET", "HEAD", "POST"])
def edit(request: HttpRequest, lab: str, gate: str = "") -> HttpResponse:
    """Write rules, see which past applications would move, and only then put them in force."""
    user = staff(request)
    found = Lab.objects.filter(pk__in=_labs(user), slug=lab).first()
    chosen = Gate.objects.filter(lab=found, slug=gate).select_related("lab").first() if found and gate else None
    if found is None or (gate and chosen is None):
        raise NotFound(_("There is no such lab or gate."))
    text = request.POST.get("text", "").replace("\x00", "")
    problems: dict[str, list[str]] = {}
    run: sorting.DryRun | None = None
    if request.method == "POST":
        try:
            if "save" in request.POST:
                reason = request.POST.get("reason", "")
                made = actions.make_rules(by=user, lab=found, gate=chosen, text=text, reason=reason)
                messages.success(request, _("Rule set %(n)s is in force.") % {"n": made.version})
                return redirect("access:rules")
            run = sorting.dry_run(checked(found, chosen, text), sorting.sorted_by(found, chosen))
        except Invalid as error:
            problems = error.fields
    context = {
        "lab": found,
        "gate": chosen,
        "text": text if request.method == "POST" else triage.write(_present(found, chosen)),
        "run": run,
        "form": sorting.form_of(found, chosen),
        "tests": [(fact, test, each.takes_values) for (fact, test), each in triage.TESTS.items()],
        "may_save": not user.roles_in(found).isdisjoint(MANAGERS),
        **forms.marked(problems, {"text": _("Rules")}),
        "typed": request.POST,
    }
    return render(request, "access/rules_edit.html", context, status=422 if problems else 200)


def _present(lab: Lab, gate: Gate | None) -> list[triage.Rule]:
    if gate:
        return sorting.in_force(gate)[1]
    found = RuleSet.objects.filter(lab=lab, gate=None).first()
    return found.rules() if found else sorting.of_version(lab, 1)
