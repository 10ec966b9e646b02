"""The card as Hugging Face reads it: the makers' own, completed with what the release knows; emissions in grams.

What the laboratory said of it since, an erratum or that it was withdrawn, stands at its end: a card is taken elsewhere
and read there without our pages.
"""

from __future__ import annotations

import re
from typing import Any

import yaml

from releases import cards, units
from releases.exports.facts import Facts


def document(facts: Facts) -> bytes:
    """README.md as one would put it on that hub."""
    _front, body = cards.split(cards.source(facts.revision))
    head = yaml.safe_dump(front(facts), sort_keys=False, allow_unicode=True, width=1_000)
    return f"---\n{head}---\n{body or _nothing(facts)}{_since(facts)}".encode()


def front(facts: Facts) -> dict[str, Any]:
    """The card's YAML; licence and footprint by what was fixed at publication, the rest as the makers wrote it."""
    told = dict(facts.card)
    if facts.licence.name:
        told |= _licence(facts)
    if facts.gate:
        told["extra_gated_prompt"] = f"Access is by application, on the portal of its laboratory: {facts.model_page}"
    if "co2eq_kg" in facts.described:
        before = told.get("co2_eq_emissions")
        kept = before if isinstance(before, dict) else {}
        told["co2_eq_emissions"] = {**kept, "emissions": units.grams(facts.described["co2eq_kg"])}
    return told


def _licence(facts: Facts) -> dict[str, str]:
    if facts.licence.spdx:
        return {"license": facts.licence.spdx.lower()}
    return {"license": "other", "license_name": facts.licence.name, "license_link": f"{facts.model_page}/licence"}


def _since(facts: Facts) -> str:
    """What was said after publication; empty where nothing was."""
    told = [
        f"- {each.at:%Y-%m-%d}, {each.severity}: {_line(each.title)} <{facts.model_page}/errata#erratum-{each.pk}>"
        for each in facts.errata
    ]
    revision, parts = facts.revision, []
    if revision.withdrawn_at:
        instead = f" Use {_line(revision.withdrawn_instead)} instead." if revision.withdrawn_instead else ""
        parts.append(
            f"\n## Withdrawn\n\n{revision.withdrawn_at:%Y-%m-%d}: {_line(revision.withdrawn_reason)}{instead}\n"
        )
    if told:
        parts.append("\n## Errata\n\n" + "\n".join(told) + "\n")
    return "\n" * bool(parts) + "".join(parts)


def _line(text: str) -> str:
    """One line that is read as words, and not as Markdown or HTML."""
    return re.sub(r"([\\`*_\[\]<>#|])", r"\\\1", " ".join(text.split()))


def _nothing(facts: Facts) -> str:
    return f"\n# {facts.name}\n\n{facts.summary}\n"
