"""Two people are erased who were everywhere: every page and every operation that named them still answers, and names them no more.

What stays as it was signed, or is part of a commit's id, is told in docs/privacy.md, and listed here.
"""

from __future__ import annotations

from datetime import timedelta
from uuid import uuid4

import pytest
import time_machine
from django.core.cache import cache
from django.urls import reverse
from django.utils import timezone

from inference.allocation_models import AllocationRequest
from inference.batch_models import Batch, BatchFile
from inference.evaluating import actions as evaluating
from inference.evaluation_models import EvaluationRun
from portal.access import actions as access
from portal.access.application_models import Application
from portal.access.models import Grant
from portal.mail import sending
from portal.outbox import delivery
from portal.outbox.models import Message
from portal.people import erasure
from portal.people.actions import end_role, give_role
from portal.people.models import Role, User
from portal.people.tasks import erase_due
from portal.projects.models import Project
from portal.tokens.models import AccessToken
from releases import actions as releases
from releases.conversion_models import Conversion
from releases.models import Download, Model
from tests.architecture import walk
from tests.architecture.scene import Scene
from tests.architecture.test_doors import ROUTES, _path, door_of
from tests.portal import world

pytestmark = [pytest.mark.xdist_group("doors"), pytest.mark.timeout(600)]
ASKERS = {"reviewer": "", "manager": "", "operator": "admin/", "manage_token": "api/"}
"""Who reads most of others, and the beginning of the routes where they do; strangers see less of the same pages."""
AS_SIGNED = ("receipts/", "admin/agreements/signature", "admin/admin/logentry")
"""Where a name stays: in what was signed."""


@pytest.fixture
def scene(db, tmp_path) -> Scene:
    made = Scene(tmp_path)
    names = {"holder": "Zyxa Quillfeather", "applicant": "Vorn Ashgrove"}
    for who, name in names.items():
        person = made.people[who]
        User.objects.filter(pk=person.pk).update(name=name)
        person.refresh_from_db()
    holder, lyceum = made.people["holder"], made.world
    former = made.people["former"] = world.person("Plim Underhook")
    given = give_role(user=former, lab=lyceum.lab, role=Role.MANAGER, by=None)
    access.add_note(by=lyceum.reviewers[0], application=made.application, text="Vorn Ashgrove is well known to us.")
    access.add_note(by=former, application=made.application, text="A word of mine.")
    access.suspend_grant(by=former, grant=made.grant, reason="A moment.")
    access.resume_grant(by=lyceum.manager, grant=made.grant)
    opened = Model.objects.get(name="open-1m")
    stop = releases.stop_release(subject=opened, by=former, reason="A fault in the card.")
    releases.lift_stop(stop=stop, by=former)
    Conversion.objects.filter(pk=made.conversion.pk).update(asked_by=former)
    file = BatchFile.objects.create(
        project=made.grant.project, owner=holder, purpose="batch", name="Zyxa Quillfeather.jsonl", bytes=1,
        expires_at=timezone.now() + timedelta(days=20),
    )  # fmt: skip
    made.extra = {
        "batch": Batch.objects.create(
            project=made.grant.project, owner=holder, token=AccessToken.objects.filter(user=holder).first(),
            endpoint="/v1/completions", input_file=file.pk, expires_at=timezone.now() + timedelta(days=1), total=3,
            state="in_progress", began_at=timezone.now(),
        ),
        "run": EvaluationRun.objects.create(
            revision=opened.main, owner=former, project=made.grant.project, batch=uuid4(), task="capitals", type="exact",
            licence="CC0-1.0", digest="d" * 64, items=3,
        ),
    }  # fmt: skip
    end_role(membership=given, by=made.people["administrator"])
    made.facts  # noqa: B018 read before anybody goes
    return made


ADMIN = (
    "people/user", "access/application", "access/grant", "tokens/accesstoken", "outbox/message", "audit/entry", "projects/project",
    "agreements/signature", "people/affiliation", "releases/download",
)  # fmt: skip
GONE = ("holder", "applicant", "former")


def traces(scene: Scene) -> list[str]:
    return [text for who in GONE for text in (scene.people[who].name, scene.people[who].email)]


def paths(scene: Scene) -> list[tuple[str, str]]:
    """Every address that answers a GET, and its route; with the pages of these people's own things."""
    doors = [(door_of(route), route) for route in ROUTES]
    found = [(_path(scene, door, route), route) for door, route in doors if door and not door.route.endswith("**")]
    found += [(f"/admin/{site}/", f"admin/{site}/") for site in ADMIN]
    people = [scene.people[who].pk for who in GONE]
    found += [(reverse("admin:people_user_change", args=[pk]), "admin/people/user/") for pk in people]
    found.append((scene.extra["run"].get_absolute_url(), "evaluation run"))
    found.append((scene.extra["batch"].get_absolute_url(), "batch"))
    return found


def answers(scene: Scene, asked: list[tuple[str, str, str]]) -> tuple[list[str], list[tuple[str, str, str]]]:
    """(what broke, where a trace is) of these addresses, each a path, its route and who asks."""
    broken, named, marks = [], [], [text.encode() for text in traces(scene)]
    for path, route, who in asked:
        cache.clear()
        answer = walk.ask(scene, who, "GET", path, {})
        if answer.status_code == 500:
            broken.append(f"{path} as {who}")
        body = b"" if answer.streaming else answer.content
        if any(mark in body for mark in marks) and not route.startswith(AS_SIGNED):
            named.append((path, route, who))
    return broken, named


def test_whoever_was_everywhere_is_named_nowhere_once_they_are_erased_and_nothing_breaks(scene):
    asked = [
        (path, route, who) for path, route in paths(scene) for who, rooms in ASKERS.items() if route.startswith(rooms)
    ]
    broken, named = answers(scene, asked)
    assert broken == []
    assert len(named) > 20, "or the pages that could name them were not asked"
    before = {
        model: model.objects.count()
        for model in (Application, Grant, Project, AllocationRequest, EvaluationRun, Download)
    }
    for who in GONE:
        erasure.request_erasure(by=scene.people[who])
    with time_machine.travel(timezone.now() + erasure.DELAY):
        assert erase_due() == len(GONE)
        last = list(Message.objects.filter(payload__template="erasure_done"))
        assert [delivery.deliver(letter.pk) for letter in last] == [True] * len(GONE)
    again = {*named, *(each for each in asked if each[2] == "manager")}
    assert answers(scene, sorted(again)) == ([], [])
    assert {model: model.objects.count() for model in before} == before, "what is counted is kept"
    assert not Batch.objects.exists()
    assert AllocationRequest.objects.get().status == "withdrawn"
    evaluating.follow(run=scene.extra["run"])
    assert EvaluationRun.objects.get().state == "failed", "nothing runs for ever"
    waiting = Message.objects.filter(topic=sending.TOPIC, ended_at=None).values_list("payload__to", flat=True)
    assert not {*waiting} & {*traces(scene)}, "nobody writes to them any more"
