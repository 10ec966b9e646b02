"""How to cite exactly what was used: the revision and the weight id, in the forms that reference managers read."""

from __future__ import annotations

import json
import re
from typing import Any, Final

import yaml

from portal import signing
from releases.exports.facts import SHORT, Facts

_CFF_LACKS: Final = frozenset({"OpenMDW-1.0", "CDLA-Permissive-2.0"})
"""Licences that came after the list of CITATION.cff 1.2."""
_TEX: Final = str.maketrans(
    {
        "\\": r"\textbackslash{}", "{": r"\{", "}": r"\}", "%": r"\%", "&": r"\&", "#": r"\#", "$": r"\$", "_": r"\_",
        "~": r"\textasciitilde{}", "^": r"\textasciicircum{}",
    }
)  # fmt: skip


def title(facts: Facts) -> str:
    """What is cited: the model and the revision."""
    return f"{facts.name}, revision {facts.commit[:SHORT]}"


def key(facts: Facts) -> str:
    """A citation key that no other revision has."""
    return re.sub(r"[^A-Za-z0-9]+", "-", facts.model) + f"-{facts.commit[:SHORT]}"


def used(facts: Facts) -> str:
    """Both ids in one sentence."""
    weights = f", weight id {facts.weight_id}" if facts.weight_id else ""
    return f"Revision {facts.commit}{weights}."


def sentence(facts: Facts) -> str:
    """The citation for a text without a reference manager."""
    return f"{facts.lab.name} ({facts.day.year}). {facts.model}. {used(facts)} {facts.page}"


def bibtex(facts: Facts) -> bytes:
    """BibTeX; `@misc`, which every style knows."""
    told = {
        "author": "{" + _tex(facts.lab.name) + "}",
        "title": "{" + _tex(title(facts)) + "}",
        "year": str(facts.day.year),
        "month": facts.day.strftime("%b").lower(),
        "publisher": _tex(facts.lab.name),
        "version": facts.commit,
        "note": _tex(used(facts)),
        "url": facts.page,
    }
    lines = [f"  {name} = {value if name == 'month' else '{' + value + '}'}," for name, value in told.items()]
    return "\n".join([f"@misc{{{key(facts)},", *lines, "}", ""]).encode()


def ris(facts: Facts) -> bytes:
    """RIS, as EndNote and Zotero read it: a computer program."""
    told = [
        ("TY", "COMP"),
        ("ID", key(facts)),
        ("AU", facts.lab.name),
        ("TI", title(facts)),
        ("PY", str(facts.day.year)),
        ("DA", facts.day.strftime("%Y/%m/%d/")),
        ("PB", facts.lab.name),
        ("ET", facts.commit),
        ("AB", facts.summary),
        *(("KW", word) for word in facts.words),
        ("N1", used(facts)),
        ("UR", facts.page),
        ("ER", ""),
    ]
    return "".join(f"{tag}  - {' '.join(value.split())}\r\n" for tag, value in told).encode()


def csl(facts: Facts) -> bytes:
    """CSL-JSON, a list of one item."""
    item: dict[str, Any] = {
        "id": key(facts),
        "type": "software",
        "title": title(facts),
        "author": [{"literal": facts.lab.name}],
        "issued": {"date-parts": [[facts.day.year, facts.day.month, facts.day.day]]},
        "publisher": facts.lab.name,
        "version": facts.commit,
        "URL": facts.page,
        "abstract": facts.summary,
        "note": used(facts),
    }
    if facts.words:
        item["keyword"] = ", ".join(facts.words)
    return json.dumps([item], ensure_ascii=False, indent=2).encode() + b"\n"


def cff(facts: Facts) -> bytes:
    """CITATION.cff 1.2. It knows software and datasets; weights with their code are told as software."""
    told: dict[str, Any] = {
        "cff-version": "1.2.0",
        "message": "If you use this model, please cite this very revision.",
        "type": "software",
        "title": title(facts),
        "abstract": facts.summary,
        "authors": [{"name": facts.lab.name} | ({"website": facts.lab.site} if facts.lab.site else {})],
        "version": facts.commit,
        "commit": facts.commit,
        "date-released": facts.day,
        "url": facts.page,
        "identifiers": [{"type": "url", "value": facts.document("release.json"), "description": "The release's manifest."}],
    }  # fmt: skip
    if facts.weight_id:
        about = "Weight id: the root over the digests of all tensors."
        told["identifiers"].append({"type": "other", "value": facts.weight_id, "description": about})
    if facts.words:
        told["keywords"] = list(dict.fromkeys(facts.words))
    if facts.licence.spdx and facts.licence.spdx not in _CFF_LACKS:
        told["license"] = facts.licence.spdx
    elif facts.licence.name:
        told["license-url"] = facts.licence.url or f"{facts.model_page}/licence"
    return yaml.safe_dump(told, sort_keys=False, allow_unicode=True, width=1_000).encode()


def datacite(facts: Facts) -> bytes:
    """DataCite 4.5 as JSON, ready for whoever registers a DOI; it has none of its own."""
    related = [("HasMetadata", facts.document("release.json")), ("IsVersionOf", facts.model_page)]
    if facts.parent:
        related.append(("IsNewVersionOf", f"{facts.model_page}/tree/{facts.parent}"))
    related += [("IsDerivedFrom", base) for base in facts.bases if base.startswith(("https://", "http://"))]
    told: dict[str, Any] = {
        "schemaVersion": "http://datacite.org/schema/kernel-4",
        "types": {"resourceTypeGeneral": "Model", "resourceType": "Language model"},
        "creators": [{"name": facts.lab.name, "nameType": "Organizational"}],
        "titles": [{"title": title(facts)}],
        "publisher": {"name": facts.lab.name},
        "publicationYear": str(facts.day.year),
        "dates": [{"date": facts.day.isoformat(), "dateType": "Issued"}],
        "url": facts.page,
        "version": facts.commit,
        "sizes": [f"{facts.revision.size} bytes"],
        "descriptions": [{"description": facts.summary, "descriptionType": "Abstract"}],
        "subjects": [{"subject": word} for word in dict.fromkeys(facts.words)],
        "alternateIdentifiers": [{"alternateIdentifier": facts.commit, "alternateIdentifierType": "git commit"}],
        "relatedIdentifiers": [
            {"relationType": relation, "relatedIdentifier": url, "relatedIdentifierType": "URL"}
            for relation, url in related
        ],
    }
    if facts.weight_id:
        weights = {"alternateIdentifier": facts.weight_id, "alternateIdentifierType": "weighbridge.tensors/1"}
        told["alternateIdentifiers"].append(weights)
    if facts.licence.name:
        told["rightsList"] = [_rights(facts)]
    return signing.canonical(told)


def _rights(facts: Facts) -> dict[str, str]:
    if not facts.licence.spdx:
        return {"rights": facts.licence.name, "rightsUri": f"{facts.model_page}/licence"}
    return {
        "rights": facts.licence.name,
        "rightsUri": facts.licence.url,
        "rightsIdentifier": facts.licence.spdx,
        "rightsIdentifierScheme": "SPDX",
        "schemeUri": "https://spdx.org/licenses/",
    }


def _tex(value: str) -> str:
    return " ".join(value.split()).translate(_TEX)
