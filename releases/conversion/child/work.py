"""One conversion: gather, measure, write, read back, prove. What is written is believed only once it was read back."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

import torch
from safetensors import safe_open
from safetensors.torch import save_file

from releases.conversion.child import digest, layout, pieces, sources, splits
from releases.conversion.child.made import Get, Made
from releases.conversion.child.problems import Refused
from releases.sentences import Sentence

Say = Callable[[str], None]
Moved = Callable[[int, int], None]
"""Told (bytes done, bytes in all); every tensor is passed three times: measured, written, read back."""
_NAME: Final = re.compile(r"(?!/)(?!.*\.\.)[A-Za-z0-9_.\-/:]{1,512}")
"""What releases.inspection lets into a release."""
_PIECE: Final = 1 << 22
"""Elements that are compared at a time."""
_TYPES: Final = {"F32": torch.float32, "F16": torch.float16, "BF16": torch.bfloat16}
MOST_ROWS: Final = 1000


@dataclass(slots=True)
class Difference:
    """What a cast did to one tensor: greatest difference, and values that are no numbers before and after."""

    name: str
    most: float = 0.0
    inf: list[int] = field(default_factory=lambda: [0, 0])
    nan: list[int] = field(default_factory=lambda: [0, 0])

    def as_json(self) -> dict[str, Any]:
        """A row of the receipt."""
        return {"name": self.name, "max_abs_diff": self.most, "inf": self.inf, "nan": self.nan}


class Work:
    """One job, with its folder: sources in `in/`, results in `out/`."""

    def __init__(self, job: Mapping[str, Any], scratch: Path, say: Say, moved: Moved) -> None:
        self._job, self._scratch, self._say, self._moved = job, scratch, say, moved
        self._done = self._all = 0

    def run(self) -> dict[str, Any]:
        """Convert; what the receipt says of it. Raises Refused."""
        whole = self._gather()
        result = whole.tensors
        if self._job["operation"] == "cast":
            result = {name: _cast(made, self._target) for name, made in whole.tensors.items()}
        self._all = _size(whole.tensors) + 2 * _size(result)
        before, wanted, changes = self._measure(whole.tensors)
        files = self._write(result)
        after = self._read_back(files, wanted)
        told: dict[str, Any] = {
            "algorithm": digest.ALGORITHM, "count": len(after), "before": digest.root(before), "after": digest.root(after),
            "elements": sum(_elements(made) for made in whole.tensors.values()),
        }  # fmt: skip
        if self._job["operation"] == "cast":
            told["cast"] = _summary(changes)
        else:
            told["pieces"] = self._prove(whole, files)
        if self._job["operation"] == "consolidate":
            told["before"] = None
        return told

    # --- Gather -----------------------------------------------------------------------------------------------------
    def _gather(self) -> pieces.Whole:
        whole = self._consolidate() if self._job["operation"] == "consolidate" else self._union()
        for name in whole.tensors:
            if not _NAME.fullmatch(name):
                raise Refused(
                    Sentence("A tensor is called %(name)s, which no release may carry.", name=repr(name[:80]))
                )
        self._say(f"Tensors: {len(whole.tensors)}, in files: {len(self._job['files'])}.")
        return whole

    def _union(self) -> pieces.Whole:
        found = pieces.Whole({}, [])
        for entry in self._job["files"]:
            tensors, others = sources.tensors(self._load(entry), entry["path"])
            if twice := found.tensors.keys() & tensors.keys():
                raise Refused(
                    Sentence(
                        "Two of the files hold a tensor %(name)s. Are they pieces? Then consolidate them.",
                        name=repr(sorted(twice)[0]),
                    )
                )
            if others:
                self._say(f"{entry['path']}: left out {others} things that are no tensors.")
            one = pieces.as_they_are(entry["path"], tensors)
            found.tensors.update(one.tensors)
            found.cuttings.extend(one.cuttings)
        return found

    def _consolidate(self) -> pieces.Whole:
        entries = {splits.place(entry["path"]): entry for entry in self._job["files"]}
        parts = [self._part([entry for place, entry in sorted(entries.items()) if place.part == part])
                 for part in sorted({place.part for place in entries})]  # fmt: skip
        if len(parts) == 1:
            return parts[0]
        return pieces.glue(parts, splits.ARCHITECTURES[self._job["options"]["architecture"]])

    def _part(self, entries: list[dict[str, str]]) -> pieces.Whole:
        loaded = [(entry["path"], self._load(entry)) for entry in entries]
        file, first = loaded[0]
        if isinstance(first, Mapping) and "shard_metadata" in first:
            return pieces.unflatten(loaded)
        if len(loaded) > 1:
            raise Refused(
                Sentence(
                    "%(path)s is one of several shards and has no shard_metadata. Was it saved without?", path=file
                )
            )
        return pieces.as_they_are(file, sources.tensors(first, file)[0])

    def _load(self, entry: Mapping[str, str]) -> Any:  # noqa: ANN401
        return sources.load(self._scratch / "in" / entry["at"], entry["path"])

    # --- Measure ----------------------------------------------------------------------------------------------------
    @property
    def _target(self) -> torch.dtype:
        return _TYPES[self._job["options"]["dtype"]]

    def _measure(self, tensors: Mapping[str, Made]) -> tuple[dict[str, str], dict[str, str], list[Difference]]:
        """Leaves of the sources, leaves that the results must have, and what a cast changes. Raises Refused."""
        before, wanted, changes = dict[str, str](), dict[str, str](), list[Difference]()
        for name, made in tensors.items():
            tensor = made.make()
            before[name] = wanted[name] = digest.leaf(name, tensor)
            if self._job["operation"] == "cast" and tensor.is_floating_point():
                becomes = tensor.to(self._target)
                wanted[name] = digest.leaf(name, becomes)
                changes.append(_difference(name, tensor, becomes))
            self._pass(made)
        lost = [change for change in changes if change.inf[1] > change.inf[0]]
        if lost:
            raise Refused(
                Sentence(
                    "Values too large for %(dtype)s would become infinite, in: %(tensors)s. Nothing was kept. BF16 has the "
                    "range of F32.",
                    dtype=self._job["options"]["dtype"],
                    tensors=[f"{change.name} ({change.inf[1] - change.inf[0]})" for change in lost],
                )
            )
        return before, wanted, changes

    # --- Write, read back, prove --------------------------------------------------------------------------------------
    def _write(self, tensors: Mapping[str, Made]) -> dict[str, str]:
        """Write the files; which file holds each tensor."""
        sizes = {name: made.size for name, made in tensors.items()}
        count = int(self._job["options"]["shards"])
        try:
            dealt = dict(zip(layout.file_names(count), layout.deal(sizes, count), strict=True))
        except ValueError as fault:
            raise Refused(
                Sentence(
                    "There are fewer tensors (%(tensors)s) than files (%(files)s). Ask for fewer files.",
                    tensors=len(tensors),
                    files=count,
                )
            ) from fault
        out = self._scratch / "out"
        for file, names in dealt.items():
            save_file(self._apart(names, tensors), out / file, {"format": "pt"})
            self._say(f"Wrote {file} (tensors: {len(names)}).")
        if count > 1:
            table = layout.index(dealt, _size(tensors))
            (out / layout.INDEX).write_text(json.dumps(table, indent=2, sort_keys=True) + "\n", encoding="utf-8")
        return {name: file for file, names in dealt.items() for name in names}

    def _apart(self, names: list[str], tensors: Mapping[str, Made]) -> dict[str, torch.Tensor]:
        """Each tensor with memory of its own: names that share some each get their bytes in the file."""
        found, seen = dict[str, torch.Tensor](), set[int]()
        for name in names:
            tensor = tensors[name].make().detach().contiguous()
            held = tensor.untyped_storage()
            shared = held.nbytes() != tensor.nbytes or held.data_ptr() in seen
            seen.add(held.data_ptr())
            found[name] = tensor.clone() if shared else tensor
            self._pass(tensors[name])
        return found

    def _read_back(self, files: Mapping[str, str], wanted: Mapping[str, str]) -> dict[str, str]:
        get, leaves = self._reader(files), dict[str, str]()
        for name in wanted:
            tensor = get(name)
            leaves[name] = digest.leaf(name, tensor)
            if leaves[name] != wanted[name]:
                raise Refused(
                    Sentence(
                        "%(name)s was not read back as it was written. Try again; then look after the disk.",
                        name=repr(name),
                    )
                )
            self._pass(Made.of(tensor))
        return leaves

    def _prove(self, whole: pieces.Whole, files: Mapping[str, str]) -> dict[str, int]:
        get = self._reader(files)
        wrong = [cutting for cutting in whole.cuttings if not cutting.holds(get)]
        if wrong:
            raise Refused(
                Sentence(
                    "The result does not give %(name)s of %(path)s again. Nothing was kept.",
                    name=repr(wrong[0].key),
                    path=wrong[0].file,
                )
            )
        return {"count": len(whole.cuttings), "equal": len(whole.cuttings)}

    def _reader(self, files: Mapping[str, str]) -> Get:
        opened = {file: safe_open(self._scratch / "out" / file, framework="pt") for file in set(files.values())}
        return lambda name: opened[files[name]].get_tensor(name)  # type: ignore[no-untyped-call]

    def _pass(self, made: Made) -> None:
        self._done += made.size
        self._moved(self._done, self._all)


def _cast(made: Made, target: torch.dtype) -> Made:
    if not made.dtype.is_floating_point:
        return made
    return Made(target, made.shape, lambda: made.make().to(target))


def _difference(name: str, one: torch.Tensor, other: torch.Tensor) -> Difference:
    found = Difference(name)
    for pair in zip(one.reshape(-1).split(_PIECE), other.reshape(-1).split(_PIECE), strict=True):
        old, new = (values.double() for values in pair)
        for place, values in enumerate((old, new)):
            found.inf[place] += int(values.isinf().sum())
            found.nan[place] += int(values.isnan().sum())
        both = old.isfinite() & new.isfinite()
        if both.any():
            found.most = max(found.most, float((old[both] - new[both]).abs().max()))
    return found


def _summary(changes: list[Difference]) -> dict[str, Any]:
    worst = sorted(changes, key=lambda change: (-change.most, change.name))
    return {
        "tensors": len(changes),
        "max_abs_diff": max((change.most for change in changes), default=0.0),
        "inf": [sum(change.inf[place] for change in changes) for place in (0, 1)],
        "nan": [sum(change.nan[place] for change in changes) for place in (0, 1)],
        "rows": [change.as_json() for change in worst[:MOST_ROWS]],
    }


def _size(tensors: Mapping[str, Made]) -> int:
    return sum(made.size for made in tensors.values())


def _elements(made: Made) -> int:
    return int(made.size // made.dtype.itemsize)
