"""Every error of the REST API as RFC 9457 problem details."""

from __future__ import annotations

from typing import Any

from django.core.exceptions import PermissionDenied
from django.http import Http404, HttpRequest, HttpResponse
from django.utils.translation import gettext as _
from django.views.decorators.csrf import csrf_exempt
from rest_framework import exceptions, serializers

from portal import errors
from portal.http import problem_response


class Reason(serializers.Serializer[Any]):
    """One condition that was not met."""

    code = serializers.CharField(help_text="For programs: it never changes.")
    message = serializers.CharField(help_text="For people.")
    url = serializers.CharField(allow_blank=True, help_text="Where the condition can be met; empty where nowhere.")


class Problem(serializers.Serializer[Any]):
    """What went wrong (RFC 9457), with a code for programs and one line for people that says what to do next."""

    type = serializers.CharField(help_text="`about:blank`: the status says the kind.")
    status = serializers.IntegerField()
    title = serializers.CharField(help_text="What happened and what to do next.")
    code = serializers.CharField(help_text="For programs: it never changes.")
    reasons = Reason(many=True, required=False, help_text="Every condition that was not met.")
    why = serializers.CharField(required=False, help_text="The page that shows all conditions.")
    fields = serializers.DictField(  # type: ignore[assignment]
        child=serializers.ListField(child=serializers.CharField()),
        required=False,
        help_text="What is wrong, by the name of the field, parameter or header.",
    )


def handler(error: Exception, context: dict[str, Any]) -> HttpResponse | None:
    """What the framework calls; what is none of ours nor of the framework's goes on."""
    if isinstance(error, errors.WeighbridgeError):
        return problem_response(error)
    if isinstance(error, Http404):
        return problem_response(errors.NotFound(_("There is nothing at this address.")))
    if isinstance(error, PermissionDenied | exceptions.PermissionDenied):
        return problem_response(errors.NotAllowed(_("This is not allowed with these credentials.")))
    if isinstance(error, exceptions.NotAuthenticated | exceptions.AuthenticationFailed):
        return problem_response(errors.NotSignedIn(_("Show a token as “Authorization: Bearer wb_…”, or sign in.")))
    if isinstance(error, exceptions.ValidationError):
        return problem_response(errors.Invalid(_("Some of this needs another look."), fields=_texts(error.detail)))
    if isinstance(error, exceptions.APIException):
        return problem_response(errors.Invalid(str(error.detail), code=str(error.default_code)), error.status_code)
    return None


def _texts(detail: object, name: str = "") -> dict[str, list[str]]:
    """Messages by field; what lies within a field is named `field.part`."""
    if isinstance(detail, dict):
        parts = [(f"{name}.{key}" if name else str(key), value) for key, value in detail.items()]
    elif isinstance(detail, list) and not all(isinstance(each, str) for each in detail):
        parts = [(name, each) for each in detail]
    else:
        return {name: [str(each) for each in (detail if isinstance(detail, list) else [detail])]}
    found: dict[str, list[str]] = {}
    for key, value in parts:
        for within, texts in _texts(value, key).items():
            found.setdefault(within, []).extend(texts)
    return found


@csrf_exempt
def absent(request: HttpRequest, rest: str = "") -> HttpResponse:
    """Whatever lies below the API and is no address of it."""
    message = "There is nothing at this address. The description of the API is at /api/v1/openapi.json."
    return problem_response(errors.NotFound(message))
