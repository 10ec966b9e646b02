"""A seeded world, and everybody who may knock at its doors: who they are, and how their requests are sent."""

from __future__ import annotations

from datetime import timedelta
from functools import cached_property
from io import BytesIO
from pathlib import Path
from typing import Final

from django.test import Client
from django.utils import timezone

from inference import allocation_actions
from portal.agreements.models import Signature
from portal.mail import pacing
from portal.mail.registry import Topic
from portal.people.actions import give_role
from portal.people.models import Role, User
from portal.tokens import actions as tokens
from portal.tokens.models import AccessToken
from portal.tokens.scopes import Kind, Scope
from releases import actions as releases
from releases.conversion_models import Conversion
from releases.curves.actions import import_curves
from releases.ingest import ingest
from releases.logbook import actions as logbooks
from releases.models import Model
from tests.portal import seats, world
from tests.releases.folders import model_folder

PEOPLE: Final = (
    "stranger", "applicant", "holder", "reviewer", "manager", "administrator", "second_lab", "operator",
)  # fmt: skip
"""Sessions. `second_lab` reviews, manages and administrates another lab; `operator` may open the admin, no more."""
TOKENS: Final = ("download_token", "query_token", "publish_token", "review_token", "manage_token")
"""Bearers: the holder's, the holder's, the manager's, a reviewer's, the manager's."""
DEAD: Final = ("expired_token", "revoked_token", "invented_token")
EVERYBODY: Final = ("anonymous", *PEOPLE, *TOKENS, *DEAD)


class Scene:
    """One lab with a gated and an open model, an application in review, a grant; and a second lab."""

    def __init__(self, folder: Path) -> None:
        self.world = world.build("lyceum")
        other = world.build("harbour")
        holder, applicant = seats.at_home("Mara Lindqvist"), world.person("Tomas Hale")
        administrator, everything = world.person("Ada Admin"), world.person("Sven Second")
        give_role(user=administrator, lab=self.world.lab, role=Role.ADMINISTRATOR, by=None)
        for role in Role:
            give_role(user=everything, lab=other.lab, role=role, by=None)
        self.people: dict[str, User] = {
            "stranger": world.person("Ida Fremd"),
            "applicant": applicant,
            "holder": holder,
            "reviewer": self.world.reviewers[0],
            "manager": self.world.manager,
            "administrator": administrator,
            "second_lab": everything,
            "operator": User.objects.create_superuser("root@operator.example", world.PASSWORD, name="Root"),
        }
        self.grant = self.world.granted(holder)
        self.application = self.world.applied(applicant)
        self._publish(folder)
        source = Model.objects.get(name="gated-5m").main
        self.conversion = Conversion.objects.create(
            model=source.model, source=source, branch="main", operation="reshard"
        )
        self.logbook = logbooks.open_logbook(subject=source.model, by=self.world.manager)
        logbooks.add_entry(logbook=self.logbook, by=self.world.manager, said={"title": "Launch"})
        numbers = BytesIO(b'{"step": 1, "loss": 3.5}\n{"step": 2, "loss": 3.0}\n')
        import_curves(logbook=self.logbook, run="1", file=numbers, source="metrics.jsonl", by=self.world.manager)
        self.institutional = seats.in_force(self.world, holder)
        self.allocation = allocation_actions.ask_for_allocation(
            by=holder, project=self.grant.project, tokens_per_period=10**7, case="Six evaluations.",
            until=timezone.now().date() + timedelta(days=90),
        )  # fmt: skip
        self.secrets = self._tokens()
        self._handlers = {forged: Client(enforce_csrf_checks=forged).handler for forged in (False, True)}
        self._cookies = {name: self._signed_in(user) for name, user in self.people.items()}

    def _signed_in(self, user: User) -> dict[str, str]:
        client = Client()
        client.handler = self._handlers[False]
        client.force_login(user)
        return {name: morsel.value for name, morsel in client.cookies.items()}

    def _publish(self, folder: Path) -> None:
        for name, gate in (("open-1m", None), ("gated-5m", self.world.gate)):
            model = releases.open_model(lab=self.world.lab, name=name, by=self.world.manager, gate=gate, summary=name)
            ingest(model_folder(folder / name, name=name), model=model, by=self.world.manager, publish=True)

    def _tokens(self) -> dict[str, str]:
        holder, manager = self.people["holder"], self.people["manager"]
        made = {
            "download_token": tokens.issue(by=holder, kind=Kind.DOWNLOAD, label="download"),
            "query_token": tokens.issue(by=holder, kind=Kind.QUERY, label="query"),
            "publish_token": tokens.issue(by=manager, kind=Kind.PUBLISH, label="publish"),
            "review_token": tokens.issue(by=self.people["reviewer"], kind=Kind.REVIEW, label="review"),
            "manage_token": tokens.issue(by=manager, kind=Kind.SERVICE, scopes={Scope.MANAGE}, label="manage"),
            "expired_token": tokens.issue(by=holder, kind=Kind.DOWNLOAD, label="expired"),
            "revoked_token": tokens.issue(by=holder, kind=Kind.DOWNLOAD, label="revoked"),
        }
        long_ago = timezone.now() - timedelta(days=9)
        AccessToken.objects.filter(pk=made["expired_token"][0].pk).update(
            created_at=long_ago, expires_at=long_ago + timedelta(days=1)
        )
        tokens.revoke(by=holder, token=made["revoked_token"][0])
        self.token = made["download_token"][0]
        return {name: secret for name, (_, secret) in made.items()} | {"invented_token": "wb_dl_" + "a" * 38}

    def client(self, who: str, *, forged: bool = False) -> Client:
        """A browser or a program of this person; a forged one is held to CSRF tokens, and has none.

        The middleware is loaded once: it costs more than a request.
        """
        client = Client(enforce_csrf_checks=forged, raise_request_exception=False)
        client.handler = self._handlers[forged]
        for name, value in self._cookies.get(who, {}).items():
            client.cookies[name] = value
        return client

    def headers(self, who: str) -> dict[str, str]:
        """The bearer's header, or none."""
        return {"Authorization": f"Bearer {self.secrets[who]}"} if who in self.secrets else {}

    @cached_property
    def facts(self) -> dict[str, str]:
        """What a route's parameters can stand for, by the names that doors/ uses."""
        receipt = Signature.objects.exclude(application="").get(user=self.people["holder"])
        return {
            "application": str(self.application.pk),
            "approved": str(self.grant.application_id),
            "grant": str(self.grant.pk),
            "project": str(self.grant.project_id),
            "gate": self.world.gate.slug,
            "section": self.world.gate.form_spec[0]["name"],
            "token": str(self.token.pk),
            "receipt": str(receipt.receipt_id),
            "lab": self.world.lab.slug,
            "agreement": self.world.agreement.slug,
            "stop": pacing.stop_url(self.people["holder"], Topic.REVIEW).rstrip("/").rpartition("/")[2],
            "institutional": str(self.institutional.pk),
            "conversion": str(self.conversion.pk),
            "logbook": str(self.logbook.pk),
            "allocation": str(self.allocation.pk),
        }
