"""Energy is estimated where the operator said what a token takes, and nowhere else; and a project can be cited."""

from __future__ import annotations

import csv
import io
from datetime import UTC, datetime

import pytest
from django.core.exceptions import ValidationError
from django.test import Client

from inference import ledger, pool_file
from inference.energy_models import ENERGY
from inference.models import Pool
from portal.errors import Invalid
from tests.inference.bench import GATED, event
from tests.inference.test_usage_sums import bearer, browser
from tests.portal import world

pytestmark = pytest.mark.django_db
FIGURES = dict(zip(ENERGY, (500, 4000, 120, 400), strict=True))
SOURCE = "Measured at the socket, October 2026"
MINE = "/me/usage/"


@pytest.fixture
def used(bench):
    """Mara used 1,000 prompt tokens, 200 of them cached, and 300 of completion; Ida's row is another project's."""
    pool = Pool.objects.get(model__name=GATED.partition("/")[2])
    at = int(datetime.now(tz=UTC).timestamp() * 1000)
    common = {
        "model": GATED,
        "pool": str(pool),
        "started_at": at,
        "revision": pool.commit,
        "fingerprint": "vllm-0.33-x",
    }
    ledger.post(
        [
            event(
                user_id=str(bench.researcher.pk), project_id=str(bench.project.pk), prompt_tokens=1000,
                completion_tokens=300, cached_tokens=200, **common,
            ),
            event(user_id="somebody", project_id="another", prompt_tokens=77, completion_tokens=5, **common),
        ]
    )  # fmt: skip
    bench.pool = pool
    return bench


def told(pool: Pool) -> None:
    for name, figure in FIGURES.items():
        setattr(pool, name, figure)
    pool.energy_source = SOURCE
    pool.full_clean()
    pool.save()


KWH = (800 * 0.5 + 300 * 4.0) * 1.2 / 3_600_000


def test_nothing_is_shown_where_nothing_was_entered(used):
    page = browser(used.researcher).get(MINE)
    assert not page.context["estimates"]
    assert "CO₂" not in page.content.decode()
    rows = Client().get("/api/v1/usage/energy", **bearer(used.researcher)).json()["results"]
    assert [(row["kwh"], row["grams_co2e"], row["tokens"]) for row in rows] == [(None, None, 1300)]


def test_an_estimate_is_the_formula_with_its_source_on_the_page_by_the_api_and_in_the_file(used):
    told(used.pool)
    mara = browser(used.researcher)
    page = mara.get(MINE)
    (shown,) = page.context["estimates"]
    assert (shown.tokens, shown.kwh, shown.grams) == (1300, pytest.approx(KWH), pytest.approx(KWH * 400))
    assert SOURCE in page.content.decode()
    assert f"{KWH * 1000:.2f}" in page.content.decode()
    (row,) = Client().get("/api/v1/usage/energy", **bearer(used.researcher)).json()["results"]
    assert row["kwh"] == pytest.approx(KWH)
    assert row["grams_co2e"] == pytest.approx(KWH * 400)
    assert (row["overhead"], row["figures_from"]) == (1.2, SOURCE)
    lines = list(csv.DictReader(io.StringIO(b"".join(mara.get(f"{MINE}requests.csv").streaming_content).decode())))
    assert [float(line["energy_wh"]) for line in lines] == [pytest.approx(KWH * 1000, rel=1e-5)]
    assert [float(line["co2e_g"]) for line in lines] == [pytest.approx(KWH * 400, rel=1e-5)]


def test_a_stranger_has_no_estimate_of_a_project(used):
    told(used.pool)
    stranger = bearer(world.person("Ida Fremd"))
    asked = {"project": str(used.project.pk)}
    assert Client().get("/api/v1/usage/energy", asked, **stranger).status_code == 404
    assert Client().get("/api/v1/usage/energy", **stranger).json()["results"] == []


def test_half_of_the_figures_are_refused(used):
    used.pool.millijoules_per_prompt_token = 500
    with pytest.raises(ValidationError, match="four figures of energy"):
        used.pool.full_clean()
    told(used.pool)
    used.pool.overhead_percent = 90
    with pytest.raises(ValidationError, match="four figures of energy"):
        used.pool.full_clean()


def test_a_file_of_pools_has_them_as_whole_numbers():
    text = """
pools:
  lyceum/large:
    model: lyceum/large
    revision: 3f9c1d2a
    engine_model: large
    context: 2048
    millijoules_per_prompt_token: {figure}
    backends: {{}}
"""
    (read,) = pool_file.read(text.format(figure=500))
    assert read.facts["millijoules_per_prompt_token"] == 500
    with pytest.raises(Invalid, match="millijoules_per_prompt_token must be a whole number"):
        pool_file.read(text.format(figure=0.5))


def test_a_project_is_cited_with_models_revisions_engines_and_tokens(used):
    mara = browser(used.researcher)
    assert mara.get(MINE).context["citation"] is None, "of one project, not of all"
    cited = mara.get(MINE, {"project": str(used.project.pk)}).context["citation"]
    assert f"{GATED} at revision {used.pool.commit}, engine vllm-0.33-x (1,300 tokens)" in cited.text
    assert used.project.title in cited.text
    assert cited.bibtex.startswith("@misc{queries-")
    assert cited.bibtex.count("{") - cited.bibtex.count("\\{") == cited.bibtex.count("}") - cited.bibtex.count("\\}")
