"""What is promised of the gateway, beside what was measured."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass, field

from bench.gateway.cells import BURST, JSON, PACED, Cell
from bench.gateway.held import Held
from bench.gateway.stand import GATEWAY, RELAY

ROUTERS = ("vllm-router", "sglang-router")
_FLAT = 1.05


@dataclass
class Figures:
    """The medians that promises speak of; what was not measured is missing."""

    cpu: dict[tuple[str, str], float] = field(default_factory=dict)
    added: dict[str, tuple[float, float]] = field(default_factory=dict)
    open_streams: Held | None = None
    slow_readers: Held | None = None
    abort_ms: float | None = None


@dataclass(frozen=True)
class Promise:
    """`measured` gives the figure and its words, or None where it was not measured."""

    what: str
    asked: str
    measured: Callable[[Figures], tuple[bool, str] | None]


def print_promises(figures: Figures) -> None:
    """Each one, kept or missed, plainly."""
    print("| promise | asked | measured | |\n|---|---|---|---|")
    for promise in PROMISES:
        said = promise.measured(figures)
        kept, words = said if said else (None, "not measured")
        print(
            f"| {promise.what} | {promise.asked} | {words} | {'' if kept is None else 'kept' if kept else '**missed**'} |"
        )


def _beside_routers(cell: Cell, most: float) -> Callable[[Figures], tuple[bool, str] | None]:
    def measured(figures: Figures) -> tuple[bool, str] | None:
        ours = figures.cpu.get((cell.name, GATEWAY))
        theirs = min(_known(figures.cpu.get((cell.name, router)) for router in ROUTERS), default=None)
        if ours is None or theirs is None:
            return None
        return ours <= most * theirs, f"{ours / theirs:.2f} × ({ours:.0f} beside {theirs:.0f} µs)"

    return measured


def _beside_litellm(figures: Figures) -> tuple[bool, str] | None:
    ours, theirs = (figures.cpu.get((JSON.name, name)) for name in (GATEWAY, "LiteLLM"))
    if ours is None or theirs is None:
        return None
    return theirs >= 50 * ours, f"{theirs / ours:.0f} × ({ours:.0f} beside {theirs:.0f} µs)"


def _added_p50(figures: Figures) -> tuple[bool, str] | None:
    ours = figures.added.get(GATEWAY)
    return ours and (ours[0] <= 0.4, f"{ours[0]:.2f} ms")


def _added_p99(figures: Figures) -> tuple[bool, str] | None:
    ours, relay = figures.added.get(GATEWAY), figures.added.get(RELAY)
    if ours is None or relay is None:
        return None
    return ours[1] <= 1.5 * relay[1], f"{ours[1] / relay[1]:.2f} × ({ours[1]:.2f} beside {relay[1]:.2f} ms)"


def _flat(which: str) -> Callable[[Figures], tuple[bool, str] | None]:
    def measured(figures: Figures) -> tuple[bool, str] | None:
        held: Held | None = getattr(figures, which)
        return held and (held.late <= _FLAT * held.opened, f"{held.opened:.0f} MB, then {held.late:.0f} MB")

    return measured


def _abort(figures: Figures) -> tuple[bool, str] | None:
    wait = figures.abort_ms
    return None if wait is None else (wait < 50, f"{wait:.1f} ms")


def _known(values: Iterable[float | None]) -> list[float]:
    return [value for value in values if value is not None]


PROMISES = (
    Promise("CPU for a JSON request, beside the faster Rust router", "≤ 1.0 ×", _beside_routers(JSON, 1.0)),
    Promise("CPU for a paced event, beside the faster Rust router", "≤ 1.0 ×", _beside_routers(PACED, 1.0)),
    Promise("CPU for a burst of 128 events, beside the faster Rust router", "≤ 0.3 ×", _beside_routers(BURST, 0.3)),
    Promise("CPU for a JSON request: LiteLLM beside ours", "≥ 50 ×", _beside_litellm),
    Promise("added time to the first byte, p50, at 70 % of a core", "≤ 0.4 ms", _added_p50),
    Promise("added time to the first byte, p99, beside the bare relay’s", "≤ 1.5 ×", _added_p99),
    Promise("memory with 5,000 open streams", "flat", _flat("open_streams")),
    Promise("memory with slow readers", "flat", _flat("slow_readers")),
    Promise("an abort reaches the engine, median", "< 50 ms", _abort),
)
