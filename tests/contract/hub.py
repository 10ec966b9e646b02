"""A running portal for the contract tests: the real dispatcher under the real server, on the test database."""

from __future__ import annotations

import os
import shutil
import socket
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import uvicorn
from django.conf import settings

from inference.gateway.server import config
from portal.people.models import User
from portal.tokens import actions as tokens
from portal.tokens.scopes import Kind
from releases import actions
from releases.ingest import ingest
from releases.models import Blob, Model, Revision
from releases.permits import place
from tests import snapshot
from tests.portal import world
from tests.releases import looks
from tests.releases.folders import model_folder


@contextmanager
def serving(application: Any) -> Iterator[str]:
    """Serve an ASGI app on a free port of this machine; the address without a slash."""
    listener = socket.socket()
    listener.bind(("127.0.0.1", 0))
    server = uvicorn.Server(config(application, log_level="warning", lifespan="off"))
    thread = threading.Thread(target=server.run, kwargs={"sockets": [listener]}, daemon=True)
    thread.start()
    while not server.started:
        time.sleep(0.01)
    try:
        yield f"http://127.0.0.1:{listener.getsockname()[1]}"
    finally:
        server.should_exit = True
        thread.join(20)
        listener.close()


@dataclass
class Hub:
    """The address, a lab with an open and a gated model, and the people around them."""

    url: str
    world: world.World
    open: Model
    gated: Model
    folder: Path
    researcher: User
    stranger: User
    tokens: dict[str, str] = field(default_factory=dict)

    def token(self, user: User, kind: Kind = Kind.DOWNLOAD) -> str:
        """A fresh token's secret."""
        _token, secret = tokens.issue(by=user, kind=kind, label=f"test {len(self.tokens)}")
        self.tokens[secret] = user.email
        return secret


def build(url: str, folder: Path) -> Hub:
    """One lab, `lyceum/open` for everybody, `lyceum/gated` behind two reviewers; a researcher with a grant."""
    lyceum = world.build("lyceum")
    made = {
        name: published(lyceum, name, model_folder(folder / name, name=name, seed=i))
        for i, name in enumerate(("open", "gated"))
    }
    actions.describe_model(model=made["gated"], by=lyceum.manager, gate=lyceum.gate)
    researcher, stranger = world.person("Mara Lindqvist"), world.person("Ida Fremd")
    lyceum.granted(researcher)
    both = [Model.objects.named("lyceum", name).get() for name in ("open", "gated")]
    return Hub(url, lyceum, both[0], both[1], folder, researcher, stranger)


@dataclass
class Template:
    """A hub that was built once, and stands anew for each test: its rows, its folders and its files in the store."""

    built: Hub
    rows: snapshot.Rows
    blobs: dict[Path, bytes]

    @classmethod
    def of(cls, built: Hub) -> Template:
        """Of a hub that nobody has used yet, beside which the database holds nothing."""
        places = [place(settings.STORE_PATH, sha256) for sha256 in Blob.objects.values_list("pk", flat=True)]
        return cls(built, snapshot.take(), {path: path.read_bytes() for path in places})

    def stand(self, folder: Path) -> Hub:
        """The hub, whole, whatever became of an earlier one. Nothing it holds has been in another test's hands."""
        snapshot.forget()
        snapshot.put(self.rows)
        shutil.copytree(self.built.folder, folder)
        for path, content in self.blobs.items():
            path.parent.mkdir(parents=True, exist_ok=True)
            path.unlink(missing_ok=True)
            path.write_bytes(content)
        of = self.built.world
        lyceum = world.World(
            fresh(of.lab), fresh(of.manager), [fresh(one) for one in of.reviewers], fresh(of.agreement),
            fresh(of.version), fresh(of.gate),
        )  # fmt: skip
        both = [Model.objects.named("lyceum", name).get() for name in ("open", "gated")]
        return Hub(
            self.built.url, lyceum, both[0], both[1], folder, fresh(self.built.researcher), fresh(self.built.stranger)
        )


def fresh(row: Any) -> Any:
    """The row as the database has it."""
    return type(row)._default_manager.get(pk=row.pk)


def published(lyceum: world.World, name: str, folder: Path) -> Model:
    """A model of the lab with the folder's files published."""
    model = actions.open_model(lab=lyceum.lab, name=name, by=lyceum.manager)
    with looks.remembered():
        revision: Revision = ingest(folder, model=model, by=lyceum.manager, publish=True)
    return revision.model


def portal() -> Any:
    """The one public port's dispatcher."""
    os.environ.setdefault("BLOB_SIGNING_KEY", settings.BLOB_SIGNING_KEY)
    os.environ["STORE_PATH"] = str(settings.STORE_PATH)
    from portal.asgi import application

    return application
