"""Rules on the list of files: what is missing, twice there, too large, or named like another."""

from __future__ import annotations

import unicodedata
from collections import defaultdict
from collections.abc import Iterator
from typing import Final

from releases.lint.candidate import Candidate, File
from releases.lint.rule import Rule, error, warning
from releases.sentences import Sentence

FILE_MAX: Final = 50 * 10**9
_SMALL: Final = 1024
"""Bytes; equal files below this (empty ones, one-line settings) mean nothing."""
_CONFIGS: Final = frozenset({"config.json", "adapter_config.json", "params.json", "model_index.json"})
_TOKENIZERS: Final = frozenset({"tokenizer.json", "vocab.json", "vocab.txt", "merges.txt"})


def _too_large(candidate: Candidate) -> Iterator[Sentence]:
    for file in candidate.files:
        if file.size > FILE_MAX:
            yield Sentence(
                "%(path)s has %(size)s bytes; clients cannot fetch more than %(most)s. Split it.",
                path=file.path, size=file.size, most=FILE_MAX,
            )  # fmt: skip


def _name_twins(candidate: Candidate) -> Iterator[Sentence]:
    seen: dict[str, str] = {}
    for path in sorted(candidate.paths):
        twin = seen.setdefault(unicodedata.normalize("NFC", path).casefold(), path)
        if twin != path:
            yield Sentence(
                "%(one)s and %(other)s are one file on some systems. Rename one.", one=repr(twin), other=repr(path)
            )


def _same_weights(candidate: Candidate) -> Iterator[Sentence]:
    for files in _equal(candidate.weights):
        yield Sentence(
            "%(paths)s hold the same bytes. One was stored in place of the other: upload it again.",
            paths=[f.path for f in files],
        )


def _same_files(candidate: Candidate) -> Iterator[Sentence]:
    for files in _equal(tuple(f for f in candidate.files if not f.is_weights and f.size >= _SMALL)):
        yield Sentence("%(paths)s hold the same bytes. Leave out what is there twice.", paths=[f.path for f in files])


def _equal(files: tuple[File, ...]) -> Iterator[list[File]]:
    """Files of one folder with one content."""
    groups: dict[tuple[str, str], list[File]] = defaultdict(list)
    for file in files:
        if file.size:
            groups[file.folder, file.sha256].append(file)
    return (group for group in groups.values() if len(group) > 1)


def _no_config(candidate: Candidate) -> Iterator[Sentence]:
    names = {path.rpartition("/")[2] for path in candidate.paths}
    if _bare_weights(candidate) and not names & _CONFIGS:
        yield Sentence("There are weights and no config.json. Add it: no library loads the model without.")


def _no_tokenizer(candidate: Candidate) -> Iterator[Sentence]:
    names = {path.rpartition("/")[2] for path in candidate.paths}
    held = names & _TOKENIZERS or any(name.endswith((".model", ".tiktoken")) for name in names)
    if _bare_weights(candidate) and not held and "adapter_config.json" not in names:
        yield Sentence("There are weights and no tokenizer. Add its files, or say in the card which one to use.")


def _bare_weights(candidate: Candidate) -> bool:
    """Whether there are weights that need files beside them; a GGUF file holds its own."""
    return any(file.path.lower().endswith(".safetensors") for file in candidate.files)


def _no_licence(candidate: Candidate) -> Iterator[Sentence]:
    if not candidate.licence and not candidate.licence_text:
        yield Sentence(
            "There is no licence. Name one in the card (license: …) or add a LICENSE file: nobody may use it otherwise."
        )


def _no_card(candidate: Candidate) -> Iterator[Sentence]:
    if "README.md" not in candidate.paths:
        yield Sentence("There is no README.md. Say in it what the model is, and what it is for.")


RULES: Final[tuple[Rule, ...]] = (
    error("file-too-large", _too_large),
    error("file-name-twins", _name_twins),
    error("same-weights-twice", _same_weights),
    warning("same-file-twice", _same_files),
    warning("no-config", _no_config),
    warning("no-tokenizer", _no_tokenizer),
    warning("no-licence", _no_licence),
    warning("no-card", _no_card),
)
