"""What is asked of a conversion, and whether these files can give it."""

from __future__ import annotations

import os.path
from collections.abc import Iterable
from dataclasses import asdict, dataclass
from pathlib import PurePosixPath
from typing import Any, Final, Self

from django.utils.translation import gettext as _

from portal.errors import Invalid
from releases.conversion.child import layout, splits
from releases.conversion_lifecycle import Operation
from releases.spoken import spoken

PICKLES: Final = (".bin", ".pt", ".pth", ".ckpt")
WEIGHTS: Final = (*PICKLES, ".safetensors")
BESIDE: Final = frozenset(
    {"training_args.bin", "optimizer.pt", "optimizer.bin", "scheduler.pt", "scaler.pt", "rng_state.pth"}
)
"""Files that trainers leave beside the weights; not chosen unless somebody does."""
OLD_INDEX: Final = "pytorch_model.bin.index.json"
SHARDS_MAX: Final = 256
DTYPES: Final = ("F16", "BF16", "F32")


@dataclass(frozen=True, slots=True)
class Wish:
    """One operation on some files of a revision. Every result is safetensors, in `shards` files."""

    operation: Operation
    files: tuple[str, ...]
    shards: int = 1
    dtype: str = ""
    architecture: str = ""

    def options(self) -> dict[str, Any]:
        """What is kept of it beside the operation and the files."""
        told = asdict(self)
        return {name: told[name] for name in ("shards", "dtype", "architecture") if told[name]}

    @classmethod
    def of(cls, operation: str, files: Iterable[str], options: dict[str, Any]) -> Self:
        """The wish that a row of the database keeps."""
        return cls(Operation(operation), tuple(files), **options)

    def results(self) -> list[str]:
        """Paths of the files that it will make, in the folder of its sources."""
        folder = os.path.commonpath([os.path.dirname(path) for path in self.files]) if self.files else ""
        names = [*layout.file_names(self.shards), *([layout.INDEX] if self.shards > 1 else [])]
        return [f"{folder}/{name}" if folder else name for name in names]

    def gone(self, held: Iterable[str]) -> list[str]:
        """Paths of the revision that the result replaces: the sources, and tables that named them."""
        folders = {os.path.dirname(path) for path in self.files}
        tables = {os.path.join(folder, name) for folder in folders for name in (OLD_INDEX, layout.INDEX)}
        return sorted({*self.files, *(tables & set(held))})


def sources(paths: Iterable[str]) -> list[str]:
    """The files of a revision that hold weights, or may."""
    return sorted(path for path in paths if PurePosixPath(path).suffix.lower() in WEIGHTS)


def chosen(paths: Iterable[str]) -> list[str]:
    """Of these, what one means who says nothing: all pickles but what trainers leave; without them, all safetensors."""
    found = sources(paths)
    pickles = [path for path in found if not path.endswith(".safetensors") and PurePosixPath(path).name not in BESIDE]
    return pickles or [path for path in found if path.endswith(".safetensors")]


def check(wish: Wish, held: Iterable[str]) -> None:
    """Raise Invalid, by field, unless a revision that holds these paths can give what is wished."""
    paths = set(held)
    faults: dict[str, list[str]] = {}
    if wrong := _files_fault(wish, paths):
        faults["files"] = [wrong]
    if not 1 <= wish.shards <= SHARDS_MAX:
        faults["shards"] = [_("Between 1 and %(most)s files.") % {"most": SHARDS_MAX}]
    if wish.operation is Operation.CAST and wish.dtype not in DTYPES:
        faults["dtype"] = [_("Choose the type to cast to.")]
    if wrong := _architecture_fault(wish):
        faults["architecture"] = [wrong]
    if faults:
        raise Invalid(_("This conversion cannot be done as it is described."), fields=faults)


def _files_fault(wish: Wish, paths: set[str]) -> str:
    if not wish.files:
        return _("Choose at least one file of weights.")
    if unknown := sorted(set(wish.files) - set(sources(paths))):
        return _("%(path)s is no file of weights of this revision.") % {"path": unknown[0]}
    safe = [path for path in wish.files if path.endswith(".safetensors")]
    if wish.operation in {Operation.CONVERT, Operation.CONSOLIDATE} and safe:
        return _("%(path)s is safetensors already. Choose the files that are not, or reshard it.") % {"path": safe[0]}
    if taken := sorted((paths - set(wish.gone(paths))) & set(wish.results())):
        return _("The result would take the place of %(path)s. Choose it too, or commit without it.") % {
            "path": taken[0]
        }
    if wish.operation is Operation.CONSOLIDATE:
        return " ".join(spoken(gap) for gap in splits.gaps([splits.place(path) for path in wish.files]))
    return ""


def _architecture_fault(wish: Wish) -> str:
    parts = {splits.place(path).part for path in wish.files}
    if wish.operation is not Operation.CONSOLIDATE or len(parts) < 2 or wish.architecture in splits.ARCHITECTURES:
        return ""
    return _("These are %(n)s parts of one model. Choose the architecture, so that they are put together rightly.") % {
        "n": len(parts)
    }
