"""Which counts of a published table must be left out, so that no small one can be read or computed. Plain Python.

A count from 1 to LEAST - 1 is about so few people that they could be recognised. Leaving it out is not enough where
a total stands beside it: then a second count must go too, and where there is none, the total.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Final

LEAST: Final = 5
"""A smaller count is not published; zero is."""

Relation = tuple[str, Sequence[str]]
"""The name of a total, and the names of the parts that it is the sum of."""


def hidden(cells: Mapping[str, int], relations: Sequence[Relation]) -> frozenset[str]:
    """The names of the cells that must be left out."""
    gone = {name for name, count in cells.items() if 0 < count < LEAST}
    while True:
        more = next((name for relation in relations if (name := _give_away(cells, relation, gone))), None)
        if more is None:
            return frozenset(gone)
        gone.add(more)


def _give_away(cells: Mapping[str, int], relation: Relation, gone: set[str]) -> str | None:
    """What else must go, because this sum would tell a missing count; None when it tells nothing."""
    total, parts = relation
    missing = [name for name in parts if name in gone]
    told = (total in gone and not missing) or (
        total not in gone and (len(missing) == 1 or 0 < sum(cells[name] for name in missing) < LEAST)
    )
    if not told:
        return None
    shown = [name for name in parts if name not in gone and cells[name]]
    if shown:
        return min(shown, key=lambda name: (cells[name], name))
    return total if total not in gone else None
