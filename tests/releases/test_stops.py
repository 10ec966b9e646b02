"""The emergency stop of a release: for everybody, from the next request on, with a reason, and reversible."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from typing import Any

import pytest
import time_machine
from django.core import mail
from django.db import IntegrityError, connection, transaction
from django.test import Client
from django.utils import timezone

from portal.audit.models import Entry
from portal.errors import Conflict, Invalid, NotAllowed
from portal.outbox.delivery import deliver_due
from portal.people.models import User
from releases import actions, policy
from releases.models import Model, Revision
from releases.stop_models import Stop
from tests.portal import world
from tests.portal.world import browser

REASON = "The tokenizer leaks a private text."


def standing(
    person: User | None, model: Model, *, revision: Revision | None = None, capability: str = "download"
) -> str:
    """`allow`, or the code of the first reason."""
    verdict = policy.decide(
        person=person, scopes=None, model=model, revision=revision, capability=capability, now=timezone.now()
    )
    return verdict.first.code if isinstance(verdict, policy.Deny) else "allow"


@pytest.fixture
def family(lyceum: world.World) -> Any:
    return actions.open_family(lab=lyceum.lab, slug="pico", title="Pico", by=lyceum.manager)


def test_a_stopped_model_is_refused_to_everybody_and_lifted_it_is_as_before(
    lyceum: world.World, publish: Any, mara: User, stranger: User
) -> None:
    model, other = publish(lyceum, "gated", gate=lyceum.gate), publish(lyceum, "other")
    lyceum.granted(mara)
    before = {who: standing(who, model) for who in (None, stranger, mara, lyceum.manager)}
    stop = actions.stop_release(subject=model, by=lyceum.manager, reason=REASON, instead="lyceum/other")
    assert {standing(who, model) for who in before} == {"stopped"}
    assert standing(mara, model, capability="query") == "stopped"
    assert standing(None, model, capability="view") == "allow", "the card and the reason stay readable"
    assert standing(None, other) == "allow"
    assert not Model.objects.open_to(mara, "download").filter(pk=model.pk).exists()
    actions.lift_stop(stop=stop, by=lyceum.manager)
    assert {who: standing(who, model) for who in before} == before


def test_one_revision_is_stopped_and_the_others_are_not(lyceum: world.World, publish: Any) -> None:
    model = publish(lyceum, "mine")
    first = model.main
    files = [*actions.files_of(first).values()][:3]
    second, _new = actions.commit(model=model, files=files, by=lyceum.manager, message="Second")
    actions.check(revision=second, by=lyceum.manager)
    actions.publish(revision=Revision.objects.get(pk=second.pk), by=lyceum.manager)
    model = Model.objects.named("lyceum", "mine").get()
    actions.stop_release(subject=first, by=lyceum.manager, reason=REASON)
    assert (standing(None, model, revision=first), standing(None, model)) == ("stopped", "allow")
    assert not Model.objects.named("lyceum", "mine").get().stopped
    actions.stop_release(subject=second, by=lyceum.manager, reason=REASON)
    assert standing(None, model) == "stopped", "main names it"
    assert Model.objects.named("lyceum", "mine").get().stopped


def test_a_family_is_stopped_whole(lyceum: world.World, publish: Any, family: Any) -> None:
    small, large = publish(lyceum, "small", family=family), publish(lyceum, "large", family=family)
    outside = publish(lyceum, "outside")
    actions.stop_release(subject=family, by=lyceum.manager, reason=REASON, instead="lyceum/outside")
    assert [standing(None, model) for model in (small, large, outside)] == ["stopped", "stopped", "allow"]
    page = Client().get(family.get_absolute_url()).content.decode()
    assert REASON in page
    assert page.count("stopped</span>") == 2, "each size says so in the list"


def test_every_page_says_why_and_what_to_use_instead(lyceum: world.World, publish: Any, mara: User) -> None:
    model, _other = publish(lyceum, "mine"), publish(lyceum, "other")
    actions.stop_release(subject=model, by=lyceum.manager, reason=REASON, instead="lyceum/other")
    for path in ("/lyceum/mine", "/lyceum/mine/tree/main", "/lyceum/mine/revisions"):
        page = Client().get(path).content.decode()
        assert REASON in page, path
        assert 'href="/lyceum/other"' in page, path
    listed = Client().get("/lyceum/mine/tree/main").content.decode()
    assert '/README.md"' in listed, "the card stays readable"
    assert '/model.safetensors"' not in listed
    refused = Client().get("/lyceum/mine/download/main/model.safetensors")
    assert refused.status_code == 403
    assert "Use lyceum/other instead." in refused.content.decode()
    why = browser(mara).get("/lyceum/mine/why").content.decode()
    assert "The lab has not stopped it for everybody" in why
    assert REASON in why


def test_a_withdrawn_revision_names_its_replacement(lyceum: world.World, publish: Any) -> None:
    model, _other = publish(lyceum, "mine"), publish(lyceum, "other")
    revision = model.main
    manager = browser(lyceum.manager)
    desk = f"/lyceum/mine/revisions/{revision.commit}"
    for wrong in ("lyceum/nothing", f"lyceum/mine@{revision.commit}"):
        answer = manager.post(desk, {"verb": "withdraw", "reason": REASON, "instead": wrong})
        assert answer.status_code == 422
        assert wrong in answer.content.decode(), "nothing that was typed is lost"
    assert manager.post(desk, {"verb": "withdraw", "reason": REASON, "instead": "lyceum/other"}).status_code == 302
    page = Client().get(f"/lyceum/mine/tree/{revision.commit}").content.decode()
    assert 'href="/lyceum/other"' in page
    refused = Client().get(f"/lyceum/mine/download/{revision.commit}/model.safetensors")
    assert "Use lyceum/other instead." in refused.content.decode()


def test_the_page_stops_and_lifts_and_keeps_what_was_typed(lyceum: world.World, publish: Any, family: Any) -> None:
    model = publish(lyceum, "mine", family=family)
    manager = browser(lyceum.manager)
    said = {"verb": "stop", "what": model.main.commit, "reason": REASON, "instead": "lyceum/nowhere"}
    wrong = manager.post("/lyceum/mine/stops", said)
    assert (wrong.status_code, REASON in wrong.content.decode()) == (422, True)
    assert manager.post("/lyceum/mine/stops", said | {"instead": "", "reason": " "}).status_code == 422
    assert not Stop.objects.exists()
    assert manager.post("/lyceum/mine/stops", said | {"instead": ""}).status_code == 302
    assert manager.post("/lyceum/mine/stops", said | {"instead": ""}).status_code == 422, "stopped already"
    stop = Stop.objects.get()
    assert stop.revision == model.main
    assert manager.post("/lyceum/mine/stops", {"verb": "lift", "stop": stop.pk}).status_code == 302
    assert "Earlier stops" in manager.get("/lyceum/mine/stops").content.decode()
    assert manager.post("/lyceum/mine/stops", said | {"instead": "", "what": "family"}).status_code == 302
    assert Stop.objects.in_force().get().family == family
    assert manager.post("/lyceum/mine/stops", {"verb": "lift", "stop": "x"}).status_code == 404
    assert [e.event for e in Entry.objects.filter(event__startswith="release.").order_by("pk")] == [
        "release.stopped", "release.resumed", "release.stopped",
    ]  # fmt: skip


def test_to_all_others_there_is_no_such_page_and_no_such_right(
    lyceum: world.World, harbour: world.World, publish: Any, stranger: User
) -> None:
    model, theirs = publish(lyceum, "mine"), publish(harbour, "theirs")
    foreign = actions.stop_release(subject=theirs, by=harbour.manager, reason=REASON)
    for user in (stranger, lyceum.reviewers[0], harbour.manager):
        client = browser(user)
        assert client.get("/lyceum/mine/stops").status_code == 404
        said = {"verb": "stop", "what": "model", "reason": REASON}
        assert client.post("/lyceum/mine/stops", said).status_code == 404
        with pytest.raises(NotAllowed):
            actions.stop_release(subject=model, by=user, reason=REASON)
    lifting = browser(lyceum.manager).post("/lyceum/mine/stops", {"verb": "lift", "stop": foreign.pk})
    assert lifting.status_code == 404, "another lab's stop"
    with pytest.raises(NotAllowed):
        actions.lift_stop(stop=foreign, by=lyceum.manager)


def test_what_takes_its_place_is_public_and_not_stopped_with_it(lyceum: world.World, publish: Any, family: Any) -> None:
    model, draft = publish(lyceum, "mine", family=family), publish(lyceum, "draft", publish=False)
    for subject, instead in (
        (model, "lyceum/mine"), (model, draft.full_name), (family, "lyceum/mine"), (model, "x"), (model, "lyceum/mine@zz"),
    ):  # fmt: skip
        with pytest.raises(Invalid) as refused:
            actions.stop_release(subject=subject, by=lyceum.manager, reason=REASON, instead=instead)
        assert "instead" in refused.value.fields, instead
    other = publish(lyceum, "other")
    stop = actions.stop_release(
        subject=model, by=lyceum.manager, reason=REASON, instead=f"lyceum/OTHER@{other.main.commit[:8]}"
    )
    assert stop.instead == f"lyceum/other@{other.main.commit[:12]}"


def test_holders_are_written_to_once_at_the_stop_and_at_its_end(
    lyceum: world.World,
    harbour: world.World,
    publish: Any,
    mara: User,
    stranger: User,
    django_capture_on_commit_callbacks: Any,
) -> None:
    model = publish(lyceum, "gated", gate=lyceum.gate)
    lyceum.granted(mara)
    harbour.granted(stranger)
    mail.outbox.clear()
    with django_capture_on_commit_callbacks(execute=True):
        stop = actions.stop_release(subject=model, by=lyceum.manager, reason=REASON)
    with django_capture_on_commit_callbacks(execute=True):
        deliver_due(slow=True)
    assert actions.tell_holders(stop=stop, lifted=False) == 0, "twice is once"
    assert [(m.to, m.subject) for m in mail.outbox] == [([mara.email], "lyceum/gated is stopped")]
    assert REASON not in mail.outbox[0].body, "the reason stands on the page"
    with django_capture_on_commit_callbacks(execute=True):
        actions.lift_stop(stop=stop, by=lyceum.manager)
    with django_capture_on_commit_callbacks(execute=True):
        deliver_due(slow=True)
    assert [m.subject for m in mail.outbox[1:]] == ["lyceum/gated is given out again"]


@pytest.mark.django_db(transaction=True)
def test_two_who_stop_it_at_once_stop_it_once(lyceum: world.World, publish: Any) -> None:
    model = publish(lyceum, "mine")

    def stop(_n: int) -> str:
        try:
            actions.stop_release(subject=model, by=lyceum.manager, reason=REASON)
        except Conflict:
            return "stopped already"
        finally:
            connection.close()
        return "stopped"

    with ThreadPoolExecutor(2) as two:
        assert sorted(two.map(stop, range(2))) == ["stopped", "stopped already"]


def test_a_stop_is_lifted_though_the_clock_was_set_back_since(lyceum: world.World, publish: Any) -> None:
    model = publish(lyceum, "mine")
    with time_machine.travel(timezone.now() + timedelta(hours=1), tick=False):
        stop = actions.stop_release(subject=model, by=lyceum.manager, reason="A fault.")
    lifted = actions.lift_stop(stop=stop, by=lyceum.manager)
    assert lifted.lifted_at == lifted.stopped_at
    assert not model.stops.in_force().exists()


def test_the_database_holds_a_stop_to_one_thing_and_a_reason(lyceum: world.World, publish: Any, family: Any) -> None:
    model = publish(lyceum, "mine")
    for wrong in ({}, {"model": model, "family": family}, {"model": model, "reason": ""}):
        with pytest.raises(IntegrityError), transaction.atomic():
            Stop.objects.create(**{"reason": REASON, **wrong})
