"""The answers of the calculators for programs: at the pages' own addresses and in the API alike."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from releases.costs import measured, running, training
from releases.costs.forms import RunningForm, TrainingForm
from releases.costs.subjects import Subject


def running_cost(subject: Subject, said: Mapping[str, Any], *, base: str) -> dict[str, Any]:
    """What it costs to run. Raises Invalid, field by field."""
    form = RunningForm(subject, said)
    form.checked()
    found = measured.of(subject.model) if subject.model else None
    return {
        "model": subject.name,
        "permalink": f"{base}{subject.running_url}?{form.query()}",
        "inputs": form.cleaned_data,
        **running.estimate(subject.shape, subject.parameters, form.plan()).as_json(),
        "measured": found.as_json() if found else None,
    }


def training_cost(subject: Subject, said: Mapping[str, Any], *, base: str) -> dict[str, Any]:
    """What its training cost. Raises Invalid, field by field."""
    form = TrainingForm(subject, said)
    form.checked()
    return {
        "model": subject.name,
        "permalink": f"{base}{subject.training_url}?{form.query()}",
        "inputs": form.cleaned_data,
        **training.cost(form.run()).as_json(),
    }
