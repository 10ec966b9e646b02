"""Openings by rule: a date, approvals and a check that passed; then the revision is published by itself, once."""

from __future__ import annotations

import threading
from concurrent.futures import ThreadPoolExecutor
from datetime import datetime, timedelta
from typing import Any

import pytest
from django.core import mail
from django.db import InternalError, connection, transaction
from django.db.utils import IntegrityError
from django.test import Client
from django.utils import timezone

from portal.audit.models import Entry
from portal.errors import Conflict, Invalid, NotAllowed, NotFound, WeighbridgeError
from portal.people.actions import close_lab, end_role, reopen_lab
from portal.people.models import Membership, User
from portal.switches.models import Switch, flip
from releases import actions, opening, tasks
from releases.models import Model, Revision
from releases.opening import TABLE, Facts, Rule, State, Verb
from releases.opening_models import Opening, OpeningStep
from tests.portal import world
from tests.portal.world import browser

HOUR = timedelta(hours=1)


@pytest.fixture
def checked(lyceum: world.World, publish: Any) -> Revision:
    """The first revision of a model, checked and not published."""
    revision = publish(lyceum, "mine", publish=False).revisions.get()
    return actions.check(revision=revision, by=lyceum.manager)


def plan(
    lyceum: world.World, revision: Revision, approvals: int = 0, *, after: timedelta | None = HOUR, **more: Any
) -> Opening:
    """With so many of two reviewers, not before `after` from now."""
    return actions.plan_opening(
        revision=revision, by=lyceum.manager, opens_at=timezone.now() + after if after else None,
        approvers=lyceum.reviewers[:2] if approvals else (), approvals=approvals, **more,
    )  # fmt: skip


def state(revision: Revision) -> str:
    return str(Revision.objects.get(pk=revision.pk).state)


def later(made: Opening, by: timedelta = 2 * HOUR) -> datetime:
    return made.planned_at + by


# --- The rule and the table ---------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("date", "needed", "facts", "waits"),
    [
        (10, 0, (9, 0, True, True, True), {Rule.DATE}),
        (10, 0, (10, 0, True, True, True), set()),
        (None, 2, (9, 1, True, True, True), {Rule.APPROVALS}),
        (None, 2, (9, 2, True, True, True), set()),
        (10, 2, (10, 2, False, True, True), {Rule.CHECKS}),
        (10, 2, (9, 1, False, False, False), set(Rule)),
    ],
)
def test_all_that_is_set_must_be_met(date: int | None, needed: int, facts: Any, waits: set[Rule]) -> None:
    day = timezone.now()
    now, *rest = facts
    opens_at = day + date * HOUR if date else None
    assert set(opening.unmet(opens_at, needed, Facts(day + now * HOUR, *rest))) == waits


def test_what_has_opened_or_was_cancelled_goes_nowhere() -> None:
    assert {at for at, _verb in TABLE} == {State.PLANNED, State.HELD}
    assert [at for (at, verb), _step in TABLE.items() if verb is Verb.OPEN] == [State.PLANNED]


# --- Opening ------------------------------------------------------------------------------------------------------


def test_it_opens_by_itself_at_its_date_and_not_before(lyceum: world.World, checked: Revision) -> None:
    made = plan(lyceum, checked)
    assert actions.open_due() == 0
    assert actions.open_due(now=made.opens_at - timedelta(seconds=1)) == 0
    assert state(checked) == "checked"
    assert actions.open_due(now=made.opens_at) == 1
    assert state(checked) == "published"
    assert Model.objects.get(name="mine").main == checked
    assert actions.open_due(now=later(made)) == 0, "twice is once"
    assert [step.verb for step in made.steps.all()] == ["plan", "open"]
    assert Entry.objects.filter(event__in=["opening.opened", "revision.published"]).count() == 2


def test_the_task_opens_what_is_due(lyceum: world.World, checked: Revision) -> None:
    made = plan(lyceum, checked)
    Opening.objects.filter(pk=made.pk).update(opens_at=timezone.now())
    assert tasks.open_due() == 1


def test_the_last_approval_opens_it_and_one_that_was_taken_back_does_not_count(
    lyceum: world.World, checked: Revision
) -> None:
    first, second = lyceum.reviewers[:2]
    made = plan(lyceum, checked, 2, after=None)
    actions.approve_opening(opening=made, by=first)
    actions.approve_opening(opening=made, by=first)
    assert made.approved().count() == 1, "each approves once"
    actions.take_back_approval(opening=made, by=first)
    assert actions.approve_opening(opening=made, by=second).opened_at is None
    assert actions.approve_opening(opening=made, by=first).opened_at
    assert state(checked) == "published"
    with pytest.raises(Conflict):
        actions.take_back_approval(opening=made, by=first)


def test_approvals_before_the_date_wait_for_it(lyceum: world.World, checked: Revision) -> None:
    made = plan(lyceum, checked, 1)
    actions.approve_opening(opening=made, by=lyceum.reviewers[0])
    assert state(checked) == "checked"
    assert actions.open_due(now=made.opens_at) == 1


def test_a_draft_opens_when_its_check_has_passed(lyceum: world.World, publish: Any) -> None:
    draft = publish(lyceum, "mine", publish=False).revisions.get()
    Revision.objects.filter(pk=draft.pk).update(state="draft", checked_at=None)
    made = plan(lyceum, draft)
    assert actions.open_due(now=made.opens_at) == 0
    assert state(draft) == "draft"
    actions.check(revision=Revision.objects.get(pk=draft.pk), by=lyceum.manager)
    assert actions.open_due(now=later(made)) == 1


def test_who_has_left_the_lab_approves_nothing(lyceum: world.World, checked: Revision) -> None:
    gone, there = lyceum.reviewers[:2]
    made = plan(lyceum, checked, 2)
    actions.approve_opening(opening=made, by=gone)
    actions.approve_opening(opening=made, by=there)
    end_role(membership=Membership.objects.get(user=gone), by=lyceum.manager)
    assert actions.open_due(now=made.opens_at) == 0
    with pytest.raises(NotFound):
        actions.take_back_approval(opening=made, by=gone)


def test_a_held_opening_waits_until_it_is_resumed(lyceum: world.World, checked: Revision) -> None:
    made = plan(lyceum, checked, 1, after=None)
    with pytest.raises(Invalid):
        actions.hold_opening(opening=made, by=lyceum.manager, reason=" ")
    actions.hold_opening(opening=made, by=lyceum.reviewers[1], reason="The card is wrong.")
    actions.approve_opening(opening=made, by=lyceum.reviewers[0])
    assert (actions.open_due(now=later(made)), state(checked)) == (0, "checked")
    with pytest.raises(NotAllowed):
        actions.resume_opening(opening=made, by=lyceum.reviewers[1])
    assert actions.resume_opening(opening=made, by=lyceum.manager).opened_at, "everything was met"
    assert [(step.verb, step.text) for step in made.steps.all()] == [
        ("plan", ""), ("hold", "The card is wrong."), ("approve", ""), ("resume", ""), ("open", ""),
    ]  # fmt: skip


def test_while_the_operator_has_paused_publishing_nothing_opens(lyceum: world.World, checked: Revision) -> None:
    made = plan(lyceum, checked)
    flip(switch=Switch.PUBLISH, on=False, reason="a drill", by=None)
    assert actions.open_due(now=later(made)) == 0
    flip(switch=Switch.PUBLISH, on=True, reason="over", by=None)
    assert actions.open_due(now=later(made)) == 1


def test_nobody_goes_past_a_plan_without_cancelling_it(lyceum: world.World, checked: Revision) -> None:
    made = plan(lyceum, checked, 1)
    with pytest.raises(Conflict):
        actions.publish(revision=checked, by=lyceum.manager)
    with pytest.raises(Conflict):
        actions.delete_model(model=checked.model, by=lyceum.manager)
    with pytest.raises(Conflict):
        plan(lyceum, checked)
    weights = checked.files.filter(lfs=True).values_list("blob", flat=True)
    with pytest.raises(Conflict):
        actions.delete_files(model=checked.model, digests=set(weights), by=lyceum.manager)
    actions.cancel_opening(opening=made, by=lyceum.manager, reason="Not yet.")
    assert actions.open_due(now=later(made)) == 0
    assert actions.publish(revision=checked, by=lyceum.manager).state == "published"


def test_rules_that_cannot_be_met_are_refused_beside_their_field(
    lyceum: world.World, checked: Revision, stranger: User
) -> None:
    soon, some = timezone.now() + HOUR, lyceum.reviewers[:2]
    for wrong, field in (
        ({}, "opens_at"), ({"opens_at": timezone.now()}, "opens_at"), ({"opens_at": soon + timedelta(days=3000)}, "opens_at"),
        ({"approvers": some, "approvals": 3}, "approvals"), ({"approvers": some, "opens_at": soon}, "approvals"),
        ({"approvers": [stranger], "approvals": 1}, "approvers"),
    ):  # fmt: skip
        with pytest.raises(Invalid) as refused:
            actions.plan_opening(revision=checked, by=lyceum.manager, **wrong)  # type: ignore[arg-type]
        assert set(refused.value.fields) == {field}, wrong


def test_people_hear_that_they_are_asked_that_it_waits_and_that_it_opened(
    lyceum: world.World, checked: Revision, django_capture_on_commit_callbacks: Any
) -> None:
    mail.outbox.clear()
    with django_capture_on_commit_callbacks(execute=True):
        made = plan(lyceum, checked, 1)
    assert sorted(m.to[0] for m in mail.outbox) == sorted(r.email for r in lyceum.reviewers[:2])
    mail.outbox.clear()
    for _ in range(2):
        with django_capture_on_commit_callbacks(execute=True):
            actions.open_due(now=later(made))
    concerned = sorted(person.email for person in [lyceum.manager, *lyceum.reviewers[:2]])
    assert sorted(m.to[0] for m in mail.outbox) == concerned, "once"
    assert "Approvals are missing." in mail.outbox[0].body
    mail.outbox.clear()
    Opening.objects.update(opens_at=timezone.now())
    with django_capture_on_commit_callbacks(execute=True):
        actions.approve_opening(opening=made, by=lyceum.reviewers[0])
    assert sorted(m.to[0] for m in mail.outbox) == concerned
    assert "lyceum/mine has opened" in mail.outbox[0].subject


@pytest.mark.django_db(transaction=True)
def test_the_last_approval_and_a_hold_at_once_end_in_one_of_the_two(lyceum: world.World, checked: Revision) -> None:
    for turn in range(4):
        made = plan(lyceum, checked, 1, after=None)
        together = threading.Barrier(2)
        acts = [
            lambda m=made: actions.approve_opening(opening=m, by=lyceum.reviewers[0]),
            lambda m=made: actions.hold_opening(opening=m, by=lyceum.manager, reason="Wait."),
        ]
        assert set(at_once(acts if turn % 2 else acts[::-1], together)) <= {"done", "Conflict"}
        made.refresh_from_db()
        assert (made.state, state(checked)) in {("opened", "published"), ("held", "checked")}
        if made.state == State.OPENED:
            return
        actions.cancel_opening(opening=made, by=lyceum.manager)


def test_nothing_of_a_closed_lab_opens_until_the_lab_does(lyceum: world.World, checked: Revision) -> None:
    made = plan(lyceum, checked)
    close_lab(lab=lyceum.lab, by=lyceum.manager)
    mail.outbox.clear()
    assert actions.open_due(now=later(made)) == 0
    made.refresh_from_db()
    assert (made.state, made.late_told_at, state(checked)) == ("planned", None, "checked")
    assert made.waits_for(later(made)) == (Rule.LAB,)
    reopen_lab(lab=lyceum.lab, by=lyceum.manager)
    assert actions.open_due(now=later(made)) == 1
    assert state(checked) == "published"


@pytest.mark.django_db(transaction=True)
@pytest.mark.parametrize("other", ["publish", "plan"])
def test_a_model_that_is_deleted_while_it_is_published_or_planned_is_one_or_the_other(
    lyceum: world.World, publish: Any, other: str
) -> None:
    for turn in range(4):
        model = publish(lyceum, f"short-{turn}", publish=False)
        revision = actions.check(revision=model.revisions.get(), by=lyceum.manager)
        acts = [
            lambda m=model: actions.delete_model(model=m, by=lyceum.manager),
            lambda r=revision: (
                actions.publish(revision=r, by=lyceum.manager) if other == "publish" else plan(lyceum, r)
            ),
        ]
        ended = at_once(acts if turn % 2 else acts[::-1], threading.Barrier(2))
        assert sorted(ended) in (["Conflict", "done"], ["NotFound", "done"])
        model.refresh_from_db()
        assert (model.withdrawn_at is None) is (
            Opening.objects.filter(model=model).exists() or model.opened_at is not None
        )


def test_nothing_is_committed_published_or_planned_of_a_deleted_model(lyceum: world.World, checked: Revision) -> None:
    actions.delete_model(model=checked.model, by=lyceum.manager)
    change = actions.Change(gone=["README.md"])
    for act in (
        lambda: actions.publish(revision=checked, by=lyceum.manager),
        lambda: plan(lyceum, checked),
        lambda: actions.amend(model=checked.model, branch="main", change=change, by=lyceum.manager, message="x"),
    ):
        with pytest.raises(NotFound, match="deleted by its lab"):
            act()
    assert state(checked) == "checked"


@pytest.mark.django_db(transaction=True)
def test_the_last_approval_and_another_that_is_taken_back_at_once_open_it_with_all_or_not(
    lyceum: world.World, checked: Revision
) -> None:
    first, second = lyceum.reviewers[:2]
    for turn in range(4):
        made = plan(lyceum, checked, 2, after=None)
        actions.approve_opening(opening=made, by=first)
        acts = [
            lambda m=made: actions.approve_opening(opening=m, by=second),
            lambda m=made: actions.take_back_approval(opening=m, by=first),
        ]
        ended = at_once(acts if turn % 2 else acts[::-1], threading.Barrier(2))
        made.refresh_from_db()
        given = made.named.exclude(approved_at=None).count()
        assert (made.state, state(checked), given) in {("opened", "published", 2), ("planned", "checked", 1)}
        assert ("Conflict" in ended) is (made.state == State.OPENED)
        if made.state == State.OPENED:
            return
        actions.cancel_opening(opening=made, by=lyceum.manager)


@pytest.mark.django_db(transaction=True)
def test_two_beats_at_once_open_it_once(lyceum: world.World, checked: Revision) -> None:
    made = plan(lyceum, checked)
    now = later(made)
    at_once([lambda: actions.open_due(now=now)] * 3, threading.Barrier(3))
    assert Entry.objects.filter(event="revision.published").count() == 1
    assert Entry.objects.filter(event="opening.opened").count() == 1
    assert made.steps.filter(verb="open").count() == 1


def at_once(acts: list[Any], together: threading.Barrier) -> list[str]:
    """Each in a thread and a connection of its own; `done`, or the refusal's class."""

    def run(act: Any) -> str:
        try:
            together.wait(10)
            act()
        except WeighbridgeError as refused:
            return type(refused).__name__
        finally:
            connection.close()
        return "done"

    with ThreadPoolExecutor(len(acts)) as threads:
        return list(threads.map(run, acts))


def test_the_history_only_grows_and_a_model_has_one_plan(lyceum: world.World, checked: Revision) -> None:
    made = plan(lyceum, checked)
    for forbidden in (lambda: made.steps.update(text="x"), lambda: made.steps.all().delete()):
        with pytest.raises((IntegrityError, InternalError)), transaction.atomic():
            forbidden()
    assert OpeningStep.objects.count() == 1
    with pytest.raises(IntegrityError), transaction.atomic():
        Opening.objects.create(model=checked.model, revision=checked, approvals=1)
    with pytest.raises(IntegrityError), transaction.atomic():
        Opening.objects.filter(pk=made.pk).update(state="opened")


# --- Pages --------------------------------------------------------------------------------------------------------


def page_of(revision: Revision) -> str:
    return f"/lyceum/mine/revisions/{revision.commit}/opening"


def test_a_manager_plans_on_the_page_and_named_people_approve_there(lyceum: world.World, checked: Revision) -> None:
    manager, first = browser(lyceum.manager), browser(lyceum.reviewers[0])
    page = page_of(checked)
    assert "Plan the opening" in manager.get(page).content.decode()
    assert "Plan the opening" not in first.get(page).content.decode()
    said = {
        "verb": "plan", "opens_at": "2020-01-01T10:00", "approvals": "1", "announced": "on",
        "approvers": [str(lyceum.reviewers[0].pk)],
    }  # fmt: skip
    wrong = manager.post(page, said)
    assert (wrong.status_code, "2020-01-01T10:00" in wrong.content.decode()) == (422, True), "nothing is lost"
    assert manager.post(page, said | {"opens_at": "soon"}).status_code == 422
    assert manager.post(page, said | {"opens_at": ""}).status_code == 302
    assert "0 of 1 approval is given" in first.get(page).content.decode()
    assert "See its planned opening" in manager.get(f"/lyceum/mine/revisions/{checked.commit}").content.decode()
    assert 'value="publish"' not in manager.get(f"/lyceum/mine/revisions/{checked.commit}").content.decode()
    assert manager.post(page, {"verb": "hold", "reason": ""}).status_code == 422
    assert manager.post(page, {"verb": "hold", "reason": "Wait."}).status_code == 302
    assert manager.post(page, {"verb": "approve"}).status_code == 403, "not named"
    assert manager.post(page, {"verb": "resume"}).status_code == 302
    assert first.post(page, {"verb": "approve"}).status_code == 302
    assert state(checked) == "published"
    assert "Opened: everything that was set was met" in first.get(page).content.decode()
    assert first.post(page, {"verb": "approve"}).status_code == 409


def test_to_strangers_and_to_another_lab_the_plan_is_not_there(
    lyceum: world.World, harbour: world.World, checked: Revision, stranger: User
) -> None:
    made = plan(lyceum, checked, 1)
    for user in (stranger, harbour.manager, harbour.reviewers[0]):
        assert browser(user).get(page_of(checked)).status_code == 404
        assert browser(user).post(page_of(checked), {"verb": "approve"}).status_code == 404
        assert browser(user).get("/lyceum/mine").status_code == 404, "not announced"
        for act in (actions.approve_opening, actions.resume_opening, actions.cancel_opening):
            with pytest.raises(NotFound):
                act(opening=made, by=user)
    assert Client().get("/lyceum/mine").status_code == 404


def test_an_announced_model_counts_down_for_everybody_without_its_files(
    lyceum: world.World, checked: Revision, stranger: User
) -> None:
    made = plan(lyceum, checked, 2, after=timedelta(days=3, hours=1), announced=True)
    for client in (Client(), browser(stranger)):
        page = client.get("/lyceum/Mine").content.decode()
        assert "Opens in 3" in page
        assert "Model mine." in page
        assert "0 of 2 approvals are given" in page
        for hidden in (checked.commit[:8], checked.files.first().sha256[:12], "model.safetensors", "Reviewer 1"):
            assert hidden not in page
        for path in ("/lyceum/mine/tree/main", "/lyceum/mine/revisions", f"/lyceum/mine/manifest/{checked.commit}"):
            assert client.get(path).status_code == 404, path
    assert "See its planned opening" in browser(lyceum.reviewers[2]).get("/lyceum/mine").content.decode()
    actions.hold_opening(opening=made, by=lyceum.manager, reason="A secret worry.")
    held = Client().get("/lyceum/mine").content.decode()
    assert "on hold" in held
    assert "A secret worry." not in held
    actions.cancel_opening(opening=made, by=lyceum.manager)
    assert Client().get("/lyceum/mine").status_code == 404


def test_the_hub_says_when_an_announced_model_opens(lyceum: world.World, checked: Revision) -> None:
    made = plan(lyceum, checked, announced=True)
    for path in (
        "/api/models/lyceum/mine",
        "/lyceum/mine/resolve/main/config.json",
        "/api/models/lyceum/mine/tree/main",
    ):
        answer = Client().get(path)
        assert (answer.status_code, answer["X-Error-Code"]) == (401, "RepoNotFound"), path
        assert f"It opens on {made.opens_at:%Y-%m-%d at %H:%M} UTC." in answer["X-Error-Message"]
        assert answer["X-HF-Warning"].startswith("opening; lyceum/mine is not open yet.")
    Opening.objects.update(announced=False)
    assert "opens" not in Client().get("/api/models/lyceum/mine")["X-Error-Message"]
