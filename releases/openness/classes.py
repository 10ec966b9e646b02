"""From components and their licences to a class. Plain functions over plain values.

A component passes if it is there and under an open licence. Which licence: the component's own, else the one for its
kind, else the one for the whole release. A research paper may stand for the technical report. A class needs its own
components and those of the classes before it; III is the first, I the most open.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Final

from releases import licences
from releases.licences import Licence
from releases.openness.components import COMPONENTS, PAPER, REPORT, Component

CLASSES: Final = (3, 2, 1)
ROMAN: Final = {3: "III", 2: "II", 1: "I"}


class State(StrEnum):
    """How a component stands."""

    PASSES = "passes"
    MISSING = "missing"
    UNLICENSED = "unlicensed"
    CLOSED = "closed"
    """There, under a licence that is not open."""


@dataclass(frozen=True, slots=True)
class Found:
    """One component that a release has: where, and its own licence if it names one."""

    where: tuple[str, ...]
    licence: str = ""
    url: str = ""
    """Where it is, if it is elsewhere."""
    note: str = ""
    more: int = 0
    """How many places there are beside those in `where`."""


@dataclass(frozen=True, slots=True)
class Release:
    """What a release has, and the licences that hold where a component names none."""

    found: Mapping[str, Found]
    by_kind: Mapping[str, str]
    whole: str


@dataclass(frozen=True, slots=True)
class Judged:
    """One component with how it stands, and why."""

    component: Component
    state: State
    licence: Licence
    found: Found | None
    stood_for: bool = False
    """Whether the research paper stands for it."""

    @property
    def passes(self) -> bool:
        """Whether it counts."""
        return self.state is State.PASSES or self.stood_for

    @property
    def fits(self) -> bool:
        """Whether its licence was made for what it is; an open one counts even if not."""
        return self.licence.fits(self.component.kind)


@dataclass(frozen=True, slots=True)
class Openness:
    """Every component as judged, the class reached (0: none), and what the next one lacks."""

    judged: tuple[Judged, ...]
    reached: int

    @property
    def roman(self) -> str:
        """`III`, `II`, `I`; empty for no class."""
        return ROMAN.get(self.reached, "")

    @property
    def next_class(self) -> int:
        """The class to reach next; 0 when there is none."""
        return {0: 3, 3: 2, 2: 1}.get(self.reached, 0)

    @property
    def next_roman(self) -> str:
        """The same as people write it."""
        return ROMAN.get(self.next_class, "")

    @property
    def lacking(self) -> list[Judged]:
        """What the next class asks for and does not find open."""
        return [each for each in self.judged if 0 < self.next_class <= each.component.first and not each.passes]

    def met(self, wanted: int) -> tuple[int, int]:
        """How many of the components that a class asks for pass, and how many it asks for, without the classes before."""
        asked = [each for each in self.judged if each.component.first == wanted]
        return sum(each.passes for each in asked), len(asked)


def judge(release: Release) -> Openness:
    """The class of a release, with the reasons."""
    judged = {key: _judged(component, release) for key, component in COMPONENTS.items()}
    if judged[PAPER].passes and not judged[REPORT].passes:
        report = judged[REPORT]
        judged[REPORT] = Judged(report.component, report.state, report.licence, report.found, stood_for=True)
    reached = 0
    for wanted in CLASSES:
        if not all(each.passes for each in judged.values() if each.component.first >= wanted):
            break
        reached = wanted
    return Openness(tuple(judged.values()), reached)


def _judged(component: Component, release: Release) -> Judged:
    found = release.found.get(component.key)
    if found is None:
        return Judged(component, State.MISSING, Licence(""), None)
    licence = licences.named(found.licence or release.by_kind.get(component.kind, "") or release.whole)
    if not licence.name or licence.name.lower() == "unlicensed":
        state = State.UNLICENSED
    else:
        state = State.PASSES if licence.is_open else State.CLOSED
    return Judged(component, state, licence, found)
