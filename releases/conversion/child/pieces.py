"""Puts weights together that were saved in pieces: flattened shards (FSDP) and parts of a tensor-parallel run."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial
from typing import Any, Final

import torch

from releases.conversion.child.made import Cutting, Get, Made, same
from releases.conversion.child.problems import Refused
from releases.conversion.child.splits import Architecture, Cut
from releases.sentences import Sentence

_WRAPPERS: Final = ("_fsdp_wrapped_module.", "_fpw_module.")
"""What FSDP puts into names."""


@dataclass(frozen=True, slots=True)
class Whole:
    """Tensors by name, and the pieces that must come out of them again."""

    tensors: dict[str, Made]
    cuttings: list[Cutting]


# --- Flattened shards ----------------------------------------------------------------------------------------------
@dataclass(frozen=True, slots=True)
class Flat:
    """One flat parameter: the key in every shard, and the tensors in it, in order: (name, shape, elements)."""

    key: str
    held: list[tuple[str, tuple[int, ...], int]]


def unflatten(shards: Sequence[tuple[str, Mapping[str, Any]]]) -> Whole:
    """The tensors of one part from its shards, in order: (file, checkpoint). Raises Refused.

    Each checkpoint holds `model` and `shard_metadata`, as fairscale's FSDP writes them for metaseq: where each flat
    parameter lies, what it was made of, and how many elements of padding each shard has at its end.
    """
    described = [_metadata(file, loaded) for file, loaded in shards]
    tensors, cuttings = dict[str, Made](), list[Cutting]()
    for number, flat in enumerate(_flats(shards[0][0], described[0])):
        strips = [
            _strip(file, loaded, flat, about, number) for (file, loaded), about in zip(shards, described, strict=True)
        ]
        if sum(len(strip) for strip in strips) != sum(elements for *_, elements in flat.held):
            raise Refused(
                Sentence(
                    "The shards of %(name)s do not have as many elements together as their description says.",
                    name=flat.key,
                )
            )
        tensors |= dict(_slices(flat, strips))
        cuttings += _cuttings(flat, strips, [file for file, _loaded in shards])
    file, first = shards[0]
    for name in described[0].get("buffer_names", []):
        if isinstance(buffer := first["model"].get(name), torch.Tensor):
            tensors[_plain(name)] = Made.of(buffer)
            cuttings.append(Cutting(file, name, Made.of(buffer), _getter(_plain(name))))
    for about in described[0]["param_metadata"]:
        for taken, other in about.get("shared_param_info", []):
            tensors[_plain(other)] = tensors[_plain(taken)]
    return Whole(tensors, cuttings)


def _metadata(file: str, loaded: Mapping[str, Any]) -> dict[str, Any]:
    found = loaded.get("shard_metadata") if isinstance(loaded, Mapping) else None
    rows = found.get("param_metadata") if isinstance(found, Mapping) else None
    if not isinstance(found, Mapping) or not isinstance(rows, list) or not isinstance(loaded.get("model"), Mapping):
        raise Refused(
            Sentence(
                "%(path)s has no shard_metadata, without which its flat parameters cannot be told apart.", path=file
            )
        )
    return dict(found)


def _flats(file: str, about: dict[str, Any]) -> Iterator[Flat]:
    for path, name, value in _described(about):
        try:
            rows = zip(value["names"], value["shapes"], value["numels"], strict=True)
            held = [
                (_plain(".".join(filter(None, (path, n)))), tuple(map(int, shape)), int(count))
                for n, shape, count in rows
            ]
        except (KeyError, TypeError, ValueError) as fault:
            raise Refused(
                Sentence("%(path)s describes its flat parameter %(name)s in an unknown way.", path=file, name=name)
            ) from fault
        yield Flat(".".join(filter(None, (path, name))), held)


def _described(about: dict[str, Any]) -> Iterator[tuple[str, str, Mapping[str, Any]]]:
    for row in about["param_metadata"]:
        for name, value in row["params"].items():
            yield str(row.get("fsdp_path", "")), str(name), value


def _strip(file: str, loaded: Mapping[str, Any], flat: Flat, about: dict[str, Any], number: int) -> torch.Tensor:
    """One shard's share of a flat parameter, without its padding."""
    held = loaded["model"].get(flat.key)
    padding = int(list(_described(about))[number][2].get("padding", 0))
    if not isinstance(held, torch.Tensor) or held.dim() != 1 or not 0 <= padding <= len(held):
        raise Refused(
            Sentence(
                "%(path)s lacks the flat parameter %(name)s, or describes its padding wrongly.",
                path=file,
                name=flat.key,
            )
        )
    return held[: len(held) - padding]


def _slices(flat: Flat, strips: list[torch.Tensor]) -> Iterator[tuple[str, Made]]:
    start = 0
    for name, shape, elements in flat.held:
        make: Callable[[], torch.Tensor] = partial(_shaped, strips, start, elements, shape)
        yield name, Made(strips[0].dtype, shape, make)
        start += elements


def _shaped(strips: list[torch.Tensor], start: int, elements: int, shape: tuple[int, ...]) -> torch.Tensor:
    try:
        return _window(strips, start, elements).reshape(shape)
    except RuntimeError as fault:
        raise Refused(
            Sentence(
                "A tensor of %(elements)s elements is described with the shape %(shape)s.",
                elements=elements,
                shape=str(shape),
            )
        ) from fault


def _window(strips: list[torch.Tensor], start: int, elements: int) -> torch.Tensor:
    """`elements` from `start` on, as if the strips lay one behind the other."""
    found, end, place = [strips[0][:0]], start + elements, 0
    for strip in strips:
        found.append(strip[max(0, start - place) : max(0, end - place)])
        place += len(strip)
    return torch.cat(found)


def _cuttings(flat: Flat, strips: list[torch.Tensor], files: list[str]) -> Iterator[Cutting]:
    start = 0
    for file, strip in zip(files, strips, strict=True):
        yield Cutting(file, flat.key, Made.of(strip), partial(_flattened, flat, start, len(strip)))
        start += len(strip)


def _flattened(flat: Flat, start: int, elements: int, get: Get) -> torch.Tensor:
    """The same stretch of the flat parameter, from finished tensors."""
    found, place = list[torch.Tensor](), 0
    for name, _shape, held in flat.held:
        low, high = max(0, start - place), min(held, start + elements - place)
        if low < high:
            found.append(get(name).reshape(-1)[low:high])
        place += held
    return torch.cat(found) if found else torch.empty(0)


def _plain(name: str) -> str:
    for wrapper in _WRAPPERS:
        name = name.replace(wrapper, "")
    return name


# --- Parts of a tensor-parallel run --------------------------------------------------------------------------------
def glue(parts: Sequence[Whole], architecture: Architecture) -> Whole:
    """One model from its parts, in order, by the architecture's rows. Raises Refused."""
    names = parts[0].tensors.keys()
    for number, part in enumerate(parts):
        if odd := names ^ part.tensors.keys():
            raise Refused(
                Sentence(
                    "Parts 0 and %(part)s do not hold the same tensors: %(name)s is in one of them alone.",
                    part=number,
                    name=repr(sorted(odd)[0]),
                )
            )
    tensors = {name: _glued(name, [part.tensors[name] for part in parts], architecture) for name in names}
    cuttings = list[Cutting]()
    for number, part in enumerate(parts):
        lengths = {name: [p.tensors[name].shape for p in parts] for name in names}
        view = partial(_cut_again, lengths, number, architecture)
        cuttings += [replace(c, again=partial(_through, c.again, view)) for c in part.cuttings]
    return Whole(tensors, cuttings)


def _glued(name: str, pieces: list[Made], architecture: Architecture) -> Made:
    cut = architecture.cut(name)
    if cut is None:
        raise Refused(
            Sentence(
                "There is no rule for the tensor %(name)s in %(architecture)s. Choose another architecture.",
                name=repr(name),
                architecture=architecture.title,
            )
        )
    if len({(piece.dtype, len(piece.shape)) for piece in pieces}) > 1:
        raise Refused(Sentence("The parts hold %(name)s in different types.", name=repr(name)))
    if cut is Cut.WHOLE:
        if not all(same(pieces[0].make(), piece.make()) for piece in pieces[1:]):
            raise Refused(
                Sentence(
                    "Every part should hold the same %(name)s, and they differ. One of the files is wrong.",
                    name=repr(name),
                )
            )
        return pieces[0]
    along = _along(cut)
    shape = list(pieces[0].shape)
    if len(shape) <= along or any(
        p.shape[:along] + p.shape[along + 1 :] != (*shape[:along], *shape[along + 1 :]) for p in pieces
    ):
        raise Refused(Sentence("The pieces of %(name)s do not fit together.", name=repr(name)))
    shape[along] = sum(piece.shape[along] for piece in pieces)
    return Made(pieces[0].dtype, tuple(shape), partial(_join, pieces, cut))


def _join(pieces: list[Made], cut: Cut) -> torch.Tensor:
    made = [piece.make() for piece in pieces]
    if cut is not Cut.FUSED:
        return torch.cat(made, dim=_along(cut))
    rows = torch.cat([_thirds(piece) for piece in made], dim=1)
    return rows.reshape(-1, *rows.shape[2:])


def _cut_again(lengths: dict[str, list[tuple[int, ...]]], number: int, architecture: Architecture, get: Get) -> Get:
    """One part's tensors, cut from finished ones."""

    def part(name: str) -> torch.Tensor:
        whole, cut = get(name), architecture.cut(name)
        if cut is None or cut is Cut.WHOLE:
            return whole
        along = _along(cut)
        before, own = (sum(shape[along] for shape in lengths[name][:number]), lengths[name][number][along])
        if cut is not Cut.FUSED:
            return whole.narrow(along, before, own)
        rows = _thirds(whole).narrow(1, before // 3, own // 3)
        return rows.reshape(-1, *rows.shape[2:])

    return part


def _thirds(tensor: torch.Tensor) -> torch.Tensor:
    if len(tensor) % 3:
        raise Refused(Sentence("A tensor of query, key and value together does not fall into three."))
    return tensor.reshape(3, len(tensor) // 3, *tensor.shape[1:])


def _along(cut: Cut) -> int:
    return 1 if cut is Cut.COLUMNS else 0


def _through(again: Callable[[Get], torch.Tensor], view: Callable[[Get], Get], get: Get) -> torch.Tensor:
    return again(view(get))


def _getter(name: str) -> Callable[[Get], torch.Tensor]:
    return lambda get: get(name)


def as_they_are(file: str, tensors: Mapping[str, torch.Tensor]) -> Whole:
    """A file whose tensors are whole."""
    made = {name: Made.of(tensor) for name, tensor in tensors.items()}
    return Whole(made, [Cutting(file, name, made[name], _getter(name)) for name in made])
