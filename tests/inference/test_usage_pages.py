"""The usage page with no, one and ten thousand rows; the CSV; the page that says how to query."""

from __future__ import annotations

import csv
import io
import re
import uuid
from datetime import date, timedelta

import pytest
import redis
from django.db import connection
from django.test.utils import CaptureQueriesContext
from django.urls import reverse
from django.utils import timezone
from django.utils.translation import override

from inference import actions, bars, ledger, panels, usage
from inference.burndown import amounts, draw
from inference.contract import Limits
from inference.figures import Line, Period
from inference.gateway.counters import Counter, counter_key
from inference.models import month_of
from portal.access import actions as access
from portal.access.gate_models import Gate
from portal.access.models import Grant
from portal.projects import actions as projects
from portal.projects.models import Project, ProjectMember
from releases.actions import rename_model
from tests.inference.bench import GATED, OPEN, event
from tests.portal import world

URL = "/me/usage/"


def settled(bench, **changes):
    return event(
        user_id=str(bench.researcher.pk), project_id=str(bench.project.pk), token_id=str(bench.token.pk), **changes
    )


@pytest.fixture
def mara(bench, client):
    client.force_login(bench.researcher)
    return client


def words(response) -> str:
    return re.sub(r"\s+", " ", re.sub(r"<[^>]+>", " ", response.content.decode()))


def test_the_page_asks_to_sign_in(client, db):
    response = client.get(URL)
    assert (response.status_code, response.url.startswith("/account/login/")) == (302, True)


def test_somebody_without_a_project_is_told_how_to_begin(client, db):
    client.force_login(world.person("Ida Fremd"))
    text = words(client.get(URL))
    assert "No project yet" in text
    assert "No requests yet" in text


def test_with_nothing_used_all_is_left(mara, bench):
    text = words(mara.get(URL))
    assert "2,000,000" in text
    assert "No requests yet" in text
    assert "Figure 1" not in text


def test_one_request_is_counted_everywhere(mara, bench):
    ledger.post([settled(bench, prompt_tokens=412, completion_tokens=128, model=GATED)])
    text = words(mara.get(URL))
    assert "1,999,460" in text
    assert "540 of 2,000,000 used" in text
    assert "thesis-laptop" in text
    assert "complete" in text
    assert "Figure 1" in text


def test_each_figure_has_its_scale_a_second_time_to_stand_still_on_a_phone(mara, bench):
    assert 'class="scale"' not in mara.get(URL).content.decode()
    ledger.post([settled(bench, prompt_tokens=412, completion_tokens=128, model=GATED)])
    page = mara.get(URL).content.decode()
    figures = re.findall(r'<figure class="chart.*?</figure>', page, re.DOTALL)
    assert len(figures) == 2
    for figure in figures:
        still, moving = re.findall(r"<svg.*?</svg>", figure, re.DOTALL)
        labels = re.findall(r'<text class="end"[^>]*>[^<]*</text>', still)
        assert labels
        assert labels == re.findall(r'<text class="end"[^>]*>[^<]*</text>', moving)


@pytest.mark.parametrize(
    ("status", "said"),
    [
        ("client_abort", "stopped by client, billed as delivered"),
        ("upstream_error", "engine failed"),
        ("revoked", "cut: the right was withdrawn"),
        ("lost", "gateway lost"),
    ],
)
def test_each_outcome_is_said_in_words(mara, bench, status, said):
    ledger.post([settled(bench, status=status)])
    assert said in words(mara.get(URL))


def test_ten_thousand_requests_are_pages_of_fifty_in_few_queries(mara, bench, django_assert_max_num_queries):
    now = int(timezone.now().timestamp() * 1000)
    for start in range(0, 10_000, 2_500):
        ledger.post([settled(bench, started_at=now - n) for n in range(start, start + 2_500)])
    world.counted()
    with django_assert_max_num_queries(32):
        response = mara.get(URL, {"page": "200"})
    text = words(response)
    assert "page 200 of 200" in text
    assert "10,000 requests in all" in text
    assert text.count("thesis-laptop") == 50


def many(bench, count: int) -> None:
    """So many projects more that the researcher belongs to, the last of them closed, straight into the tables."""
    made = Project.objects.bulk_create(
        Project(owner=bench.researcher, title=f"Corpus {n:03}", kind="granted", lab=bench.world.lab)
        for n in range(count)
    )
    ProjectMember.objects.bulk_create(ProjectMember(project=each, user=bench.researcher) for each in made)
    Project.objects.filter(title=f"Corpus {count - 1:03}").update(closed_at=timezone.now())
    world.counted()


@pytest.mark.parametrize("count", [2, *world.CROWDS])
def test_the_rulers_of_many_projects_are_pages_of_ten_in_as_many_queries(
    mara, bench, django_assert_max_num_queries, count
):
    many(bench, count)
    with django_assert_max_num_queries(100):
        first = mara.get(URL).content.decode()
    with django_assert_max_num_queries(100):
        last = mara.get(URL, {"projects": "9999"}).content.decode()
    assert first.count("Tokens left</p>") == min(10, count + 1)
    assert ('aria-label="Pages of projects"' in first) is (count + 1 > 10)
    assert f"<h2>Corpus {count - 1:03}</h2>" in last, "what is closed comes last"
    assert 'href="?projects=2#projects"' in first or count + 1 <= 10
    with django_assert_max_num_queries(100):
        mine = words(mara.get("/me/"))
    assert mine.count("tokens left") == 1, "the others have no grant that stands"


@pytest.mark.parametrize("path", [URL, "/me/"])
def test_eight_projects_are_shown_with_as_many_queries_as_one(mara, bench, path):
    """Each asked for its allowance, its grants and its ledger."""
    held, asked = Grant.objects.filter(user=bench.researcher).first(), []
    for count in (1, 8):
        ProjectMember.objects.filter(project__title__startswith="Corpus").update(left_at=timezone.now())
        Project.objects.filter(title__startswith="Corpus").update(title="Formerly")
        many(bench, count + 1)
        for each in Project.objects.filter(title__startswith="Corpus", closed_at=None):
            gate = Gate.objects.get(pk=bench.world.gate.pk)
            gate.pk, gate.slug = None, f"gate-{each.pk}"
            gate.save(force_insert=True)
            held.pk, held.project, held.application, held.gate = uuid.uuid4(), each, None, gate
            Grant.objects.bulk_create([held])
            actions.set_allowance(by=None, project=each, limits=Limits(tokens_per_period=9_000))
            later = int(timezone.now().timestamp() * 1000) + 1
            ledger.post([event(user_id=str(bench.researcher.pk), project_id=str(each.pk), started_at=later)])
        mara.get(path)
        with CaptureQueriesContext(connection) as found:
            page = mara.get(path).content.decode()
        assert page.count("of 9,000") == count, "what each has used stands there"
        asked.append(len(found))
    assert asked[0] == asked[1]


def test_a_project_among_very_many_is_asked_for_by_its_ruler_and_not_all_are_listed_to_choose_among(mara, bench):
    """Each was an entry of the form: with 10,000 the page took a second and was 840 kB."""
    many(bench, 250)
    last = Project.objects.get(title="Corpus 248")
    page = mara.get(URL).content.decode()
    assert page.count("<option") < 130
    assert f'<option value="{last.pk}"' not in page
    ledger.post(
        [event(user_id=str(bench.researcher.pk), project_id=str(last.pk), prompt_tokens=77, completion_tokens=0)]
    )
    there = mara.get(URL, {"projects": "25"}).content.decode()
    assert f'href="?project={last.pk}#sums"' in there
    chosen = mara.get(URL, {"project": str(last.pk)})
    assert f'<option value="{last.pk}" selected>' in chosen.content.decode()
    assert "Tokens 77 " in words(chosen)
    foreign = Project.objects.create(owner=bench.world.manager, title="Theirs", kind="granted", lab=bench.world.lab)
    for nobodys in (foreign.pk, "x"):
        assert mara.get(URL, {"project": str(nobodys)}).status_code == 422


def test_my_page_counts_the_projects_that_it_does_not_show(mara, bench, monkeypatch):
    projects.personal(bench.researcher)
    assert "more project" not in words(mara.get("/me/"))
    monkeypatch.setattr(panels, "PROJECTS", 1)
    assert "and 1 more project" in words(mara.get("/me/"))


def test_who_turns_the_pages_of_requests_stays_at_the_projects_that_are_shown(mara, bench):
    many(bench, 25)
    ledger.post([settled(bench) for _ in range(60)])
    page = mara.get(URL, {"projects": "2"}).content.decode()
    assert 'href="?projects=2&amp;page=2"' in page
    assert 'href="?projects=3#projects"' in page


@pytest.mark.parametrize("page", ["0", "-1", "999", "x", "\x00"])
def test_any_page_number_is_survived(mara, page):
    assert mara.get(URL, {"page": page, "projects": page}).status_code == 200


def test_other_members_requests_are_summed_but_not_listed(mara, bench):
    ledger.post([event(user_id="somebody", project_id=str(bench.project.pk), model=GATED)])
    response = mara.get(URL)
    assert "15 of 2,000,000 used" in words(response)
    assert "No requests yet" in words(response)


def test_a_stranger_sees_none_of_it(client, bench):
    ledger.post([settled(bench, model=GATED)])
    client.force_login(world.person("Ida Fremd"))
    text = words(client.get(URL))
    assert GATED not in text
    assert "thesis-laptop" not in text


def test_running_requests_come_from_the_gateways_counter(mara, bench, store):
    store.set(counter_key("project", str(bench.project.pk)), Counter(running=3).to_bytes())
    assert usage.burn_of(bench.project, timezone.now()).running == 3
    assert "of 8 requests at a time" in words(mara.get(URL))


def test_without_the_limits_store_the_page_still_shows_the_ledger(mara, bench, monkeypatch):
    monkeypatch.setattr(usage, "client", lambda: redis.Redis.from_url("unix:///nowhere.sock"))
    response = mara.get(URL)
    assert response.status_code == 200
    assert "The limits store does not answer." in words(response)


def test_an_unlimited_period_says_so(mara, bench):
    actions.set_allowance(by=None, project=bench.project, limits=Limits(requests_per_minute=5))
    assert "not limited" in words(mara.get(URL))


def test_use_before_the_period_does_not_count(mara, bench):
    ledger.post([settled(bench)])
    actions.set_allowance(by=None, project=bench.project, limits=Limits(tokens_per_period=100))
    later = int(timezone.now().timestamp() * 1000) + 1
    ledger.post([settled(bench, started_at=later, prompt_tokens=30, completion_tokens=0)])
    assert "30 of 100 used" in words(mara.get(URL))


def test_posting_is_refused_for_unsafe_methods(mara):
    assert mara.post(URL).status_code == 405


def test_the_csv_holds_every_own_request(mara, bench):
    mine = [settled(bench, prompt_tokens=n) for n in range(5)]
    ledger.post([*mine, event(user_id="somebody", project_id=str(bench.project.pk))])
    response = mara.get("/me/usage/requests.csv")
    rows = list(csv.DictReader(io.StringIO(b"".join(response.streaming_content).decode())))
    assert {row["request_id"] for row in rows} == {one.request_id for one in mine}
    assert sum(int(row["prompt_tokens"]) for row in rows) == 10
    assert rows[0]["started_at"].endswith("+00:00")
    assert "attachment" in response["Content-Disposition"]


def test_the_figure_ends_where_the_numbers_do(bench):
    now = timezone.now()
    ledger.post([settled(bench, prompt_tokens=1_000_000, completion_tokens=0)])
    burn = usage.burn_of(bench.project, now)
    figure = draw(burn, now)
    assert figure.rows[-1][2] == burn.left == 1_000_000
    assert figure.end_y == pytest.approx((16 + 228) / 2)
    assert len(figure.rows) == now.day
    assert 0 <= figure.likely <= 1_000_000


def test_a_month_ends_where_the_next_begins():
    now = timezone.now()
    name, first, following = month_of(now.replace(month=12, day=31, hour=23))
    assert name.endswith("-12")
    assert (following.month, following.day, following - first) == (1, 1, timedelta(days=31))


@pytest.mark.parametrize(
    ("most", "said"),
    [
        (1, ["0", "1"]),
        (3, ["0", "1", "2", "3"]),
        (322, ["0", "100", "200", "300"]),
        (1_999, ["0", "500", "1 k", "1.5 k"]),
        (2_000_000, ["0", "500 k", "1 M", "1.5 M", "2 M"]),
        (3_000_000_000, ["0", "1 G", "2 G", "3 G"]),
    ],
)
def test_an_axis_of_tokens_has_round_numbers_where_they_belong(most, said):
    marks = amounts(most)
    assert [mark.label for mark in marks] == said
    unit = {"": 1, "k": 1_000, "M": 1_000_000, "G": 1_000_000_000}
    for mark in marks:
        figure, _, size = mark.label.partition(" ")
        assert mark.at == pytest.approx(228 - 212 * float(figure) * unit[size] / most, abs=0.06)


@pytest.mark.parametrize(("language", "half", "day"), [("en-gb", "1.5 k", "1 Dec"), ("de", "1,5 k", "1 Dez")])
def test_axes_are_written_as_their_reader_writes_numbers_and_days(language, half, day):
    used = {"2026-12-01": Line("2026-12-01", 1, 999, 1_000, 0)}
    with override(language):
        figure = bars.draw(used, Period(date(2026, 12, 1), date(2026, 12, 1)), way="day")
    assert [mark.label for mark in figure.x_ticks] == [day]
    assert half in [mark.label for mark in figure.y_ticks]


def test_my_page_says_what_is_left(mara, bench):
    ledger.post([settled(bench)])
    assert "1,999,985 of 2,000,000 tokens left" in words(mara.get("/me/"))


def test_my_page_without_a_project_says_how_to_begin(client, db):
    client.force_login(world.person("Ida Fremd"))
    assert "Nothing to count yet" in words(client.get("/me/"))


# --- How to query -------------------------------------------------------------------------------------------------


def test_anybody_reads_how_to_query_an_open_model(client, bench):
    response = client.get(reverse("inference:query", args=["lyceum", "pico-opt-1m"]))
    assert response.status_code == 200
    text = response.content.decode()
    assert f'model="{OPEN}"' in text
    assert "served now" in text
    assert "chat.completions" in text


def test_a_gated_model_says_what_is_missing(client, bench):
    client.force_login(world.person("Ida Fremd"))
    text = words(client.get("/lyceum/pico-opt-5m/query"))
    assert "One thing is still needed" in text
    client.force_login(bench.researcher)
    assert "One thing is still needed" not in words(client.get("/lyceum/pico-opt-5m/query"))


def test_how_to_query_a_model_is_found_under_its_former_name_as_its_other_pages_are(client, bench):
    rename_model(model=bench.open_model, lab=bench.world.lab, name="renamed", by=bench.world.manager)
    for page in ("query", "try"):
        assert client.get(f"/lyceum/pico-opt-1m/{page}")["Location"] == f"/lyceum/renamed/{page}"
        assert client.get(f"/lyceum/never/{page}").status_code == 404


def test_a_model_without_servers_says_so(client, bench):
    actions.retire(by=None, pool=bench.open_model.pools.get())
    assert "not served now" in words(client.get("/lyceum/pico-opt-1m/query"))


@pytest.mark.parametrize("path", ["/lyceum/nothing/query", "/nobody/pico-opt-1m/query", "/api/models/query"])
def test_an_unknown_model_is_not_found(client, bench, path):
    assert client.get(path).status_code == 404


def test_nothing_is_left_of_a_project_whose_grant_has_ended(mara, bench):
    assert "2,000,000 of 2,000,000 tokens left" in words(mara.get("/me/"))
    bench.grant.ends_at = timezone.now()
    bench.grant.save(update_fields=["ends_at"])
    mine = words(mara.get("/me/"))
    assert "tokens left" not in mine
    assert "Nothing can be queried now" in mine
    assert "Your access for this project has ended" in words(mara.get(URL))


def test_what_is_left_is_shown_of_projects_that_can_be_used_and_of_a_grant_that_is_paused(mara, bench):
    assert "Your access for this project has ended" not in words(mara.get(URL))
    access.suspend_grant(by=bench.world.manager, grant=bench.grant, reason="We look at something.")
    assert "2,000,000 of 2,000,000 tokens left" in words(mara.get("/me/")), "it may run again"
    access.revoke_grant(by=bench.world.manager, grant=bench.grant, reason="Passed on.")
    projects.personal(bench.researcher)
    mine = words(mara.get("/me/"))
    assert "Personal" in mine
    assert "2,000,000 of 2,000,000 tokens left" not in mine.replace("Personal 2,000,000 of 2,000,000 tokens left", "")
