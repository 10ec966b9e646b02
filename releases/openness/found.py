"""What components a revision has, by its files; and those of a family that is hosted elsewhere, by its entry.

A release may say in `mof.yml`, in the shape of the Model Openness Tool, which files are what and under which licence.
Only files that are there count, whatever it says: of code and data the path must name some, and a document may be an
address elsewhere. Without it, the names that releases use are known; code cannot be told apart by names, so it needs the file.
Intermediate parameters may be published revisions of the same model too, named by their step.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from functools import lru_cache
from typing import Any, Final

import yaml

from releases import cards, ladder
from releases.inspection import texts
from releases.licences import CODE, DATA, DOCUMENT
from releases.models import BlobState, Family, Revision
from releases.openness.classes import Found, Openness, Release, judge
from releases.openness.components import BY_NAME, Component
from releases.storage import store

DECLARED: Final = ("mof.yml", "mof.yaml")
DECLARED_MAX: Final = 64 << 10
_NODES_MAX: Final = 2_000
_KNOWN: Final = {
    "architecture": ("config.json",),
    "card": (cards.CARD,),
    "data-card": (cards.DATA_CARD,),
    "report": ("REPORT.md", "TECHNICAL_REPORT.md", "REPORT.pdf", "TECHNICAL_REPORT.pdf"),
    "paper": ("PAPER.md", "PAPER.pdf"),
    "results": ("records/eval.json", "eval", ".eval_results", "evaluation"),
    "metadata": ("records",),
}
"""Paths, or folders, by which a component is known where nothing is declared."""
_WEIGHTS: Final = (".safetensors", ".gguf")
SHOWN: Final = 3
"""Places of one component that are named."""


def of_revision(revision: Revision, root: str = "") -> Openness:
    """The class of a revision, with the steps of training that are published beside it as revisions of their own.

    Its files never change, so a process looks into each once; which steps there are is asked each time, in two queries.
    `root` is its weight id, where the check has just computed it.
    """
    return _of(revision.pk, revision.commit, ladder.names_beside(revision, root))


@lru_cache(maxsize=512)
def _of(pk: int, _commit: str, rungs: tuple[str, ...]) -> Openness:
    revision = Revision(pk=pk)
    paths = list(revision.files.order_by("path").values_list("path", flat=True))
    return of_files(paths, _declared(revision), cards.licence(revision), rungs)


def of_files(paths: list[str], declared: Mapping[str, Any], licence: str, rungs: tuple[str, ...] = ()) -> Openness:
    """The class of files: `declared` is mof.yml as data, `licence` the card's, which holds where that names none.

    `rungs` name revisions of the same model with the weights of steps on the way: its intermediate parameters, where
    the files hold none.
    """
    release = declared.get("release")
    told = release if isinstance(release, dict) else {}
    said = told.get("license")
    named = said if isinstance(said, dict) else {}
    by_kind = {kind: name for kind in (CODE, DATA, DOCUMENT) if (name := _name(named.get(kind)))}
    beside = {"ladder": Found(rungs[:SHOWN], more=max(0, len(rungs) - SHOWN))} if rungs else {}
    found = beside | _by_names(paths) | _by_declaration(told.get("components"), paths)
    return judge(Release(found, by_kind, _name(named.get("distribution")) or licence))


def of_reference(family: Family) -> Openness | None:
    """The class of a family that is hosted elsewhere; None where its entry tells no components."""
    told = family.facts.get("openness")
    if not isinstance(told, dict):
        return None
    sources = family.facts.get("sources", {})
    found = {
        row["component"]: Found((), row.get("licence", ""), sources[row["source"]]["url"], row.get("note", ""))
        for row in told["components"]
    }
    return judge(Release(found, {}, told.get("whole", "")))


def _by_names(paths: list[str]) -> dict[str, Found]:
    found = {key: Found(at) for key, places in _KNOWN.items() if (at := _at(places, paths))}
    if weights := tuple(path for path in paths if path.endswith(_WEIGHTS) and "/" not in path):
        found["parameters"] = Found(weights[:SHOWN])
    return found


def _by_declaration(components: object, paths: list[str]) -> dict[str, Found]:
    found: dict[str, Found] = {}
    for row in components if isinstance(components, list) else []:
        component = BY_NAME.get(str(row.get("name", "")).strip().lower()) if isinstance(row, dict) else None
        if component and (here := _declared_one(component, row, paths)):
            found[component.key] = here
    return found


def _declared_one(component: Component, row: Mapping[str, Any], paths: list[str]) -> Found | None:
    said = row.get("component_path")
    places = [said] if isinstance(said, str) else said if isinstance(said, list) else []
    at = _at([place for place in places if isinstance(place, str)], paths) or _at(_KNOWN.get(component.key, ()), paths)
    if not at and component.key == "parameters":
        at = tuple(path for path in paths if path.endswith(_WEIGHTS))[:SHOWN]
    url = row.get("component_url")
    elsewhere = url if component.kind == DOCUMENT and isinstance(url, str) and url.startswith("https://") else ""
    if not at and not elsewhere:
        return None
    named = row.get("license")
    return Found(at, named if isinstance(named, str) else "", "" if at else elsewhere)


def _at(places: Iterable[str], paths: list[str]) -> tuple[str, ...]:
    """The places that name a file, or a folder with files in it."""
    clean = [place.strip("/") for place in places]
    return tuple(
        place for place in clean if place and any(path == place or path.startswith(f"{place}/") for path in paths)
    )


def _declared(revision: Revision) -> dict[str, Any]:
    files = revision.files.filter(path__in=DECLARED, size__lte=DECLARED_MAX).exclude(blob__state=BlobState.QUARANTINED)
    digest = files.order_by("-path").values_list("blob_id", flat=True).first()
    if digest is None:
        return {}
    try:
        with store().open(digest) as source:
            told = texts.read_yaml(source.read(DECLARED_MAX).decode("utf-8", "replace"), _NODES_MAX)
    except (FileNotFoundError, yaml.YAMLError, RecursionError, ValueError):
        return {}
    return told if isinstance(told, dict) else {}


def _name(value: object) -> str:
    named = value.get("name") if isinstance(value, dict) else value
    return named[:80] if isinstance(named, str) else ""
