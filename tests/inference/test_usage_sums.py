"""The sums of use: what the page draws, the file holds and the API gives is what the ledger says, and to whom."""

from __future__ import annotations

import csv
import html
import io
import random
import re
from collections import defaultdict
from datetime import UTC, datetime, timedelta

import pytest
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from inference import ledger
from inference.figures import SUMS
from inference.models import UsageRecord
from portal.projects import actions as projects
from portal.tokens import actions as tokens
from portal.tokens.scopes import Kind, Scope
from tests.inference.bench import GATED, OPEN, event
from tests.portal import world
from tests.portal.world import browser

NOON = datetime.now(tz=UTC).replace(hour=12, minute=0, second=0, microsecond=0)
LAB = "/projects/usage/"
MINE = "/me/usage/"


def bearer(user, kind=Kind.QUERY, scopes=None) -> dict[str, str]:
    secret = tokens.issue(by=user, kind=kind, label="figures", **({"scopes": scopes} if scopes else {}))[1]
    return {"HTTP_AUTHORIZATION": f"Bearer {secret}"}


@pytest.fixture
def team(bench):
    """Mara leads a project with Jonas in it; Ida uses something of her own."""
    jonas, ida = world.person("Jonas Weber"), world.person("Ida Fremd")
    projects.join(project=bench.project, user=jonas)
    bench.people = {"mara": bench.researcher, "jonas": jonas, "ida": ida}
    bench.projects = {
        "mara": str(bench.project.pk), "jonas": str(bench.project.pk), "ida": str(projects.personal(ida).pk),
    }  # fmt: skip
    return bench


def fill(team, count: int = 120) -> None:
    chance = random.Random(11)
    rows = []
    for _ in range(count):
        who = chance.choice(["mara", "jonas", "ida"])
        at = NOON - timedelta(days=chance.randrange(40), hours=chance.randrange(12))
        rows.append(
            event(
                user_id=str(team.people[who].pk), project_id=team.projects[who], model=chance.choice([OPEN, GATED]),
                started_at=int(at.timestamp() * 1000), status=chance.choice(["ok", "client_abort"]),
                prompt_tokens=chance.randrange(900), completion_tokens=chance.randrange(900), cached_tokens=chance.randrange(50),
            )
        )  # fmt: skip
    ledger.post(rows)


def from_ledger(way: str, first, last, **which) -> dict[str, tuple[int, ...]]:
    sums: dict[str, list[int]] = defaultdict(lambda: [0, 0, 0, 0])
    for row in UsageRecord.objects.filter(**which):
        at = row.started_at.astimezone(UTC)
        if first <= at.date() <= last:
            key = {
                "day": f"{at:%Y-%m-%d}", "hour": f"{at:%Y-%m-%dT%H:00Z}", "model": row.model,
                "person": row.user_id, "project": row.project_id,
            }[way]  # fmt: skip
            for n, figure in enumerate((1, row.prompt_tokens, row.completion_tokens, row.cached_tokens)):
                sums[key][n] += figure
    return {key: tuple(each) for key, each in sums.items()}


def from_file(response) -> dict[str, tuple[int, ...]]:
    rows = list(csv.reader(io.StringIO(b"".join(response.streaming_content).decode())))
    assert rows[0][1:] == ["name", *SUMS, "tokens"]
    assert all(int(row[6]) == int(row[3]) + int(row[4]) for row in rows[1:])
    return {row[0]: tuple(int(n) for n in row[2:6]) for row in rows[1:]}


def from_api(client: Client, url: str, asked: dict, **headers) -> dict[str, tuple[int, ...]]:
    found, page = {}, 1
    while True:
        body = client.get(url, {**asked, "page": page}, **headers).json()
        found |= {row["key"]: tuple(row[name] for name in SUMS) for row in body["results"]}
        if not body["next"]:
            assert len(found) == body["count"]
            return found
        page += 1


@pytest.mark.parametrize("way", ["day", "hour", "model", "person", "project"])
def test_the_lead_has_the_ledgers_figures_in_the_file_and_by_the_api(team, way):
    fill(team)
    first, last = (NOON - timedelta(days=29)).date(), NOON.date()
    expected = from_ledger(way, first, last, project_id=team.projects["mara"])
    assert expected
    asked = {"by": way, "first": first.isoformat(), "last": last.isoformat()}
    assert from_file(browser(team.researcher).get("/me/usage/sums.csv", asked)) == expected
    assert from_api(Client(), "/api/v1/usage", asked, **bearer(team.researcher)) == expected


def test_a_member_has_their_own_use_and_nobody_elses(team):
    fill(team)
    first, last = (NOON - timedelta(days=29)).date(), NOON.date()
    own = from_ledger("person", first, last, user_id=str(team.people["jonas"].pk))
    assert from_file(browser(team.people["jonas"]).get("/me/usage/sums.csv", {"by": "person"})) == own
    assert list(own) == [str(team.people["jonas"].pk)]
    page = browser(team.people["jonas"]).get(MINE).content.decode()
    assert "Mara Lindqvist" not in page.split("<main")[1]


@pytest.mark.parametrize("way", ["day", "hour", "model", "project"])
def test_the_lab_has_its_projects_sums_and_no_persons(team, way):
    fill(team)
    first, last = (NOON - timedelta(days=6)).date(), NOON.date()
    expected = from_ledger(way, first, last, project_id=team.projects["mara"])
    asked = {"by": way, "first": first.isoformat(), "last": last.isoformat()}
    manager = team.world.manager
    assert from_file(browser(manager).get("/projects/usage.csv", asked)) == expected
    token = bearer(manager, Kind.SERVICE, {Scope.MANAGE})
    assert from_api(Client(), "/api/v1/labs/lyceum/usage", asked, **token) == expected


def test_the_lab_is_not_told_who_used_it(team):
    fill(team)
    manager = browser(team.world.manager)
    assert "Jonas Weber" not in manager.get(LAB).content.decode()
    assert manager.get("/projects/usage.csv", {"by": "person"}).status_code == 404
    assert manager.get("/api/v1/labs/lyceum/usage", {"by": "person"}).status_code == 400


def test_another_lab_and_a_stranger_see_nothing_of_it(team):
    fill(team)
    other = world.build("harbour")
    theirs = browser(other.manager)
    assert team.project.title not in theirs.get(LAB).content.decode()
    assert "Nothing used in this period" in theirs.get(LAB).content.decode()
    assert theirs.get("/api/v1/labs/lyceum/usage").status_code == 404
    assert from_file(theirs.get("/projects/usage.csv", {"by": "project"})) == {}
    assert "Nothing used" in theirs.get(LAB, {"project": team.projects["mara"]}).content.decode()
    stranger = browser(world.person("Somebody Else"))
    assert stranger.get(LAB).status_code == 404
    assert stranger.get("/projects/usage.csv").status_code == 404
    assert from_file(stranger.get("/me/usage/sums.csv", {"by": "project"})) == {}
    asked = {"project": team.projects["mara"]}
    assert stranger.get("/api/v1/usage", asked).status_code == 404
    assert stranger.get(MINE, asked).status_code == 422


def test_one_project_can_be_asked_for(team):
    fill(team)
    ledger.post([event(user_id=str(team.researcher.pk), project_id=str(projects.personal(team.researcher).pk))])
    asked = {"by": "project", "project": team.projects["mara"]}
    assert list(from_file(browser(team.researcher).get("/me/usage/sums.csv", asked))) == [team.projects["mara"]]
    assert len(from_file(browser(team.researcher).get("/me/usage/sums.csv", {"by": "project"}))) == 2


def numbers(text: str) -> list[int]:
    cells = re.findall(r'<td class="num">([^<]*)</td>', text)
    return [int(cell.replace(",", "")) for cell in cells]


@pytest.mark.parametrize(("asked", "bars"), [({"period": "30"}, 30), ({"period": "1"}, 24)])
def test_the_figure_is_drawn_from_the_table_under_it(team, asked, bars):
    fill(team)
    ledger.post([event(user_id=str(team.researcher.pk), project_id=team.projects["mara"], prompt_tokens=5_000)])
    page = browser(team.researcher).get(MINE, asked).content.decode()
    section = page[page.index('id="sums"') :]
    chart, table = section[: section.index("<tbody>")], section[section.index("<tbody>") : section.index("</tbody>")]
    rows = [numbers(row) for row in table.split("</tr>")[:-1]]
    assert len(rows) == bars
    assert all(prompt + completion == total for _, prompt, completion, total in rows)
    most = max(total for *_, total in rows)
    drawn = sorted(
        (round(float(x) / 1), name, float(height))
        for name, x, height in re.findall(r'<rect class="(bar\d)" x="([\d.]+)" y="[\d.]+" width="[\d.]+" height="([\d.]+)"', chart)
    )  # fmt: skip
    place = (790 - 56) / bars
    expected = sorted(
        (round(56 + place * (n + 0.1)), name, tokens * 212 / most)
        for n, (_, prompt, completion, _) in enumerate(rows)
        for name, tokens in (("bar2", prompt), ("bar1", completion))
        if tokens
    )
    assert [each[:2] for each in drawn] == [each[:2] for each in expected]
    assert [each[2] for each in drawn] == pytest.approx([each[2] for each in expected], abs=0.01)
    total = sum(total for *_, total in rows)
    assert f'<dd class="lead-n">{total:,}</dd>' in section


@pytest.mark.parametrize(
    ("asked", "said"),
    [
        ({"period": "dates"}, "Name the day, or choose another period."),
        ({"first": "2026-11-02", "last": "2026-11-01"}, "The last day comes before the first."),
        ({"first": "2020-01-01", "last": "2026-11-01"}, "Ask for 400 days at most."),
        ({"first": "yesterday"}, "Write the day as 2026-11-30."),
        ({"period": "ever"}, "Choose one of these."),
        ({"first": "\x00", "project": "\x00"}, "Choose one of these."),
    ],
)
def test_a_period_that_is_none_is_refused_beside_its_field(team, asked, said):
    fill(team)
    answer = browser(team.researcher).get(MINE, asked)
    assert answer.status_code == 422
    assert said in html.unescape(answer.content.decode())
    assert browser(team.researcher).get("/me/usage/sums.csv", asked).status_code in {400, 422}


@pytest.mark.parametrize("asked", [{"first": "2026-11-02", "last": "2026-11-01"}, {"first": "2020-01-01"}, {"by": "x"}])
def test_the_api_says_what_is_wrong_field_by_field(team, asked):
    answer = Client().get("/api/v1/usage", asked, **bearer(team.researcher))
    assert (answer.status_code, answer["Content-Type"]) == (400, "application/problem+json")
    assert set(answer.json()["fields"]) <= set(asked)


@pytest.mark.parametrize(
    "asked",
    [
        {"first": "9999-12-30", "last": "9999-12-31"}, {"first": "9999-12-31", "last": "9999-12-31", "by": "hour"},
        {"last": "0001-01-05"},
    ],
    ids=str,
)  # fmt: skip
def test_the_first_and_the_last_day_of_the_calendar_are_days_on_which_nothing_was_used(team, asked):
    fill(team)
    shown = bearer(team.researcher)
    for url in ("/api/v1/usage", "/api/v1/usage/energy"):
        said = {name: text for name, text in asked.items() if name != "by" or url.endswith("usage")}
        answer = Client().get(url, said, **shown)
        assert (answer.status_code, answer.json()["results"]) == (200, [])
    if "first" in asked:
        assert browser(team.researcher).get(MINE, asked).status_code == 200


def test_the_last_hour_of_a_period_is_in_it_and_the_next_day_is_not(team):
    midnight = NOON.replace(hour=0)
    for before, used in ((timedelta(milliseconds=1), 3), (timedelta(), 50)):
        at = int((midnight - before).timestamp() * 1000)
        ledger.post([event(user_id=str(team.researcher.pk), started_at=at, prompt_tokens=used, completion_tokens=0)])
    day = (midnight - timedelta(days=1)).date().isoformat()
    answer = Client().get("/api/v1/usage", {"first": day, "last": day, "by": "hour"}, **bearer(team.researcher))
    assert [(each["key"], each["tokens"]) for each in answer.json()["results"]] == [(f"{day}T23:00Z", 3)]


@pytest.mark.parametrize("period", ["1", "7", "month", "last_month"])
def test_named_periods_are_whole_days(team, period):
    fill(team)
    page = browser(team.researcher).get(MINE, {"period": period})
    form = page.context["form"]
    first, last = form.asked.first, form.asked.last
    today = timezone.now().date()
    assert {"1": (today, today), "7": (today - timedelta(days=6), today), "month": (today.replace(day=1), today)}.get(
        period, (first, last)
    ) == (first, last)
    if period == "last_month":
        assert (first.day, last) == (1, today.replace(day=1) - timedelta(days=1))


def test_pages_ask_as_often_for_one_row_as_for_many(team):
    def queries(user, url) -> int:
        with CaptureQueriesContext(
            connection,
        ) as asked:
            assert browser(user).get(url).status_code == 200
        return len(asked)

    ledger.post([event(user_id=str(team.researcher.pk), project_id=team.projects["mara"], model=GATED)])
    pages = [(team.researcher, MINE), (team.world.manager, LAB)]
    few = [queries(*page) for page in pages]
    fill(team, 2_000)
    world.counted()
    assert [queries(*page) for page in pages] == few
