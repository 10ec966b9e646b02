"""Builders for the tests of inference: a lab with an open and a gated model, both served, and settled requests."""

from __future__ import annotations

import hashlib
import itertools
import time
from dataclasses import asdict, dataclass, replace
from typing import Any

import redis
from django.utils import timezone

from inference import actions, contract
from inference.actions import Serving
from inference.contract import UsageEvent
from inference.models import Backend
from portal.access.models import Grant
from portal.people.models import Lab, User
from portal.projects.models import Project
from portal.tokens import actions as tokens
from portal.tokens.models import AccessToken
from portal.tokens.scopes import Kind
from releases.models import Model, Revision
from tests import copies
from tests.portal import world

_count = itertools.count(1)
OPEN = "lyceum/pico-opt-1m"
GATED = "lyceum/pico-opt-5m"


def publish(lab: Lab, name: str, **fields: Any) -> Model:
    """A model with one published revision, without files."""
    model = Model.objects.create(lab=lab, name=name, **fields)
    commit = hashlib.sha1(f"{lab.slug}/{name}".encode()).hexdigest()
    now = timezone.now()
    model.main = Revision.objects.create(
        model=model, commit=commit, tree=commit, author="A", email="a@lyceum.example", message="First", authored_at=now,
        state="published", checked_at=now, published_at=now,
    )  # fmt: skip
    model.opened_at = now
    model.save()
    return model


def serve(model: Model, port: int = 8101) -> Backend:
    """A server for the model's newest revision."""
    serving = Serving(f"http://127.0.0.1:{port}", "vllm 0.32.0", model.full_name, 1024, True, 12)
    return actions.serve(by=None, model=model, commit=model.revisions.get().commit, serving=serving)


def event(**changes: Any) -> UsageEvent:
    """One settled request; every call has its own request id."""
    now = int(time.time() * 1000)
    base = UsageEvent(
        request_id=f"req-{next(_count):06d}", token_id="t", user_id="u", project_id="p", model=OPEN, revision="a" * 40,
        pool="lyceum/pico-opt-1m", backend="lyceum/pico-opt-1m/one", endpoint="completions", stream=False, status="ok",
        prompt_tokens=10, completion_tokens=5, cached_tokens=0, reserved_tokens=30, started_at=now,
        first_byte_at=now + 5, ended_at=now + 20,
    )  # fmt: skip
    return replace(base, **changes)


def append(store: redis.Redis, *events: UsageEvent) -> None:
    """Put settled requests into the usage stream, as the gateway's script does."""
    for one in events:
        store.xadd(
            contract.USAGE_STREAM, {**{k: str(v) for k, v in asdict(one).items()}, "stream": str(int(one.stream))}
        )


@dataclass
class Bench:
    """One lab, two served models, a researcher with a grant for the gated one, and a token in the grant's project."""

    world: world.World
    open_model: Model
    gated_model: Model
    researcher: User
    grant: Grant
    token: AccessToken
    secret: str

    @property
    def project(self) -> Project:
        return self.grant.project

    def new_token(self, user: User, *, kind: Kind = Kind.QUERY, **fields: Any) -> AccessToken:
        return tokens.issue(by=user, kind=kind, label=f"token {next(_count)}", **fields)[0]


def build() -> Bench:
    return copies.of(_build)


def _build() -> Bench:
    lyceum = world.build("lyceum")
    mara = world.person("Mara Lindqvist")
    open_model = publish(lyceum.lab, "pico-opt-1m")
    gated_model = publish(lyceum.lab, "pico-opt-5m", gate=lyceum.gate)
    serve(open_model, 8101)
    serve(gated_model, 8102)
    grant = lyceum.granted(mara)
    token, secret = tokens.issue(by=mara, kind=Kind.QUERY, label="thesis-laptop", project=grant.project)
    return Bench(lyceum, open_model, gated_model, mara, grant, token, secret)
