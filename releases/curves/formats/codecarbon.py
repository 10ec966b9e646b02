"""codecarbon's emissions.csv, by its head: the columns have grown over its versions. Emissions are in kg, energy in kWh."""

from __future__ import annotations

from collections.abc import Iterator
from typing import IO, Final

from portal.errors import Invalid
from releases.curves.formats import lines
from releases.curves.rows import NONE, Row, Segments, real, seconds

SERIES: Final = (
    "emissions", "energy_consumed", "cpu_energy", "gpu_energy", "ram_energy", "cpu_power", "gpu_power", "ram_power",
    "duration",
)  # fmt: skip
"""Kilograms of CO₂ equivalent, kilowatt-hours, watts, seconds: the portal's own units, so nothing is converted."""


def read(file: IO[bytes]) -> Iterator[Row]:
    """A row for each line: one for each run that was tracked, at the moment when it was written. Raises Invalid."""
    segments = Segments()
    for number, line in enumerate(lines.table(file), 1):
        if "emissions" not in line or "timestamp" not in line:
            raise Invalid("This is not codecarbon's emissions.csv: it has no columns timestamp and emissions.")
        at = seconds(line["timestamp"], number)
        found = {name: lines.number(line.get(name) or "") for name in SERIES}
        values = {
            name: real(value) if isinstance(value, int) else value for name, value in found.items() if value is not None
        }
        if values:
            yield Row(NONE, NONE, at, segments.of(NONE, NONE, at), None, values)
