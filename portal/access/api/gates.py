"""Gates for the lab's staff: settings under an optimistic lock, the form as YAML with its versions, closed and open.

A write names `edits`, the gate's state that was read, and is 409 past it.
"""

from __future__ import annotations

from typing import Any, Final

from django.db.models import QuerySet
from django.utils.translation import gettext as _
from rest_framework.request import Request

from portal import errors
from portal.access import actions, form_text
from portal.access.api import gate_shapes as shapes
from portal.access.api.desk import staffed
from portal.access.form_models import FormVersion
from portal.access.gate_models import Gate
from portal.access.views.gates import readable
from portal.agreements.models import Agreement
from portal.api.operations import MANAGE, STAFF, Operation, Scoped, Shape
from portal.people.models import User

TAG: Final = "gates"
_THIS: Final = {"lab": "$response.body#/lab", "gate": "$response.body#/slug"}
LINKS: Final = dict.fromkeys(("getLabGate", "changeGate", "closeGate", "openGate", "getGateForm"), _THIS)


def found(user: User, lab: str, gate: str) -> Gate:
    """A gate of one's labs. Raises NotFound for every other."""
    row = readable(user).filter(lab__slug=lab, slug=gate).first()
    if row is None:
        raise errors.NotFound(_("There is no such gate, or it belongs to another lab."))
    return row


class LabGates(Scoped):
    """`/api/v1/labs/<lab>/gates`."""

    @Operation(
        name="listLabGates", tag=TAG, scopes=STAFF, listed=True, gives=shapes.LabGate,
        links={"getLabGate": {"lab": "$request.path.lab", "gate": "$response.body#/results/0/slug"}},
    )  # fmt: skip
    def get(self, request: Request, lab: str, asked: dict[str, Any]) -> QuerySet[Gate]:
        """List the gates of one's lab with their settings."""
        user = self.person(request)
        return readable(user).filter(lab=staffed(user, lab)).order_by("slug")

    @Operation(
        name="createGate", tag=TAG, scopes=(MANAGE,), takes=shapes.GateMade, gives=shapes.LabGate, status=201,
        problems=(404,), recent=True, links=LINKS,
        example={"slug": "lyceum-small", "title": "Lyceum small", "agreement": "research", "like": "lyceum-large"},
    )  # fmt: skip
    def post(self, request: Request, lab: str, said: dict[str, Any]) -> Gate:
        """Make a gate, with the form for research access or like another of the lab."""
        user = self.person(request)
        of = staffed(user, lab)
        agreement = Agreement.objects.filter(lab=of, slug=said["agreement"]).first()
        like = Gate.objects.filter(lab=of, slug=said["like"]).first() if said["like"] else None
        missing = {"agreement": agreement is None, "like": like is None and said["like"] is not None}
        if agreement is None or any(missing.values()):
            wrong = _("Choose one of this lab.")
            raise errors.Invalid(wrong, fields={name: [wrong] for name, gone in missing.items() if gone})
        made = {"slug": said["slug"], "title": said["title"], "agreement": agreement, "like": like}
        return actions.create_gate(by=user, lab=of, **made)


class LabGateDetail(Scoped):
    """`/api/v1/labs/<lab>/gates/<gate>`."""

    @Operation(name="getLabGate", tag=TAG, scopes=STAFF, gives=shapes.LabGate, problems=(404,), links=LINKS)
    def get(self, request: Request, lab: str, gate: str) -> Gate:
        """Read the settings of a gate."""
        return found(self.person(request), lab, gate)

    @Operation(
        name="changeGate", tag=TAG, scopes=(MANAGE,), takes=shapes.GateChanged, gives=shapes.LabGate,
        problems=(404,), recent=True, example={"quorum": 2, "edits": 3}, links=LINKS,
    )  # fmt: skip
    def patch(self, request: Request, lab: str, gate: str, said: dict[str, Any]) -> Gate:
        """Change settings of a gate. What was sent keeps the quorum that it was sent under."""
        user = self.person(request)
        actions.change_gate(by=user, gate=found(user, lab, gate), expected=said.pop("edits"), **said)
        return found(user, lab, gate)


def _turn(name: str, takes: Shape | None = None, example: dict[str, Any] | None = None) -> Operation:
    return Operation(
        name=name, tag=TAG, scopes=(MANAGE,), takes=takes, gives=shapes.LabGate, problems=(404,), recent=True,
        example=example, links=LINKS,
    )  # fmt: skip


class CloseGate(Scoped):
    """`/api/v1/labs/<lab>/gates/<gate>/close`."""

    @_turn("closeGate", shapes.Closed, {"closed_reason": "The lab moves. It opens again in January."})
    def post(self, request: Request, lab: str, gate: str, said: dict[str, Any]) -> Gate:
        """Take no new applications, with a reason that everybody reads. What was sent goes on."""
        user = self.person(request)
        actions.close_gate(by=user, gate=found(user, lab, gate), reason=said["closed_reason"])
        return found(user, lab, gate)


class OpenGate(Scoped):
    """`/api/v1/labs/<lab>/gates/<gate>/open`."""

    @_turn("openGate")
    def post(self, request: Request, lab: str, gate: str) -> Gate:
        """Take applications again."""
        user = self.person(request)
        actions.open_gate(by=user, gate=found(user, lab, gate))
        return found(user, lab, gate)


class GateForm(Scoped):
    """`/api/v1/labs/<lab>/gates/<gate>/form`."""

    @Operation(name="getGateForm", tag=TAG, scopes=STAFF, gives=shapes.FormInForce, problems=(404,))
    def get(self, request: Request, lab: str, gate: str) -> dict[str, Any]:
        """Read the form of a gate as text."""
        return _in_force(found(self.person(request), lab, gate))

    @Operation(
        name="publishGateForm", tag=TAG, scopes=(MANAGE,), takes=shapes.FormWritten, gives=shapes.FormInForce,
        problems=(404,), recent=True,
        example={
            "edits": 3,
            "text": '- name: work\n  title: "Your work"\n  fields:\n    - name: title\n      label: Title\n      type: text\n',
        },
        links={"listGateForms": {"lab": "$request.path.lab", "gate": "$request.path.gate"}},
    )  # fmt: skip
    def put(self, request: Request, lab: str, gate: str, said: dict[str, Any]) -> dict[str, Any]:
        """Publish the next version of a form; each fault is named with its line.

        A form that asks the same makes no version. A changed one switches automatic approval off: rules were tried on
        the form as it was.
        """
        user = self.person(request)
        here = found(user, lab, gate)
        spec, wrong = form_text.read(said["text"])
        if wrong:
            told = [_("Line %(line)s: %(text)s") % {"line": each.line, "text": each.text} for each in wrong]
            raise errors.Invalid(_("The form cannot be used."), fields={"text": told})
        return _in_force(actions.change_gate(by=user, gate=here, expected=said["edits"], form_spec=spec))


def _in_force(gate: Gate) -> dict[str, Any]:
    return {"version": gate.form_version, "edits": gate.edits, "text": form_text.write(gate.form_spec)}


class GateForms(Scoped):
    """`/api/v1/labs/<lab>/gates/<gate>/form/versions`."""

    @Operation(
        name="listGateForms", tag=TAG, scopes=STAFF, listed=True, gives=shapes.FormRow,
        links={"getGateFormVersion": {
            "lab": "$request.path.lab", "gate": "$request.path.gate",
            "version": "$response.body#/results/0/version",
        }},
    )  # fmt: skip
    def get(self, request: Request, lab: str, gate: str, asked: dict[str, Any]) -> QuerySet[FormVersion]:
        """List the versions of a form, newest first."""
        rows = found(self.person(request), lab, gate).form_versions
        return rows.select_related("made_by").defer("form_spec").order_by("-version")


class GateFormVersion(Scoped):
    """`/api/v1/labs/<lab>/gates/<gate>/form/versions/<version>`."""

    @Operation(name="getGateFormVersion", tag=TAG, scopes=STAFF, gives=shapes.FormShape, problems=(404,))
    def get(self, request: Request, lab: str, gate: str, version: int) -> FormVersion:
        """Read one version of a form as text."""
        rows = found(self.person(request), lab, gate).form_versions.select_related("made_by")
        row = rows.filter(version=version).first()
        if row is None:
            raise errors.NotFound(_("There is no such version of this form."))
        row.text = form_text.write(row.form_spec)  # type: ignore[attr-defined]
        return row
