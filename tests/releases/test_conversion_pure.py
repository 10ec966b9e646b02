"""What a conversion decides without torch: wishes, pieces, shards, pickles that are not weights."""

from __future__ import annotations

import io
import itertools
import pickle
import zipfile
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from portal.errors import Invalid
from releases.conversion import wishes
from releases.conversion.child import digest, layout, opcodes, splits
from releases.conversion.child.problems import Refused
from releases.conversion.wishes import Wish
from releases.conversion_lifecycle import TABLE, Operation, Stage, Verb, next_stage, verbs
from releases.proofs import merkle
from releases.sentences import Sentence
from tests.releases.checkpoints import archive, checkpoint

SMALL = {"a": ([1.0, 2.0, 3.0, 4.0], [2, 2]), "b": ([5.0], [])}


def faults(wish: Wish, held: list[str]) -> dict[str, list[str]]:
    with pytest.raises(Invalid) as refused:
        wishes.check(wish, held)
    return refused.value.fields


# --- Wishes ---------------------------------------------------------------------------------------------------------
def test_who_says_nothing_means_the_weights_and_not_what_a_trainer_left() -> None:
    held = ["README.md", "pytorch_model.bin", "training_args.bin", "optimizer.pt", "old/model.safetensors"]
    assert wishes.chosen(held) == ["pytorch_model.bin"]
    assert wishes.chosen(["README.md", "a.safetensors"]) == ["a.safetensors"]
    assert wishes.chosen(["README.md"]) == []


def test_the_result_takes_the_place_of_its_sources_and_of_their_tables() -> None:
    held = ["w/pytorch_model-1.bin", "w/pytorch_model-2.bin", "w/pytorch_model.bin.index.json", "w/config.json"]
    wish = Wish(Operation.CONVERT, tuple(held[:2]), shards=2)
    wishes.check(wish, held)
    assert wish.gone(held) == held[:3]
    assert wish.results() == [
        "w/model-00001-of-00002.safetensors", "w/model-00002-of-00002.safetensors", "w/model.safetensors.index.json",
    ]  # fmt: skip
    assert Wish.of(wish.operation, wish.files, wish.options()) == wish


@pytest.mark.parametrize(
    ("wish", "field"),
    [
        (Wish(Operation.CONVERT, ()), "files"),
        (Wish(Operation.CONVERT, ("README.md",)), "files"),
        (Wish(Operation.CONVERT, ("nowhere.bin",)), "files"),
        (Wish(Operation.CONVERT, ("model.safetensors",)), "files"),
        (Wish(Operation.CONVERT, ("a.bin",)), "files"),
        (Wish(Operation.RESHARD, ("model.safetensors",), shards=0), "shards"),
        (Wish(Operation.RESHARD, ("model.safetensors",), shards=257), "shards"),
        (Wish(Operation.CAST, ("model.safetensors",)), "dtype"),
        (Wish(Operation.CAST, ("model.safetensors",), dtype="F8"), "dtype"),
        (Wish(Operation.CONSOLIDATE, ("p/model_part-0.pt", "p/model_part-1.pt")), "architecture"),
        (Wish(Operation.CONSOLIDATE, ("p/model_part-1.pt",)), "files"),
    ],
)
def test_an_impossible_wish_says_what_is_wrong_where(wish: Wish, field: str) -> None:
    held = ["README.md", "a.bin", "model.safetensors", "p/model_part-0.pt", "p/model_part-1.pt"]
    assert faults(wish, held).keys() == {field}


def test_pieces_are_told_apart_by_their_names_and_missed() -> None:
    names = [
        "x/checkpoint_last-model_part-1-shard0.pt",
        "mp_rank_07_model_states.pt",
        "consolidated.00.pth",
        "plain.pt",
    ]
    assert [splits.place(name) for name in names] == [
        splits.Place(1, 0), splits.Place(7, 0), splits.Place(0, 0), splits.Place(0, 0),
    ]  # fmt: skip
    at = splits.Place
    assert splits.gaps([at(0, 0), at(0, 1), at(1, 0), at(1, 1)]) == []
    assert splits.gaps([at(0, 0), at(0, 1), at(1, 1)]) == [
        Sentence("Shard %(shard)s of part %(part)s is missing.", shard=0, part=1)
    ]
    assert splits.gaps([at(0, 0), at(2, 0)]) == [Sentence("Part %(part)s is missing.", part=1)]
    assert splits.gaps([at(0, 0), at(0, 0)]) == [
        Sentence("Two files are part %(part)s, shard %(shard)s.", part=0, shard=0)
    ]


def test_each_kind_of_tensor_has_its_cut_and_an_unknown_one_none() -> None:
    opt, neox = splits.ARCHITECTURES["opt"], splits.ARCHITECTURES["gpt-neox"]
    layer = "decoder.layers.3."
    told = {name: opt.cut(layer + name) for name in ("self_attn.q_proj.weight", "self_attn.out_proj.weight", "fc2.bias", "fc1.bias", "self_attn.qkv_proj.bias", "final_layer_norm.weight")}  # fmt: skip
    assert list(told.values()) == ["rows", "columns", "whole", "rows", "fused", "whole"]
    assert neox.cut("gpt_neox.layers.0.attention.dense.weight") == "columns"
    assert neox.cut("gpt_neox.layers.0.mlp.dense_h_to_4h.bias") == "rows"
    assert opt.cut("decoder.layers.3.experts.0.gate") is None


@given(
    st.dictionaries(st.text("abcé.", min_size=1), st.integers(0, 1 << 40), min_size=1, max_size=40), st.integers(1, 40)
)
def test_every_tensor_is_dealt_to_one_file_and_no_file_is_empty(sizes: dict[str, int], count: int) -> None:
    if len(sizes) < count:
        with pytest.raises(ValueError, match="do not fill"):
            layout.deal(sizes, count)
        return
    dealt = layout.deal(sizes, count)
    assert len(dealt) == count
    assert all(dealt)
    assert list(itertools.chain(*dealt)) == sorted(sizes, key=str.encode)


def test_files_are_of_about_the_same_size() -> None:
    dealt = layout.deal({f"{n:03}": 10 for n in range(100)}, 4)
    assert [len(names) for names in dealt] == [25, 25, 25, 25]


@given(st.dictionaries(st.text(min_size=1, max_size=5), st.binary(min_size=32, max_size=32), max_size=20))
def test_the_program_and_the_portal_draw_the_same_root(leaves: dict[str, bytes]) -> None:
    told = digest.root({name: leaf.hex() for name, leaf in leaves.items()})
    count, root = merkle.root(leaves[name] for name in sorted(leaves, key=str.encode))
    assert told == (root if count else None)


# --- The table ------------------------------------------------------------------------------------------------------
def test_what_is_over_stays_over_unless_somebody_tries_again() -> None:
    for (stage, verb), (to, who) in TABLE.items():
        assert stage != Stage.DONE, "a receipt is never taken back"
        assert (to in {Stage.RUNNING, Stage.DONE, Stage.FAILED}) == (who == {"converter"})
        assert next_stage(stage, verb) == to
    assert verbs(Stage.RUNNING, frozenset({"manager"})) == (Verb.CANCEL,)
    assert verbs(Stage.FAILED, frozenset({"reviewer"})) == ()


# --- Pickles --------------------------------------------------------------------------------------------------------
def look(content: bytes, tmp_path: Path) -> bool:
    path = tmp_path / "model.pt"
    path.write_bytes(content)
    return opcodes.look_through(path, "model.pt")


class Runs:
    def __init__(self, tripwire: str) -> None:
        self.tripwire = tripwire

    def __reduce__(self) -> Any:
        return open, (self.tripwire, "w")


def zipped(entries: dict[str, bytes], method: int = zipfile.ZIP_STORED) -> bytes:
    made = io.BytesIO()
    with zipfile.ZipFile(made, "w", method) as content:
        for name, data in entries.items():
            content.writestr(name, data)
    return made.getvalue()


def nested(depth: int) -> bytes:
    return b"\x80\x02" + b"(" * depth + b"t" * depth + b"."


HOSTILE = {
    "calls open": lambda trip: archive_of(pickle.dumps(Runs(trip), 2)),
    "calls open, newer protocol": lambda trip: archive_of(pickle.dumps(Runs(trip), 4)),
    "calls open, no archive": lambda trip: pickle.dumps(Runs(trip), 2) * 5,
    "in the old text form": lambda trip: f"cos\nsystem\n(S'touch {trip}'\ntR.".encode(),
    "beside weights": lambda trip: checkpoint(SMALL, extra=Runs(trip)),
    "by INST": lambda trip: archive_of(f"(S'touch {trip}'\nios\nsystem\n.".encode()),
    "by an extension's number": lambda _trip: archive_of(b"\x80\x02\x82\x01."),
    "a global of torch that runs code": lambda _trip: archive_of(b"\x80\x02ctorch.hub\nload\n."),
    "a name with a space": lambda _trip: archive_of(b"\x80\x02ctorch._utils _rebuild_tensor_v2\nx\n."),
    "compressed": lambda _trip: zipped({"m/data.pkl": b"\x80\x02}."}, zipfile.ZIP_DEFLATED),
    "two pickles": lambda _trip: zipped({"m/data.pkl": b"\x80\x02}.", "m/other.pkl": b"\x80\x02}."}),
    "no pickle": lambda _trip: zipped({"m/version": b"3"}),
    "a torchscript archive": lambda _trip: zipped({"m/code/data.pkl": b"\x80\x02}."}),
    "cut off": lambda _trip: checkpoint(SMALL)[:-30],
    "cut off inside": lambda _trip: archive_of(b"\x80\x02}q\x00X\xff\xff\xff\x7fa"),
    "empty": lambda _trip: b"",
    "a tar": lambda _trip: b"storages" + b"\0" * 600,
    "text": lambda _trip: b"# a readme\n",
}


def archive_of(inner: bytes) -> bytes:
    return zipped({"weights/data.pkl": inner})


@pytest.mark.parametrize("case", HOSTILE)
def test_what_is_not_weights_is_refused_unread(case: str, tmp_path: Path) -> None:
    tripwire = tmp_path / "tripwire"
    with pytest.raises(Refused, match=r"model\.pt"):
        look(HOSTILE[case](str(tripwire)), tmp_path)
    assert not tripwire.exists()


def test_weights_are_let_through(tmp_path: Path) -> None:
    assert (
        look(checkpoint(SMALL, epoch=3, lr=0.1, names=["a", "b"], none=None, yes=True, wide=1 << 40), tmp_path) is True
    )
    assert look(archive({"nothing": []}), tmp_path) is True
