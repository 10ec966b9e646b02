"""Models → pools → backends as a file: its shape, and what is wrong with one.

pools:
  lyceum/large:                      # lab/pool
    model: lyceum/large-66b
    revision: 3f9c…                  # of the model; a commit id or its first digits
    engine_model: large-66b          # the name the engines know it by
    context: 2048
    concurrency: 64                  # places: above them requests wait
    canary_percent: 10               # only where it is the canary of the model's own pool
    backends:
      one: {url: "http://10.0.0.11:8000", engine: vllm 0.33.0}
      two: {url: "http://10.0.0.12:8000", draining: true}
"""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from typing import Any, Final

import yaml

from inference.energy_models import ENERGY
from portal.errors import Invalid

NUMBERS: Final = ("context", "template_overhead", "canary_percent", "requests_per_minute", "tokens_per_minute",
                  "concurrency", *ENERGY)  # fmt: skip
FLAGS: Final = ("generates", "chat", "embeds", "tools", "tokenizer_info")
_TEXTS: Final = ("model", "revision", "engine_model")
NOTES: Final = ("energy_source",)
_BACKEND: Final = {"url": str, "engine": str, "draining": bool}


@dataclass(frozen=True, slots=True)
class WantedBackend:
    """One engine server as the file has it."""

    name: str
    url: str
    engine: str = ""
    draining: bool = False


@dataclass(frozen=True, slots=True)
class WantedPool:
    """One pool as the file has it. `facts` are fields of the pool; one that the file leaves out has its default."""

    lab: str
    name: str
    model: str
    revision: str
    facts: dict[str, Any]
    backends: tuple[WantedBackend, ...]


class _Once(yaml.SafeLoader):
    """Refuses a name that stands twice in a table, of which YAML's reader drops the first without a word."""

    def construct_mapping(self, node: yaml.MappingNode, deep: bool = False) -> dict[Any, Any]:  # noqa: FBT001, FBT002 PyYAML's own
        given = Counter(key.value for key, _value in node.value if isinstance(key, yaml.ScalarNode))
        if twice := sorted(name for name, count in given.items() if count > 1):
            raise yaml.constructor.ConstructorError(None, None, f"{', '.join(twice)}: named twice", node.start_mark)
        return super().construct_mapping(node, deep)


def read(text: str) -> list[WantedPool]:
    """Parse the file. Raises Invalid with the place and what belongs there."""
    try:
        data = yaml.load(text, Loader=_Once)  # noqa: S506 a safe loader
    except yaml.YAMLError as error:
        raise Invalid(f"The file is not YAML: {error}") from error
    pools = data.get("pools") if isinstance(data, dict) and set(data) == {"pools"} else None
    if not isinstance(pools, dict) or not pools:
        raise Invalid("The file must have one entry, pools, with a pool under each name lab/pool.")
    return [_pool(str(name), body) for name, body in pools.items()]


def _pool(full_name: str, body: object) -> WantedPool:
    lab, slash, name = full_name.partition("/")
    if not slash or not isinstance(body, dict):
        raise Invalid(
            f"{full_name}: name it lab/pool, and give it model, revision, engine_model, context and backends."
        )
    known = {*_TEXTS, *NOTES, *NUMBERS, *FLAGS, "backends"}
    _no_others(full_name, body, known)
    for field, kind in ((_TEXTS, str), (NOTES, str), (NUMBERS, int), (FLAGS, bool)):
        for one in field:
            _is(f"{full_name}: {one}", body.get(one), kind, needed=one in {*_TEXTS, "context"})
    backends = body.get("backends")
    if not isinstance(backends, dict):
        raise Invalid(f"{full_name}: backends must be a table of servers by name; {{}} for none.")
    facts = {one: body[one] for one in ("engine_model", *NOTES, *NUMBERS, *FLAGS) if body.get(one) is not None}
    servers = tuple(_backend(f"{full_name}/{one}", str(one), of) for one, of in sorted(backends.items()))
    return WantedPool(lab, name, body["model"], body["revision"], facts, servers)


def _backend(where: str, name: str, body: object) -> WantedBackend:
    if not isinstance(body, dict):
        raise Invalid(f"{where}: give it a url.")
    _no_others(where, body, set(_BACKEND))
    for field, kind in _BACKEND.items():
        _is(f"{where}: {field}", body.get(field), kind, needed=field == "url")
    return WantedBackend(name, body["url"].rstrip("/"), body.get("engine") or "", body.get("draining") or False)


def _no_others(where: str, body: dict[Any, Any], known: set[str]) -> None:
    if others := sorted(str(name) for name in body if name not in known):
        raise Invalid(f"{where}: {', '.join(others)} is not known here. Known: {', '.join(sorted(known))}.")


def _is(where: str, value: object, kind: type, *, needed: bool) -> None:
    if value is None and not needed:
        return
    right = isinstance(value, kind) and (kind is bool or not isinstance(value, bool))
    if not right or (kind is int and isinstance(value, int) and value < 0) or value == "":
        words = {str: "text", int: "a whole number", bool: "true or false"}[kind]
        raise Invalid(f"{where} must be {words}.")
