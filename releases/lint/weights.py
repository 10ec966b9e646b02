"""Rules on weights: the index against the shards, the shards among themselves, shapes against the config."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from typing import Any, Final

from releases.lint.candidate import Candidate, Tensor
from releases.lint.rule import Rule, error, warning
from releases.sentences import Sentence

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


def _index_shards(candidate: Candidate) -> Iterator[Sentence]:
    for path, folder, _metadata, named in _indexes(candidate):
        listed = {folder + shard for shard in named.values()}
        if missing := sorted(listed - candidate.paths):
            yield Sentence(
                "%(path)s names %(shards)s, which the revision does not have. Add the shards or make the index anew.",
                path=path, shards=missing,
            )  # fmt: skip
        stem = path.removesuffix(INDEX)
        there = {f.path for f in candidate.weights if f.folder + "/" == folder or not (f.folder or folder)}
        if extra := sorted(p for p in there - listed if (m := _SHARD.fullmatch(p)) and m["stem"] == stem):
            yield Sentence("%(path)s does not name %(shards)s. Make the index anew.", path=path, shards=extra)


def _index_tensors(candidate: Candidate) -> Iterator[Sentence]:
    for path, folder, _metadata, named in _indexes(candidate):
        held = {t.name: shard for shard in _shards(candidate, folder, named) for t in candidate.tensors[shard]}
        wrong = [name for name, shard in named.items() if folder + shard in candidate.tensors and name not in held]
        elsewhere = [name for name, shard in named.items() if name in held and held[name] != folder + shard]
        if wrong:
            yield Sentence(
                "%(path)s names tensors that no shard holds: %(names)s. Make the index anew.", path=path, names=wrong
            )
        if elsewhere:
            yield Sentence(
                "%(path)s looks for tensors in the wrong shard: %(names)s. Make the index anew.",
                path=path,
                names=elsewhere,
            )
        if left_out := [name for name in held if name not in named]:
            yield Sentence(
                "%(path)s leaves out tensors that its shards hold: %(names)s. Make the index anew.",
                path=path,
                names=left_out,
            )


def _index_size(candidate: Candidate) -> Iterator[Sentence]:
    for path, folder, metadata, named in _indexes(candidate):
        said, shards = metadata.get("total_size"), _shards(candidate, folder, named)
        if not isinstance(said, int) or len(shards) != len(set(named.values())):
            continue
        true = sum(t.end - t.start for shard in shards for t in candidate.tensors[shard])
        if said != true:
            yield Sentence(
                "%(path)s says that the tensors have %(told)s bytes; they have %(held)s. Make the index anew.",
                path=path, told=said, held=true,
            )  # fmt: skip


def _shards(candidate: Candidate, folder: str, named: Mapping[str, str]) -> list[str]:
    return sorted({folder + shard for shard in named.values()} & candidate.tensors.keys())


def _shards_missing(candidate: Candidate) -> Iterator[Sentence]:
    sets: dict[tuple[str, int], set[int]] = {}
    for file in candidate.weights:
        if found := _SHARD.fullmatch(file.path):
            sets.setdefault((found["stem"], int(found["of"])), set()).add(int(found["number"]))
    for (stem, of), numbers in sorted(sets.items()):
        if missing := sorted(set(range(1, min(of, 10_000) + 1)) - numbers):
            yield Sentence(
                "Of the %(of)s shards of %(stem)s, these are missing: %(numbers)s. Add them.",
                of=of, stem=stem, numbers=missing,
            )  # fmt: skip


def _no_index(candidate: Candidate) -> Iterator[Sentence]:
    stems = {m["stem"] for f in candidate.weights if (m := _SHARD.fullmatch(f.path)) and f.path.endswith("safetensors")}
    for stem in sorted(stems):
        index = f"{stem}{INDEX}"
        if index not in candidate.paths:
            yield Sentence(
                "The shards of %(stem)s have no index, %(index)s. Add it: libraries load shards by it.",
                stem=stem, index=index,
            )  # fmt: skip


def _shapes(candidate: Candidate) -> Iterator[Sentence]:
    for path, tensors in candidate.tensors.items():
        config = candidate.documents.get(path[: path.rfind("/") + 1] + "config.json")
        if not path.endswith(".safetensors") or not isinstance(config, dict):
            continue
        for tensor in tensors:
            if fault := _misfit(path, tensor, config):
                yield fault


def _misfit(path: str, tensor: Tensor, config: Mapping[str, Any]) -> Sentence | None:
    if not _EMBEDDING.search(tensor.name) or len(tensor.shape) != 2:
        return None
    rows, columns = tensor.shape
    vocabulary, widths = config.get("vocab_size"), [config[key] for key in _WIDTHS if type(config.get(key)) is int]
    if type(vocabulary) is int and rows < vocabulary:
        return Sentence(
            "%(tensor)s in %(path)s has %(rows)s rows, and config.json a vocabulary of %(words)s. One of the two belongs to another model.",
            tensor=tensor.name, path=path, rows=rows, words=vocabulary,
        )  # fmt: skip
    if widths and columns not in widths:
        return Sentence(
            "%(tensor)s in %(path)s is %(columns)s wide, and config.json says %(widths)s. One of the two belongs to another model.",
            tensor=tensor.name, path=path, columns=columns, widths=[str(width) for width in widths],
        )  # fmt: skip
    return None


RULES: Final[tuple[Rule, ...]] = (
    error("index-shards", _index_shards),
    error("index-tensors", _index_tensors),
    error("index-size", _index_size),
    error("shards-missing", _shards_missing),
    error("shapes-against-config", _shapes),
    warning("no-index", _no_index),
)
