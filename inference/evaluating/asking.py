"""From items to the rows of a batch. No framework.

A choice is measured by its log-likelihood after the context: the engine echoes each prompt with the chance of every
token, and generates nothing. Where the context ends among the tokens only the engine's tokenizer can say, so the
context alone is the first prompt of each row: one row, one request id, one receipt for each item.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, Final

import orjson

from inference.evaluating.task_set import Item, TaskSet, Type

ENDPOINT: Final = "/v1/completions"
_ECHOED: Final = {"max_tokens": 0, "echo": True, "logprobs": 1, "return_token_ids": True}


def rows(tasks: TaskSet, *, model: str) -> Iterator[bytes]:
    """One line of a batch's input for each item, in the file's order, named by the item's id."""
    for item in tasks.items:
        body = {"model": model, **_asked(tasks, item)}
        line = {"custom_id": item.id, "method": "POST", "url": ENDPOINT, "body": body}
        yield orjson.dumps(line) + b"\n"


def context(item: Item) -> str:
    """What every choice of the item is measured after: its context without the white space at its end.

    A tokenizer joins a space with the word behind it, so the space belongs to the choice, as in lm-evaluation-harness.
    """
    return item.prompt.rstrip()


def _asked(tasks: TaskSet, item: Item) -> dict[str, Any]:
    if tasks.type is Type.MULTIPLE_CHOICE:
        whole = [f"{item.prompt}{tasks.delimiter}{choice}" for choice in item.choices]
        return {"prompt": [context(item), *whole], **_ECHOED}
    if tasks.type is Type.TEXTS:
        return {"prompt": item.prompt, **_ECHOED}
    return {"prompt": item.prompt, "max_tokens": tasks.max_tokens, "temperature": 0, "stop": list(tasks.stop)}
