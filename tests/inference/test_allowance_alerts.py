"""At 80 and 100 percent of a project's tokens its lead and its lab are written to, once a period each."""

from __future__ import annotations

from datetime import timedelta

import pytest
from django.test import Client
from django.utils import timezone

from inference import actions, alerts, ledger
from inference.alert_models import AllowanceAlert
from inference.contract import Limits
from portal.audit.models import Entry
from portal.outbox.models import Message
from portal.people.actions import create_lab
from tests.inference.bench import event, publish, serve


@pytest.fixture
def limited(bench):
    actions.set_allowance(by=None, project=bench.project, limits=Limits(tokens_per_period=1_000))
    return bench


def use(bench, tokens: int) -> None:
    at = int(timezone.now().timestamp() * 1000) + 1
    ledger.post(
        [
            event(
                user_id=str(bench.researcher.pk), project_id=str(bench.project.pk), started_at=at,
                prompt_tokens=tokens, completion_tokens=0,
            )
        ]
    )  # fmt: skip


def told() -> list[tuple[str, str, int]]:
    rows = (row.payload for row in Message.objects.filter(topic="mail.send").order_by("pk"))
    return [(each["to"], each["template"], each["context"]["share"]) for each in rows if "share" in each["context"]]


def look() -> int:
    return alerts.tell_due(timezone.now() + timedelta(seconds=1))


def test_each_share_is_told_once_to_the_lead_and_the_managers(limited):
    mara, manager = limited.researcher.email, limited.world.manager.email
    use(limited, 799)
    assert (look(), told()) == (0, [])
    use(limited, 1)
    assert (look(), look()) == (1, 0)
    first = [(mara, "allowance_reached", 80), (manager, "project_allowance_reached", 80)]
    assert told() == first
    use(limited, 300)
    assert (look(), look()) == (1, 0)
    assert told() == [*first, (mara, "allowance_reached", 100), (manager, "project_allowance_reached", 100)]
    assert [entry.data["share"] for entry in Entry.objects.filter(event="allowance.reached").order_by("id")] == [
        80,
        100,
    ]


def test_who_uses_all_at_once_is_told_once(limited):
    use(limited, 5_000)
    look()
    assert {share for *_, share in told()} == {100}
    assert AllowanceAlert.objects.count() == 2
    assert look() == 0


def test_a_new_allowance_is_told_of_anew(limited):
    use(limited, 900)
    look()
    actions.set_allowance(by=None, project=limited.project, limits=Limits(tokens_per_period=2_000))
    assert look() == 0
    at = timezone.now() + timedelta(seconds=2)
    ledger.post([event(project_id=str(limited.project.pk), started_at=int(at.timestamp() * 1000), prompt_tokens=1_700)])
    assert alerts.tell_due(at) == 1


def test_a_personal_project_is_told_of_the_bound_that_holds_for_it(bench):
    harbour = create_lab(slug="harbour", name="Harbour", by=None)
    serve(publish(harbour, "tide", gate=bench.world.gate), 8103)
    actions.set_allowance(by=None, lab=bench.world.lab, limits=Limits(tokens_per_period=100))
    actions.set_allowance(by=None, lab=harbour, limits=Limits(tokens_per_period=10**6))
    own = bench.new_token(bench.researcher).project
    ledger.post([event(user_id=str(bench.researcher.pk), project_id=str(own.pk), prompt_tokens=80)])
    assert look() == 1
    assert told() == [(bench.researcher.email, "allowance_reached", 80)]


def test_an_allowance_without_a_limit_and_a_foreign_project_are_never_told_of(bench):
    actions.set_allowance(by=None, project=bench.project, limits=Limits(requests_per_minute=5))
    use(bench, 10**9)
    ledger.post([event(prompt_tokens=10**9)])
    assert (look(), told()) == (0, [])


@pytest.mark.parametrize(
    ("tokens", "said"),
    [(799, ""), (800, "Most tokens of this period are used"), (1_000, "All tokens of this period are used")],
)
def test_the_page_says_it_too(limited, tokens, said):
    use(limited, tokens)
    client = Client()
    client.force_login(limited.researcher)
    page = client.get("/me/usage/").content.decode()
    assert said in page
    assert said or "tokens of this period are used" not in page
