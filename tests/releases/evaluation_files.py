"""Results as the harnesses write them, small: the shapes are those of real files, the numbers are invented."""

from __future__ import annotations

import json
from typing import Any

OLD = {
    "results": {
        "openbookqa": {"acc": 0.322, "acc_stderr": 0.0209, "acc_norm": 0.438, "acc_norm_stderr": 0.0222},
        "lambada": {"ppl": 3.02, "ppl_stderr": 0.06},
    },
    "versions": {"openbookqa": 0, "lambada": 0},
    "config": {"num_fewshot": 2, "model": "gpt2"},
}
NEW: dict[str, Any] = {
    "results": {
        "gsm8k": {
            "alias": "gsm8k",
            "exact_match,strict-match": 0.25,
            "exact_match_stderr,strict-match": 0.012,
            "exact_match,flexible-extract": 0.31,
            "exact_match_stderr,flexible-extract": 0.013,
        },
        "crows_pairs_english": {"alias": "crows", "pct_stereotype,none": 0.61, "pct_stereotype_stderr,none": "N/A"},
    },
    "n-shot": {"gsm8k": 5, "crows_pairs_english": 0},
    "n-samples": {"gsm8k": {"original": 1319, "effective": 1319}, "crows_pairs_english": {"effective": 1677}},
    "versions": {"gsm8k": 3.0, "crows_pairs_english": 1.0},
    "higher_is_better": {"gsm8k": {"exact_match": True}, "crows_pairs_english": {"pct_stereotype": False}},
    "configs": {},
    "config": {"model": "hf"},
    "git_hash": "0123abc",
    "lm_eval_version": "0.4.5",
    "date": 1730000000.5,
}
JOINED = {
    "results": {
        "axg+GPT-3 style": {
            "2022-07-07-15-13-10": {
                "acc": 0.53, "acc_stderr": 0.03, "parity": 0.9, "prompt_name": "GPT-3 style", "task_name": "axg",
            }
        },
        "gsarti/flores_101_afr+null": {"2022-07-07-15-13-11": {"bits_per_byte": 1.7, "prompt_name": "null"}},
    },
    "versions": {"axg+GPT-3 style": 0},
}  # fmt: skip
FORK = {
    "results": [
        {"task_name": "crows_pairs_english", "prompt_name": "1", "acc": 0.49, "acc_stderr": 0.012, "subset": None},
        {"task_name": "crows_pairs_english", "prompt_name": "1", "acc_norm": 0.48, "acc_norm_stderr": 0.012},
    ],
    "versions": {},
    "table_results": {},
    "config": {"num_fewshot": 0},
}
CARD = """---
license: mit
model-index:
- name: tiny
  results:
  - task: {type: text-generation}
    dataset: {name: HellaSwag, type: hellaswag, split: validation, args: {num_few_shot: 10}}
    metrics: [{type: acc_norm, value: 64.59, name: normalized accuracy}]
    source: {name: Open LLM Leaderboard, url: https://leaderboard.example/tiny}
---
# Tiny
"""


def as_bytes(document: object) -> bytes:
    return json.dumps(document).encode()
