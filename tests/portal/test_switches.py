"""The operator closes a door of the whole portal at a shell, and opens it again."""

from __future__ import annotations

import io

import pytest
from django.core.management import CommandError, call_command

from portal.access import actions
from portal.audit.models import Entry
from portal.errors import Unavailable
from portal.outbox.models import Message
from portal.outbox.telling import NOT_TOLD
from portal.switches.models import Switch, SwitchState
from tests.portal import world

pytestmark = pytest.mark.django_db


def said(*words: str) -> str:
    out = io.StringIO()
    call_command("switch", *words, stdout=out)
    return out.getvalue()


def test_the_operator_closes_a_door_and_opens_it_again(lyceum, mara):
    assert "apply: closed since " in said("apply", "--close", "--reason", "The store moves.")
    with pytest.raises(Unavailable):
        actions.save_draft(by=mara, gate=lyceum.gate, answers=world.ANSWERS)
    assert said("apply", "--open") == "apply: open\n"
    assert actions.save_draft(by=mara, gate=lyceum.gate, answers=world.ANSWERS)
    found = Entry.objects.filter(event="switch.flipped").order_by("pk").values_list("actor_id", "data")
    assert [(actor, data["on"], data["reason"]) for actor, data in found] == [
        ("", False, "The store moves."), ("", True, ""),
    ]  # fmt: skip


def test_the_gateway_is_told_of_a_door_that_is_closed(db):
    said("query", "--close", "--reason", "The engines move.")
    assert Message.objects.filter(topic="release.changed", key="switch:query").count() == 1


def test_the_operator_is_told_that_a_door_of_the_gateway_is_not_closed_yet(db, settings):
    settings.REDIS_URL = "redis://127.0.0.1:1/0"
    with pytest.raises(CommandError, match="the gateways do not know it yet") as missed:
        said("query", "--close", "--reason", "The engines move.")
    assert missed.value.returncode == NOT_TOLD
    assert SwitchState.objects.get().is_on is False
    assert "query: closed since" in said("query"), "looking announces nothing"


def test_how_every_door_stands_is_shown_and_nothing_is_changed(db):
    said("download", "--close", "--reason", "A drill.")
    lines = said().splitlines()
    assert [line.split(":")[0] for line in lines] == Switch.values
    assert [line for line in lines if line.endswith(": A drill.")] == [
        line for line in lines if line.startswith("download: closed since ")
    ]
    assert said("publish") == "publish: open\n"
    assert said("publish", "--open") == "publish: open\n"
    assert Entry.objects.filter(event="switch.flipped").count() == 1


@pytest.mark.parametrize(
    "words",
    [
        ("apply", "--close"),
        ("apply", "--close", "--reason", "  "),
        ("--close", "--reason", "Which one?"),
        ("gateway", "--close", "--reason", "No such door."),
        ("apply", "--close", "--open", "--reason", "Both."),
    ],
)
def test_no_door_is_closed_without_its_name_and_a_reason(words):
    with pytest.raises(CommandError):
        said(*words)
    assert not SwitchState.objects.exists()
