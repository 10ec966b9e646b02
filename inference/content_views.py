"""Kept content, for the managers of a lab: ask to open some of it, allow what another asks, and look."""

from __future__ import annotations

from typing import Any, Final
from uuid import UUID

from django import forms
from django.conf import settings
from django.contrib import messages
from django.contrib.auth.decorators import login_required
from django.core.paginator import Paginator
from django.db.models import Count, QuerySet
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.utils import timezone
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_http_methods, require_POST

from inference import content, disclosing, disclosure
from inference.content_models import Disclosure, KeptContent
from inference.disclosure import Verb
from inference.signal_models import Signal
from inference.signal_states import MANAGERS
from portal.errors import Conflict, Invalid, NotAllowed, NotFound, NotSetUp
from portal.people.models import Lab, Membership, User
from portal.people.second_factor import by_authenticator
from portal.people.views import signed_in

ROWS: Final = 50
VERBS: Final = {
    Verb.ALLOW: gettext_lazy("Allow it"),
    Verb.DECLINE: gettext_lazy("Decline"),
    Verb.WITHDRAW: gettext_lazy("Take it back"),
    Verb.CLOSE: gettext_lazy("Close it now"),
}


class AskForm(forms.Form):
    """Which requests, and why."""

    lab = forms.ModelChoiceField(Lab.objects.none(), label=gettext_lazy("Lab"), to_field_name="slug", empty_label=None)
    signal = forms.UUIDField(required=False, widget=forms.HiddenInput)
    request_ids = forms.CharField(
        label=gettext_lazy("Requests"), required=False, widget=forms.Textarea(attrs={"rows": 4, "class": "mono"}),
        help_text=gettext_lazy("Their ids, one a line: of one project, at most 100. Of a signal, leave it empty for its whole day."),
    )  # fmt: skip
    reason = forms.CharField(
        label=gettext_lazy("Reason"), widget=forms.Textarea(attrs={"rows": 4}),
        help_text=gettext_lazy("Why their content must be read. Another manager decides on it."),
        error_messages={"required": gettext_lazy("Say why their content must be read. Whoever allows it decides on this.")},
    )  # fmt: skip

    def take(self, problems: dict[str, list[str]]) -> None:
        """Show an action's refusal beside the fields."""
        for name, texts in problems.items():
            for text in texts:
                self.add_error(name, text)


@login_required
@never_cache
@require_http_methods(["GET", "HEAD", "POST"])
@by_authenticator
def disclosures(request: HttpRequest) -> HttpResponse:
    """What was asked and opened in the labs that one manages, newest first; a POST asks."""
    user = signed_in(request)
    labs = _managed(user)
    form = AskForm(request.POST if request.method == "POST" else None, initial={"signal": request.GET.get("signal")})
    form.fields["lab"].queryset = labs  # type: ignore[attr-defined]
    if form.is_valid() and (made := _asked(form, user)):
        messages.success(request, _("Asked. The other managers of the lab are written to."))
        return redirect(made)
    rows = (
        Disclosure.objects.filter(lab__in=labs)
        .select_related("asked_by", "decided_by")
        .annotate(n=Count("requests"))
        .order_by("-asked_at", "pk")
    )
    page = Paginator(rows, ROWS).get_page(request.GET.get("page"))
    context = {
        "page": page,
        "form": form,
        "on": bool(settings.CONTENT_KEY),
        "kept": KeptContent.objects.standing().filter(lab__in=labs).exists(),
        "days": settings.CONTENT_DAYS,
        "now": timezone.now(),
    }
    return render(request, "inference/disclosures.html", context, status=422 if form.errors else 200)


@login_required
@never_cache
@require_http_methods(["GET", "HEAD", "POST"])
@by_authenticator
def one(request: HttpRequest, pk: UUID) -> HttpResponse:
    """One disclosure; a POST answers it."""
    user = signed_in(request)
    found, problem = _found(user, pk), ""
    if request.method == "POST":
        try:
            disclosing.answer(by=user, found=found, verb=Verb(request.POST.get("verb", "")))
        except ValueError:
            problem = _("Choose what to do with it.")
        except (Conflict, NotAllowed, NotSetUp) as error:
            problem = error.message
        else:
            return redirect(found)
    return render(request, "inference/disclosure.html", _shown(user, found, problem), status=409 if problem else 200)


@login_required
@never_cache
@require_POST
@by_authenticator
def look(request: HttpRequest, pk: UUID, request_id: str) -> HttpResponse:
    """What one request asked and was answered. It takes a POST, so that nothing opens it but a person's own press."""
    user = signed_in(request)
    found = _found(user, pk)
    plain = disclosing.look(by=user, found=found, request_id=request_id)
    asked, answered = content.said(plain)
    context = {"disclosure": found, "request_id": request_id, "plain": plain, "asked": asked, "answered": answered}
    return render(request, "inference/content.html", context)


def _managed(user: User) -> QuerySet[Lab]:
    """The labs where one manages. Raises NotFound for whoever manages none."""
    labs = Lab.objects.filter(pk__in=Membership.objects.active().filter(user=user, role__in=MANAGERS).values("lab"))
    if not labs.exists():
        raise NotFound(_("There is nothing at this address."))
    return labs


def _found(user: User, pk: UUID) -> Disclosure:
    rows = Disclosure.objects.filter(lab__in=_managed(user)).select_related("lab", "asked_by", "decided_by", "signal")
    found = rows.filter(pk=pk).first()
    if found is None:
        raise NotFound(_("There is no such disclosure, or it belongs to another lab."))
    return found


def _asked(form: AskForm, user: User) -> Disclosure | None:
    """What was made; None where the form says what was wrong."""
    said = form.cleaned_data
    signal = Signal.objects.filter(pk=said["signal"], lab=said["lab"]).first() if said["signal"] else None
    ids = said["request_ids"].split()
    try:
        return disclosing.ask(by=user, lab=said["lab"], request_ids=ids, reason=said["reason"], signal=signal)
    except Invalid as error:
        form.take(error.fields)
    except NotAllowed as error:
        form.add_error(None, error.message)
    return None


def _shown(user: User, found: Disclosure, problem: str) -> dict[str, Any]:
    verbs = disclosure.may(found.state, disclosing.party(found, user))
    is_open = found.is_open()
    ids = list(found.requests.values_list("request_id", flat=True))
    standing = set(KeptContent.objects.standing().filter(pk__in=ids, lab=found.lab).values_list("pk", flat=True))
    return {
        "disclosure": found,
        "requests": [(request_id, request_id in standing) for request_id in ids],
        "may_look": is_open and Verb.LOOK in verbs,
        "is_open": is_open,
        "verbs": [(verb.value, VERBS[verb]) for verb in verbs if verb in VERBS],
        "hours": settings.CONTENT_OPEN_HOURS,
        "now": timezone.now(),
        "problem": problem,
    }
