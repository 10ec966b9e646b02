"""A portal for the suite: two people, each with a lab of their own and a token that publishes."""

from __future__ import annotations

import json
import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

from tests import stack

PEOPLE = """
import json
from portal.people.actions import create_lab, give_role, register
from portal.people.models import Role
from portal.tokens import actions as tokens
from portal.tokens.scopes import Kind
made = []
for name in ("hubtests", "others"):
    person = register(email=f"{name}@hub.example", name=name, password="a-long-enough-passphrase")
    give_role(user=person, lab=create_lab(slug=name, name=name, by=None), role=Role.MANAGER, by=None)
    made.append(tokens.issue(by=person, kind=Kind.PUBLISH, label="suite")[1])
print(json.dumps(made))
"""


@dataclass(frozen=True)
class People:
    """Where the portal is, and the two tokens. The first person, and their lab, are called `user`."""

    endpoint: str
    token: str
    other_token: str
    user: str = "hubtests"
    other_user: str = "others@hub.example"


@contextmanager
def running() -> Iterator[People]:
    """Start a portal without an engine and without limits of rate; stop it and remove its home at the end."""
    os.environ |= {f"HUB_LIMIT_{bucket}": "0" for bucket in ("API", "RESOLVERS", "PAGES")}
    started = stack.Stack(stack.temporary_home(), stack.free_port())
    try:
        started.start()
        token, other = json.loads(started.manage("shell", "-v", "0", "-c", PEOPLE).splitlines()[-1])
        yield People(started.base_url, token, other)
    finally:
        if started.process is not None:
            started.stop()
        shutil.rmtree(started.home.parent, ignore_errors=True)
