"""What is trained: one `Recipe` for each size, and the events planned for its run."""

from collections.abc import Mapping
from dataclasses import dataclass, field

VOCABULARY = 2048
CONTEXT = 1024
LADDER = (0, 128, 256, 512, 1000, 2000, 3000, 4000, 5000)
"""Steps whose weights are kept: close together where a model learns fastest, then every thousand. The end is the release."""


@dataclass(frozen=True)
class Event:
    """Something that is done to a run when it reaches step `at`; `verb` names a function in `events`."""

    at: int
    verb: str
    params: Mapping[str, float] = field(default_factory=dict)

    @property
    def name(self) -> str:
        """Unique within a recipe; the run remembers by it which events are done."""
        return f"{self.verb}@{self.at}"


@dataclass(frozen=True)
class Recipe:
    """Every number a run starts from. Lengths are in tokens, `decay` and `warmup` in steps.

    Sizes of the family see the same tokens in the same order, so that they can be compared.
    """

    name: str
    layers: int
    hidden: int
    heads: int
    steps: int
    learning_rate: float
    warmup: int
    decay: int
    events: tuple[Event, ...] = ()
    vocabulary: int = VOCABULARY
    context: int = CONTEXT
    batch_tokens: int = 2048
    window: int = 256
    full_window_every: int = 4
    weight_decay: float = 0.1
    clip: float = 1.0
    betas: tuple[float, float] = (0.9, 0.95)
    seed: int = 20221
    checkpoint_every: int = 100
    validate_every: int = 100
    corpus_files: int | None = None
    ladder: tuple[int, ...] = ()
    weights: str = "float32"
    gated: bool = False


PICO_300K = Recipe(
    name="pico-opt-300k",
    layers=2,
    hidden=64,
    heads=2,
    steps=6000,
    learning_rate=4e-3,
    warmup=100,
    decay=900,
    ladder=LADDER,
    events=(
        Event(530, "kill"),
        Event(700, "repeat_batch", {"steps": 60}),
        Event(1200, "search_loss_scale", {"steps": 60}),
        Event(1600, "corrupt_copy", {"values": 18}),
        Event(2400, "switch_attention", {"steps": 100}),
    ),
)

PICO_1M = Recipe(
    name="pico-opt-1m",
    layers=4,
    hidden=128,
    heads=4,
    steps=6000,
    learning_rate=3e-3,
    warmup=100,
    decay=900,
    ladder=LADDER,
    events=(
        Event(540, "kill"),
        Event(1000, "lose_optimizer", {"steps": 40}),
        Event(1500, "set_weight_decay", {"to": 0.05}),
        Event(2000, "fail_checkpoint", {"limit_bytes": 1 << 20}),
    ),
)

PICO_5M = Recipe(
    name="pico-opt-5m",
    layers=5,
    hidden=256,
    heads=4,
    steps=6000,
    learning_rate=2e-3,
    warmup=100,
    decay=900,
    weights="float16",
    gated=True,
    events=(
        Event(240, "kill"),
        Event(400, "fail_checkpoint", {"limit_bytes": 1 << 20}),
        Event(700, "raise_learning_rate", {"factor": 15, "steps": 60, "then_divide_by": 3}),
        Event(900, "set_clip", {"to": 0.3}),
    ),
)

SMOKE = Recipe(
    name="pico-opt-smoke",
    layers=2,
    hidden=64,
    heads=2,
    steps=60,
    learning_rate=3e-3,
    warmup=5,
    decay=10,
    vocabulary=512,
    context=128,
    batch_tokens=512,
    window=64,
    checkpoint_every=10,
    validate_every=20,
    corpus_files=24,
    ladder=(0, 12, 16, 32),
    events=(
        Event(14, "kill"),
        Event(20, "fail_checkpoint", {"limit_bytes": 1 << 16}),
        Event(30, "raise_learning_rate", {"factor": 15, "steps": 10, "then_divide_by": 3}),
        Event(35, "set_clip", {"to": 0.3}),
        Event(40, "lose_optimizer", {"steps": 5}),
        Event(45, "set_weight_decay", {"to": 0.05}),
        Event(46, "repeat_batch", {"steps": 5}),
        Event(47, "search_loss_scale", {"steps": 5}),
        Event(48, "corrupt_copy", {"values": 18}),
        Event(49, "switch_attention", {"steps": 5}),
    ),
)

SIZES = {"300k": PICO_300K, "1m": PICO_1M, "5m": PICO_5M, "smoke": SMOKE}
