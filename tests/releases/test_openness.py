"""The openness class is computed: what is not there, or not open, does not count, whatever anybody says."""

from __future__ import annotations

import json
import tarfile
from pathlib import Path
from typing import Any

import pytest
import yaml
from django.test import Client

from releases import entries
from releases.openness import found
from releases.openness.classes import Found, Openness, Release, State, judge
from releases.openness.components import COMPONENTS, PAPER, REPORT
from tests.portal import world

SEED = Path(__file__).resolve().parents[2] / "releases" / "seed"
ALL = [key for key, component in COMPONENTS.items() if component.first]


def release(*keys: str, whole: str = "Apache-2.0", by_kind: dict[str, str] | None = None, **own: str) -> Release:
    parts = {key: Found((key,), own.get(key.replace("-", "_"), "")) for key in keys}
    return Release(parts, by_kind or {}, whole)


def states(told: Openness) -> dict[str, State]:
    return {each.component.key: each.state for each in told.judged}


def up_to(wanted: int) -> list[str]:
    return [key for key in ALL if COMPONENTS[key].first >= wanted]


@pytest.mark.parametrize(("wanted", "roman"), [(3, "III"), (2, "II"), (1, "I")])
def test_a_class_needs_all_of_its_components_and_those_before(wanted: int, roman: str) -> None:
    assert judge(release(*up_to(wanted))).roman == roman
    for key in (key for key in ALL if COMPONENTS[key].first == wanted):
        told = judge(release(*(other for other in up_to(wanted) if other != key)))
        assert told.reached == {3: 0, 2: 3, 1: 2}[wanted], key
        assert [each.component.key for each in told.lacking] == [key]


def test_a_missing_component_of_the_first_class_is_not_made_up_for_by_all_others() -> None:
    assert judge(release(*(key for key in ALL if key != "data-card"))).reached == 0


def test_a_component_s_own_licence_comes_first_then_its_kind_s_then_the_whole_s() -> None:
    told = judge(release(*ALL, whole="nobody-knows-1.0", by_kind={"code": "MIT"}, card="CC-BY-4.0"))
    assert states(told)["architecture"] is State.PASSES, "by its kind"
    assert states(told)["card"] is State.PASSES, "by its own"
    assert states(told)["parameters"] is State.CLOSED, "by the whole"
    closed = judge(release(*ALL, by_kind={"data": "CC-BY-NC-4.0"}))
    assert states(closed)["parameters"] is State.CLOSED, "its kind's goes before the whole's"
    assert closed.reached == 0


@pytest.mark.parametrize("whole", ["", "unlicensed", "Unlicensed"])
def test_without_a_licence_nothing_counts(whole: str) -> None:
    told = judge(release(*ALL, whole=whole))
    assert told.reached == 0
    assert {states(told)[key] for key in ALL} == {State.UNLICENSED}


def test_an_open_licence_that_was_made_for_something_else_counts_and_is_remarked_on() -> None:
    told = {each.component.key: each for each in judge(release(*ALL, whole="MIT")).judged}
    assert told["parameters"].passes
    assert not told["parameters"].fits
    assert told["training-code"].fits


def test_a_paper_stands_for_the_report_and_a_report_for_no_paper() -> None:
    assert judge(release(*(key for key in ALL if key != REPORT))).reached == 1
    assert judge(release(*(key for key in ALL if key != PAPER))).reached == 2
    closed = release(*(key for key in ALL if key != REPORT), paper="all rights reserved")
    assert judge(closed).reached == 0, "a paper that is not open stands for nothing"


def declared(*components: dict[str, Any], **licences: str) -> dict[str, Any]:
    return {
        "release": {
            "components": list(components),
            "license": {kind: {"name": name} for kind, name in licences.items()},
        }
    }


def test_what_is_declared_and_not_among_the_files_does_not_count() -> None:
    rows = [{"name": COMPONENTS[key].name, "component_path": f"{key}/"} for key in ALL]
    everything = [f"{key}/file.txt" for key in ALL]
    assert found.of_files(everything, declared(*rows), "apache-2.0").reached == 1
    told = found.of_files([path for path in everything if "datasets" not in path], declared(*rows), "apache-2.0")
    assert states(told)["datasets"] is State.MISSING
    assert told.reached == 2
    assert found.of_files([], declared(*rows), "apache-2.0").reached == 0
    escaped = declared(
        {"name": "Datasets", "component_path": "../datasets"}, {"name": "Datasets", "component_path": ""}
    )
    assert states(found.of_files(everything, escaped, "mit"))["datasets"] is State.MISSING


def test_a_paper_may_lie_elsewhere_and_weights_may_not() -> None:
    rows = [{"name": "Research paper", "component_url": "https://papers.example/1", "license": "CC-BY-4.0"}]
    rows.append({"name": "Model parameters (Final)", "component_url": "https://weights.example"})
    told = states(found.of_files(["README.md"], declared(*rows), ""))
    assert (told["paper"], told["parameters"]) == (State.PASSES, State.MISSING)


@pytest.mark.parametrize(
    "hostile",
    [{}, {"release": 3}, {"release": {"components": 7, "license": []}}, {"release": {"components": [None, [], {"name": []}]}},
     declared({"name": "Datasets", "component_path": {"a": 1}, "license": ["MIT"]}), {"release": {"license": {"code": 3}}}],
)  # fmt: skip
def test_nonsense_declares_nothing(hostile: dict[str, Any]) -> None:
    assert states(found.of_files(["a.txt"], hostile, "mit"))["datasets"] is State.MISSING


OPEN, GATED = "apache-2.0", "pico-research-licence-1.0"
BY_LICENCE = {"parameters", "results", "card", "data-card", "report"}


@pytest.mark.parametrize(
    ("name", "licence", "beside", "reached", "lacking"),
    [
        ("pico-opt-300k", OPEN, True, 1, set()),
        ("pico-opt-1m", OPEN, True, 1, set()),
        ("pico-opt-1m", OPEN, False, 2, {"ladder"}),
        ("pico-opt-5m", GATED, False, 0, BY_LICENCE),
    ],
)
def test_the_trained_family_by_its_files(
    name: str, licence: str, beside: bool, reached: int, lacking: set[str]
) -> None:
    """The open sizes with their steps are of class I, without them of II; the gated one is of none."""
    entry = next(e for e in json.loads((SEED / "manifest.json").read_text())["models"] if e["name"] == name)
    rungs = tuple(rung["name"] for rung in entry["ladder"]["rungs"]) if beside else ()
    with tarfile.open(SEED / entry["archive"]) as archive:
        members = archive.getnames()
        content = archive.extractfile("mof.yml")
        assert content is not None
        told = found.of_files(sorted(members), yaml.safe_load(content.read()), licence, rungs)
    assert told.reached == reached
    assert {each.component.key for each in told.lacking} == lacking
    judged = {each.component.key: each for each in told.judged}
    assert (judged["ladder"].found is not None) == beside


def test_the_page_says_what_is_missing_and_the_family_tells_the_class(lyceum: world.World, publish: Any) -> None:
    from releases.actions import open_family

    family = open_family(lab=lyceum.lab, slug="pico", title="Pico", by=lyceum.manager)
    plain = publish(lyceum, "plain", family=family)
    card = {"DATACARD.md": "---\nlicense: mit\n---\n# Data\n", "REPORT.md": "# Report\n"}
    whole = publish(lyceum, "whole", family=family, **card)
    assert plain.main.facts["openness"] == 0
    assert whole.main.facts["openness"] == 3
    page = Client().get(f"/{plain.full_name}").content.decode()
    assert "No class" in page
    assert "Data card: it is not among what is published." in page
    assert "Class III of three" in Client().get(f"/{whole.full_name}").content.decode()
    told = Client().get("/families/lyceum/pico/").content.decode()
    assert "no class" in told
    assert "class III" in told


def test_opt_has_no_class_because_of_the_licence_of_its_weights(db: None) -> None:
    family = entries.seed("opt", by=None)
    told = found.of_reference(family)
    assert told is not None
    assert told.reached == 0
    assert [each.component.key for each in told.lacking] == ["parameters"]
    assert told.met(3) == (5, 6)
    page = Client().get("/families/meta/opt/").content.decode()
    assert "its licence (OPT-175B licence agreement) is not an open one" in page
    assert "the paper stands for it" in page
