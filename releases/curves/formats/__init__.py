"""Readers of what training programs write: each a generator of rows, in bounded memory, with no trust in its file."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import IO, Final

from portal.errors import Invalid
from releases.curves.formats import codecarbon, metrics, tensorboard, wandb
from releases.curves.rows import Row

Read = Callable[[IO[bytes]], Iterator[Row]]
READERS: Final[dict[str, Read]] = {
    "metrics": metrics.read,
    "tensorboard": tensorboard.read,
    "wandb-jsonl": wandb.read_lines,
    "wandb-csv": wandb.read_table,
    "codecarbon": codecarbon.read,
}
"""By the name of the format."""
_PACKED: Final = (".gz", ".bz2", ".xz", ".zst", ".zip")


def guess(name: str) -> str:
    """The format of a file by its name. Raises Invalid where the name does not tell, or says that it is packed."""
    last = name.rpartition("/")[2].lower()
    if last.endswith(_PACKED):
        raise Invalid(f"{last} is compressed. Unpack it first.")
    if "tfevents" in last:
        return "tensorboard"
    if last.endswith(".csv"):
        return "codecarbon" if "emissions" in last else "wandb-csv"
    if last.endswith((".jsonl", ".ndjson")):
        return "metrics"
    raise Invalid(f"What {last or 'this file'} holds is not told by its name. Say which format: {', '.join(READERS)}.")
