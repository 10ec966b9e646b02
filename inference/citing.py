"""A text to cite: which models at which revisions answered how much, by which engines, and when."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date

from django.conf import settings
from django.db.models import Sum

from inference.figures import Asked
from portal.projects.models import Project


@dataclass(frozen=True, slots=True)
class Served:
    """What answered: one model at one revision by one engine."""

    model: str
    revision: str
    fingerprint: str
    tokens: int


@dataclass(frozen=True, slots=True)
class Citation:
    """A sentence for a paper's methods, and the same for a list of references. English, as papers are."""

    text: str
    bibtex: str


def of(project: Project, asked: Asked, today: date) -> Citation | None:
    """What to cite of the project's queries in the period; None where there were none. One query."""
    rows = asked.hourly.order_by("model", "revision", "fingerprint").values("model", "revision", "fingerprint")
    summed = rows.annotate(prompt=Sum("prompt_tokens"), completion=Sum("completion_tokens"))
    served = [
        Served(row["model"], row["revision"], row["fingerprint"], int(row["prompt"] + row["completion"]))
        for row in summed
    ]
    if not served:
        return None
    first, last = asked.period.first.isoformat(), asked.period.last.isoformat()
    what = "; ".join(_one(each) for each in served)
    tokens = f"{sum(each.tokens for each in served):,}"
    text = f"Queries of the project “{project.title}” from {first} to {last} (UTC), {tokens} tokens: {what}."
    return Citation(f"{text} {settings.BASE_URL}", _bibtex(project, text, today))


def _one(each: Served) -> str:
    engine = f", engine {each.fingerprint}" if each.fingerprint else ""
    return f"{each.model} at revision {each.revision}{engine} ({each.tokens:,} tokens)"


def _bibtex(project: Project, text: str, today: date) -> str:
    said = "".join({"{": "\\{", "}": "\\}", "%": "\\%", "&": "\\&", "#": "\\#", "_": "\\_"}.get(c, c) for c in text)
    key = f"queries-{str(project.pk)[:8]}-{today:%Y}"
    fields = {
        "title": "{Model queries}",
        "note": f"{{{said}}}",
        "year": f"{{{today:%Y}}}",
        "url": f"{{{settings.BASE_URL}}}",
    }
    return f"@misc{{{key},\n" + "".join(f"  {name} = {value},\n" for name, value in fields.items()) + "}"
