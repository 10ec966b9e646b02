"""Reads results of lm-evaluation-harness and of its BigScience fork, old and new.

results[task][metric], [metric_stderr]                             lm-evaluation-harness before 0.4
results[task]["metric,filter"], ["metric_stderr,filter"]           0.4 and later
results["task+prompt"][time][metric]                               BigScience, joined from several runs
results[{"task_name", "prompt_name", metric, "metric_stderr"}]     BigScience, one run
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from datetime import UTC, date, datetime
from typing import Any, Final

from releases.evaluation_metrics import Direction
from releases.evaluations.reading import Reading, day, number, table, text, whole
from releases.sentences import Sentence

NAME: Final = "lm-evaluation-harness"
FORK: Final = "BigScience lm-evaluation-harness"
_ERROR: Final = "_stderr"
_WORDS: Final = frozenset(
    {
        "alias", "name", "sample_len", "task_name", "prompt_name", "prompt_id", "prompt_jinja", "prompt_original_task",
        "comment", "dataset_path", "dataset_name", "subset", "fixed_answer_choice_list", "sample_count",
    }
)  # fmt: skip
"""What stands among the metrics and is none."""


def fits(document: Mapping[str, Any]) -> bool:
    """Whether this is such a file."""
    found = document.get("results")
    if isinstance(found, list):
        return bool(found) and all("task_name" in table(entry) for entry in found)
    return isinstance(found, dict)


def read(document: Mapping[str, Any], reading: Reading) -> None:
    """Add every score of the file to the reading."""
    about = _about(document)
    results = document["results"]
    if isinstance(results, list):
        for index, entry in enumerate(results):
            _scores(f"results[{index}]", table(entry).get("task_name"), table(entry), document, about, reading)
        return
    for name, entry in results.items():
        place = f"results.{name}"
        if not isinstance(entry, dict):
            reading.problems.append(
                Sentence("%(place)s: this is no table of metrics. Correct it, or leave the task out.", place=place)
            )
            continue
        for stamp, metrics in _runs(entry):
            at = f"{place}.{stamp}" if stamp else place
            _scores(at, name, metrics, document, about | {"ran_on": day(stamp) or about["ran_on"]}, reading)


def _runs(entry: Mapping[str, Any]) -> Iterator[tuple[str, Mapping[str, Any]]]:
    """(time, metrics) of each run of a task; one without a time where the file holds one run."""
    if entry and all(isinstance(inner, dict) for inner in entry.values()):
        yield from entry.items()
    else:
        yield "", entry


def _about(document: Mapping[str, Any]) -> dict[str, Any]:
    """Harness, version and day, as far as the file names them."""
    version = text(document.get("lm_eval_version"))
    git = text(document.get("git_hash"))
    fork = "table_results" in document
    named = FORK if fork else NAME if version or git else ""
    return {
        "harness": named,
        "harness_version": " ".join(part for part in (version, f"git {git}" if git else "") if part),
        "ran_on": _day_of(document.get("date")),
    }


def _day_of(stamp: object) -> date | None:
    seconds = number(stamp)
    if seconds is None or not 0 < seconds < 1e11:
        return day(stamp)
    return datetime.fromtimestamp(seconds, UTC).date()


def _scores(
    place: str,
    name: object,
    metrics: Mapping[str, Any],
    document: Mapping[str, Any],
    about: dict[str, Any],
    to: Reading,
) -> None:
    """Add the scores of one task in one run."""
    task, prompt = _task(text(name), metrics)
    told = about | {
        "task": task,
        "prompt": prompt,
        "task_version": text(table(document.get("versions")).get(text(name))),
        "shots": _shots(text(name), document),
        "n": _n(text(name), document),
    }
    better = table(table(document.get("higher_is_better")).get(text(name)))
    for key, value in metrics.items():
        metric, _comma, variant = key.partition(",")
        if key in _WORDS or metric.endswith((_ERROR, "_stderr_clustered")):
            continue
        error = metrics.get(f"{metric}{_ERROR},{variant}" if variant else f"{metric}{_ERROR}")
        more = {} if not isinstance(better.get(metric), bool) else {"direction": _direction(better[metric])}
        to.add(
            f"{place}.{key}", value, **told, **more, metric=metric,
            variant="" if variant == "none" else variant, stderr=number(error),
        )  # fmt: skip


def _direction(higher: bool) -> Direction:  # noqa: FBT001 what the file says
    return Direction.HIGHER if higher else Direction.LOWER


def _task(name: str, metrics: Mapping[str, Any]) -> tuple[str, str]:
    """(task, prompt): as the entry names them, or from a key `task+prompt`."""
    task, _plus, prompt = name.partition("+")
    prompt = text(metrics.get("prompt_name")) or prompt
    return text(metrics.get("task_name")) or task, "" if prompt == "null" else prompt


def _shots(name: str, document: Mapping[str, Any]) -> int | None:
    own = whole(table(document.get("n-shot")).get(name))
    if own is not None:
        return own
    for config in (table(table(document.get("configs")).get(name)), table(document.get("config"))):
        if (found := whole(config.get("num_fewshot"))) is not None:
            return found
    return None


def _n(name: str, document: Mapping[str, Any]) -> int | None:
    told = table(document.get("n-samples")).get(name)
    return whole(table(told).get("effective")) if isinstance(told, dict) else whole(told)
