"""What the rules look at: a revision before it is published, in plain values."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Final, Protocol

from releases.sentences import Sentence

WEIGHTS: Final = (".safetensors", ".gguf")


class Tensor(Protocol):
    """What the rules ask of a tensor; its bytes are [start, end) of its file."""

    @property
    def name(self) -> str:
        """Its name."""

    @property
    def shape(self) -> tuple[int, ...]:
        """Its shape."""

    @property
    def start(self) -> int:
        """First byte."""

    @property
    def end(self) -> int:
        """The byte after the last."""


@dataclass(frozen=True, slots=True)
class File:
    """One file: path from the root, bytes, SHA-256."""

    path: str
    size: int
    sha256: str

    @property
    def folder(self) -> str:
        """The path without its last part."""
        return self.path.rpartition("/")[0]

    @property
    def is_weights(self) -> bool:
        """Whether its name is that of a weights file."""
        return self.path.lower().endswith(WEIGHTS)


@dataclass(frozen=True, slots=True)
class Sibling:
    """Another branch or tag of the model, with its weights files."""

    name: str
    files: tuple[File, ...]


@dataclass(frozen=True, slots=True)
class Public:
    """What is public now: the licence that the card names, and the SHA-256 of the licence's text."""

    licence: str
    text: str


@dataclass(frozen=True, slots=True)
class Candidate:
    """A revision. `documents` are the JSON files that rules read, by path; `names` the branches and tags that name it."""

    files: tuple[File, ...]
    tensors: Mapping[str, tuple[Tensor, ...]] = field(default_factory=dict)
    documents: Mapping[str, Any] = field(default_factory=dict)
    card: Mapping[str, Any] = field(default_factory=dict)
    text: str = ""
    names: tuple[str, ...] = ()
    siblings: tuple[Sibling, ...] = ()
    public: Public | None = None
    dead: tuple[str, ...] = ()
    """Links of the card to other servers that lead nowhere, where they were tried."""
    logbook: tuple[Sentence, ...] = ()
    """What is wrong with the file that holds its logbook, line by line."""

    @property
    def paths(self) -> frozenset[str]:
        """Every path."""
        return frozenset(file.path for file in self.files)

    @property
    def weights(self) -> tuple[File, ...]:
        """The weights files."""
        return tuple(file for file in self.files if file.is_weights)

    @property
    def licence_text(self) -> str:
        """SHA-256 of the licence's text at the root; empty when there is none."""
        stems = {"license", "licence", "license.md", "license.txt", "licence.md", "licence.txt"}
        return next((file.sha256 for file in self.files if file.path.lower() in stems), "")

    @property
    def licence(self) -> str:
        """The licence that the card names, by its own name where it has one."""
        named = self.card.get("license_name") or self.card.get("license")
        return named if isinstance(named, str) else ""
