"""A lab's webhooks for its managers' programs: the verbs of the pages."""

from __future__ import annotations

from typing import Any, Final
from uuid import UUID

from django.db.models import QuerySet
from django.utils.translation import gettext as _
from rest_framework import serializers
from rest_framework.request import Request

from portal import errors
from portal.api.fields import Choice, Taken
from portal.api.operations import MANAGE, Operation, Scoped
from portal.people.models import MANAGERS, Lab, Membership, User
from portal.webhooks import actions
from portal.webhooks.models import Delivery, DeliveryState, Endpoint, SecretState

TAG: Final = "webhooks"
LINKS: Final = {
    name: {"webhook": "$response.body#/id"}
    for name in ("getWebhook", "changeWebhook", "rotateWebhookSecret", "stopWebhook", "listDeliveries", "deleteWebhook")
}


class Named(serializers.RegexField):
    """The name of an event, as docs/audit.md has them; which there are is the action's to say."""

    def __init__(self, **kwargs: Any) -> None:
        super().__init__(r"^[a-z_]+\.[a-z_]+$", max_length=60, help_text="For instance `grant.given`.", **kwargs)


class WebhookShape(serializers.Serializer[Any]):
    """An address and what it hears."""

    id = serializers.UUIDField()
    lab = serializers.CharField(source="lab.slug")
    url = serializers.CharField()
    events = serializers.ListField(child=Named())
    failures = serializers.IntegerField(help_text="Failed attempts since the last success.")
    created_at = serializers.DateTimeField()
    rotated_at = serializers.DateTimeField(allow_null=True, help_text="When it last got a new secret.")
    secret_state = Choice(
        choices=[(each.value, each.value) for each in SecretState],
        help_text="`former`: rotate it, for the portal exchanged its keys; `gone`: it signs no more.",
    )
    stopped_at = serializers.DateTimeField(allow_null=True)


class WebhookWithSecret(WebhookShape):
    """The same with its secret, which is shown this once."""

    secret = serializers.CharField(allow_null=True, help_text="`whsec_…`; null when a kept answer is given again.")


class WebhookAdded(Taken):
    """A new address."""

    lab = serializers.SlugField(max_length=64)
    url = serializers.CharField(max_length=500, help_text="https://… of a server of yours.")
    events = serializers.ListField(child=Named(), min_length=1, max_length=200)


class WebhookChanged(Taken):
    """What is left out stays."""

    url = serializers.CharField(required=False, max_length=500)
    events = serializers.ListField(child=Named(), required=False, min_length=1, max_length=200)


class DeliveryShape(serializers.Serializer[Any]):
    """One message; its id is the same in every attempt."""

    id = serializers.UUIDField()
    event = serializers.CharField()
    body = serializers.DictField()
    state = Choice(choices=[(each.value, each.value) for each in DeliveryState])
    attempts = serializers.IntegerField()
    code = serializers.IntegerField(allow_null=True, help_text="The last answer's status.")
    problem = serializers.CharField(allow_blank=True)
    created_at = serializers.DateTimeField()
    tried_at = serializers.DateTimeField(allow_null=True)


def managed(user: User) -> QuerySet[Lab]:
    """The labs whose webhooks this person looks after."""
    held = Membership.objects.active().filter(user=user, role__in=MANAGERS)
    return Lab.objects.filter(pk__in=held.values("lab"))


def found(user: User, pk: UUID) -> Endpoint:
    """A webhook of those labs. Raises NotFound for every other."""
    row = Endpoint.objects.filter(pk=pk, lab__in=managed(user)).select_related("lab").first()
    if row is None:
        raise errors.NotFound(_("There is no such webhook, or it belongs to another lab."))
    return row


def _with_secret(endpoint: Endpoint, secret: str) -> Endpoint:
    endpoint.secret = secret  # type: ignore[attr-defined]
    return endpoint


class Webhooks(Scoped):
    """`/api/v1/webhooks`."""

    @Operation(
        name="listWebhooks", tag=TAG, scopes=(MANAGE,), listed=True, gives=WebhookShape,
        links={"getWebhook": {"webhook": "$response.body#/results/0/id"}},
    )  # fmt: skip
    def get(self, request: Request, asked: dict[str, Any]) -> QuerySet[Endpoint]:
        """List the webhooks of one's labs."""
        rows = Endpoint.objects.filter(lab__in=managed(self.person(request)))
        return rows.select_related("lab").order_by("created_at", "pk")

    @Operation(
        name="addWebhook", tag=TAG, scopes=(MANAGE,), takes=WebhookAdded, gives=WebhookWithSecret, status=201,
        problems=(404,), hides="secret", links=LINKS,
        example={"lab": "lyceum", "url": "https://hooks.example.org/weighbridge", "events": ["grant.given"]},
    )  # fmt: skip
    def post(self, request: Request, said: dict[str, Any]) -> Endpoint:
        """Add an address of the lab's own. The secret is shown this once."""
        user = self.person(request)
        lab = managed(user).filter(slug=said.pop("lab")).first()
        if lab is None:
            raise errors.NotFound(_("There is no such lab, or you do not manage it."))
        return _with_secret(*actions.add_endpoint(by=user, lab=lab, **said))


class WebhookDetail(Scoped):
    """`/api/v1/webhooks/<webhook>`."""

    @Operation(name="getWebhook", tag=TAG, scopes=(MANAGE,), gives=WebhookShape, problems=(404,), links=LINKS)
    def get(self, request: Request, webhook: UUID) -> Endpoint:
        """Read one webhook."""
        return found(self.person(request), webhook)

    @Operation(
        name="changeWebhook", tag=TAG, scopes=(MANAGE,), takes=WebhookChanged, gives=WebhookShape, problems=(404,),
        example={"events": ["grant.given", "grant.revoked"]}, links=LINKS,
    )  # fmt: skip
    def patch(self, request: Request, webhook: UUID, said: dict[str, Any]) -> Endpoint:
        """Change its address or its events. What waits goes to the new address."""
        user = self.person(request)
        return actions.change_endpoint(by=user, endpoint=found(user, webhook), **said)

    @Operation(name="deleteWebhook", tag=TAG, scopes=(MANAGE,), status=204, problems=(404,))
    def delete(self, request: Request, webhook: UUID) -> None:
        """Remove a webhook and the log of what was sent there."""
        user = self.person(request)
        actions.delete_endpoint(by=user, endpoint=found(user, webhook))


class SecretRotation(Scoped):
    """`/api/v1/webhooks/<webhook>/rotate-secret`."""

    @Operation(
        name="rotateWebhookSecret", tag=TAG, scopes=(MANAGE,), gives=WebhookWithSecret, problems=(404,),
        hides="secret", links=LINKS,
    )  # fmt: skip
    def post(self, request: Request, webhook: UUID) -> Endpoint:
        """Make a new secret, shown this once.

        For 24 hours each message carries two signatures, of the new secret and of the one before. Rotating once more
        ends the old one at once.
        """
        user = self.person(request)
        return _with_secret(*actions.rotate_secret(by=user, endpoint=found(user, webhook)))


class WebhookStop(Scoped):
    """`/api/v1/webhooks/<webhook>/stop`."""

    @Operation(name="stopWebhook", tag=TAG, scopes=(MANAGE,), gives=WebhookShape, problems=(404,), links=LINKS)
    def post(self, request: Request, webhook: UUID) -> Endpoint:
        """Send nothing more there."""
        user = self.person(request)
        return actions.stop_endpoint(by=user, endpoint=found(user, webhook))


class WebhookStart(Scoped):
    """`/api/v1/webhooks/<webhook>/start`."""

    @Operation(name="startWebhook", tag=TAG, scopes=(MANAGE,), gives=WebhookShape, problems=(404,), links=LINKS)
    def post(self, request: Request, webhook: UUID) -> Endpoint:
        """Send there again, from the next event on."""
        user = self.person(request)
        return actions.start_endpoint(by=user, endpoint=found(user, webhook))


class Deliveries(Scoped):
    """`/api/v1/webhooks/<webhook>/deliveries`."""

    @Operation(
        name="listDeliveries", tag=TAG, scopes=(MANAGE,), listed=True, gives=DeliveryShape,
        links={"replayDelivery": {
            "webhook": "$request.path.webhook", "delivery": "$response.body#/results/0/id",
        }},
    )  # fmt: skip
    def get(self, request: Request, webhook: UUID, asked: dict[str, Any]) -> QuerySet[Delivery]:
        """List what was sent there, the newest first."""
        return found(self.person(request), webhook).deliveries.order_by("-created_at", "pk")


class Replay(Scoped):
    """`/api/v1/webhooks/<webhook>/deliveries/<delivery>/replay`."""

    @Operation(name="replayDelivery", tag=TAG, scopes=(MANAGE,), gives=DeliveryShape, problems=(404,))
    def post(self, request: Request, webhook: UUID, delivery: UUID) -> Delivery:
        """Send a message once more, with the same id."""
        user = self.person(request)
        sent = found(user, webhook).deliveries.filter(pk=delivery).first()
        if sent is None:
            raise errors.NotFound(_("There is no such delivery."))
        return actions.replay(by=user, delivery=sent)
