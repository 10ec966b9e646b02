"""What the releases show on pages of the portal."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from datetime import timedelta
from typing import Any, Final

from django.db.models import Q
from django.urls import reverse
from django.utils import timezone

from portal.access import sections
from portal.access.behind import Link, namer, teller
from portal.access.gate_models import Gate
from portal.access.models import Grant
from portal.counting import counts
from portal.people.models import MANAGERS, Membership, User
from releases import egress
from releases.cap_forms import CapForm
from releases.download_models import Surge
from releases.harm_models import HarmReport
from releases.models import Model
from releases.reproduction_models import Reproduction

MOST: Final = 12


@teller
def why_links(gate: Gate, person: User) -> Iterator[Link]:
    """The models behind a gate, each with the page that explains this person's access to it. One query."""
    for model in Model.objects.filter(gate=gate).select_related("lab")[:MOST]:
        yield Link(model.full_name, f"{reverse('releases:why', args=[model.lab.slug, model.name])}?person={person.pk}")


@namer
def published(gates: Iterable[int]) -> Iterator[tuple[int, str]]:
    """The addresses of the published models behind these gates. One query."""
    for model in Model.objects.published().filter(gate__in=gates).select_related("lab").order_by("lab__slug", "name"):
        yield model.gate_id or 0, model.get_absolute_url()


@sections.of_grant.register("releases/_grant_downloads.html")
def downloads_of_grant(grant: Grant, viewer: User) -> dict[str, Any]:
    """What a grant was given in a day, and its cap; managers of its lab may set it there."""
    use = egress.use_of(grant, timezone.now())
    form = CapForm.of(use.bytes) if _manages(viewer, grant.gate) else None
    return {"use": use, "grant": grant, "own": viewer.pk == grant.user_id, "cap_form": form}


@sections.of_gate.register("releases/_gate_models.html")
def models_of_gate(gate: Gate, viewer: User) -> dict[str, Any]:
    """What stands behind a gate; each name leads to where that is changed, for those who may."""
    found = list(gate.models.filter(withdrawn_at=None).select_related("lab").order_by("name")[: MOST + 1])
    return {"models": found[:MOST], "more": len(found) > MOST, "settings": _manages(viewer, gate)}


@sections.of_gate.register("releases/_gate_cap.html")
def cap_of_gate(gate: Gate, viewer: User) -> dict[str, Any]:
    """What each grant behind a gate may be given in a day."""
    limit = egress.cap_of_gate(gate)
    return {"limit": limit, "gate": gate, "cap_form": CapForm.of(limit) if _manages(viewer, gate) else None}


@sections.of_queue.register("releases/_waiting.html")
def waiting(person: User, _viewer: User) -> dict[str, int]:
    """What waits in labs that the person manages: days of holders that stood out in the last week, reported
    reproductions that nobody has looked at, and open reports of harm. One query."""
    managed = Membership.objects.active().filter(user=person, role__in=MANAGERS).values("lab")
    of_labs = Q(score__revision__model__lab__in=managed) | Q(score__family__lab__in=managed)
    return counts(
        {
            "surges": Surge.objects.filter(lab__in=managed, told_at__gt=timezone.now() - timedelta(days=7)),
            "reproductions": Reproduction.objects.filter(of_labs, state="reported"),
            "harm": HarmReport.objects.of_labs_of(person).open(),
        }
    )


def _manages(viewer: User, gate: Gate) -> bool:
    return not viewer.roles_in(gate.lab).isdisjoint(MANAGERS)
