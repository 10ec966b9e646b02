"""What stands out in the use of a lab's models, for its managers."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, Final
from uuid import UUID

from django import forms
from django.contrib.auth.decorators import login_required
from django.core.paginator import Paginator
from django.db.models import Case, IntegerField, QuerySet, Value, When
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.utils.formats import number_format
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_http_methods, require_safe

from inference import signal_states, signalling
from inference.content_models import KeptContent
from inference.misuse import RULES
from inference.signal_models import Signal
from inference.signal_states import MANAGERS, State, Verb
from portal.errors import Conflict, Invalid, NotFound
from portal.people.models import Membership, User
from portal.people.views import signed_in
from portal.projects.models import Kind, Project

ROWS: Final = 50
VERBS: Final = {
    Verb.LOOK: gettext_lazy("I am looking at it"),
    Verb.DISMISS: gettext_lazy("Dismiss"),
    Verb.REOPEN: gettext_lazy("Open it again"),
}


class NoteForm(forms.Form):
    """The note beside an answer."""

    note = forms.CharField(
        label=gettext_lazy("Note"), required=False, widget=forms.Textarea(attrs={"rows": 3}),
        help_text=gettext_lazy("What you found. Needed to dismiss it; the managers of your lab read it."),
    )  # fmt: skip


@login_required
@never_cache
@require_safe
def signals(request: HttpRequest) -> HttpResponse:
    """The signals of the labs that one manages, the open ones first, and the rules that find them."""
    order = Case(When(state=State.DISMISSED, then=Value(1)), default=Value(0), output_field=IntegerField())
    rows = managed(signed_in(request)).order_by(order, "-day", "rule", "pk")
    page = Paginator(rows, ROWS).get_page(request.GET.get("page"))
    context = {
        "page": page,
        "listed": list(zip(page.object_list, _titles(page.object_list), strict=True)),
        "rules": [
            (
                rule.title,
                str(rule.looks_for) % {k: number_format(v, force_grouping=True) for k, v in rule.bounds.items()},
            )
            for rule in RULES.values()
        ],
    }
    return render(request, "inference/signals.html", context)


@login_required
@never_cache
@require_http_methods(["GET", "HEAD", "POST"])
def signal(request: HttpRequest, pk: UUID) -> HttpResponse:
    """One signal; a POST answers it."""
    user = signed_in(request)
    found = managed(user).filter(pk=pk).select_related("decided_by").first()
    if found is None:
        raise NotFound(_("There is no such signal, or it belongs to another lab."))
    form = NoteForm(request.POST if request.method == "POST" else None)
    if request.method == "POST" and form.is_valid() and _answered(form, user, found, request.POST.get("verb", "")):
        return redirect(found)
    context: dict[str, Any] = {
        "signal": found,
        "project": _titles([found])[0],
        "grants": _grants(found),
        "kept": KeptContent.objects.standing().filter(lab=found.lab, project_id=found.project_id).exists(),
        "form": form,
        "verbs": [(verb.value, VERBS[verb]) for verb in signal_states.verbs(found.state)],
    }
    return render(request, "inference/signal.html", context, status=422 if form.errors else 200)


def _answered(form: NoteForm, user: User, found: Signal, verb: str) -> bool:
    """Whether the answer was taken; what was wrong stands in the form."""
    try:
        signalling.answer(by=user, signal=found, verb=Verb(verb), note=form.cleaned_data["note"])
    except ValueError:
        form.add_error(None, _("Choose what to do with it."))
    except Conflict as error:
        form.add_error(None, error.message)
    except Invalid as error:
        form.add_error("note", error.fields["note"])
    return not form.errors


def managed(user: User) -> QuerySet[Signal]:
    """Signals of the labs where one manages. Raises NotFound for whoever manages none: for them there are no such pages."""
    labs = Membership.objects.active().filter(user=user, role__in=MANAGERS).values_list("lab", flat=True)
    if not labs:
        raise NotFound(_("There is nothing at this address."))
    return Signal.objects.filter(lab__in=labs).select_related("lab")


def _titles(signals: Iterable[Signal]) -> list[str]:
    """Whose queries each is about: the title of a project of the same lab; of any other only that it is one."""
    listed = list(signals)
    projects = {str(one.pk): one for one in Project.objects.filter(pk__in={signal.project_id for signal in listed})}
    return [_title(signal, projects.get(signal.project_id)) for signal in listed]


def _title(signal: Signal, project: Project | None) -> str:
    if project is not None and project.lab_id == signal.lab_id:
        return project.title
    if project is not None and project.kind == Kind.PERSONAL:
        return _("somebody’s personal project")
    return _("a project of another lab")


def _grants(signal: Signal) -> list[Any]:
    """The grants behind a project of the lab, where access is paused or ended if somebody decides so."""
    project = Project.objects.filter(pk=signal.project_id, lab=signal.lab).first()
    return list(project.grants.select_related("user")[:ROWS]) if project else []
