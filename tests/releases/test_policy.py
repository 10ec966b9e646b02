"""The one rule, told three times: decide() for one model, weigh() condition by condition, open_to() for all models.

They must agree in every world.
"""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest
from allauth.account.models import EmailAddress
from django.utils import timezone
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from portal.access import actions as access
from portal.access.application_models import Application
from portal.access.institutional import Line
from portal.access.institutional_models import InstitutionalAgreement
from portal.access.member_models import Member
from portal.access.members import ON_TEAM
from portal.access.models import Grant
from portal.access.review_models import Vote
from portal.agreements import actions as agreements
from portal.errors import NotAllowed, NotFound, NotSignedIn
from portal.outbox.models import Message
from portal.people.actions import end_role, give_role, restore, suspend
from portal.people.models import Lab, Membership, Role, User
from portal.projects.models import Project
from portal.switches.models import Switch, SwitchState, flip
from releases import actions, conditions, explanation, next_steps, policy
from releases.conditions import Question, weigh
from releases.models import Model, Revision
from releases.policy import Allow, Deny
from tests.portal import seats, world
from tests.portal.world import World

pytestmark = pytest.mark.django_db
CAPABILITIES = ("view", "download", "query")


def decide(person: User | None, model: Model, capability: str, **more: Any) -> Allow | Deny:
    given = {"scopes": None, "revision": None, "now": timezone.now()} | more
    return policy.decide(person=person, model=Model.objects.get(pk=model.pk), capability=capability, **given)


def code(person: User | None, model: Model, capability: str = "download", **more: Any) -> str:
    verdict = decide(person, model, capability, **more)
    return "allow" if isinstance(verdict, Allow) else verdict.first.code


def test_who_may_what(lyceum: World, harbour: World, publish: Any, mara: User, stranger: User) -> None:
    free, gated, draft = (
        publish(lyceum, "free"),
        publish(lyceum, "gated", gate=lyceum.gate),
        publish(lyceum, "draft", publish=False),
    )
    lyceum.granted(mara)
    people = {
        "nobody": None,
        "stranger": stranger,
        "holder": mara,
        "reviewer": lyceum.reviewers[0],
        "manager": lyceum.manager,
        "other lab": harbour.manager,
    }
    table = {
        name: tuple(code(who, model, what) for model in (free, gated, draft) for what in CAPABILITIES)
        for name, who in people.items()
    }
    closed = ("not_published",) * 3
    assert table == {
        "nobody": ("allow", "allow", "sign_in", "allow", "sign_in", "sign_in", *closed),
        "stranger": ("allow", "allow", "allow", "allow", "apply", "apply", *closed),
        "holder": ("allow", "allow", "allow", "allow", "allow", "allow", *closed),
        "reviewer": ("allow", "allow", "allow", "allow", "apply", "apply", "allow", "not_published", "not_published"),
        "manager": ("allow", "allow", "allow", "allow", "allow", "apply", "allow", "not_published", "not_published"),
        "other lab": ("allow", "allow", "allow", "allow", "apply", "apply", *closed),
    }


def test_scopes_switches_and_states(lyceum: World, publish: Any, mara: User) -> None:
    model = publish(lyceum, "gated", gate=lyceum.gate)
    grant = lyceum.granted(mara)
    assert code(mara, model, scopes=frozenset({"query"})) == "insufficient_scope"
    assert code(mara, model, scopes=frozenset({"download"})) == "allow"
    flip(switch=Switch.DOWNLOAD, on=False, reason="drill", by=None)
    assert (code(mara, model), code(mara, model, "query")) == ("switched_off", "allow")
    flip(switch=Switch.DOWNLOAD, on=True, reason="over", by=None)
    access.suspend_grant(by=lyceum.manager, grant=grant, reason="a question")
    assert code(mara, model) == "suspended"
    access.resume_grant(by=lyceum.manager, grant=Grant.objects.get(pk=grant.pk))
    assert code(mara, model) == "allow"
    assert code(mara, model, now=grant.ends_at) == "expired"
    agreements.publish_version(
        by=lyceum.manager, agreement=lyceum.agreement, text=world.TEXT + "\n3. More.\n", points=["More."]
    )
    assert code(mara, model) == "agreement_changed"
    revision = model.main
    actions.withdraw(revision=revision, by=lyceum.manager, reason="Wrong.")
    withdrawn = Revision.objects.get(pk=revision.pk)
    assert code(mara, model, revision=withdrawn) == "revision_withdrawn"
    assert code(mara, model) == "not_published"
    assert code(mara, model, "view") == "allow"


def test_a_grant_for_one_capability(lyceum: World, publish: Any, mara: User) -> None:
    model = publish(lyceum, "gated", gate=lyceum.gate)
    grant = lyceum.granted(mara)
    Grant.objects.filter(pk=grant.pk).update(capabilities=["query"])
    assert (code(mara, model), code(mara, model, "query")) == ("not_granted", "allow")


def test_a_draft_of_an_open_model_is_for_members(lyceum: World, publish: Any, mara: User) -> None:
    model = publish(lyceum, "draft", publish=False)
    draft = model.revisions.get()
    assert code(lyceum.reviewers[0], model, revision=draft) == "allow"
    assert code(mara, model, revision=draft) == "not_published"
    assert code(None, model, revision=draft) == "not_published"


def test_require_speaks_in_errors(lyceum: World, publish: Any, stranger: User) -> None:
    model = publish(lyceum, "gated", gate=lyceum.gate)
    asked = {"scopes": None, "model": model, "revision": None, "capability": "download", "now": timezone.now()}
    with pytest.raises(NotSignedIn):
        policy.require(person=None, **asked)
    with pytest.raises(NotAllowed) as refused:
        policy.require(person=stranger, **asked)
    assert refused.value.reasons[0].url.endswith(f"/apply/{lyceum.gate.slug}/")


@pytest.mark.parametrize("capability", ["download", "query"])
def test_who_is_not_signed_in_is_told_the_scope_of_what_they_ask_for(
    lyceum: World, publish: Any, capability: str
) -> None:
    model = publish(lyceum, "gated", gate=lyceum.gate)
    verdict = policy.decide(
        person=None, scopes=None, model=model, revision=None, capability=capability, now=timezone.now()
    )
    assert f"Sign in, or send a token with the scope {capability}." in verdict.first.message


def test_a_seat_is_refused_by_the_name_of_what_its_institution_has_to_do(
    lyceum: World, publish: Any, mara: User
) -> None:
    model = publish(lyceum, "gated", gate=lyceum.gate)
    cover = seats.in_force(lyceum)
    member = seats.member("Mara Lindqvist")
    grant = seats.seated(cover, member)
    names = [c.name for c in weigh(Question(member, None, model, None, "download", timezone.now())).conditions]
    assert names.index("institution_in_force") < names.index("institution_attested") < names.index("capability")
    assert decide(member, model, "download") == Allow(until=cover.lapses_at, grant=str(grant.pk))
    access.suspend_institutional(by=lyceum.manager, agreement=cover, reason="a question")
    assert code(member, model) == "institution_not_in_force"
    access.resume_institutional(by=lyceum.manager, agreement=cover)
    seats.shift(cover, attest_by=-31, lapses_at=-1)
    assert code(member, model) == "institution_not_attested"
    told = decide(member, model, "query")
    assert isinstance(told, Deny)
    assert "Ingrid Solberg" in told.first.message
    lyceum.granted(mara)
    asked = weigh(Question(mara, None, model, None, "download", timezone.now()))
    assert not {"institution_in_force", "institution_attested"} & {c.name for c in asked.conditions}, "not a seat"


EVENTS = st.lists(
    st.sampled_from(
        [
            "grant",
            "apply",
            "close project",
            "begin later",
            "revoke",
            "suspend",
            "expire",
            "narrow",
            "role",
            "end role",
            "leave",
            "close lab",
            "stop download",
            "stop query",
            "new version",
            "withdraw",
            "withdraw model",
            "halt model",
            "halt revision",
            "gate",
            "ungate",
            "name",
            "accept",
            "lead signs",
            "remove",
            "pause lead",
            "end lead",
            "resume lead",
            "suspend lead",
            "restore lead",
            "seat",
            "leave seat",
            "pause institution",
            "end institution",
            "lapse roster",
        ]
    ),
    max_size=6,
)


def test_every_step_of_a_team_has_its_reason_on_every_telling(lyceum: World, publish: Any, mara: User) -> None:
    model = publish(lyceum, "gated", gate=lyceum.gate)
    told = {}
    steps = (
        "name",
        "accept",
        "lead signs",
        "pause lead",
        "resume lead",
        "suspend lead",
        "restore lead",
        "end lead",
        "remove",
    )
    for step in steps:
        happen(step, lyceum, mara, Role.REVIEWER)
        told[step] = code(mara, model)
        assert Model.objects.open_to(mara, "download", timezone.now()).filter(name="gated").exists() == (
            told[step] == "allow"
        )
        assert_explained(Question(mara, None, Model.objects.get(name="gated"), None, "download", timezone.now()))
    assert told == {
        "name": "invited",
        "accept": "lead_pending",
        "lead signs": "allow",
        "pause lead": "lead_paused",
        "resume lead": "allow",
        "suspend lead": "lead_paused",
        "restore lead": "allow",
        "end lead": "lead_paused",
        "remove": "lead_paused",
    }


def test_who_was_removed_reads_so_before_and_after_the_grant(lyceum: World, publish: Any, mara: User) -> None:
    model = publish(lyceum, "gated", gate=lyceum.gate)
    for before in (("name", "remove"), ("name", "accept", "remove"), ("name", "accept", "lead signs", "remove")):
        for step in before:
            happen(step, lyceum, mara, Role.REVIEWER)
        expected = "apply" if before == ("name", "remove") else "removed"
        assert code(mara, model) == expected, before


@settings(max_examples=30, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(events=EVENTS, role=st.sampled_from(list(Role)), scopes=st.sampled_from([None, frozenset({"download"})]))
def test_all_tellings_agree_in_random_worlds(
    lyceum: World, publish: Any, mara: User, events: list[str], role: Role, scopes: frozenset[str] | None
) -> None:
    from django.db import transaction

    if not Model.objects.exists():
        publish(lyceum, "free")
        publish(lyceum, "gated", gate=lyceum.gate)
        publish(lyceum, "draft", publish=False)
        seats.in_force(lyceum)
        User.objects.filter(pk=mara.pk).update(email=f"mara@{seats.DOMAIN}")
    with transaction.atomic():
        for event in events:
            happen(event, lyceum, User.objects.get(pk=mara.pk), role)
        now, person = timezone.now(), User.objects.get(pk=mara.pk)
        for who in (None, person, lyceum.manager):
            for capability in CAPABILITIES:
                listed = set(Model.objects.open_to(who, capability, now).values_list("name", flat=True))
                models = Model.objects.select_related("lab", "gate")
                decided = {m.name for m in models if isinstance(decide(who, m, capability, now=now), Allow)}
                assert listed == decided, (events, capability, who)
                for model in models:
                    assert_explained(Question(who, scopes, model, None, capability, now))
        transaction.set_rollback(True)


def assert_explained(asked: Question) -> None:
    """decide() allows exactly when every condition is met, and denies with exactly those that are not."""
    verdict = policy.decide(
        person=asked.person, scopes=asked.scopes, model=asked.model, revision=None, capability=asked.capability, now=asked.now
    )  # fmt: skip
    listed = weigh(asked).conditions
    names = [c.name for c in listed]
    assert len(names) == len(set(names))
    assert set(names) <= set(conditions.NAMES)
    assert isinstance(verdict, Allow) == all(c.met for c in listed), asked
    unmet = [c for c in listed if c.met is False]
    assert (verdict.reasons if isinstance(verdict, Deny) else ()) == tuple(c.reason for c in unmet)
    assert all(c.reason is not None and c.reason.code in conditions.CODES for c in unmet)
    assert all(c.reason is None for c in listed if c.met is not False)
    assert unmet or all(c.met for c in listed), "only what waits for an unmet condition may stay unjudged"


def test_what_leads_on_by_its_address_has_words_for_a_page_and_no_address_in_them() -> None:
    tables = (conditions._STANDING, conditions._FAILED)
    leads = {code for table in tables for code, text in table.values() if "{url}" in str(text)}
    assert leads | {"apply"} <= set(next_steps.NEXT)
    for said, step in next_steps.NEXT.values():
        assert said
        assert step
        assert "{url}" not in f"{said} {step}"


def test_every_condition_and_every_code_has_words() -> None:
    assert set(explanation.TITLES) == set(conditions.NAMES)
    assert set(explanation.CHANGES) == conditions.CODES


def happen(event: str, lyceum: World, person: User, role: Role) -> None:  # noqa: C901 one branch for each event
    """One thing that changes what somebody may do."""
    now = timezone.now()
    grants = Grant.objects.filter(user=person, revoked_at=None)
    gated = Model.objects.get(name="gated")
    if event == "grant" and not grants.filter(ends_at__gt=now).exists() and person.is_active and lyceum.lab.is_active:
        with_suppressed(lambda: lyceum.granted(person))
    elif event == "apply" and lyceum.lab.is_active:
        with_suppressed(lambda: lyceum.applied(person))
    elif event == "close project":
        Project.objects.filter(grants__user=person).update(closed_at=now)
    elif event == "begin later":
        grants.update(starts_at=now + timedelta(days=1), ends_at=now + timedelta(days=9))
    elif event == "revoke" and grants:
        with_suppressed(lambda: access.revoke_grant(by=lyceum.manager, grant=grants[0], reason="because"))
    elif event == "suspend" and grants.filter(suspended_at=None):
        with_suppressed(lambda: access.suspend_grant(by=lyceum.manager, grant=grants[0], reason="because"))
    elif event == "expire":
        grants.update(starts_at=now - timedelta(days=2), ends_at=now - timedelta(days=1))
    elif event == "narrow":
        grants.update(capabilities=["query"])
    elif event == "role":
        give_role(user=person, lab=lyceum.lab, role=role, by=None)
    elif event == "end role" and (held := Membership.objects.filter(user=person, ends_at=None).first()):
        end_role(membership=held, by=lyceum.manager)
    elif event == "leave" and person.is_active:
        suspend(user=person, by=lyceum.manager, reason="gone")
    elif event == "close lab":
        Lab.objects.filter(pk=lyceum.lab.pk).update(is_active=False)
    elif event.startswith("stop"):
        switch = Switch(event.removeprefix("stop "))
        if not SwitchState.objects.filter(switch=switch, is_on=False).exists():
            flip(switch=switch, on=False, reason="drill", by=None)
    elif event == "new version":
        with_suppressed(
            lambda: agreements.publish_version(
                by=lyceum.manager, agreement=lyceum.agreement, text=f"{world.TEXT}\n{now}\n", points=["x"]
            )
        )
    elif event == "withdraw" and gated.main:
        actions.withdraw(revision=gated.main, by=None, reason="because")
    elif event == "halt model":
        with_suppressed(lambda: actions.stop_release(subject=gated, by=None, reason="because"))
    elif event == "halt revision" and gated.main:
        with_suppressed(lambda: actions.stop_release(subject=gated.main, by=None, reason="because"))
    elif event == "withdraw model":
        Model.objects.filter(name="free").update(withdrawn_at=now, withdrawn_reason="because")
    elif event in TEAM:
        with_suppressed(lambda: TEAM[event](lyceum, person))
    elif event in SEATS:
        with_suppressed(lambda: SEATS[event](InstitutionalAgreement.objects.get(), lyceum, person))
    elif event in {"gate", "ungate"}:
        actions.describe_model(
            model=Model.objects.get(name="free"), by=None, gate=lyceum.gate if event == "gate" else None
        )


def lead_of(person: User) -> User:
    """Whoever names this person for a team in these worlds."""
    return User.objects.filter(name="Lena Lead").first() or world.person("Lena Lead")


def name_member(lyceum: World, person: User) -> None:
    lead = lead_of(person)
    EmailAddress.objects.get_or_create(user=person, email=person.email, verified=True)
    application = Application.objects.filter(applicant=lead).first() or lyceum.applied(lead)
    access.invite(by=lead, application=application, name="Mara", email=person.email)


def accept(lyceum: World, person: User) -> None:
    asked = Message.objects.filter(payload__template="member_invited").order_by("pk").last()
    version = lyceum.agreement.current()
    if asked is None or version is None:
        raise NotFound("nobody was asked")
    path = asked.payload["context"]["path"]
    access.accept_invitation(
        by=person, secret=path.split("/")[2], typed_name=person.name, capacity="me", text_sha256=version.sha256
    )


def lead_signs(lyceum: World, person: User) -> None:
    application = Application.objects.filter(applicant=lead_of(person)).first()
    if application is None:
        raise NotFound("no application")
    for reviewer in lyceum.reviewers[: lyceum.gate.quorum]:
        access.cast_vote(by=reviewer, application=application, vote=Vote.APPROVE)
    lyceum.signed(lead_of(person), application)


def lead_grant(person: User) -> Grant:
    found = Grant.objects.filter(user=lead_of(person)).first()
    if found is None:
        raise NotFound("no grant")
    return found


def end_lead(_lyceum: World, person: User) -> None:
    now = timezone.now()
    Grant.objects.filter(pk=lead_grant(person).pk).update(ends_at=now, starts_at=now - timedelta(days=1))


def remove_member(_lyceum: World, person: User) -> None:
    member = Member.objects.filter(email=person.email, status__in=ON_TEAM).first()
    if member:
        access.remove_member(by=lead_of(person), member=member)


TEAM = {
    "name": name_member,
    "accept": accept,
    "lead signs": lead_signs,
    "remove": remove_member,
    "pause lead": lambda w, person: access.suspend_grant(by=w.manager, grant=lead_grant(person), reason="because"),
    "end lead": end_lead,
    "resume lead": lambda w, person: access.resume_grant(by=w.manager, grant=lead_grant(person)),
    "suspend lead": lambda w, person: suspend(user=lead_of(person), by=w.manager, reason="because"),
    "restore lead": lambda w, person: restore(user=lead_of(person), by=w.manager, reason="because"),
}
"""What happens to a person who is named for somebody's team."""


def take_seat(cover: InstitutionalAgreement, person: User) -> None:
    if not cover.roster.filter(user=person, status=Line.SEATED).exists():
        seats.seated(cover, person)


SEATS: Any = {
    "seat": lambda cover, _lab, person: take_seat(cover, person),
    "leave seat": lambda cover, _lab, _person: [
        access.remove_from_roster(by=cover.official, line=x) for x in cover.roster.all()
    ],
    "pause institution": lambda cover, lab, _person: access.suspend_institutional(
        by=lab.manager, agreement=cover, reason="because"
    ),
    "end institution": lambda cover, _lab, _person: access.end_institutional(by=cover.official, agreement=cover),
    "lapse roster": lambda cover, _lab, _person: seats.shift(cover, attest_by=-31, lapses_at=-1),
}
"""What happens to an institution's agreement, and to the person's seat under it."""


def with_suppressed(act: Any) -> None:
    """Some orders of events make an action impossible; that is its own test's business."""
    from django.db import transaction

    from portal.errors import WeighbridgeError

    try:
        with transaction.atomic():
            act()
    except WeighbridgeError:
        return
