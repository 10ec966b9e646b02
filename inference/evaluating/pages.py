"""Evaluation runs for people: a model's, for those who look after it; and one, which everybody sees once it is attached."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import suppress
from itertools import islice
from typing import Any, Final
from uuid import UUID

import orjson
from django.contrib import messages
from django.contrib.auth.decorators import login_required
from django.core.paginator import Paginator
from django.http import FileResponse, HttpRequest, HttpResponse, HttpResponseBase
from django.shortcuts import redirect, render
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy
from django.views.decorators.http import require_http_methods, require_safe

from inference import evaluation_lifecycle as run_states
from inference.batch_models import Batch
from inference.evaluating import actions
from inference.evaluating.forms import RunForm
from inference.evaluation_lifecycle import State, Verb
from inference.evaluation_models import FILES, EvaluationRun
from portal.errors import Conflict, Invalid, NotFound, TooLarge
from portal.people.models import User
from portal.people.views import signed_in
from releases import lifecycle
from releases.evaluation_metrics import unit_of
from releases.storage.drawer import drawer
from releases.views import about, model_of, reader

ROWS: Final = 50
RECEIPTS: Final = 20
"""Shown; the file has all."""
_PUBLIC: Final = ("answers", "receipts")
"""A task set is its makers': their licence may forbid to pass it on, and who publishes tests spoils them."""
_VERBS: Final = {Verb.ATTACH: actions.attach, Verb.DISCARD: actions.discard, Verb.CANCEL: actions.cancel}
_DONE: Final = {
    Verb.ATTACH: gettext_lazy("Attached. The scores stand on the model’s page of evaluations."),
    Verb.DISCARD: gettext_lazy("Discarded. Its files are deleted; what was answered is billed."),
    Verb.CANCEL: gettext_lazy("Cancelled. What was answered is billed; nothing is attached."),
}


@login_required
@require_http_methods(["GET", "HEAD", "POST"])
def of_model(request: HttpRequest, namespace: str, name: str) -> HttpResponse:
    """The runs of a model, and the form that begins one; to all but those who look after it, it is not there."""
    user, found = signed_in(request), model_of(request, namespace, name)
    if not user.roles_in(found.lab) & lifecycle.STAFF:
        raise NotFound(_("There is nothing at this address."))
    sent = request.method == "POST"
    form = RunForm(request.POST if sent else None, request.FILES if sent else None, model=found, user=user)
    if sent and form.is_valid() and (run := _begun(form, user)) is not None:
        return redirect(run)
    rows = EvaluationRun.objects.drawn().filter(revision__model=found)
    page = Paginator(rows, ROWS).get_page(request.GET.get("page"))
    context: dict[str, Any] = about(request, found, found.main) | {"tab": "evaluations", "form": form, "page": page}
    return render(request, "inference/evaluation_runs.html", context, status=422 if form.errors else 200)


def _begun(form: RunForm, user: User) -> EvaluationRun | None:
    said = form.cleaned_data
    try:
        return actions.begin(
            by=user, revision=form.revision_chosen(), content=form.content(), token=form.token_chosen(),
            directly=said["directly"], again=said["again"],
        )  # fmt: skip
    except Invalid as wrong:
        form.take(wrong.fields or {"tasks": [wrong.message]})
    except (Conflict, TooLarge) as wrong:
        form.add_error("tasks", wrong.message)
    return None


@require_http_methods(["GET", "HEAD", "POST"])
def run(request: HttpRequest, pk: UUID) -> HttpResponse:
    """One run: how far it is, what came out, its receipts. POST: what is done with it, by those who look after it."""
    shown = named(reader(request), pk)
    keeps = _keeps(reader(request), shown)
    if request.method == "POST":
        if not keeps:
            raise NotFound(_("There is nothing at this address."))
        verb = next((verb for verb in _VERBS if verb.value == request.POST.get("verb")), None)
        if verb is None:
            raise Invalid(_("Choose what to do with it."))
        _VERBS[verb](run=shown, by=signed_in(request))
        messages.success(request, str(_DONE[verb]))
        return redirect(shown)
    batch = Batch.objects.filter(pk=shown.batch).first() if keeps else None
    context = {
        "run": shown,
        "keeps": keeps,
        "batch": batch,
        "mine": bool(batch and batch.owner_id == request.user.pk),
        "results": [{**one, "unit": unit_of(one["metric"])} for one in shown.results],
        "receipts": list(islice(_receipts(shown), RECEIPTS)),
        "files": [file for file in _files(shown, keeps=keeps) if file != "tasks"],
        "verbs": {verb.value for verb in _VERBS if run_states.next_state(shown.state, verb)} if keeps else set(),
    }
    return render(request, "inference/evaluation_run.html", context)


@require_safe
def file(request: HttpRequest, pk: UUID, file: str) -> HttpResponseBase:
    """One of a run's files: what each item came to, the receipts; the task set for those who look after the model."""
    shown = named(reader(request), pk)
    if file not in _files(shown, keeps=_keeps(reader(request), shown)):
        raise NotFound(_("There is no such file of this run."))
    try:
        source = drawer().open(shown.drawer_name(file))
    except FileNotFoundError as gone:
        raise NotFound(_("The bytes of this file are gone.")) from gone
    response = FileResponse(
        source, as_attachment=True, filename=f"{file}-{shown.pk}.jsonl", content_type="application/jsonl"
    )  # fmt: skip
    response["X-Content-Type-Options"] = "nosniff"
    response["Content-Security-Policy"] = "sandbox"
    return response


def named(user: User | None, pk: UUID) -> EvaluationRun:
    """The run, as far as this person may know of it. Raises NotFound."""
    found = EvaluationRun.objects.drawn().filter(pk=pk).first()
    if found is None or not (_keeps(user, found) or _public(found)):
        raise NotFound(_("There is no such evaluation run."))
    return found


def kept_of(user: User, pk: UUID) -> EvaluationRun:
    """The run of a lab where this person has a role. Raises NotFound for every other."""
    found = EvaluationRun.objects.drawn().filter(pk=pk).first()
    if found is None or not user.roles_in(found.revision.model.lab):
        raise NotFound(_("There is no such evaluation run, or it belongs to another lab."))
    return found


def _public(run: EvaluationRun) -> bool:
    return run.state == State.ATTACHED and run.revision.is_public


def _keeps(user: User | None, run: EvaluationRun) -> bool:
    return bool(user and user.roles_in(run.revision.model.lab) & lifecycle.STAFF)


def _files(run: EvaluationRun, *, keeps: bool) -> tuple[str, ...]:
    if run.state in {State.SCORED, State.ATTACHED}:
        return FILES if keeps else _PUBLIC
    return ("tasks",) if keeps and run.state == State.RUNNING else ()


def _receipts(run: EvaluationRun) -> Iterator[dict[str, str]]:
    """The list of receipts, from its file; nothing where its bytes are gone."""
    if run.receipts_sha256 and run.state != State.DISCARDED:
        with suppress(FileNotFoundError), drawer().open(run.drawer_name("receipts")) as source:
            yield from map(orjson.loads, source)
