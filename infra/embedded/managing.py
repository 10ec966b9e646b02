"""A command of `manage.py` with what the processes of a home have: its secrets, its servers, its settings."""

from __future__ import annotations

from collections.abc import Mapping
from urllib.parse import urlsplit

from infra.embedded import serving, stack
from infra.embedded.home import Home, Lock
from infra.embedded.problems import Problem


def environment(home: Home, given: Mapping[str, str]) -> dict[str, str]:
    """The variables of the command. Raises Problem where there is no installation, or its private database does not run."""
    mode = home.mode()
    if not mode:
        raise Problem(f"{home.path} holds no installation.", "Start one with `make demo` or `make serve`.")
    base = serving.with_settings(home, mode, given)
    holder = Lock(home).holder()
    if holder is None and not stack.brings_database(base):
        raise Problem(f"Nothing runs in {home.path}.", f"Start it first, with `make {mode}`.")
    if holder and not (base.get("PORT") or base.get("BASE_URL")):
        base["PORT"] = str(urlsplit(str(holder.get("url", ""))).port or "")
    return stack.environment(home, stack.Choices.from_environment(mode, base), base)
