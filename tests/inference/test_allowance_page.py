"""The allowance of a grant's project, on the lab's page of the grant: seen by staff, set by managers."""

from __future__ import annotations

from datetime import UTC, date, timedelta

import pytest
from django.urls import reverse
from django.utils import timezone

from inference import actions, ledger, usage
from inference.allowances import end_of
from inference.contract import Limits
from inference.models import Allowance
from portal.audit.models import Entry
from tests.inference.bench import Bench, event
from tests.inference.test_pools import GATED
from tests.portal import world
from tests.portal.world import browser

FIGURES = {"tokens_per_period": "5000", "tokens_per_day": "500", "tokens_per_minute": "", "requests_per_minute": "9"}


@pytest.fixture
def url(bench: Bench) -> str:
    return reverse("inference:allowance", args=[bench.project.pk])


@pytest.fixture
def grant_page(bench: Bench) -> str:
    return reverse("access:grant", args=[bench.grant.pk])


def test_a_manager_sets_it_and_comes_back_to_the_grant(bench, url, grant_page):
    manager = browser(bench.world.manager)
    assert "Set the allowance" in manager.get(grant_page).content.decode()
    answer = manager.post(url, {**FIGURES, "concurrency": "2", "back": grant_page}, follow=True)
    assert answer.redirect_chain == [(grant_page, 302)]
    assert "0 of 5,000 used" in answer.content.decode()
    limits = usage.burn_of(bench.project, timezone.now()).limits
    assert (limits.tokens_per_period, limits.tokens_per_minute, limits.concurrency) == (5000, None, 2)
    assert Entry.objects.get(event="allowance.set").actor_id == str(bench.world.manager.pk)


def test_a_wrong_figure_is_refused_beside_its_field_and_loses_nothing(bench, url, grant_page):
    answer = browser(bench.world.manager).post(url, {**FIGURES, "concurrency": "-1", "back": grant_page})
    text = answer.content.decode()
    assert answer.status_code == 422
    assert 'value="5000"' in text
    assert f'value="{grant_page}"' in text
    assert not Allowance.objects.exists()


def test_a_reviewer_sees_it_and_may_not_set_it(bench, url, grant_page):
    reviewer = browser(bench.world.reviewers[0])
    text = reviewer.get(grant_page).content.decode()
    assert "0 of 2,000,000 used" in text
    assert "Set the allowance" not in text
    assert reviewer.post(url, FIGURES).status_code == 403
    assert not Allowance.objects.exists()


def test_it_is_not_there_for_the_holder_a_stranger_or_another_lab(bench, url):
    other = world.build("harbour")
    for somebody in (bench.researcher, world.person("Ida Fremd"), other.manager):
        assert browser(somebody).get(url).status_code == 404
        assert browser(somebody).post(url, FIGURES).status_code == 404
    assert not Allowance.objects.exists()


def test_nobody_is_sent_to_a_foreign_address(bench, url):
    answer = browser(bench.world.manager).post(url, {**FIGURES, "back": "https://elsewhere.example/"})
    assert answer["Location"] == url


def test_the_class_in_which_requests_wait_is_set_there_and_stays_where_it_is_not_named(bench, url, grant_page):
    manager = browser(bench.world.manager)
    assert "may wait as interactive" in manager.get(grant_page).content.decode()
    manager.post(url, {**FIGURES, "top_class": "batch", "back": grant_page})
    assert "waits as batch, last" in manager.get(grant_page).content.decode()
    manager.post(url, {**FIGURES, "back": grant_page})
    assert usage.burn_of(bench.project, timezone.now()).top_class == "batch"
    refused = manager.post(url, {**FIGURES, "top_class": "first", "back": grant_page})
    assert refused.status_code == 422
    assert usage.burn_of(bench.project, timezone.now()).top_class == "batch"


@pytest.fixture
def granted(bench: Bench) -> date:
    """Query time until a day, of which 4,200 of 5,000 tokens are used."""
    day = timezone.now().astimezone(UTC).date() + timedelta(days=90)
    actions.set_allowance(
        by=None, project=bench.project, limits=Limits(tokens_per_period=5_000, concurrency=4), ends_at=end_of(day)
    )
    at = int(timezone.now().timestamp() * 1000)
    ledger.post([event(project_id=str(bench.project.pk), started_at=at, prompt_tokens=4_200, completion_tokens=0)])
    return day


def test_another_figure_leaves_the_last_day_and_the_count_as_they_are(bench, url, grant_page, granted):
    manager = browser(bench.world.manager)
    before = usage.burn_of(bench.project, timezone.now())
    assert f'value="{granted.isoformat()}"' in manager.get(grant_page).content.decode()
    manager.post(url, {**FIGURES, "concurrency": "9", "until": granted.isoformat()})
    after = usage.burn_of(bench.project, timezone.now())
    assert (after.limits.concurrency, after.limits.period) == (9, before.limits.period), (
        "the gateway's count has its name"
    )
    assert (after.used, after.since, after.until, after.last_day) == (4_200, before.since, end_of(granted), granted)
    assert Allowance.objects.count() == 2


def test_pages_name_the_last_day_and_not_the_one_after_it(bench, grant_page, granted):
    said = [f'datetime="{granted + timedelta(days=n)}"' for n in range(2)]
    for person, page in (
        (bench.world.manager, grant_page),
        (bench.researcher, "/me/usage/"),
        (bench.researcher, "/me/"),
    ):
        text = browser(person).get(page).content.decode()
        assert [day in text for day in said] == [True, False]


def test_other_tokens_in_all_begin_a_new_count(bench, url, granted):
    browser(bench.world.manager).post(url, {**FIGURES, "tokens_per_period": "6000", "until": ""})
    after = usage.burn_of(bench.project, timezone.now())
    assert (after.used, after.until) == (0, None)


@pytest.mark.parametrize("until", ["2026-02-31", "2020-01-01", "9999-12-31", "soon"])
def test_a_last_day_that_is_none_is_refused_beside_its_field(bench, url, until):
    answer = browser(bench.world.manager).post(url, {**FIGURES, "until": until})
    assert answer.status_code == 422
    assert 'id="allowance_until_error"' in answer.content.decode()
    assert not Allowance.objects.exists()


def test_a_manager_limits_one_model_and_lifts_it_again(bench, url, grant_page):
    manager, of_model = (
        browser(bench.world.manager),
        reverse("inference:model_allowance", args=[bench.project.pk, *GATED.split("/")]),
    )
    assert f'href="{url}#models"' in manager.get(grant_page).content.decode()
    assert f'href="{of_model}"' in manager.get(url).content.decode()
    answer = manager.post(of_model, {"tokens_per_day": "1234"}, follow=True)
    assert answer.redirect_chain == [(url, 302)]
    assert "1,234" in answer.content.decode()
    assert 'value="1234"' in manager.get(of_model).content.decode()
    held = Allowance.objects.current().get(project=bench.project)
    assert (held.model, held.tokens_per_day, held.top_class) == (bench.gated_model, 1234, "interactive")
    assert Entry.objects.get(event="allowance.set").data["model"] == GATED
    assert "1,234" not in manager.post(of_model, {}, follow=True).content.decode()


def test_a_manager_sets_what_holds_where_nothing_else_does(bench, url, grant_page):
    manager, default = browser(bench.world.manager), reverse("inference:lab_allowance", args=[bench.world.lab.slug])
    assert f'href="{default}"' in manager.get(reverse("inference:lab_usage")).content.decode()
    text = manager.get(default).content.decode()
    assert 'value="2000000"' in text
    assert 'name="until"' not in text, "a default holds for good"
    assert manager.post(default, {**FIGURES, "top_class": "batch"})["Location"] == default
    text = manager.get(grant_page).content.decode()
    assert "0 of 5,000 used" in text
    assert "waits as batch, last" in text
    manager.post(url, {**FIGURES, "tokens_per_period": "70"})
    assert "0 of 70 used" in manager.get(grant_page).content.decode(), "its own goes before"


@pytest.mark.parametrize("which", ["model", "default"])
def test_neither_is_anybody_elses_and_a_wrong_figure_loses_nothing(bench, which):
    one = reverse("inference:model_allowance", args=[bench.project.pk, *GATED.split("/")])
    address = one if which == "model" else reverse("inference:lab_allowance", args=[bench.world.lab.slug])
    for somebody in (bench.researcher, world.person("Ida Fremd"), world.build("harbour").manager):
        assert [browser(somebody).get(address).status_code, browser(somebody).post(address, FIGURES).status_code] == [
            404,
            404,
        ]
    reviewer = browser(bench.world.reviewers[0])
    assert [reviewer.get(address).status_code, reviewer.post(address, FIGURES).status_code] == [200, 403]
    wrong = browser(bench.world.manager).post(address, {**FIGURES, "concurrency": "-1"})
    assert (wrong.status_code, 'value="5000"' in wrong.content.decode()) == (422, True)
    assert not Allowance.objects.exists()
