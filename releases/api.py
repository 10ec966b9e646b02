"""The releases' part of our own REST API."""

from __future__ import annotations

from typing import Any, Final

from django.utils import timezone
from django.utils.translation import gettext as _
from rest_framework import serializers
from rest_framework.request import Request

from portal.api.fields import Choice, Taken
from portal.api.operations import Operation, Scoped
from portal.errors import NotAllowed
from portal.tokens.authentication import Credential
from portal.tokens.scopes import Scope
from releases import explanation
from releases.api_names import model_seen

ANY: Final = tuple(scope.value for scope in Scope)


class Asked(Taken):
    """Who, what, and to do what."""

    model = serializers.RegexField(r"^[^/\s]+/[^/\s]+$", max_length=200, help_text="`namespace/name`.")
    action = Choice(choices=["download", "query"], required=False, default="download")
    person = serializers.CharField(
        required=False, allow_blank=True, default="", max_length=36, help_text="Somebody's id; left out: oneself."
    )


class Missing(serializers.Serializer[Any]):
    """Why a condition is not met."""

    code = serializers.CharField()
    message = serializers.CharField()
    url = serializers.CharField(allow_blank=True)
    change = serializers.CharField(help_text="What would change it.")


class ConditionShape(serializers.Serializer[Any]):
    """One condition of the rule."""

    rule = serializers.CharField()
    says = serializers.CharField()
    met = serializers.BooleanField(allow_null=True, help_text="null: not to be judged yet.")
    missing = Missing(allow_null=True)


class CapShape(serializers.Serializer[Any]):
    """What a grant may be given in 24 hours, and was given in the last."""

    bytes = serializers.IntegerField(allow_null=True, help_text="null: no cap.")
    taken = serializers.IntegerField(
        help_text="Bytes of links in the last 24 hours, by the ranges that were asked for."
    )


class WhyShape(serializers.Serializer[Any]):
    """Whether somebody may, and every condition with its state."""

    person = serializers.UUIDField()
    model = serializers.CharField()
    action = Choice(choices=["download", "query"])
    allowed = serializers.BooleanField()
    grant = serializers.UUIDField(allow_null=True)
    until = serializers.DateTimeField(allow_null=True)
    conditions = ConditionShape(many=True)
    daily_cap = CapShape(allow_null=True, help_text="Of the grant that one may download by; a limit, no condition.")


class Why(Scoped):
    """`/api/v1/why`."""

    @Operation(name="explainAccess", tag="why", scopes=ANY, asks=Asked, gives=WhyShape, problems=(404,))
    def get(self, request: Request, asked: dict[str, Any]) -> dict[str, Any]:
        """Say why somebody may download or query a model, or may not.

        A token may ask about its holder, and is then weighed itself; about others it needs `review` or `manage`.
        """
        asker, now = self.person(request), timezone.now()
        namespace, _slash, name = asked["model"].partition("/")
        model = model_seen(namespace, name, person=asker)
        person = explanation.subject(asker, model, asked["person"])
        credential = request.auth if isinstance(request.auth, Credential) else None
        scopes = _scopes(credential, own=person.pk == asker.pk)
        return explanation.explain(person=person, scopes=scopes, model=model, action=asked["action"], now=now).as_json()


def _scopes(credential: Credential | None, *, own: bool) -> frozenset[str] | None:
    if credential is None:
        return None
    if own:
        return frozenset(credential.scopes)
    if credential.scopes.isdisjoint({Scope.REVIEW, Scope.MANAGE}):
        raise NotAllowed(_("This token lacks the scope “review” or “manage”."), code="insufficient_scope")
    return None
