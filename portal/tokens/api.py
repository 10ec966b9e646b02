"""One's access tokens, by session: no token makes or ends another."""

from __future__ import annotations

from datetime import timedelta
from typing import Any, Final
from uuid import UUID

from django.db.models import QuerySet
from django.utils import timezone
from django.utils.translation import gettext as _
from rest_framework import serializers
from rest_framework.request import Request

from portal import errors
from portal.api.fields import Choice, Taken
from portal.api.operations import IN_PERSON, Operation, Scoped
from portal.people.second_factor import require_recent
from portal.projects.models import Project
from portal.tokens import actions
from portal.tokens.forms import KINDS, SCOPES
from portal.tokens.models import AccessToken
from portal.tokens.scopes import LIFETIMES, Kind, Scope

TAG: Final = "tokens"
LINKS: Final = {"revokeToken": {"token": "$response.body#/id"}}


class TokenShape(serializers.Serializer[Any]):
    """An access token, without its secret."""

    id = serializers.UUIDField()
    label = serializers.CharField()  # type: ignore[assignment]
    kind = Choice(choices=[kind.name.lower() for kind in Kind], source="get_kind_display")
    hint = serializers.CharField(help_text="How its secret begins.")
    scopes = serializers.ListField(child=Choice(choices=[scope.value for scope in Scope]))
    project = serializers.UUIDField(source="project_id", allow_null=True, help_text="What queries are charged to.")
    created_at = serializers.DateTimeField()
    expires_at = serializers.DateTimeField()
    last_used_at = serializers.DateTimeField(allow_null=True)
    revoked_at = serializers.DateTimeField(allow_null=True)


class TokenWithSecret(TokenShape):
    """The same with its secret, which is shown this once."""

    secret = serializers.CharField(allow_null=True, help_text="`wb_…`; null when a kept answer is given again.")


class TokenMade(Taken):
    """A new token."""

    label = serializers.CharField(max_length=80, help_text="Where it will be used.")  # type: ignore[assignment]
    kind = Choice(choices=[kind.name.lower() for kind in KINDS])
    project = serializers.UUIDField(
        required=False, allow_null=True, default=None, help_text="For queries; by default the personal project."
    )
    days = serializers.IntegerField(
        required=False, default=30, min_value=1, max_value=90, help_text="A token for a job ends within the hour."
    )


class MyTokens(Scoped):
    """`/api/v1/me/tokens`."""

    @Operation(
        name="listMyTokens", tag=TAG, scopes=IN_PERSON, listed=True, gives=TokenShape,
        links={"revokeToken": {"token": "$response.body#/results/0/id"}},
    )  # fmt: skip
    def get(self, request: Request, asked: dict[str, Any]) -> QuerySet[AccessToken]:
        """List one's tokens, newest first, with the ended ones."""
        return AccessToken.objects.listed().filter(user=self.person(request)).order_by("-created_at", "pk")

    @Operation(
        name="makeToken", tag=TAG, scopes=IN_PERSON, takes=TokenMade, gives=TokenWithSecret, status=201,
        hides="secret", links=LINKS, example={"label": "cluster", "kind": "download", "days": 30},
    )  # fmt: skip
    def post(self, request: Request, said: dict[str, Any]) -> AccessToken:
        """Make a token. The secret is shown this once."""
        user, kind = self.person(request), Kind[said["kind"].upper()]
        if kind == Kind.SERVICE:
            require_recent(request._request)
        token, secret = actions.issue(
            by=user,
            kind=kind,
            label=said["label"],
            project=_project(said["project"]),
            scopes=SCOPES.get(kind),
            expires_at=timezone.now() + min(timedelta(days=said["days"]), LIFETIMES[kind][1]),
        )
        token.secret = secret  # type: ignore[attr-defined]
        return token


def _project(pk: UUID | None) -> Project | None:
    """The project; whether it is one's own is the action's to say. Raises Invalid where there is none."""
    found = Project.objects.filter(pk=pk).first() if pk else None
    if pk and found is None:
        wrong = _("Choose a project of yours.")
        raise errors.Invalid(wrong, fields={"project": [wrong]})
    return found


class TokenRevocation(Scoped):
    """`/api/v1/me/tokens/<token>/revoke`."""

    @Operation(name="revokeToken", tag=TAG, scopes=IN_PERSON, gives=TokenShape, problems=(404,))
    def post(self, request: Request, token: UUID) -> AccessToken:
        """End a token: refused everywhere from the next request on."""
        user = self.person(request)
        found = AccessToken.objects.filter(pk=token, user=user).first()
        if found is None:
            raise errors.NotFound(_("There is no such token."))
        return actions.revoke(by=user, token=found)
