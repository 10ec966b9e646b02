"""The allowance of a project by token: its lab's managers set it, its reviewers read it, others see nothing."""

from __future__ import annotations

from datetime import UTC, timedelta

from django.utils import timezone

from inference.allowances import SITE_DEFAULT
from inference.contract import Limits
from inference.forms import FIGURES
from inference.models import Allowance
from portal.tokens.scopes import Kind, Scope
from tests.inference.test_pools import GATED, OPEN, limits_of
from tests.portal import world
from tests.portal.test_access_api import client


def test_a_manager_sets_it_and_nobody_else(db):
    lyceum, harbour, mara = world.build("lyceum"), world.build("harbour"), world.person("Mara Lindqvist")
    url = f"/api/v1/projects/{lyceum.granted(mara).project_id}/allowance"
    manager, foreign = (client(w.manager, Kind.SERVICE, {Scope.MANAGE}) for w in (lyceum, harbour))
    figures = dict.fromkeys(FIGURES) | {"requests_per_minute": 7}
    said = {"data": figures, "content_type": "application/json"}
    assert manager.put(url, **said).json()["requests_per_minute"] == 7
    assert manager.get(url).json()["requests_per_minute"] == 7
    for refused, status in ((foreign, 404), (client(lyceum.reviewers[0], Kind.REVIEW), 403)):
        assert refused.get(url).status_code == status
        assert refused.put(url, **said).status_code == status
    assert manager.put(url, {}, content_type="application/json").status_code == 400, "silence lifts no limit"
    wrong = manager.put(url, figures | {"requests_per_minute": 0}, content_type="application/json")
    assert (wrong.status_code, list(wrong.json()["fields"])) == (400, ["requests_per_minute"])


def test_the_top_class_is_set_stays_and_reaches_the_principal(bench):
    url = f"/api/v1/projects/{bench.project.pk}/allowance"
    manager, figures = client(bench.world.manager, Kind.SERVICE, {Scope.MANAGE}), dict.fromkeys(FIGURES)
    assert manager.get(url).json()["top_class"] == "interactive"
    for said, kept in (({"top_class": "batch"}, "batch"), ({}, "batch"), ({"top_class": "normal"}, "normal")):
        answer = manager.put(url, figures | said, content_type="application/json")
        assert answer.json()["top_class"] == manager.get(url).json()["top_class"] == kept
    assert limits_of(bench).top_class == "normal"
    wrong = manager.put(url, figures | {"top_class": "royal"}, content_type="application/json")
    assert (wrong.status_code, list(wrong.json()["fields"])) == (400, ["top_class"])


def test_the_last_day_stays_where_it_is_left_out_and_goes_where_it_is_null(bench):
    url = f"/api/v1/projects/{bench.project.pk}/allowance"
    manager, figures = client(bench.world.manager, Kind.SERVICE, {Scope.MANAGE}), dict.fromkeys(FIGURES)
    day = (timezone.now().astimezone(UTC).date() + timedelta(days=30)).isoformat()
    assert manager.get(url).json()["until"] is None, "the month of a default is no end"
    for said, kept in (({"until": day}, day), ({}, day), ({"until": None}, None), ({}, None)):
        answer = manager.put(url, figures | said, content_type="application/json")
        assert answer.json()["until"] == manager.get(url).json()["until"] == kept
    for wrong in ("2020-01-01", "9999-12-31", "soon"):
        refused = manager.put(url, figures | {"until": wrong}, content_type="application/json")
        assert (refused.status_code, list(refused.json()["fields"])) == (400, ["until"])


def test_a_limit_for_one_model_is_set_read_and_lifted_and_reaches_the_principal(bench):
    url = f"/api/v1/projects/{bench.project.pk}/allowance/{GATED}"
    manager, none = client(bench.world.manager, Kind.SERVICE, {Scope.MANAGE}), dict.fromkeys(FIGURES)
    assert manager.get(url).json() == none | {"until": None}
    day = (timezone.now().astimezone(UTC).date() + timedelta(days=30)).isoformat()
    said = none | {"tokens_per_day": 3}
    set_to = said | {"until": day}
    for sent in (set_to, said):  # the day stays where it is left out
        assert manager.put(url, sent, content_type="application/json").json() == set_to == manager.get(url).json()
    principal = limits_of(bench)
    assert principal.models[GATED].limits.tokens_per_day == 3
    assert principal.models[OPEN].limits == Limits(), "no other model is limited"
    assert manager.put(url, none | {"until": None}, content_type="application/json").json() == none | {"until": None}
    assert limits_of(bench).models[GATED].limits == Limits()
    for elsewhere in (f"/api/v1/projects/{bench.project.pk}/allowance/lyceum/none", f"{url}-x"):
        assert manager.put(elsewhere, said, content_type="application/json").status_code == 404


def test_a_labs_default_is_set_and_holds_where_a_project_has_nothing_of_its_own(bench):
    url = f"/api/v1/labs/{bench.world.lab.slug}/allowance"
    manager = client(bench.world.manager, Kind.SERVICE, {Scope.MANAGE})
    assert manager.get(url).json()["tokens_per_day"] == SITE_DEFAULT.tokens_per_day
    figures = dict.fromkeys(FIGURES) | {"tokens_per_period": 9}
    for said, kept in (({"top_class": "batch"}, "batch"), ({}, "batch")):
        answer = manager.put(url, figures | said, content_type="application/json").json()
        assert answer == manager.get(url).json() == figures | {"top_class": kept}
    held = limits_of(bench)
    assert (held.project_limits.tokens_per_period, held.project_limits.tokens_per_day, held.top_class) == (
        9,
        None,
        "batch",
    )
    wrong = manager.put(url, figures | {"until": "2027-01-01"}, content_type="application/json")
    assert wrong.status_code == 400, "it holds for good"


def test_only_the_labs_own_managers_set_either(bench):
    harbour = world.build("harbour")
    foreign = client(harbour.manager, Kind.SERVICE, {Scope.MANAGE})
    reviewer = client(bench.world.reviewers[0], Kind.REVIEW)
    for url in (
        f"/api/v1/labs/{bench.world.lab.slug}/allowance",
        f"/api/v1/projects/{bench.project.pk}/allowance/{GATED}",
    ):
        for refused, status in ((foreign, 404), (reviewer, 403)):
            assert refused.get(url).status_code == status
            assert refused.put(url, dict.fromkeys(FIGURES), content_type="application/json").status_code == status
    assert not Allowance.objects.exists()
