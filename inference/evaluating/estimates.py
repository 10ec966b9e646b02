"""Values with their standard errors, from what single items came to. Plain Python.

A mean's error is s / √n with s from n - 1 items; of a share that is √(p (1 - p) / (n - 1)), as lm-evaluation-harness has
it. A quotient of two sums (bits of all texts by bytes of all texts) has the error of its linearisation, which needs no
random numbers: √(n / (n - 1) · Σ (aᵢ - r bᵢ)²) / Σ bᵢ (Cochran, Sampling Techniques, 6.4). One item alone has no error.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Estimate:
    """A value, its standard error (None: not known), and of how many items."""

    value: float
    stderr: float | None
    n: int


def mean(values: Sequence[float]) -> Estimate:
    """The mean of at least one value."""
    return quotient(values, [1.0] * len(values))


def quotient(above: Sequence[float], below: Sequence[float]) -> Estimate:
    """Σ above / Σ below of at least one pair; `below` are positive."""
    n, total = len(above), math.fsum(below)
    value = math.fsum(above) / total
    if n < 2:
        return Estimate(value, None, n)
    squares = math.fsum((a - value * b) ** 2 for a, b in zip(above, below, strict=True))
    return Estimate(value, math.sqrt(n / (n - 1) * squares) / total, n)


def exponential(of: Estimate) -> Estimate:
    """e to the estimate: a perplexity from a mean of negative log-likelihoods. Its error is that of the first order."""
    value = math.exp(of.value)
    return Estimate(value, None if of.stderr is None else value * of.stderr, of.n)
