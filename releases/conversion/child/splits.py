"""How architectures are cut among the parts of a tensor-parallel run: data, one row a kind of tensor.

Sources: metaseq's resharding of model parts for OPT; GPT-NeoX and Megatron-LM for theirs. A name that no row knows is
refused, never guessed; tensors that every part holds must be the same in all.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from enum import StrEnum
from typing import Final

from releases.sentences import Sentence


class Cut(StrEnum):
    """How one tensor was cut."""

    ROWS = "rows"
    """Along the first dimension: a column-parallel layer, a vocabulary, their biases."""
    COLUMNS = "columns"
    """Along the second dimension: a row-parallel layer."""
    FUSED = "fused"
    """Query, key and value one below the other in each part, each cut by rows."""
    WHOLE = "whole"
    """Every part holds all of it."""


@dataclass(frozen=True, slots=True)
class Architecture:
    """One family of names: its title, and what each kind of tensor is; the first row that fits holds."""

    title: str
    rows: tuple[tuple[str, Cut], ...]

    def cut(self, name: str) -> Cut | None:
        """How the tensor of this name was cut; None where no row knows it."""
        return next((cut for pattern, cut in self.rows if re.search(pattern + r"$", name)), None)


ARCHITECTURES: Final = {
    "opt": Architecture(
        "OPT, metaseq",
        (
            (r"qkv_proj\.(weight|bias)", Cut.FUSED),
            (r"[qkv]_proj\.(weight|bias)", Cut.ROWS),
            (r"fc1\.(weight|bias)", Cut.ROWS),
            (r"(out_proj|fc2)\.weight", Cut.COLUMNS),
            (r"(out_proj|fc2)\.bias", Cut.WHOLE),
            (r"(embed_tokens|output_projection|lm_head)\.weight", Cut.ROWS),
            (r"embed_positions\.(weight|_float_tensor)", Cut.WHOLE),
            (r"layer_norm\.(weight|bias)", Cut.WHOLE),
            (r"version", Cut.WHOLE),
        ),
    ),
    "gpt-neox": Architecture(
        "GPT-NeoX, Megatron",
        (
            (r"query_key_value\.(weight|bias)", Cut.ROWS),
            (r"dense_h_to_4h\.(weight|bias)", Cut.ROWS),
            (r"(attention\.dense|dense_4h_to_h)\.weight", Cut.COLUMNS),
            (r"(attention\.dense|dense_4h_to_h)\.bias", Cut.WHOLE),
            (r"(word_embeddings|embed_in|embed_out|final_linear)\.weight", Cut.ROWS),
            (r"(layernorm|layer_norm|norm)\.(weight|bias)", Cut.WHOLE),
            (r"rotary_emb\.inv_freq|attention\.(masked_)?bias", Cut.WHOLE),
        ),
    ),
}


@dataclass(frozen=True, slots=True, order=True)
class Place:
    """Which piece a file is: the part of the tensor-parallel run, and the shard of that part."""

    part: int
    shard: int


_PART: Final = re.compile(r"(?:model_part-|mp_rank_|consolidated\.)(\d+)")
_SHARD: Final = re.compile(r"shard(\d+)")


def place(path: str) -> Place:
    """Read from a file's name, as metaseq, Megatron and the original LLaMA name pieces; 0 where it says nothing."""
    name = path.rpartition("/")[2]
    part, shard = _PART.search(name), _SHARD.search(name)
    return Place(int(part[1]) if part else 0, int(shard[1]) if shard else 0)


def gaps(places: list[Place]) -> list[Sentence]:
    """What keeps pieces from being whole: missing and doubled ones, each as a sentence."""
    said = [
        Sentence("Two files are part %(part)s, shard %(shard)s.", part=p.part, shard=p.shard)
        for p in sorted(set(places))
        if places.count(p) > 1
    ]
    parts = {p.part for p in places}
    said += [Sentence("Part %(part)s is missing.", part=n) for n in range(max(parts)) if n not in parts]
    shards = {part: {p.shard for p in places if p.part == part} for part in sorted(parts)}
    most = max(max(held) for held in shards.values())
    said += [
        Sentence("Shard %(shard)s of part %(part)s is missing.", shard=n, part=part)
        for part, held in shards.items()
        for n in range(most + 1)
        if n not in held
    ]
    return said
