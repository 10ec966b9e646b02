"""The licence page: what one may do in plain words, from data, beside the full text."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from django.test import Client

from releases import entries, licences, terms
from releases.ingest import ingest
from tests.portal import world
from tests.releases.folders import model_folder

OWN = """---
license: other
license_name: our-own-1.0
license_terms:
  research: yes
  commercial: {answer: no, note: "Not in a <b>product</b>.", clause: 3}
  pass_on: {answer: if, note: To holders alone.}
  change: perhaps
  sensitive: [1]
  duties: [Name us., 7, {a: b}]
---
# Card
"""


def page(name: str, query: str = "", client: Client | None = None) -> str:
    answer = (client or Client()).get(f"/lyceum/{name}/licence{query}")
    assert answer.status_code == 200
    return " ".join(answer.content.decode().split())


def test_a_well_known_licence_is_told_by_us_and_beside_its_text(lyceum: world.World, publish: Any) -> None:
    publish(lyceum, "mine", LICENSE="The whole <text>.\n")
    shown = page("mine")
    for words in ("Apache-2.0", "an open licence", "Our summary.", "use it in a product", "The whole &lt;text&gt;."):
        assert words in shown, words
    assert shown.count('<th scope="row">') == len(terms.QUESTIONS)


def test_a_lab_s_own_licence_is_told_by_its_card_and_nonsense_is_left_out(lyceum: world.World, publish: Any) -> None:
    publish(lyceum, "mine", gate=lyceum.gate, **{"README.md": OWN})
    shown = page("mine")
    for words in (
        "our-own-1.0",
        "not an open licence",
        "The laboratory’s summary",
        "clause 3",
        "To holders alone.",
        "Name us.",
    ):
        assert words in shown, words
    assert "Not in a &lt;b&gt;product&lt;/b&gt;." in shown
    assert shown.count('<th scope="row">') == 3, "what is no answer is no row"
    assert "Research only." in shown, "the agreement's points"
    assert "Signed by each person before access" in shown


def test_a_card_cannot_retell_a_licence_that_everybody_knows() -> None:
    card = {"license_terms": {"commercial": True}}
    told = terms.terms(licences.named("cc-by-nc-4.0"), card)
    assert {row.answer for row in told.answers if row.question == terms.QUESTIONS["commercial"]} == {"no"}
    assert not terms.terms(licences.named("cc-by-nd-4.0"), card), "known by its id, and not in our table"


@pytest.mark.parametrize(
    "front", ["", "---\nlicense: nobody-knows\n---\n", "---\nlicense: other\nlicense_terms: 3\n---\n"]
)
def test_what_nobody_has_told_is_said_to_be_so(lyceum: world.World, publish: Any, front: str) -> None:
    publish(lyceum, "mine", **{"README.md": front + "# Card\n"})
    shown = page("mine")
    assert ("No licence is named" in shown) == (not front)
    assert '<th scope="row">' not in shown


def test_other_terms_before_are_told_with_their_comparison(lyceum: world.World, publish: Any, tmp_path: Path) -> None:
    model = publish(lyceum, "mine", **{"README.md": "---\nlicense: mit\n---\n# One\n"})
    assert "It was another" not in page("mine")
    second = {"README.md": "---\nlicense: cc-by-nc-4.0\n---\n# Two\n"}
    first = model.main.commit
    ingest(model_folder(tmp_path / "second", name="mine", **second), model=model, by=lyceum.manager, publish=True)
    shown = page("mine")
    assert "It was another" in shown
    assert f"/compare/{first}..." in shown
    assert "It was another" not in page("mine", f"?revision={first}")


def test_a_draft_s_licence_is_its_lab_s_alone(lyceum: world.World, publish: Any) -> None:
    publish(lyceum, "mine", publish=False)
    assert Client().get("/lyceum/mine/licence").status_code == 404


def test_opt_s_terms_have_their_source(db: None) -> None:
    entries.seed("opt", by=None)
    shown = " ".join(Client().get("/families/meta/opt/").content.decode().split())
    assert "Neither commercial use nor production." in shown
    assert "MODEL_LICENSE.md" in shown
