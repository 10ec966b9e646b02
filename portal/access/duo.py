"""Terms of the Data Use Ontology (DUO) that a gate may carry: what its models may be used for, in words machines share.

Ids and labels are those of the ontology, http://purl.obolibrary.org/obo/duo.owl (CC BY 4.0, the DUO authors). Of its
terms these are the ones that can be said of a language model. They decide nothing: what an application says against
one is shown to the reviewer, and keeps the rules from approving by themselves. No Django.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Final

SOURCE: Final = "http://purl.obolibrary.org/obo/duo.owl"
TERMS: Final[dict[str, str]] = {
    "DUO:0000042": "general research use",
    "DUO:0000012": "research specific restrictions",
    "DUO:0000018": "not for profit, non commercial use only",
    "DUO:0000045": "not for profit organisation use only",
    "DUO:0000046": "non-commercial use only",
    "DUO:0000019": "publication required",
    "DUO:0000020": "collaboration required",
    "DUO:0000021": "ethics approval required",
    "DUO:0000022": "geographical restriction",
    "DUO:0000024": "publication moratorium",
    "DUO:0000025": "time limit on use",
    "DUO:0000026": "user specific restriction",
    "DUO:0000027": "project specific restriction",
    "DUO:0000028": "institution specific restriction",
    "DUO:0000029": "return to database or resource",
}
"""Label by id."""

_NOT_COMMERCIAL: Final = frozenset({"DUO:0000018", "DUO:0000046"})
_NOT_FOR_PROFIT: Final = frozenset({"DUO:0000018", "DUO:0000045"})


@dataclass(frozen=True, slots=True)
class Term:
    """One term, ready to be shown."""

    id: str
    label: str

    @property
    def url(self) -> str:
        """Where the ontology says what it means."""
        return f"http://purl.obolibrary.org/obo/{self.id.replace(':', '_')}"


def terms(ids: Iterable[str]) -> list[Term]:
    """The known terms of these ids, in the order of TERMS."""
    wanted = set(ids)
    return [Term(name, label) for name, label in TERMS.items() if name in wanted]


def doubts(ids: Iterable[str], answers: Mapping[str, Any]) -> Iterator[tuple[Term, str]]:
    """(term, name of the answer) for each answer of the default form that speaks against a term: evidence, no more."""
    for term in terms(ids):
        if term.id in _NOT_COMMERCIAL and answers.get("commercial") == "yes":
            yield term, "commercial"
        if term.id in _NOT_FOR_PROFIT and answers.get("affiliation_class") == "industry_research":
            yield term, "affiliation_class"
