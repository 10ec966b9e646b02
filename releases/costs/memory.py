"""Whether a model fits: weights, cache, activations and runtime of each accelerator, and whether the split is possible."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

from django.utils.formats import number_format
from django.utils.functional import Promise
from django.utils.translation import gettext_lazy as _

from releases.costs.architecture import Architecture, Counted
from releases.costs.expression import Quantity, Source, exactly, given, least, most
from releases.costs.plan import Plan

KINDS: Final[Mapping[str, float]] = {"fp32": 4, "fp16": 2, "bf16": 2, "fp8": 1, "int8": 1, "int4": 0.5}
"""How a number is stored → its bytes."""
QUANTISED: Final = frozenset({"fp8", "int8", "int4"})
_SCALE: Final = Source(_("a 16-bit scale for each group of numbers"))
_HABIT: Final = Source(_("how engines store it; embeddings, norms and biases stay at two bytes"))
_SIZE: Final = Source(_("the size of the type"))
_RULE: Final = Source(_("rule of thumb: ten arrays as wide as the model for each token that is read at once"))
_REPEATED: Final = Source(_("a latent cache is repeated on each part"))


@dataclass(frozen=True, slots=True)
class Memory:
    """What lies on one accelerator, and what that leaves room for. Bytes."""

    weights: Quantity
    """Of the whole model."""
    cache_per_token: Quantity
    cache_per_sequence: Quantity
    """Of the whole model, at the plan's context."""
    weights_here: Quantity
    cache_here: Quantity
    """One sequence's share."""
    activations: Quantity
    runtime: Quantity
    usable: Quantity
    cached: Quantity
    """The cache of all of the plan's sequences."""
    needed: Quantity
    spare: Quantity
    """Sequences of the plan's context that fit beside the weights."""

    @property
    def holds(self) -> bool:
        """Whether all but the cache has room."""
        return self.needed.amount - self.cached.amount <= self.usable.amount

    @property
    def fits(self) -> bool:
        """Whether the plan's sequences fit at once."""
        return self.needed.amount <= self.usable.amount


@dataclass(frozen=True, slots=True)
class Condition:
    """One thing that a split needs."""

    label: str | Promise
    line: str
    met: bool
    note: str | Promise = ""


def parameters(counted: Counted, known: Quantity | None) -> Quantity:
    """How many parameters the model has: counted in its files or stated by its makers, else by the architecture."""
    return known or counted.total


def bytes_of(kind: str, group: int) -> Quantity:
    """Bytes of one number of a matrix."""
    stored = given(f"bytes_{kind}", _("Bytes of a number"), KINDS[kind], "B", _SIZE)
    if kind != "int4" or not group:
        return stored
    scale = given("scale_bytes", _("Bytes of a scale"), 2, "B", _SCALE)
    shared = given("group", _("Numbers that share a scale"), group)
    return (stored + scale / shared).named("bytes_int4_group", _("Bytes of a number, with its share of a scale"))


def weights(counted: Counted, known: Quantity | None, kind: str, group: int) -> Quantity:
    """All weights, in bytes."""
    total, one = parameters(counted, known), bytes_of(kind, group)
    if kind not in QUANTISED:
        return (total * one).named("weights", _("Weights"))
    rest = (total - counted.matrices).named("other_parameters", _("Parameters outside the layers' matrices"))
    return (counted.matrices * one + rest * _rest_bytes(kind)).named("weights", _("Weights"))


def _rest_bytes(kind: str) -> Quantity:
    """Bytes of a number outside the layers' matrices."""
    if kind not in QUANTISED:
        return bytes_of(kind, 0)
    return given("bytes_rest", _("Bytes of a number that is not quantised"), 2, "B", _HABIT)


def cache_per_token(shape: Architecture, kind: str) -> Quantity:
    """What one token keeps for those that follow, in all layers, in bytes."""
    stored = given(f"cache_bytes_{kind}", _("Bytes of a cached number"), KINDS[kind], "B", _SIZE)
    layers = given("layers", _("Layers"), shape.layers, source=shape.source)
    if shape.latent:
        kept = given("latent", _("Numbers kept for a token in a layer"), shape.latent, "1/token", shape.source)
        return (layers * kept * stored).named("cache_per_token", _("Cache of one token"))
    heads = given("kv_heads", _("Key-value heads"), shape.kv_heads, source=shape.source)
    head = given("head_width", _("Width of a head"), shape.head_width, source=shape.source)
    return (exactly(2, "1/token") * layers * heads * head * stored).named(
        "cache_per_token", _("Cache of one token"), _("A key and a value, for each layer and key-value head.")
    )


def cache_of(shape: Architecture, kind: str, tokens: Quantity, key: str = "cache_per_sequence") -> Quantity:
    """The cache of a sequence of so many tokens; windowed layers keep no more than their window."""
    each = cache_per_token(shape, kind)
    if not shape.windowed_layers:
        return (each * tokens).named(key, _("Cache of one sequence"))
    share = given("windowed_layers", _("Layers with a window"), shape.windowed_layers, source=shape.source)
    share = share / given("layers", _("Layers"), shape.layers, source=shape.source)
    window = given("window", _("Window"), shape.window, "token", shape.source)
    kept = (share * least(tokens, window) + (exactly(1) - share) * tokens).named(
        "kept_tokens", _("Tokens kept, as a mean over the layers")
    )
    return (each * kept).named(key, _("Cache of one sequence"))


def of(shape: Architecture, counted: Counted, known: Quantity | None, plan: Plan) -> Memory:
    """The memory of one accelerator of the plan: a mean over the pipeline's stages."""
    tensor, pipeline = plan.tensor_parts(), plan.pipeline_parts()
    whole = weights(counted, known, plan.weights, plan.group)
    replicated = (counted.replicated * _rest_bytes(plan.weights)).named(
        "replicated", _("Norms, biases and positions, in bytes")
    )
    here = ((whole - replicated) / tensor / pipeline + replicated / pipeline).named(
        "weights_here", _("Weights on one accelerator"), _("Norms, biases and positions are on each part of a layer.")
    )
    tokens = plan.context_tokens()
    sequence = cache_of(shape, plan.cache, tokens)
    held = (sequence * _share(shape, plan) / pipeline).named(
        "cache_here", _("Cache of one sequence on one accelerator")
    )
    activations, runtime = _activations(shape, plan), plan.runtime_bytes()
    usable = (plan.usable_share() * plan.memory()).named("usable", _("Memory to be used on one accelerator"))
    fixed = (here + activations + runtime).named("fixed", _("Everything but the cache"))
    cached = (plan.sequences() * held).named("cached", _("Cache of all sequences on one accelerator"))
    needed = (fixed + cached).named("needed", _("Memory needed on one accelerator"))
    spare = (
        ((usable - fixed) / held)
        .whole()
        .named("spare", _("Sequences that fit at once"), _("Of the whole context each; shorter ones take less."))
    )
    return Memory(
        whole,
        cache_per_token(shape, plan.cache),
        sequence,
        here,
        held,
        activations,
        runtime,
        usable,
        cached,
        needed,
        spare,
    )


def _share(shape: Architecture, plan: Plan) -> Quantity:
    """What part of a layer's cache one accelerator holds: heads are shared out, and repeated where they are too few."""
    if shape.latent:
        return given("cache_share", _("Share of a layer's cache"), 1, source=_REPEATED)
    heads = given("kv_heads", _("Key-value heads"), shape.kv_heads, source=shape.source)
    return (most(exactly(1), heads / plan.tensor_parts()) / heads).named(
        "cache_share",
        _("Share of a layer's cache"),
        _("Where there are fewer heads than parts, each part repeats one."),
    )


def _activations(shape: Architecture, plan: Plan) -> Quantity:
    width = given("width", _("Width of the model"), shape.width, source=shape.source)
    arrays = given("arrays", _("Arrays of that width for each token"), 10, "1/token", _RULE)
    stored = given("activation_bytes", _("Bytes of an activation"), 4 if plan.weights == "fp32" else 2, "B", _SIZE)
    vocabulary = given("vocabulary", _("Vocabulary"), shape.vocabulary, source=shape.source)
    scores = plan.sequences() * vocabulary * exactly(4, "B")
    return (plan.chunk_tokens() * width * arrays * stored + scores).named(
        "activations",
        _("Activations"),
        _("Of the tokens that are read at once, and one score a word of the vocabulary for each sequence."),
    )


def conditions(shape: Architecture, plan: Plan) -> list[Condition]:
    """What the split into parts needs, each met or not."""
    tensor, pipeline = plan.tensor, plan.pipeline
    padded = math.ceil(shape.vocabulary / tensor) * tensor
    kv = shape.kv_heads % tensor == 0 or tensor % shape.kv_heads == 0
    return [
        _divides(_("Attention heads"), shape.heads, tensor),
        Condition(
            _("Key-value heads"), _line(shape.kv_heads, tensor), kv or bool(shape.latent),
            _("each part repeats one") if shape.kv_heads < tensor and kv else "",
        ),
        _divides(_("Feed-forward width"), shape.feed_forward, tensor),
        Condition(
            _("Vocabulary"), _line(shape.vocabulary, tensor), met=True,
            note="" if padded == shape.vocabulary else _("after padding to %(padded)s") % {"padded": number_format(padded, force_grouping=True)},
        ),
        _divides(_("Layers"), shape.layers, pipeline),
    ]  # fmt: skip


def _line(amount: int, parts: int) -> str:
    whole, rest = divmod(amount, parts)
    result = (
        number_format(amount / parts, 2, force_grouping=True) if rest else number_format(whole, force_grouping=True)
    )
    return f"{number_format(amount, force_grouping=True)} ÷ {parts} = {result}"


def _divides(label: str | Promise, amount: int, parts: int) -> Condition:
    return Condition(label, _line(amount, parts), amount % parts == 0)
