"""Every document that is made of a release, by the name at which it stands beside the revision."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

from django.utils.functional import Promise
from django.utils.translation import gettext_lazy as _

from releases.exports import card, citations, crate, croissant, spdx, training_content
from releases.exports.facts import Facts


@dataclass(frozen=True, slots=True)
class Document:
    """One format: its file name, media type, what it is in words, and what writes it."""

    name: str
    media_type: str
    title: Promise
    write: Callable[[Facts], bytes]
    of_data: bool = False
    """Whether it is about the training data, and so needs a data card."""


CITATIONS: Final = ("cite.bib", "cite.ris", "cite.csl.json", "CITATION.cff", "datacite.json")
"""Those that a reader pastes or gives to a reference manager, in the order of the panel."""
SHELF: Final = {
    document.name: document
    for document in (
        Document("card.md", "text/markdown; charset=utf-8", _("Hugging Face card"), card.document),
        Document("spdx.json", "application/spdx+json", _("SPDX 3, profile AI"), spdx.document),
        Document("croissant.json", "application/ld+json", _("Croissant, of the training data"), croissant.document, of_data=True),
        Document(crate.CRATE, "application/ld+json", _("RO-Crate"), crate.document),
        Document("CITATION.cff", "application/yaml", _("CITATION.cff"), citations.cff),
        Document("datacite.json", "application/vnd.datacite.datacite+json", _("DataCite"), citations.datacite),
        Document("cite.bib", "application/x-bibtex; charset=utf-8", _("BibTeX"), citations.bibtex),
        Document("cite.ris", "application/x-research-info-systems; charset=utf-8", _("RIS"), citations.ris),
        Document("cite.csl.json", "application/vnd.citationstyles.csl+json", _("CSL-JSON"), citations.csl),
        Document(
            "training-content.md", "text/markdown; charset=utf-8", _("EU summary of training content, draft"),
            training_content.document, of_data=True,
        ),
    )
}  # fmt: skip
