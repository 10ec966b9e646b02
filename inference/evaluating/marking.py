"""What an item's answer is worth. No framework.

The procedure is version VERSION: raise it with every change by which a value could differ, for scores of two versions
are not compared. `acc` and `acc_norm` are those of lm-evaluation-harness: the choice with the greatest log-likelihood,
and with the greatest log-likelihood by character. `bits_per_byte` counts the bytes whose tokens have a chance: where a
tokenizer puts no token before a text, the text's first token has none, and its bytes are left out.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

from inference.evaluating import estimates
from inference.evaluating.estimates import Estimate
from inference.evaluating.task_set import Item, TaskSet, Type

VERSION: Final = "1"
LONGEST_PERPLEXITY: Final = 700.0
"""Mean negative log-likelihood above which e to it is no number any more."""


class Unmarked(Exception):
    """The answer cannot be marked; says why."""


@dataclass(frozen=True, slots=True)
class Marked:
    """One item: `found` is what the engine said of it, for the file of answers; `counts` what the metrics are made of."""

    found: dict[str, Any]
    counts: Mapping[str, float]


def mark(tasks: TaskSet, item: Item, body: Mapping[str, Any]) -> Marked:
    """Mark the body of a completion. Raises Unmarked."""
    try:
        choices = sorted(body["choices"], key=lambda choice: choice["index"])
        return _MARKS[tasks.type](item, choices)
    except (KeyError, TypeError, IndexError, AttributeError) as error:
        raise Unmarked("The engine's answer has not the shape that was asked for.") from error


def scores(tasks: TaskSet, marked: Sequence[Marked]) -> dict[str, Estimate]:
    """Metric → estimate, over at least one marked item."""

    def each(name: str) -> list[float]:
        return [one.counts[name] for one in marked]

    if tasks.type is Type.MULTIPLE_CHOICE:
        return {"acc": estimates.mean(each("acc")), "acc_norm": estimates.mean(each("acc_norm"))}
    if tasks.type is Type.EXACT_MATCH:
        return {"exact_match": estimates.mean(each("exact_match"))}
    told = {"bits_per_byte": estimates.quotient([nats / math.log(2) for nats in each("nats")], each("bytes"))}
    by_token = estimates.quotient(each("nats"), each("tokens"))
    return told | ({"token_perplexity": estimates.exponential(by_token)} if by_token.value < LONGEST_PERPLEXITY else {})


def _chosen(item: Item, choices: Sequence[Mapping[str, Any]]) -> Marked:
    """The first answer is the context's own, the others' are the choices'."""
    alone, whole = choices[0], choices[1:]
    if len(whole) != len(item.choices):
        raise Unmarked("The engine answered another number of choices.")
    start = len(alone["prompt_token_ids"])
    sums = [_sum(_chances(choice)[start:]) for choice in whole]
    best = _first_greatest(sums)
    by_length = [nats / len(text) for nats, text in zip(sums, item.choices, strict=True)]
    best_by_length = _first_greatest(by_length)
    found = {"loglikelihoods": sums, "picked": best, "picked_norm": best_by_length, "answer": item.answer}
    return Marked(found, {"acc": float(best == item.answer), "acc_norm": float(best_by_length == item.answer)})


def _matched(item: Item, choices: Sequence[Mapping[str, Any]]) -> Marked:
    text = choices[0]["text"].strip()
    right = text in {answer.strip() for answer in item.answers}
    return Marked({"text": text, "right": right}, {"exact_match": float(right)})


def _measured(item: Item, choices: Sequence[Mapping[str, Any]]) -> Marked:
    chances = _chances(choices[0])
    nats = -_sum(chances[1:])
    size = len(item.prompt.encode()) - _unscored_bytes(item.prompt, choices[0]["logprobs"]["tokens"][0])
    if size <= 0:
        raise Unmarked("The text is one token long: nothing of it has a chance.")
    found = {"nats": nats, "tokens": len(chances) - 1, "bytes": size}
    return Marked(found, {name: float(value) for name, value in found.items()})


_MARKS: Final[Mapping[Type, Callable[[Item, Sequence[Mapping[str, Any]]], Marked]]] = {
    Type.MULTIPLE_CHOICE: _chosen, Type.EXACT_MATCH: _matched, Type.TEXTS: _measured,
}  # fmt: skip


def _chances(choice: Mapping[str, Any]) -> list[float | None]:
    """The log-probability of each token of an echoed prompt; that of the first is None."""
    chances: list[float | None] = choice["logprobs"]["token_logprobs"]
    if len(chances) != len(choice["prompt_token_ids"]):
        raise Unmarked("The engine gave another number of chances than of tokens.")
    return chances


def _sum(chances: Sequence[float | None]) -> float:
    known = [chance for chance in chances if chance is not None]
    if not known or len(known) != len(chances):
        raise Unmarked("A token that is to be measured has no chance.")
    return math.fsum(known)


def _first_greatest(values: Sequence[float]) -> int:
    return max(range(len(values)), key=lambda place: values[place])


def _unscored_bytes(text: str, first: str) -> int:
    """Bytes of the text in its first token, which has no chance: none where the tokenizer put a token before the text."""
    if "\ufffd" in first:
        raise Unmarked("The text begins within a character, for its tokenizer. Put a plain word before it.")
    return len(first.encode()) if text.startswith(first) else 0
