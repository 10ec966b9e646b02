"""Two people write one release at once: one outcome, and whoever comes second is told. Real threads on real connections."""

from __future__ import annotations

from typing import Any

import pytest

from portal.errors import WeighbridgeError
from releases import actions
from releases.conversion import actions as conversions
from releases.conversion.wishes import Wish
from releases.conversion_lifecycle import Operation, Stage
from releases.conversion_models import Conversion
from releases.lifecycle import State
from releases.models import File, Model, Revision
from tests.portal import world
from tests.portal.test_races import race, rounds  # noqa: F401 the fixture
from tests.releases.test_conversion import report, stored

pytestmark = pytest.mark.django_db(transaction=True)


def test_who_publishes_a_draft_while_its_files_are_deleted_has_it_whole_or_is_told(
    lyceum: world.World,
    publish: Any,
    rounds: int,  # noqa: F811 the fixture
) -> None:
    for n in range(rounds):
        model: Model = publish(lyceum, f"m{n}", publish=False)
        draft = Revision.objects.get(pk=model.tip_id)
        digests = list(File.objects.filter(revision=draft, lfs=True).values_list("blob_id", flat=True))
        published, deleted = race(
            lambda d=draft: actions.publish(revision=d, by=lyceum.manager),
            lambda m=model, d=digests: actions.delete_files(model=m, digests=d, by=lyceum.manager),
        )
        after = Revision.objects.filter(pk=draft.pk).first()
        if isinstance(published, WeighbridgeError):
            assert (after, deleted) == (None, 1), n
        else:
            assert isinstance(deleted, WeighbridgeError), n
            assert after is not None
            assert (after.state, after.files.filter(lfs=True).exists()) == (State.PUBLISHED, True)


def test_nothing_is_made_of_a_revision_once_it_is_withdrawn_though_both_come_at_once(
    lyceum: world.World,
    publish: Any,
    settings: Any,
    rounds: int,  # noqa: F811 the fixture
) -> None:
    settings.CONVERTER_PYTHON = "/opt/converter/bin/python"
    for n in range(rounds):
        model: Model = publish(lyceum, f"m{n}")
        source = Revision.objects.get(pk=model.main_id)
        actions.make_branch(model=model, name="old", revision=source, by=lyceum.manager)
        change = actions.Change(files=[stored("README.md", b"# Another")])
        actions.amend(model=model, branch="main", change=change, by=lyceum.manager, message="Onwards")
        wish = Wish(Operation.RESHARD, ("model.safetensors",))
        running = conversions.begin(pk=conversions.request(revision=source, wish=wish, by=lyceum.manager).pk)
        held = actions.files_of(source)["model.safetensors"]
        made = [stored("model-00001-of-00001.safetensors", f"{n}".encode())]
        finished, withdrawn = race(
            lambda c=running, h=held, o=made: conversions.finish(conversion=c, inputs=[h], outputs=o, report=report()),
            lambda r=source: actions.withdraw(revision=r, by=lyceum.manager, reason="Of another model."),
        )
        assert withdrawn.state == State.WITHDRAWN, n
        now = Conversion.objects.get(pk=running.pk)
        assert (now.stage == Stage.DONE) == (not isinstance(finished, WeighbridgeError)), n
        assert (now.result is not None) == (now.stage == Stage.DONE), n


@pytest.mark.parametrize("act", ["finish", "retry", "cancel", "begin"])
def test_no_conversion_waits_or_runs_once_its_model_is_deleted_though_its_worker_or_its_people_come_at_once(
    lyceum: world.World,
    publish: Any,
    settings: Any,
    rounds: int,  # noqa: F811 the fixture
    act: str,
) -> None:
    settings.CONVERTER_PYTHON = "/opt/converter/bin/python"
    for n in range(rounds):
        model: Model = publish(lyceum, f"m{n}", publish=False)
        assert model.tip
        asked = conversions.request(
            revision=model.tip, wish=Wish(Operation.RESHARD, ("model.safetensors",)), by=lyceum.manager
        )
        held = actions.files_of(model.tip)["model.safetensors"]
        made = [stored("model-00001-of-00001.safetensors", f"{n}".encode())]
        running = conversions.begin(pk=asked.pk) if act == "finish" else None
        if act == "retry":
            conversions.cancel(conversion=asked, by=lyceum.manager)
        acts: dict[str, Any] = {
            "finish": lambda c=running, h=held, o=made: conversions.finish(
                conversion=c, inputs=[h], outputs=o, report=report()
            ),
            "retry": lambda c=asked: conversions.retry(conversion=c, by=lyceum.manager),
            "cancel": lambda c=asked: conversions.cancel(conversion=c, by=lyceum.manager),
            "begin": lambda c=asked: conversions.begin(pk=c.pk),
        }
        _done, deleted = race(
            lambda do=acts[act]: do() or "done",
            lambda m=model: actions.delete_model(model=m, by=lyceum.manager) or "done",
        )
        now = Conversion.objects.get(pk=asked.pk)
        if not isinstance(deleted, WeighbridgeError):
            assert not now.is_live, n
        else:
            assert (act, now.is_live) == ("retry", True), deleted


def test_a_family_is_stopped_while_one_of_its_models_is_published_and_both_are_done(
    lyceum: world.World,
    publish: Any,
    rounds: int,  # noqa: F811 the fixture
) -> None:
    family = actions.open_family(lab=lyceum.lab, slug="small", title="Small", by=lyceum.manager)
    for n in range(rounds):
        model: Model = publish(lyceum, f"m{n}", publish=False, family=family)
        draft = Revision.objects.get(pk=model.tip_id)
        published, stopped = race(
            lambda d=draft: actions.publish(revision=d, by=lyceum.manager),
            lambda: actions.stop_release(subject=family, by=lyceum.manager, reason="Of another family."),
        )
        assert published.state == State.PUBLISHED, n
        actions.lift_stop(stop=stopped, by=lyceum.manager)


def test_a_revision_is_withdrawn_while_its_model_is_stopped_and_both_are_done(
    lyceum: world.World,
    publish: Any,
    rounds: int,  # noqa: F811 the fixture
) -> None:
    for n in range(rounds):
        model: Model = publish(lyceum, f"m{n}")
        withdrawn, stopped = race(
            lambda m=model: actions.withdraw(
                revision=Revision.objects.get(pk=m.main_id), by=lyceum.manager, reason="Old."
            ),
            lambda m=model: actions.stop_release(subject=m, by=lyceum.manager, reason="Of another model."),
        )
        assert withdrawn.state == State.WITHDRAWN, n
        assert stopped.pk, n


def test_two_models_of_one_family_are_published_at_once_and_a_third_is_renamed(
    lyceum: world.World,
    publish: Any,
    rounds: int,  # noqa: F811 the fixture
) -> None:
    family = actions.open_family(lab=lyceum.lab, slug="small", title="Small", by=lyceum.manager)
    for n in range(rounds):
        drafts = [publish(lyceum, f"m{n}{side}", publish=False, family=family).tip for side in "abc"]
        answers = race(
            *(lambda d=d: actions.publish(revision=d, by=lyceum.manager) for d in drafts[:2]),
            lambda m=drafts[2].model: actions.describe_model(model=m, by=lyceum.manager, family=None),
        )
        assert [each.state for each in answers[:2]] == [State.PUBLISHED] * 2, n
