"""What the portal knows already is shown, not asked: how many inputs are left to be seen, on every screen of the form."""

from __future__ import annotations

from html.parser import HTMLParser

import pytest
from django.test import Client

from inference.demo import access as demo
from portal.access import actions
from portal.people import ror
from portal.people.actions import update_profile
from portal.people.affiliation_actions import Place
from portal.people.institution_actions import import_register
from tests.portal import world

pytestmark = pytest.mark.django_db
PLACE = Place("Northfield University", position="phd")


class Inputs(HTMLParser):
    """Names of the inputs that one sees in <main>: neither hidden, nor inside closed details. A group counts once."""

    def __init__(self) -> None:
        super().__init__()
        self.names: set[str] = set()
        self.details: list[bool] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        told = dict(attrs)
        if tag == "details":
            self.details.append("open" not in told)
        seen = not any(self.details) and told.get("type") not in {"hidden", "submit", "button"}
        if tag in {"input", "select", "textarea"} and seen and "name" in told:
            self.names.add(str(told["name"]))

    def handle_endtag(self, tag: str) -> None:
        if tag == "details":
            self.details.pop()


def inputs_of(page: str) -> set[str]:
    parser = Inputs()
    parser.feed(page.partition("<main")[2].partition("</main>")[0])
    return parser.names


@pytest.fixture
def known(mara):
    import_register(ror.read(ror.SAMPLE), by=None)
    update_profile(by=mara, name="Mara Lindqvist", page="https://northfield.example/mara", place=PLACE)
    mara.refresh_from_db()
    return mara


@pytest.fixture
def gate(lyceum):
    """The demo's own."""
    return demo.gate(lab=lyceum.lab, slug="pico-opt", manager=lyceum.manager)


def screens(gate, client: Client) -> dict[str, set[str]]:
    """Inputs that are seen on each screen, the check included."""
    first = client.get(f"/apply/{gate.slug}/")
    begun = [part["name"] for part in gate.form_spec]
    begun = begun[begun.index(first.context["part"]["name"]) :]
    seen = {}
    for name in begun:
        page = client.get(f"/apply/{gate.slug}/{name}/")
        seen[name] = inputs_of(page.content.decode())
        answers = {each: world.ANSWERS[each] for each in seen[name] & world.ANSWERS.keys()}
        if said := answers.get("institution"):
            answers |= {"institution": said["name"], "institution.site": said["site"]}
        answers |= {each: "on" for each in seen[name] if each.startswith("none_of_")}
        assert client.post(f"/apply/{gate.slug}/{name}/", {**sent_along(page), **answers}).status_code == 302, name
    seen["check"] = inputs_of(client.get(f"/apply/{gate.slug}/check/").content.decode())
    assert client.post(f"/apply/{gate.slug}/check/").status_code == 302
    return seen


def sent_along(page) -> dict[str, str]:
    """What a browser sends with the form although nobody sees it: the values inside closed details."""
    questions = [question for group in page.context["known"] for question in group.questions]
    told = {}
    for question in questions:
        if isinstance(question.value, dict):
            told |= {question.name: question.value["name"], f"{question.name}.ror": question.value["ror"]}
        else:
            told[question.name] = question.value
    return told


def test_whom_the_portal_knows_is_asked_nine_things_at_most(gate, known):
    seen = screens(gate, world.browser(known))
    assert list(seen) == ["purpose", "uses", "custody", "check"], "the first screen has nothing left to ask"
    assert 0 < sum(map(len, seen.values())) <= 9, seen
    sent = known.applications.get()
    assert sent.answers["institution"]["name"] == "Northfield University"
    assert sent.answers["role"] == "phd"


def test_a_stranger_is_asked_twenty_five_things_on_five_screens_at_most(gate, stranger):
    seen = screens(gate, world.browser(stranger))
    assert len(seen) <= 5
    assert 9 < sum(map(len, seen.values())) <= 25, seen


def test_what_is_known_is_read_on_the_first_screen_with_a_way_to_change_it(gate, known):
    page = world.browser(known).get(f"/apply/{gate.slug}/").content.decode()
    assert "what we know already" in page
    assert "Northfield University" in page
    assert "Doctoral student" in page
    assert f'href="/apply/{gate.slug}/you/"' in page


def test_an_answer_of_one_s_own_is_asked_again_and_kept(gate, known):
    client = world.browser(known)
    path = f"/apply/{gate.slug}/you/"
    page = client.get(path)
    assert inputs_of(page.content.decode()) == set()
    client.post(path, {**sent_along(page), "role": "faculty"})
    again = client.get(path).content.decode()
    assert inputs_of(again) == {"role"}
    assert known.applications.get().answers["role"] == "faculty"


def test_a_known_answer_that_was_emptied_has_its_error_in_sight(gate, known):
    client = world.browser(known)
    path = f"/apply/{gate.slug}/you/"
    answer = client.post(path, {**sent_along(client.get(path)), "legal_name": ""})
    assert answer.status_code == 422
    assert inputs_of(answer.content.decode()) == {"legal_name"}


def test_a_yes_among_the_declarations_keeps_the_table_open(gate, known):
    client = world.browser(known)
    path = f"/apply/{gate.slug}/uses/"
    assert inputs_of(client.get(path).content.decode()) == {"none_of_uses"}
    client.post(path, {"none_of_uses": "on"})
    assert inputs_of(client.get(path).content.decode()) == {"none_of_uses"}
    client.post(path, {"none_of_uses": "on", "military": "yes"})
    assert "military" in inputs_of(client.get(path).content.decode())


def test_a_form_that_asks_only_what_is_known_begins_at_its_first_screen(gate, lyceum, known):
    short = [{**gate.form_spec[0], "fields": [entry for entry in gate.form_spec[0]["fields"] if entry.get("prefill")]}]
    gate = actions.change_gate(by=lyceum.manager, gate=gate, form_spec=short)
    client = world.browser(known)
    page = client.get(f"/apply/{gate.slug}/")
    assert page.status_code == 200
    assert inputs_of(page.content.decode()) == set()
    assert client.post(f"/apply/{gate.slug}/you/", sent_along(page)).status_code == 302
    assert client.post(f"/apply/{gate.slug}/check/").status_code == 302
