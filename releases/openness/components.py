"""The components that the Model Openness Framework 1.0 names, by the class that asks for them. Plain data.

Source: White et al., The Model Openness Framework, arXiv 2403.13784, and the evaluation of the Model Openness Tool.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from django.utils.functional import Promise
from django.utils.translation import gettext_lazy as _

from releases.licences import CODE, DATA, DOCUMENT


@dataclass(frozen=True, slots=True)
class Component:
    """One component: its key here, the framework's own name, words for pages, what it is, and the class that first needs it."""

    key: str
    name: str
    title: Promise
    kind: str
    first: int
    """3, 2 or 1; 0 where no class asks for it."""


REPORT: Final = "report"
PAPER: Final = "paper"
COMPONENTS: Final = {
    component.key: component
    for component in (
        Component("architecture", "Model architecture", _("Model architecture"), CODE, 3),
        Component("parameters", "Model parameters (Final)", _("Final parameters"), DATA, 3),
        Component("results", "Evaluation results", _("Evaluation results"), DOCUMENT, 3),
        Component("card", "Model card", _("Model card"), DOCUMENT, 3),
        Component("data-card", "Data card", _("Data card"), DOCUMENT, 3),
        Component(REPORT, "Technical report", _("Technical report"), DOCUMENT, 3),
        Component("training-code", "Training code", _("Training code"), CODE, 2),
        Component("inference-code", "Inference code", _("Inference code"), CODE, 2),
        Component("evaluation-code", "Evaluation code", _("Evaluation code"), CODE, 2),
        Component("evaluation-data", "Evaluation data", _("Evaluation data"), DATA, 2),
        Component("datasets", "Datasets", _("Training data"), DATA, 1),
        Component("data-code", "Data preprocessing code", _("Data preprocessing code"), CODE, 1),
        Component("ladder", "Model parameters (Intermediate)", _("Intermediate parameters"), DATA, 1),
        Component(PAPER, "Research paper", _("Research paper"), DOCUMENT, 1),
        Component("metadata", "Model metadata", _("Records of the run"), DATA, 0),
        Component("samples", "Sample model outputs", _("Sample outputs"), DOCUMENT, 0),
        Component("tools", "Supporting libraries and tools", _("Supporting tools"), CODE, 0),
    )
}
BY_NAME: Final = {component.name.lower(): component for component in COMPONENTS.values()}
