"""The gate of the demo, and two applications that took the same way as everybody's: one finished, one waiting."""

from __future__ import annotations

from pathlib import Path
from typing import Any, Final

from portal.access import actions, lifetime
from portal.access.application_models import Application
from portal.access.gate_models import Gate
from portal.access.models import Grant
from portal.access.review_models import Vote
from portal.access.workflow import Status
from portal.agreements.actions import create_agreement, publish_version
from portal.agreements.models import Agreement
from portal.people.models import Lab, User

AGREEMENT: Final = "research-access"
YEAR_DAYS: Final = 365
_POINTS: Final = (
    "Noncommercial research, in person, for the project you describe.",
    "No weapons, surveillance, biometrics, or facts about people's private lives.",
    "The weights stay with you; colleagues apply in their own names.",
    "Delete every copy when access ends. Downloads and token counts are recorded, prompts are not.",
)


def gate(*, lab: Lab, slug: str, manager: User) -> Gate:
    """The gate before the largest model: an agreement, the research form, two reviewers."""
    found = Gate.objects.filter(slug=slug).first()
    return found or actions.create_gate(
        by=manager,
        lab=lab,
        slug=slug,
        title="Pico-OPT, largest size",
        agreement=_agreement(lab, manager),
        summary="Noncommercial research with the largest model of the family: weights, hosted queries, or both.",
        quorum=2,
        grant_days=lifetime.RENEWAL_OPENS.days,
    )


def lengthen(*, gate: Gate, manager: User) -> None:
    """Let grants last a year from now on: the first one is short, so that a renewal can be tried at once."""
    if gate.grant_days == lifetime.RENEWAL_OPENS.days:
        actions.change_gate(by=manager, gate=gate, grant_days=YEAR_DAYS)


def _agreement(lab: Lab, manager: User) -> Agreement:
    found = Agreement.objects.filter(lab=lab, slug=AGREEMENT).first()
    agreement = found or create_agreement(by=manager, lab=lab, slug=AGREEMENT, title="Lyceum Research Access Agreement")
    if agreement.current() is None:
        text = (Path(__file__).parent / "agreement.md").read_text(encoding="utf-8")
        publish_version(by=manager, agreement=agreement, text=text, points=_POINTS)
    return agreement


def finished(*, gate: Gate, applicant: User, reviewers: list[User]) -> Grant:
    """The applicant's standing grant: sent, approved by both reviewers, signed. Each step is done at most once."""
    standing = Grant.objects.standing().filter(gate=gate, user=applicant).first()
    if standing is not None:
        return standing
    application = waiting(gate=gate, applicant=applicant, answers=RESEARCHER)
    for reviewer in reviewers:
        if application.status in {Status.SUBMITTED, Status.IN_REVIEW}:
            note = "The method is sound, and the machine is under the group's own control."
            application = actions.cast_vote(by=reviewer, application=application, vote=Vote.APPROVE, note=note)
    version = gate.agreement.current()
    if version is None:
        raise LookupError(f"{gate} has no agreement text")
    return actions.sign(
        by=applicant,
        application=application,
        typed_name=applicant.name,
        capacity="for myself, postdoctoral researcher",
        text_sha256=version.sha256,
    )


def waiting(*, gate: Gate, applicant: User, answers: dict[str, Any]) -> Application:
    """The applicant's open application, sent."""
    found = Application.objects.open().filter(gate=gate, applicant=applicant).first()
    if found is not None and found.status != Status.DRAFT:
        return found
    draft = actions.save_draft(by=applicant, gate=gate, answers={**answers, "legal_name": applicant.name})
    return actions.submit(by=applicant, application=draft)


_USES: Final = dict.fromkeys(("commercial", "military", "surveillance", "biometric", "privacy", "redistribution"), "no")
RESEARCHER: Final[dict[str, Any]] = {
    "role": "postdoc",
    "profile": "https://northfield.example/people/duarte",
    "institution": "Northfield University",
    "affiliation_class": "academia",
    "country": "NL",
    "title": "How small models copy code",
    "summary": "We measure when a language model repeats code from its training data and when it writes something new, "
    "across model sizes whose data is known exactly.",
    "method": "We prompt the model with prefixes of functions from the training corpus, compare its continuations with "
    "the originals token by token, and relate exact copies to how often and how late in training a file was seen. The "
    "published logbook tells us the order of the data, which no other public model does at this size.",
    "capabilities": ["download", "query"],
    "funding": "none",
    **_USES,
    "storage": "One workstation of the group, encrypted disk, accounts for the three named members, no remote access.",
    "deletion": True,
    "accuracy": True,
}
APPLICANT: Final[dict[str, Any]] = {
    **RESEARCHER,
    "role": "phd",
    "profile": "",
    "title": "Reading the loss curve",
    "summary": "A chapter of a thesis on what can be predicted from the first tenth of a training run. It needs the "
    "largest model's intermediate behaviour and its published records.",
    "method": "We replay the published metrics, fit power laws to the first tenth of each run, and compare their forecasts "
    "with the end of the run and with the evaluations. The weights serve to repeat the evaluations under our own code.",
    "capabilities": ["download"],
    "storage": "The university's compute cluster, project directory with group permissions, run by the IT department.",
}
