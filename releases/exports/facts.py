"""What a release says of itself, gathered once for every document: release.json, the cards, and who published it."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date, datetime
from functools import cached_property
from typing import Any, Final

from django.conf import settings

from releases import cards, licences
from releases.models import Revision
from releases.proof_models import Erratum
from releases.proofs import bom, documents

SHORT: Final = 12
"""Digits of a commit id that are enough where people read them; documents carry all 40."""
_MOST: Final = 64
"""Words, datasets and scores of a card that a document takes over."""


@dataclass(frozen=True, slots=True)
class Score:
    """One result of the card's model-index: `value` of `metric` on `dataset`."""

    metric: str
    dataset: str
    value: str


class Facts:
    """One revision, as its documents tell it. Read when asked for; nothing is kept."""

    def __init__(self, revision: Revision) -> None:
        self.revision = revision
        self.lab = revision.model.lab
        self._publication = documents.publication(revision)

    @cached_property
    def release(self) -> dict[str, Any]:
        """release.json."""
        return documents.release(self.revision)

    @cached_property
    def card(self) -> dict[str, Any]:
        """The model card's front matter."""
        return cards.metadata(self.revision)

    @cached_property
    def described(self) -> dict[str, Any]:
        """What card and configuration said at publication, in kWh and kg."""
        return self._publication.described or bom.described(self.revision)

    @property
    def commit(self) -> str:
        """The revision's id."""
        return self.revision.commit

    @property
    def model(self) -> str:
        """`namespace/name` on the day of publication."""
        return self._publication.model

    @property
    def gate(self) -> str:
        """`lab/gate` that it stood behind then; empty for an open one."""
        return self._publication.gate

    @property
    def name(self) -> str:
        """Its last part."""
        return self.model.rpartition("/")[2]

    @property
    def weight_id(self) -> str:
        """The root over all tensors; empty where there are none."""
        weights = self.revision.facts.get("weights")
        return str(weights["root"]) if weights else ""

    @property
    def day(self) -> date:
        """When it was published; a draft, when it was made."""
        moment: datetime = self.revision.published_at or self.revision.created_at
        return moment.date()

    @property
    def summary(self) -> str:
        """One sentence."""
        return self.revision.model.summary or f"The model {self.model}."

    @cached_property
    def licence(self) -> licences.Licence:
        """As the card named it; without a name where it named none."""
        return licences.named(self._publication.licence)

    @cached_property
    def config(self) -> dict[str, Any]:
        """`config.json`."""
        return bom.config_of(self.revision)

    @cached_property
    def parent(self) -> str:
        """The public revision before this one; empty where there is none."""
        before = self.revision.parent
        public = before and self.revision.model.revisions.public().filter(commit=before).exists()
        return before if public else ""

    @cached_property
    def words(self) -> list[str]:
        """The card's tags."""
        return texts(self.card.get("tags"))

    @cached_property
    def bases(self) -> list[str]:
        """The models that the card says it was made from, as it names them."""
        return texts(self.card.get("base_model"))

    @cached_property
    def datasets(self) -> list[str]:
        """The card's datasets."""
        return texts(self.described.get("datasets"))

    @cached_property
    def scores(self) -> list[Score]:
        """The card's results."""
        return list(_scores(self.card))[:_MOST]

    @cached_property
    def data(self) -> dict[str, Any]:
        """The data card's front matter; empty where there is none."""
        found = cards.card(self.revision, cards.DATA_CARD)
        return found.metadata if found else {}

    @cached_property
    def errata(self) -> list[Erratum]:
        """What is known to be wrong with it, newest first."""
        return list(self.revision.model.errata.holding_for(self.revision))

    @property
    def page(self) -> str:
        """Address of this very revision, for people."""
        return f"{settings.BASE_URL}/{self.model}/tree/{self.commit}"

    @property
    def model_page(self) -> str:
        """Address of the model, whichever revision is its newest."""
        return f"{settings.BASE_URL}/{self.model}"

    def document(self, name: str) -> str:
        """Address of a document of this revision."""
        return f"{settings.BASE_URL}/{self.model}/revisions/{self.commit}/{name}"

    def file(self, path: str) -> str:
        """Address where a file is given to whoever may have it."""
        return f"{settings.BASE_URL}/{self.model}/resolve/{self.commit}/{path}"


def texts(value: object) -> list[str]:
    """A card's word or list of words; what is no text of a sensible length is left out."""
    listed = value if isinstance(value, list) else [value]
    return [item for item in listed if isinstance(item, str) and 0 < len(item) <= 200][:_MOST]


def text(value: object, most: int = 4_000) -> str:
    """A card's text; empty where it is none, or longer than anybody would read there."""
    return value.strip() if isinstance(value, str) and len(value) <= most else ""


def _scores(card: dict[str, Any]) -> list[Score]:
    found = []
    for model in _tables(card.get("model-index")):
        for result in _tables(model.get("results")):
            about = result.get("dataset")
            dataset = text(about.get("name"), 200) if isinstance(about, dict) else ""
            for metric in _tables(result.get("metrics")):
                value = metric.get("value")
                name = text(metric.get("type"), 200)
                if name and isinstance(value, int | float | str) and not isinstance(value, bool):
                    found.append(Score(name, dataset, f"{value}"[:80]))
    return found


def _tables(value: object) -> list[dict[str, Any]]:
    return [item for item in value if isinstance(item, dict)] if isinstance(value, list) else []
