"""Checkpoints of torch's, written without torch: an archive with a pickle and raw storages, as `torch.save` makes them."""

from __future__ import annotations

import io
import pickle
import struct
import zipfile
from collections.abc import Sequence
from math import prod
from typing import Any

FLOATS = "<{}f"


class _Name:
    """Pickled as the global of this name, whether it is there or not."""

    def __init__(self, module: str, name: str) -> None:
        self.module, self.name = module, name


class _Tensor:
    def __init__(self, key: str, values: Sequence[float], shape: Sequence[int], strides: Sequence[int] = ()) -> None:
        self.key, self.values, self.shape = key, values, shape
        self.strides = strides or [prod(shape[n + 1 :]) for n in range(len(shape))]


class _Writer(pickle._Pickler):  # type: ignore[name-defined] the one in Python can be taught globals that are not there
    dispatch = dict(pickle._Pickler.dispatch)  # type: ignore[attr-defined]

    def save_name(self, obj: _Name) -> None:
        self.write(b"c" + f"{obj.module}\n{obj.name}\n".encode())

    def save_tensor(self, obj: _Tensor) -> None:
        self.save(_Name("torch._utils", "_rebuild_tensor_v2"))
        self.write(pickle.MARK)
        self.save(("storage", _Name("torch", "FloatStorage"), obj.key, "cpu", len(obj.values)))
        self.write(pickle.BINPERSID)
        for each in (0, tuple(obj.shape), tuple(obj.strides), False):
            self.save(each)
        self.save(_Name("collections", "OrderedDict"))
        self.write(pickle.EMPTY_TUPLE + pickle.REDUCE + pickle.TUPLE + pickle.REDUCE)

    dispatch[_Name] = save_name
    dispatch[_Tensor] = save_tensor


def checkpoint(tensors: dict[str, tuple[Sequence[float], Sequence[int]]], **beside: Any) -> bytes:
    """The bytes of a checkpoint with these 32-bit floats: name → (values, shape)."""
    made = {name: _Tensor(str(n), *tensor) for n, (name, tensor) in enumerate(tensors.items())}
    return archive(
        {**made, **beside}, {t.key: struct.pack(FLOATS.format(len(t.values)), *t.values) for t in made.values()}
    )


def bomb() -> bytes:
    """Four bytes that claim to be 2⁴⁰ numbers: one tensor whose every place is the same."""
    return archive({"w": _Tensor("0", [1.0], [1 << 40], [0])}, {"0": struct.pack("<f", 1.0)})


def archive(content: Any, storages: dict[str, bytes] | None = None) -> bytes:
    out, inner = io.BytesIO(), io.BytesIO()
    _Writer(inner, protocol=2).dump(content)
    with zipfile.ZipFile(out, "w", zipfile.ZIP_STORED) as made:
        made.writestr("weights/data.pkl", inner.getvalue())
        for key, data in (storages or {}).items():
            made.writestr(f"weights/data/{key}", data)
        made.writestr("weights/version", "3\n")
    return out.getvalue()
