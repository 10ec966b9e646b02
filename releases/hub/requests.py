"""The Hub's access requests: who asks to pass a model's gate, and the lab's answers, by the portal's own actions."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any, Final

from django.conf import settings
from django.http import HttpRequest, HttpResponse, JsonResponse

from portal.access import actions, requests
from portal.access.requests import Outcome, Stage
from portal.errors import Conflict, Invalid, NotAllowed, NotFound
from portal.people.models import User
from portal.tokens.scopes import Scope
from releases.hub import wire
from releases.hub.doors import Asker, door, link_next, model_named, number, text
from releases.hub.wire import Missing, NotSignedInToHub
from releases.models import Model

if TYPE_CHECKING:
    from portal.access.application_models import Application
    from portal.access.gate_models import Gate

PAGE: Final = 100
BATCH: Final = 100
REASON: Final = 200
"""Characters of a rejectionReason or resetReason, as the Hub has it."""


@door("GET", "HEAD", gate=False)
def access_requests(request: HttpRequest, who: Asker, namespace: str, name: str, stage: str) -> HttpResponse:
    """`list_pending_`, `list_accepted_` and `list_rejected_access_requests`: newest first, a page at a time."""
    user, gate = _staff(who, model_named(namespace, name, who))
    if stage not in list(Stage):
        raise Missing("EntryNotFound", "Ask for pending, accepted or rejected.")
    rows = requests.listed(gate, Stage(stage), asker=user).filter(number__lt=number(request, "cursor", 1 << 62))
    if said := text(request, "q"):
        rows = rows.filter(applicant__email__icontains=said)
    limit = min(number(request, "limit", PAGE), PAGE)
    page = list(rows.order_by("-number")[: limit + 1])
    response = JsonResponse([wire.access_request(row, stage) for row in page[:limit]], safe=False)
    if len(page) > limit:
        link_next(request, response, page[limit - 1].number)
    return response


@door("POST", gate=False)
def handle(request: HttpRequest, who: Asker, namespace: str, name: str) -> HttpResponse:
    """`accept_`, `reject_` and `cancel_access_request`. An approval is one vote: the answer says where it stands."""
    user, gate = _staff(who, model_named(namespace, name, who))
    said = _body(request)
    outcome = _act(user, who, _found(gate, said), said)
    response = JsonResponse({"status": outcome.stage, "message": outcome.message} if outcome.message else {})
    return wire.warn(response, "access request", outcome.message)


@door("POST", gate=False)
def batch(request: HttpRequest, who: Asker, namespace: str, name: str) -> HttpResponse:
    """The same for up to 100 people; one failure does not stop the others."""
    user, gate = _staff(who, model_named(namespace, name, who))
    said = _body(request)
    wanted = said.get("requests")
    if not isinstance(wanted, list) or not 0 < len(wanted) <= BATCH or not all(isinstance(one, dict) for one in wanted):
        raise Invalid(f'Send {{"status": …, "requests": [{{"user": …}}, …]}} with at most {BATCH} people.')
    reason = said.get("reason", "")
    shared = {"status": said.get("status"), "rejectionReason": reason, "resetReason": reason}
    return JsonResponse([_one(user, who, gate, {**one, **shared}) for one in wanted], safe=False)


@door("POST", gate=False)
def grant(request: HttpRequest, who: Asker, namespace: str, name: str) -> HttpResponse:
    """`grant_access`: a vote for a request that waits. Nobody gets access here without applying and signing."""
    user, gate = _staff(who, model_named(namespace, name, who))
    found = _found(gate, _body(request))
    if requests.stage_of(found) == Stage.ACCEPTED:
        raise Invalid("This person has access already, or has only to sign.", code="already_granted")
    outcome = requests.accept(by=user, scopes=who.scopes or (), application=found)
    response = JsonResponse({"status": outcome.stage, "message": outcome.message})
    return wire.warn(response, "access request", outcome.message)


@door("POST", gate=False)
def ask_access(request: HttpRequest, who: Asker, namespace: str, name: str) -> HttpResponse:
    """Apply: `{field name or label: answer}`, as a form or JSON. What is incomplete stays as a draft to be finished."""
    model = model_named(namespace, name, who)
    user, gate = _applicant(who, model)
    labels = {str(f["label"]): str(f["name"]) for part in gate.form_spec for f in part["fields"]}
    answers = {labels.get(label, label): answer for label, answer in _answers(request).items()}
    draft = actions.save_draft(by=user, gate=gate, answers=answers)
    try:
        actions.submit(by=user, application=draft)
    except Invalid as error:
        missing = ", ".join(sorted(error.fields))
        where = f"{settings.BASE_URL}{gate.get_absolute_url()}"
        raise Invalid(f"Not sent yet: look again at {missing}. Your answers are kept; finish at {where}") from error
    response = HttpResponse(status=303)
    response["Location"] = model.get_absolute_url()
    return response


@door("POST", gate=False)
def cancel(request: HttpRequest, who: Asker, namespace: str, name: str) -> HttpResponse:
    """An applicant takes back what they asked for, before it is signed."""
    user, gate = _applicant(who, model_named(namespace, name, who))
    actions.withdraw(by=user, application=requests.find(gate, user_id=str(user.pk)))
    return JsonResponse({"ok": True})


def _staff(who: Asker, model: Model) -> tuple[User, Gate]:
    """The asker as staff of the model's lab, and its gate."""
    user, gate = _person(who), _gate(model)
    requests.require_staff(user, gate, who.scopes or ())
    return user, gate


def _applicant(who: Asker, model: Model) -> tuple[User, Gate]:
    """The asker as somebody who wants to download, and the gate."""
    user, gate = _person(who), _gate(model)
    if Scope.DOWNLOAD not in (who.scopes or ()):
        raise NotAllowed("This token lacks the scope “download”.", code="insufficient_scope")
    return user, gate


def _person(who: Asker) -> User:
    if who.person is None:
        raise NotSignedInToHub
    return who.person


def _gate(model: Model) -> Gate:
    if model.gate is None:
        raise Invalid(f"{model.full_name} is open: there is no access to ask for.", code="not_gated")
    return model.gate


def _body(request: HttpRequest) -> dict[str, Any]:
    try:
        said = json.loads(request.body)
    except (ValueError, RecursionError) as fault:
        raise Invalid("The body is not JSON.") from fault
    if not isinstance(said, dict):
        raise Invalid("Send a JSON object.")
    return said


def _answers(request: HttpRequest) -> dict[str, Any]:
    if request.content_type == "application/json":
        said = _body(request)
        return {label: _plain(value) if isinstance(value, str) else value for label, value in said.items()}
    lists = {name: request.POST.getlist(name) for name in request.POST}
    return {name: values if len(values) > 1 else values[0] for name, values in lists.items()}


def _found(gate: Gate, said: dict[str, Any]) -> Application:
    named = {ours: _text(said, theirs) for ours, theirs in _NAMED}
    if not any(named.values()):
        raise Invalid("Name the person: user (an address), userId or requestId.")
    return requests.find(gate, **named)


_NAMED: Final = (("email", "user"), ("user_id", "userId"), ("request_id", "requestId"))


def _act(user: User, who: Asker, found: Application, said: dict[str, Any]) -> Outcome:
    by: dict[str, Any] = {"by": user, "scopes": who.scopes or (), "application": found}
    match said.get("status"):
        case "accepted":
            return requests.accept(**by)
        case "rejected":
            return requests.reject(**by, reason=_reason(said, "rejectionReason"))
        case "pending":
            return requests.cancel(**by)
        case "reset":
            return requests.reset(**by, reason=_reason(said, "resetReason"))
    raise Invalid("The status is accepted, rejected, pending or reset.")


def _reason(said: dict[str, Any], name: str) -> str:
    reason = _text(said, name)
    if len(reason) > REASON:
        raise Invalid(f"Use at most {REASON} characters for {name}.")
    return reason


def _text(said: dict[str, Any], name: str) -> str:
    """A text of the body as the database can take it."""
    value = said.get(name)
    return _plain(value) if isinstance(value, str) else ""


def _plain(text: str) -> str:
    return text.replace("\0", "").encode(errors="replace").decode()


def _one(user: User, who: Asker, gate: Gate, said: dict[str, Any]) -> dict[str, Any]:
    named = said.get("user") or said.get("userId") or said.get("requestId")
    try:
        _act(user, who, _found(gate, said), said)
    except (Conflict, Invalid, NotAllowed, NotFound) as error:
        return {"user": named, "ok": False, "error": error.message}
    return {"user": named, "ok": True}
