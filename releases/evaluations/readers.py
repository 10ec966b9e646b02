"""From a file to rows: tells which of the known formats it is, and reads it. Whatever is wrong is told with its place."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import Any, Final

from django.utils.translation import gettext as _

from portal.errors import Invalid
from portal.storable import all_mended
from releases import cards
from releases.evaluation_metrics import Kind
from releases.evaluation_rows import Row
from releases.evaluations import harness
from releases.evaluations.reading import ROWS_MAX, Reading, Said, day, number, table, text, whole
from releases.sentences import Sentence
from releases.spoken import spoken

FILE_MAX: Final = 5 << 20
"""Bytes of a file that is read."""
SHOWN: Final = 20
"""Problems that are told; the rest is counted."""


def read(content: bytes, said: Said) -> list[Row]:
    """The rows of a results file, of a card, or of a record of our own training.

    Raises Invalid, with `harness` and `ran_by` where only whoever imports can say them, else with each place of the
    file that is wrong under `document`. Nothing is skipped: a file is read whole or not at all.
    """
    if len(content) > FILE_MAX:
        raise _invalid(
            [
                Sentence(
                    "The file has more than %(most)s MiB. Send the results without the samples.", most=FILE_MAX >> 20
                )
            ]
        )
    document = _parsed(content)
    reading = Reading(said)
    if harness.fits(document):
        harness.read(document, reading)
    elif isinstance(document.get("results"), list):
        _own(document, reading)
    elif isinstance(document.get("model-index"), list):
        _card(document, reading)
    else:
        raise _invalid(
            [
                Sentence(
                    "It is none of the known formats: there is neither “results” nor “model-index”. Send the harness’s own file."
                )
            ]
        )
    _require_said(reading)
    if not reading.rows and not reading.problems:
        reading.problems.append(Sentence("There is no score in this file."))
    if len(reading.rows) > ROWS_MAX:
        reading.problems.append(Sentence("The file has more than %(most)s scores. Split it.", most=ROWS_MAX))
    if reading.problems:
        raise _invalid(reading.problems)
    return reading.rows


def _parsed(content: bytes) -> Mapping[str, Any]:
    """JSON, or the front matter of a card; a byte order mark before it is no part of it."""
    try:
        source = content.decode("utf-8-sig")
    except UnicodeDecodeError as fault:
        line = content.count(b"\n", 0, fault.start) + 1
        raise _invalid(
            [
                Sentence(
                    "The file is not UTF-8 text, from line %(line)s on. Save it as UTF-8, and import it again.",
                    line=line,
                )
            ]
        ) from fault
    if not source.strip():
        raise _invalid([Sentence("There is nothing in it. Choose a file, or paste its text.")])
    if source.lstrip().startswith("---"):
        faults = cards.faults(source)
        if faults:
            raise _invalid(faults)
        return cards.split(source)[0]
    try:
        found = all_mended(json.loads(source))
    except json.JSONDecodeError as fault:
        wrong = Sentence(
            "Line %(line)s, column %(column)s: this is not JSON (%(fault)s). Correct it there.",
            line=fault.lineno, column=fault.colno, fault=fault.msg,
        )  # fmt: skip
        raise _invalid([wrong]) from fault
    except (RecursionError, ValueError) as fault:
        raise _invalid(
            [Sentence("This is nested too deeply, or holds a number without end. Send the harness’s own file.")]
        ) from fault
    if not isinstance(found, dict):
        raise _invalid([Sentence("The file must hold one table, with “results” in it.")])
    return found


def _require_said(reading: Reading) -> None:
    """What no row of the file can be kept without, and its importer can say, is asked beside its own field."""
    fields = {}
    if not reading.said.ran_by:
        fields["ran_by"] = [_("Say who ran it: no score is kept without.")]
    if reading.unnamed:
        fields["harness"] = [_("The file does not name the harness. Say which program measured it, and its version.")]
    if fields:
        raise Invalid(_("Nothing was imported."), fields=fields)


def _own(document: Mapping[str, Any], reading: Reading) -> None:
    """A record of releases.training: {"evaluated_by", "evaluated_at", "results": [{"name", "metric", "value", …}]}."""
    program, _comma, version = text(document.get("evaluated_by")).partition(",")
    for index, entry in enumerate(document["results"]):
        told, place = table(entry), f"results[{index}]"
        note = "; ".join(
            part for part in (text(told.get("method")), f"n in {told['unit']}" if told.get("unit") else "") if part
        )
        reading.add(
            place, told.get("value"), task=text(told.get("name")), metric=text(told.get("metric")), note=note,
            n=whole(told.get("n")), low=number(told.get("low")), high=number(told.get("high")),
            stderr=number(told.get("stderr")), shots=whole(told.get("shots")), prompt=text(told.get("prompt")),
            harness=program, harness_version=version.strip(), ran_on=day(document.get("evaluated_at")),
            kind=_kind(told.get("kind")),
        )  # fmt: skip


def _kind(named: object) -> Kind:
    """The kind that the record names; else a probe: what we measure ourselves is no established benchmark."""
    return Kind(named) if isinstance(named, str) and named in set(Kind) else Kind.PROBE


def _card(document: Mapping[str, Any], reading: Reading) -> None:
    """The model-index of a card, as the Hugging Face Hub has it."""
    for number_of_model, model in enumerate(document["model-index"]):
        results = table(model).get("results")
        for index, result in enumerate(results if isinstance(results, list) else []):
            _result(f"model-index[{number_of_model}].results[{index}]", table(result), reading)


def _result(place: str, result: Mapping[str, Any], reading: Reading) -> None:
    dataset, source, metrics = table(result.get("dataset")), table(result.get("source")), result.get("metrics")
    subset = ", ".join(part for part in (text(dataset.get("config")), text(dataset.get("split"))) if part)
    shots = whole(table(dataset.get("args")).get("num_few_shot"))
    for index, metric in enumerate(metrics if isinstance(metrics, list) else []):
        told = table(metric)
        reading.add(
            f"{place}.metrics[{index}]", told.get("value"), task=text(dataset.get("type")) or text(dataset.get("name")),
            variant=subset[:64], metric=text(told.get("type")), shots=shots, harness=text(source.get("name")),
            source_url=text(source.get("url")), note=text(told.get("name")),
        )  # fmt: skip


def _invalid(problems: Sequence[Sentence | str]) -> Invalid:
    """What is wrong with the file; of a card's front matter it is said already."""
    told = [each if isinstance(each, str) else spoken(each) for each in problems[:SHOWN]]
    if len(problems) > SHOWN:
        told.append(spoken(Sentence("There are %(n)s more.", n=len(problems) - SHOWN)))
    return Invalid(_("Nothing was imported."), fields={"document": told})
