"""Task sets, rows and marks, without a portal: what is read, what is asked, and what an answer is worth."""

from __future__ import annotations

import json
import math
import random
from typing import Any

import pytest

from inference.evaluating import asking, estimates, marking, task_set
from inference.evaluating.marking import Unmarked
from inference.evaluating.task_set import TaskSet, Wrong

CHOICE = {"task": "capitals", "type": "multiple_choice", "licence": "CC0-1.0"}
EXACT = {"task": "colours", "type": "exact_match", "licence": "CC0-1.0"}
TEXTS = {"task": "held out", "type": "texts", "licence": "CC0-1.0"}
FRANCE = {"id": "fr", "context": "The capital of France is", "choices": ["Lyon", "Paris"], "answer": 1}


def lines(*told: object) -> bytes:
    return b"".join((each if isinstance(each, bytes) else json.dumps(each).encode()) + b"\n" for each in told)


def read(*told: object, most: int = 100) -> TaskSet:
    return task_set.read(lines(*told), most=most)


def echoed(*prompts: tuple[list[str], list[float | None]]) -> dict[str, Any]:
    choices = [
        {
            "index": n,
            "logprobs": {"tokens": tokens, "token_logprobs": chances},
            "prompt_token_ids": list(range(len(tokens))),
        }
        for n, (tokens, chances) in enumerate(prompts)
    ]
    return {"choices": choices[::-1]}


def test_a_task_set_keeps_its_licence_and_the_digest_of_its_bytes():
    tasks = read({**CHOICE, "version": "2", "shots": 1, "prompt": "plain"}, FRANCE)
    assert (tasks.task, tasks.licence, tasks.shots, tasks.items[0].choices) == (
        "capitals",
        "CC0-1.0",
        1,
        ("Lyon", "Paris"),
    )
    assert tasks.told_version == f"2+{tasks.sha256[:12]}"
    assert read(CHOICE, FRANCE).sha256 != tasks.sha256, "other bytes are other tasks"
    assert [item.id for item in read(EXACT, {"prompt": "a", "answers": ["b"]}, {"prompt": "c", "answers": ["d"]}).items] == [
        "1", "2",
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("told", "says"),
    [
        ([b""], "The file is empty"),
        ([CHOICE], "no items"),
        ([b"{"], "Line 1: this is not JSON"),
        ([[1]], "Line 1: each line is a JSON object"),
        ([{**CHOICE, "licence": ""}, FRANCE], "Line 1: licence must be"),
        ([{"task": "x", "type": "multiple_choice"}, FRANCE], "Line 1: licence is missing"),
        ([{**CHOICE, "type": []}, FRANCE], "Line 1: type must be one of"),
        ([{**CHOICE, "colour": 1}, FRANCE], "Line 1: there is no such member"),
        ([{**CHOICE, "max_tokens": 3}, FRANCE], "max_tokens belongs to exact_match alone"),
        ([{**CHOICE, "shots": True}, FRANCE], "shots must be a whole number"),
        ([CHOICE, FRANCE, FRANCE], "Line 3: another item has this id"),
        ([CHOICE, {**FRANCE, "answer": 2}], "Line 2: answer must be a place among the choices"),
        ([CHOICE, {**FRANCE, "context": "  "}], "Line 2: context must be"),
        ([CHOICE, {**FRANCE, "choices": ["one"]}], "Line 2: choices must be 2 to 63 texts"),
        ([CHOICE, {**FRANCE, "id": "a b"}], "Line 2: id must be"),
        ([EXACT, FRANCE], "Line 2: prompt is missing"),
        ([TEXTS, {"text": "a\0b"}], "Line 2: text must be"),
        ([TEXTS, b'"\xff"'], "Line 2: this is not JSON in UTF-8"),
        ([TEXTS, b'{"text": "\\ud800"}'], "Line 2: this is not JSON in UTF-8"),
        ([TEXTS, *[{"text": "a"}] * 101], "more than 100 items"),
        ([TEXTS, *[{"no": 1}] * 50], "There are 80 more"),
    ],
)
def test_what_is_wrong_is_told_with_its_line(told, says):
    with pytest.raises(Wrong) as refused:
        read(*told)
    assert says in " ".join(refused.value.problems)
    assert "France" not in " ".join(refused.value.problems), "nothing of the items is repeated"


def test_a_choice_is_asked_beside_its_context_and_nothing_is_generated():
    (row,) = map(json.loads, asking.rows(read(CHOICE, {**FRANCE, "context": "It is "}), model="lab/m@0123456"))
    assert row["custom_id"] == "fr"
    assert row["body"]["prompt"] == ["It is", "It is  Lyon", "It is  Paris"]
    assert (row["body"]["max_tokens"], row["body"]["echo"], row["body"]["model"]) == (0, True, "lab/m@0123456")
    (row,) = map(json.loads, asking.rows(read({**EXACT, "stop": ["."]}, {"prompt": "a", "answers": ["b"]}), model="m"))
    assert row["body"] == {"model": "m", "prompt": "a", "max_tokens": 32, "temperature": 0, "stop": ["."]}


def test_the_likeliest_choice_counts_and_the_likeliest_by_its_length():
    tasks = read(CHOICE, {**FRANCE, "choices": ["Lyon", "Paris, of course"]})
    body = echoed(
        (["</s>", "It", " is"], [None, -1.0, -2.0]),
        (["</s>", "It", " is", " Lyon"], [None, -1.0, -2.0, -3.0]),
        (["</s>", "It", " is", " Paris", ",", " of course"], [None, -1.0, -2.0, -1.0, -1.5, -1.5]),
    )
    marked = marking.mark(tasks, tasks.items[0], body)
    assert marked.found["loglikelihoods"] == [-3.0, -4.0], "the context is not counted"
    assert marked.counts == {"acc": 0.0, "acc_norm": 1.0}
    assert marking.scores(tasks, [marked])["acc"] == estimates.Estimate(0.0, None, 1)


def test_an_answer_is_right_word_for_word_but_for_white_space():
    tasks = read(EXACT, {"prompt": "a", "answers": ["blue", "azure "]})
    for text, right in ((" azure", 1.0), ("blue.", 0.0), ("", 0.0)):
        body = {"choices": [{"index": 0, "text": text}]}
        assert marking.mark(tasks, tasks.items[0], body).counts == {"exact_match": right}


@pytest.mark.parametrize(
    ("tokens", "chances", "size"),
    [(["</s>", "Ab", " cd"], [None, -1.0, -2.0], 5), (["Ab", " cd"], [None, -2.0], 3)],
)
def test_bytes_without_a_chance_are_left_out_of_a_texts_measure(tokens, chances, size):
    tasks = read(TEXTS, {"text": "Ab cd"})
    marked = marking.mark(tasks, tasks.items[0], echoed((tokens, chances)))
    assert marked.counts["bytes"] == size
    told = marking.scores(tasks, [marked])
    nats = -sum(chance for chance in chances if chance)
    assert told["bits_per_byte"].value == pytest.approx(nats / math.log(2) / size)
    assert told["token_perplexity"].value == pytest.approx(math.exp(nats / (len(tokens) - 1)))


@pytest.mark.parametrize(
    "body",
    [
        {}, {"choices": []}, {"choices": [{"index": 0, "text": "x", "logprobs": None, "prompt_token_ids": None}]},
        echoed((["a"], [None])), echoed((["a", "b"], [None])), echoed((["\ufffd", "b"], [None, -1.0])),
        echoed((["Ab cd"], [None]), (["b"], [None])), {"choices": "text"},
        echoed((["</s>", "Ab", " cd"], [None, None, -1.0])),
    ],
)  # fmt: skip
def test_an_answer_of_another_shape_is_not_marked(body):
    tasks = read(TEXTS, {"text": "Ab cd"})
    with pytest.raises(Unmarked):
        marking.mark(tasks, tasks.items[0], body)
    choices = read(CHOICE, FRANCE)
    with pytest.raises(Unmarked):
        marking.mark(choices, choices.items[0], body)


def test_a_shares_error_is_the_binomial_one_and_a_quotients_that_of_a_bootstrap():
    share = estimates.mean([1.0] * 30 + [0.0] * 70)
    assert share.value == pytest.approx(0.3)
    assert share.stderr == pytest.approx(math.sqrt(0.3 * 0.7 / 99))
    chance = random.Random(7)
    below = [chance.uniform(50, 500) for _ in range(200)]
    above = [size * chance.gauss(1.2, 0.2) for size in below]
    told = estimates.quotient(above, below)
    drawn = []
    for _ in range(3_000):
        picked = [chance.randrange(200) for _ in range(200)]
        drawn.append(sum(above[n] for n in picked) / sum(below[n] for n in picked))
    middle = sum(drawn) / len(drawn)
    spread = math.sqrt(sum((value - middle) ** 2 for value in drawn) / len(drawn))
    assert told.stderr == pytest.approx(spread, rel=0.1)


def test_a_perplexity_beyond_all_numbers_is_left_out():
    tasks = read(TEXTS, {"text": "Ab cd"})
    marked = marking.mark(tasks, tasks.items[0], echoed((["</s>", "Ab", " cd"], [None, -9999.0, -9999.0])))
    assert marking.scores(tasks, [marked]).keys() == {"bits_per_byte"}
