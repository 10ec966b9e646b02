"""Opens a file of weights: tensors by name, their bytes left on disk until they are needed."""

from __future__ import annotations

import argparse
import pickle
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final

import torch
from safetensors import SafetensorError, safe_open

from releases.conversion.child.opcodes import look_through
from releases.conversion.child.problems import Refused
from releases.sentences import Sentence

TABLES: Final = ("model", "state_dict", "model_state_dict", "module")
"""Where checkpoints keep their tensors, beside an optimizer's state and settings."""


def load(path: Path, name: str) -> Any:  # noqa: ANN401 whatever a checkpoint holds
    """What the file called `name` holds, without running any of it. Raises Refused."""
    if name.endswith(".safetensors"):
        return _safetensors(path, name)
    archive = look_through(path, name)
    try:
        with torch.serialization.safe_globals([argparse.Namespace]):
            return torch.load(path, map_location="cpu", weights_only=True, mmap=archive)
    except (pickle.UnpicklingError, ValueError, KeyError, IndexError, TypeError, AttributeError, EOFError) as fault:
        raise Refused(Sentence("torch cannot open %(path)s: %(fault)s", path=name, fault=_first_line(fault))) from fault


def tensors(loaded: object, name: str) -> tuple[dict[str, torch.Tensor], int]:
    """The tensors of a checkpoint by name, and how many other things beside them are left out. Raises Refused."""
    table = state(loaded, name)
    found = {str(key): value for key, value in table.items() if isinstance(value, torch.Tensor)}
    if not found:
        raise Refused(Sentence("%(path)s holds no tensors by name.", path=name))
    for key, value in found.items():
        if value.layout != torch.strided or value.is_quantized or value.device.type != "cpu":
            raise Refused(
                Sentence(
                    "%(path)s: the tensor %(name)s is sparse, quantised or of another device, so no file can hold it.",
                    path=name,
                    name=repr(key),
                )
            )
    return found, len(table) - len(found)


def state(loaded: object, name: str) -> Mapping[Any, Any]:
    """The table of tensors in a checkpoint, which may be the whole of it. Raises Refused."""
    if not isinstance(loaded, Mapping):
        raise Refused(
            Sentence("%(path)s holds a %(kind)s, not tensors by name.", path=name, kind=type(loaded).__name__)
        )
    inner = (loaded[key] for key in TABLES if isinstance(loaded.get(key), Mapping))
    return next(inner, loaded)


def _safetensors(path: Path, name: str) -> dict[str, torch.Tensor]:
    try:
        with safe_open(path, framework="pt") as held:
            return {key: held.get_tensor(key) for key in held.keys()}  # noqa: SIM118 no mapping
    except SafetensorError as fault:
        raise Refused(
            Sentence("%(path)s is no safetensors file: %(fault)s", path=name, fault=_first_line(fault))
        ) from fault


def _first_line(fault: Exception) -> str:
    return (str(fault).strip() or type(fault).__name__).splitlines()[0][:200]
