"""What a model is made of, as far as its cost follows from it: read from a config.json, counted in an expression."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, Final

from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from portal.errors import Invalid
from releases.costs.expression import Quantity, Source, Text, exactly, given

Give = Callable[[str, Text, int], Quantity]
LARGEST: Final = 10**9
"""Of any whole number in a config: a stranger wrote it."""
_LAYERED: Final = frozenset({"opt", "gpt2", "gpt_neox", "gptj", "bloom", "falcon", "phi", "gpt_bigcode", "starcoder2"})
"""Model types whose norms have a bias beside the weight, and whose blocks hold two matrices, not three."""
_BIASED: Final = frozenset({"opt", "gpt2", "gpt_neox", "bloom", "phi", "gpt_bigcode", "starcoder2"})
_TIED: Final = frozenset({"opt", "gpt2", "bloom", "gemma", "gemma2", "gemma3", "gemma3_text", "cohere", "falcon"})
"""Model types that use one table for reading and writing where the config does not say."""
_TABLE: Final = {"opt": 2, "gpt2": 0, "gpt_bigcode": 0}
"""Model types with a table of positions → rows beyond the context."""


@dataclass(frozen=True, slots=True)
class Architecture:
    """The shape of a decoder-only transformer."""

    layers: int
    width: int
    heads: int
    kv_heads: int
    head_width: int
    feed_forward: int
    vocabulary: int
    context: int
    matrices: int = 2
    """Of a feed-forward block: three where it is gated."""
    experts: int = 0
    """Feed-forward blocks of a layer, of which each token takes `experts_used`; 0: one, for every token."""
    experts_used: int = 0
    dense_layers: int = 0
    """Layers that have one wide block although the others have experts."""
    dense_feed_forward: int = 0
    shared_feed_forward: int = 0
    """Width of a block beside the experts that every token takes."""
    tied: bool = True
    embedding_width: int = 0
    """Where it is not the model's."""
    positions: int = 0
    """Rows of a learned table."""
    biases: bool = False
    norm_vectors: int = 1
    window: int = 0
    """Tokens that a windowed layer looks back; 0: there are none."""
    windowed_layers: int = 0
    latent: int = 0
    """Numbers that a token keeps in a layer in place of keys and values (multi-head latent attention)."""
    weights: str = "fp16"
    """How the config says that numbers are stored: a name of memory.KINDS."""
    group: int = 0
    """Numbers that share one scale, where weights are quantised in groups."""
    source: Source | None = field(default=None, compare=False)


def read(config: Mapping[str, Any], source: Source | None = None) -> Architecture:
    """The architecture that a config.json describes. Raises Invalid with the name of what it lacks or gets wrong."""
    inner = config.get("text_config")
    said: dict[str, Any] = {**config, **inner} if isinstance(inner, Mapping) else dict(config)
    kind = str(said.get("model_type", ""))
    width = _whole(said, "hidden_size", "n_embd", "d_model")
    layers = _whole(said, "num_hidden_layers", "n_layer", "num_layers")
    heads = _whole(said, "num_attention_heads", "n_head", "num_heads")
    experts = _whole(said, "num_local_experts", "num_experts", "n_routed_experts", default=0)
    feed_forward = _feed_forward(said, width)
    window, windowed = _window(said, layers)
    context = _whole(said, "max_position_embeddings", "n_positions", "seq_length", default=2048, least=1)
    dense = _whole(said, "first_k_dense_replace", default=0, most=layers) if experts else 0
    return Architecture(
        layers=layers,
        width=width,
        heads=heads,
        kv_heads=_kv_heads(said, heads),
        head_width=_whole(said, "head_dim", default=max(1, width // heads), least=1),
        feed_forward=_whole(said, "moe_intermediate_size", default=feed_forward) if experts else feed_forward,
        vocabulary=_whole(said, "vocab_size"),
        context=context,
        matrices=2 if kind in _LAYERED else 3,
        experts=experts,
        experts_used=_whole(said, "num_experts_per_tok", "num_experts_per_token", default=1, most=experts)
        if experts
        else 0,
        dense_layers=dense,
        dense_feed_forward=feed_forward if dense else 0,
        shared_feed_forward=_shared(said) if experts else 0,
        tied=bool(said.get("tie_word_embeddings", kind in _TIED)),
        embedding_width=_whole(said, "word_embed_proj_dim", default=width),
        positions=context + _TABLE[kind] if kind in _TABLE else 0,
        biases=kind in _BIASED and said.get("enable_bias", True) is not False,
        norm_vectors=2 if kind in _LAYERED else 1,
        window=window,
        windowed_layers=windowed,
        latent=_whole(said, "kv_lora_rank", default=0)
        and _whole(said, "kv_lora_rank") + _whole(said, "qk_rope_head_dim"),
        weights=_stored(said),
        group=_whole(_quantised(said), "group_size", default=0) if _bits(said) == 4 else 0,
        source=source,
    )


def _whole(
    said: Mapping[str, Any], *names: str, default: int | None = None, least: int = 0, most: int = LARGEST
) -> int:
    """The first of the names that is said. Raises Invalid where it is no number from `least` to `most`, or none is said."""
    for name in names:
        value = said.get(name)
        if value is None or (name == "group_size" and value == -1):
            continue
        if isinstance(value, bool) or not isinstance(value, int) or not least <= value <= most:
            raise Invalid(_("config.json gives no usable number for %(name)s.") % {"name": name})
        if value or default is not None:
            return value
    if default is None:
        raise Invalid(_("config.json does not say %(name)s, so nothing can be computed from it.") % {"name": names[0]})
    return default


def _feed_forward(said: Mapping[str, Any], width: int) -> int:
    return _whole(said, "intermediate_size", "ffn_dim", "n_inner", "ffn_hidden_size", default=4 * width)


def _kv_heads(said: Mapping[str, Any], heads: int) -> int:
    if said.get("multi_query") and not said.get("new_decoder_architecture"):
        return 1
    return _whole(said, "num_key_value_heads", "num_kv_heads", default=heads, least=1)


def _shared(said: Mapping[str, Any]) -> int:
    alone = _whole(said, "shared_expert_intermediate_size", default=0)
    return alone or _whole(said, "n_shared_experts", default=0) * _whole(said, "moe_intermediate_size", default=0)


def _window(said: Mapping[str, Any], layers: int) -> tuple[int, int]:
    """How far windowed layers look back, and how many they are."""
    window = _whole(said, "sliding_window", default=0)
    if not window or said.get("use_sliding_window") is False:
        return 0, 0
    kinds = said.get("layer_types")
    if isinstance(kinds, list):
        count = min(layers, sum(kind == "sliding_attention" for kind in kinds))
        return (window, count) if count else (0, 0)
    every = _whole(said, "sliding_window_pattern", default=0)
    return window, layers - layers // every if every else layers


def _quantised(said: Mapping[str, Any]) -> Mapping[str, Any]:
    told = said.get("quantization_config")
    return told if isinstance(told, Mapping) else {}


def _bits(said: Mapping[str, Any]) -> int:
    told = _quantised(said)
    if told.get("load_in_4bit"):
        return 4
    if told.get("load_in_8bit") or str(told.get("quant_method", "")) in {"fp8", "fbgemm_fp8"}:
        return 8
    return _whole(told, "bits", default=0)


def _stored(said: Mapping[str, Any]) -> str:
    bits = _bits(said)
    if bits in {4, 8}:
        return "int4" if bits == 4 else ("fp8" if "fp8" in str(_quantised(said).get("quant_method", "")) else "int8")
    kind = str(said.get("dtype") or said.get("torch_dtype") or "float16").removeprefix("torch.")
    return {"float32": "fp32", "bfloat16": "bf16", "float8_e4m3fn": "fp8"}.get(kind, "fp16")


@dataclass(frozen=True, slots=True)
class Counted:
    """Parameters by what becomes of them when a model is split or quantised."""

    matrices: Quantity
    """Of the blocks: what quantisation reaches."""
    routed: Quantity | None
    """Of the experts, of which each token takes a few; None where there are none."""
    replicated: Quantity
    """Norms, biases and the table of positions: each part of a split holds all of them."""
    total: Quantity


def count(shape: Architecture) -> Counted:
    """Every parameter of the architecture, as expressions."""

    def of(key: str, label: Text, amount: int) -> Quantity:
        return given(key, label, amount, source=shape.source)

    layers, width = (
        of("layers", gettext_lazy("Layers"), shape.layers),
        of("width", gettext_lazy("Width of the model"), shape.width),
    )
    block = (_attention(shape, of, width) + _blocks(shape, of, width)).named(
        "block", gettext_lazy("Matrices of a layer")
    )
    matrices = layers * block
    if shape.dense_layers:
        dense = of("dense_layers", gettext_lazy("Layers without experts"), shape.dense_layers)
        less = _blocks(shape, of, width) - exactly(shape.matrices) * width * exactly(shape.dense_feed_forward)
        matrices = matrices - dense * less
    matrices = matrices.named("block_parameters", gettext_lazy("Parameters of all layers' matrices"))
    tables = _tables(shape, of)
    replicated = _vectors(shape, of, layers, width)
    total = (matrices + tables + replicated).named(
        "computed_parameters", gettext_lazy("Parameters, by the architecture")
    )
    return Counted(matrices, _routed(shape, of, width), replicated, total)


def _attention(shape: Architecture, of: Give, width: Quantity) -> Quantity:
    heads, kv = (
        of("heads", gettext_lazy("Attention heads"), shape.heads),
        of("kv_heads", gettext_lazy("Key-value heads"), shape.kv_heads),
    )
    head = of("head_width", gettext_lazy("Width of a head"), shape.head_width)
    return (exactly(2) * width * (heads + kv) * head).named(
        "attention",
        gettext_lazy("Attention of a layer"),
        gettext_lazy("Queries and output for each head, keys and values for each key-value head."),
    )


def _expert(shape: Architecture, of: Give, width: Quantity) -> Quantity:
    return (
        exactly(shape.matrices)
        * width
        * of("feed_forward", gettext_lazy("Width of the feed-forward block"), shape.feed_forward)
    )


def _blocks(shape: Architecture, of: Give, width: Quantity) -> Quantity:
    one = _expert(shape, of, width).named("feed_forward_parameters", gettext_lazy("One feed-forward block"))
    if not shape.experts:
        return one
    experts = of("experts", gettext_lazy("Experts of a layer"), shape.experts)
    shared = exactly(shape.matrices) * width * exactly(shape.shared_feed_forward)
    return (experts * one + width * experts + shared).named(
        "experts_parameters",
        gettext_lazy("All feed-forward blocks of a layer"),
        gettext_lazy("The experts, what chooses among them, and the block that all tokens take, where there is one."),
    )


def _routed(shape: Architecture, of: Give, width: Quantity) -> Quantity | None:
    if not shape.experts:
        return None
    layers = of("routed_layers", gettext_lazy("Layers with experts"), shape.layers - shape.dense_layers)
    experts = of("experts", gettext_lazy("Experts of a layer"), shape.experts)
    one = _expert(shape, of, width).named("feed_forward_parameters", gettext_lazy("One feed-forward block"))
    return (layers * experts * one).named("routed_parameters", gettext_lazy("Parameters of all experts"))


def _tables(shape: Architecture, of: Give) -> Quantity:
    vocabulary = of("vocabulary", gettext_lazy("Vocabulary"), shape.vocabulary)
    wide = of("embedding_width", gettext_lazy("Width of an embedding"), shape.embedding_width or shape.width)
    tables = exactly(1 if shape.tied else 2) * vocabulary * wide
    if wide.amount != shape.width:  # a projection in, and one out
        tables = tables + exactly(2) * wide * exactly(shape.width)
    return tables.named(
        "embedding_parameters",
        gettext_lazy("Embeddings"),
        gettext_lazy("One table for reading and writing where they are tied, else two."),
    )


def _vectors(shape: Architecture, of: Give, layers: Quantity, width: Quantity) -> Quantity:
    norms = exactly(shape.norm_vectors) * (exactly(2) * layers + exactly(1)) * width
    found = norms
    if shape.biases:
        heads = of("heads", gettext_lazy("Attention heads"), shape.heads)
        head = of("head_width", gettext_lazy("Width of a head"), shape.head_width)
        inner = of("feed_forward", gettext_lazy("Width of the feed-forward block"), shape.feed_forward)
        found = found + layers * (exactly(3) * heads * head + inner + exactly(2) * width)
    if shape.positions:
        found = found + of("positions", gettext_lazy("Rows of the table of positions"), shape.positions) * width
    return found.named("replicated_parameters", gettext_lazy("Norms, biases and positions"))
