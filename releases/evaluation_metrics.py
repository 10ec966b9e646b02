"""What is known of metrics and tasks by their names in the common harnesses: unit, direction, kind. Plain Python."""

from __future__ import annotations

import re
from enum import StrEnum
from typing import Final


class Unit(StrEnum):
    """How a value is kept: a share of one, which pages show in per cent, or a plain number."""

    SHARE = "share"
    NUMBER = "number"


class Direction(StrEnum):
    """Which values are better."""

    HIGHER = "higher"
    LOWER = "lower"
    UNSTATED = "unstated"


class Kind(StrEnum):
    """What a score is about. A probe is a measurement that is no established benchmark."""

    CAPABILITY = "capability"
    BIAS = "bias"
    TOXICITY = "toxicity"
    PROBE = "probe"


_LOWER_SHARES: Final = frozenset({"pct_stereotype", "toxicity", "toxicity_rate", "wer", "repetition_rate"})
_SHARES: Final = re.compile(
    r"acc|acc_\w+|\w+_accuracy|accuracy|\w*exact(_match)?|exact_match\w*|em|f1|\w+_f1|f1_\w+|precision|recall|mc[12]"
    r"|pass[@_]?(at_)?\d+|parity|contains|parse_rate|\w+_acc"
)
_LOWER: Final = re.compile(r"(\w+_)?(ppl|perplexity)|bits_per_byte|loss|brier_score|likelihood_diff|ter|mse|mae|rmse")
_HIGHER: Final = re.compile(r"bleu\w*|chrf\w*|rouge\w*|mcc|mc|spearman\w*|pearson\w*|icat|lms|meteor")
_KINDS: Final = (
    (Kind.BIAS, re.compile(r"crows?_?pairs|stereoset|winobias|winogender|axg\b|bbq|simple_cooccurrence_bias|discrim_eval")),
    (Kind.TOXICITY, re.compile(r"real_?toxicity|toxigen|ethos|hate|jigsaw|civil_comments|toxi|safer_?dialogues")),
)  # fmt: skip


def unit_of(metric: str) -> Unit:
    """The unit in which harnesses give a metric of this name."""
    name = metric.lower()
    return Unit.SHARE if name in _LOWER_SHARES or _SHARES.fullmatch(name) else Unit.NUMBER


def direction_of(metric: str, kind: Kind) -> Direction:
    """Which values are better; UNSTATED where the name does not say it.

    An accuracy on a task of bias or toxicity counts how often a model agrees with the data, so its name alone says nothing.
    """
    name = metric.lower()
    if name in _LOWER_SHARES or _LOWER.fullmatch(name):
        return Direction.LOWER
    if _HIGHER.fullmatch(name):
        return Direction.HIGHER
    if _SHARES.fullmatch(name) and kind not in {Kind.BIAS, Kind.TOXICITY}:
        return Direction.HIGHER
    return Direction.UNSTATED


def kind_of(task: str) -> Kind:
    """Whether the task of this name is about bias or toxicity; a capability otherwise."""
    return next((kind for kind, names in _KINDS if names.search(task.lower())), Kind.CAPABILITY)
