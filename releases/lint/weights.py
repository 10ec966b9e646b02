"""Rules on weights: the index against the shards, the shards among themselves, shapes against the config."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from typing import Any, Final

from releases.lint.candidate import Candidate, Tensor
from releases.lint.rule import Rule, error, some, warning

INDEX: Final = ".safetensors.index.json"
_SHARD: Final = re.compile(r"(?P<stem>.*)-(?P<number>\d{5})-of-(?P<of>\d{5})\.(?:safetensors|gguf)")
_EMBEDDING: Final = re.compile(r"(?:^|\.)(?:embed_tokens|wte|word_embeddings|embed_in|tok_embeddings)\.weight$")
_WIDTHS: Final = ("hidden_size", "n_embd", "d_model", "word_embed_proj_dim", "embedding_size", "dim")


def whole_of(path: str) -> str:
    """What a weights file is a part of: the name that all its shards share."""
    found = _SHARD.fullmatch(path)
    return found["stem"] if found else path


def _indexes(candidate: Candidate) -> Iterator[tuple[str, str, Mapping[str, Any], dict[str, str]]]:
    """Each index: its path, its folder with a slash, its metadata, and the map from tensor to file name."""
    for path, said in candidate.documents.items():
        if path.endswith(INDEX) and isinstance(said, dict):
            map_, metadata = said.get("weight_map"), said.get("metadata")
            named = {str(k): str(v) for k, v in map_.items()} if isinstance(map_, dict) else {}
            yield path, path[: path.rfind("/") + 1], metadata if isinstance(metadata, dict) else {}, named


def _index_shards(candidate: Candidate) -> Iterator[str]:
    for path, folder, _metadata, named in _indexes(candidate):
        listed = {folder + shard for shard in named.values()}
        if missing := sorted(listed - candidate.paths):
            yield f"{path} names {some(missing)}, which the revision does not have. Add the shards or make the index anew."
        stem = path.removesuffix(INDEX)
        there = {f.path for f in candidate.weights if f.folder + "/" == folder or not (f.folder or folder)}
        if extra := sorted(p for p in there - listed if (m := _SHARD.fullmatch(p)) and m["stem"] == stem):
            yield f"{path} does not name {some(extra)}. Make the index anew."


def _index_tensors(candidate: Candidate) -> Iterator[str]:
    for path, folder, _metadata, named in _indexes(candidate):
        held = {t.name: shard for shard in _shards(candidate, folder, named) for t in candidate.tensors[shard]}
        wrong = [name for name, shard in named.items() if folder + shard in candidate.tensors and name not in held]
        elsewhere = [name for name, shard in named.items() if name in held and held[name] != folder + shard]
        if wrong:
            yield f"{path} names tensors that no shard holds: {some(wrong)}. Make the index anew."
        if elsewhere:
            yield f"{path} looks for tensors in the wrong shard: {some(elsewhere)}. Make the index anew."
        if left_out := [name for name in held if name not in named]:
            yield f"{path} leaves out tensors that its shards hold: {some(left_out)}. Make the index anew."


def _index_size(candidate: Candidate) -> Iterator[str]:
    for path, folder, metadata, named in _indexes(candidate):
        said, shards = metadata.get("total_size"), _shards(candidate, folder, named)
        if not isinstance(said, int) or len(shards) != len(set(named.values())):
            continue
        true = sum(t.end - t.start for shard in shards for t in candidate.tensors[shard])
        if said != true:
            yield f"{path} says that the tensors have {said:,} bytes; they have {true:,}. Make the index anew."


def _shards(candidate: Candidate, folder: str, named: Mapping[str, str]) -> list[str]:
    return sorted({folder + shard for shard in named.values()} & candidate.tensors.keys())


def _shards_missing(candidate: Candidate) -> Iterator[str]:
    sets: dict[tuple[str, int], set[int]] = {}
    for file in candidate.weights:
        if found := _SHARD.fullmatch(file.path):
            sets.setdefault((found["stem"], int(found["of"])), set()).add(int(found["number"]))
    for (stem, of), numbers in sorted(sets.items()):
        if missing := sorted(set(range(1, min(of, 10_000) + 1)) - numbers):
            yield f"Of the {of} shards of {stem}, these are missing: {some(str(n) for n in missing)}. Add them."


def _no_index(candidate: Candidate) -> Iterator[str]:
    stems = {m["stem"] for f in candidate.weights if (m := _SHARD.fullmatch(f.path)) and f.path.endswith("safetensors")}
    for stem in sorted(stems):
        if f"{stem}{INDEX}" not in candidate.paths:
            yield f"The shards of {stem} have no index, {stem}{INDEX}. Add it: libraries load shards by it."


def _shapes(candidate: Candidate) -> Iterator[str]:
    for path, tensors in candidate.tensors.items():
        config = candidate.documents.get(path[: path.rfind("/") + 1] + "config.json")
        if not path.endswith(".safetensors") or not isinstance(config, dict):
            continue
        for tensor in tensors:
            if fault := _misfit(tensor, config):
                yield f"{tensor.name} in {path} {fault}. One of the two belongs to another model."


def _misfit(tensor: Tensor, config: Mapping[str, Any]) -> str:
    if not _EMBEDDING.search(tensor.name) or len(tensor.shape) != 2:
        return ""
    rows, columns = tensor.shape
    vocabulary, widths = config.get("vocab_size"), [config[key] for key in _WIDTHS if type(config.get(key)) is int]
    if type(vocabulary) is int and rows < vocabulary:
        return f"has {rows:,} rows, and config.json a vocabulary of {vocabulary:,}"
    if widths and columns not in widths:
        return f"is {columns:,} wide, and config.json says {some(str(w) for w in widths)}"
    return ""


RULES: Final[tuple[Rule, ...]] = (
    error("index-shards", _index_shards),
    error("index-tensors", _index_tensors),
    error("index-size", _index_size),
    error("shards-missing", _shards_missing),
    error("shapes-against-config", _shapes),
    warning("no-index", _no_index),
)
