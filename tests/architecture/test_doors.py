"""Everybody at every door: what the table in doors/ declares is what the portal answers, and nothing is undeclared."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator
from pathlib import Path

import pytest
from django.core.cache import cache

from infra import permissions
from tests.architecture import walk
from tests.architecture.doors import DOORS, Door
from tests.architecture.scene import DEAD, EVERYBODY, PEOPLE, TOKENS, Scene

pytestmark = [pytest.mark.xdist_group("doors"), pytest.mark.timeout(600)]
ROUTES = walk.routes()
REFUSED = {"login", "401", "403", "404", "405", "501"}
PARTS = {
    "accounts": ("account/", "admin/"),
    "our API": ("api/v1/",),
    "the Hub": ("api/", "oauth/", "datasets/", "spaces/", "<segment:"),
    "pages": ("",),
}
"""Each route belongs to the first part that fits; the parts are asked in tests of their own."""
EVERYBODY_AT_EACH = [False, pytest.param(True, marks=pytest.mark.drill)]
"""Whether everybody asks at each door, as in the drill, or some take turns."""
ALIKE = (("stranger", "operator"), ("applicant", "holder"), ("manager", "administrator"), DEAD)
"""Who are refused for the same reason: no role in any lab, things of their own alone, another's rank, no token at all."""
FORGED_AT_EACH = [1, pytest.param(len(PEOPLE), marks=pytest.mark.drill)]
"""How many people send a form without its token: those whom the door lets in take turns, and in the drill all send it."""


def door_of(route: str) -> Door | None:
    """The declaration of a route: its own, or that of everything below a prefix."""
    named = next((door for door in DOORS if door.route == route), None)
    return named or next((d for d in DOORS if d.route.endswith("**") and route.startswith(d.route[:-2])), None)


def part_of(route: str) -> str:
    return next(part for part, heads in PARTS.items() if route.startswith(heads))


def askers(door: Door, number: int) -> list[str]:
    """Who asks at a door, of so many, for all. Of the people let in alike one does, and of those in ALIKE who are refused.
    The public, each token, and who has the wrong role or the wrong lab ask wherever they are refused."""
    alike: dict[object, list[str]] = {}
    for who in EVERYBODY:
        told = tuple(answers[who] if answers else None for answers in (door.get, door.post))
        let_in = who in PEOPLE and any(word and word not in REFUSED for word in told)
        group = PEOPLE if let_in else next((group for group in ALIKE if who in group), who)
        alike.setdefault((told, group), []).append(who)
    return [who[number % len(who)] for who in alike.values()]


@pytest.fixture(scope="module")
def scene(django_db_setup, django_db_blocker, tmp_path_factory) -> Iterator[Scene]:
    """One for all tests here: whatever a request changes is undone."""
    with django_db_blocker.unblock(), walk.undone():
        yield Scene(tmp_path_factory.mktemp("scene"))


def test_every_address_is_declared():
    undeclared = [route for route in ROUTES if door_of(route) is None]
    assert undeclared == [], "add a line for each to tests/architecture/doors/"


def test_no_address_is_declared_that_is_not_there():
    assert [door.route for door in DOORS if not door.route.endswith("**") and door.route not in ROUTES] == []


def test_no_address_is_declared_twice_so_that_one_room_cannot_hide_what_another_says():
    assert [route for route, times in Counter(door.route for door in DOORS).items() if times > 1] == []


def test_who_asks_for_all_would_find_a_check_that_was_forgotten():
    for number, door in enumerate(DOORS):
        asking = set(askers(door, number))
        refused = {who for who in EVERYBODY if all(not told or told[who] in REFUSED for told in (door.get, door.post))}
        assert asking >= {"anonymous", *TOKENS}, "a sign-in or a scope"
        assert asking >= refused & {"reviewer", "second_lab"}, f"{door.route}: a role or a lab"
        assert all(asking & refused & {*group} for group in ALIKE if refused & {*group}), f"{door.route}: an owner"
        assert asking & {*PEOPLE} - refused or refused >= {*PEOPLE}, f"{door.route}: somebody who is let in"


@pytest.mark.parametrize("everybody", EVERYBODY_AT_EACH)
@pytest.mark.parametrize("part", PARTS)
def test_every_door_answers_everybody_as_declared(scene, part, everybody):
    wrong = []
    for number, route in enumerate(ROUTES):
        door = door_of(route)
        if part_of(route) == part and door and (not door.route.endswith("**") or route == door.route[:-2]):
            asking = EVERYBODY if everybody else askers(door, number)
            wrong += _answers_of(scene, door, _path(scene, door, route), asking)
    assert not wrong, "\n".join(wrong)


def _answers_of(scene: Scene, door: Door, path: str, asking: Iterable[str]) -> list[str]:
    wrong = []
    for who in asking:
        cache.clear()
        for method, declared in (("GET", door.get), ("POST", door.post)):
            answer = walk.ask(scene, who, method, path, door.send)
            got, expected = walk.word(answer), declared[who] if declared else None
            if got != expected and not (expected is None and got in REFUSED):
                wrong.append(f"{method} {path} as {who}: {got}, declared {expected or 'refused'}")
            if method == "GET" and got == "ok" and who in PEOPLE and not _kept_private(answer, door):
                wrong.append(f"GET {path} as {who}: others may keep it: {answer.headers.get('Cache-Control')}")
    return wrong


def _kept_private(answer, door: Door) -> bool:
    """Whether what not everybody sees, or what greets somebody by name, stays out of shared caches."""
    seen = {door.get[who] for who in ("anonymous", *PEOPLE)} if door.get else set()
    said = {part.strip() for part in answer.headers.get("Cache-Control", "").split(",")}
    same_for_all = seen == {"ok"} and ("public" in said or "cookie" not in answer.headers.get("Vary", "").lower())
    return same_for_all or bool(said & {"no-store", "private"})


@pytest.mark.parametrize("each", FORGED_AT_EACH)
def test_a_forged_form_changes_nothing(scene, each):
    done = []
    for number, door in enumerate(door for door in DOORS if door.post and not door.bearer_alone):
        path = _path(scene, door, door.route.removesuffix("**"))
        let_in = [who for who in PEOPLE if door.post[who] not in REFUSED] or [PEOPLE[number % len(PEOPLE)]]
        for who in PEOPLE if each == len(PEOPLE) else [let_in[number % len(let_in)]]:
            got = walk.word(walk.ask(scene, who, "POST", path, door.send, forged=True))
            if got not in REFUSED:
                done.append(f"POST {path} as {who}, without a CSRF token: {got}")
    assert not done, "\n".join(done)


def test_a_door_for_bearers_alone_knows_no_session(scene):
    for door in (door for door in DOORS if door.bearer_alone and door.post):
        path = _path(scene, door, door.route)
        got = {walk.ask(scene, who, "POST", path, door.send).content for who in ("anonymous", *PEOPLE)}
        assert len(got) == 1, f"{path} tells people with a session apart"


@pytest.mark.parametrize("method", ["PUT", "PATCH", "DELETE"])
def test_no_other_method_does_anything(scene, method):
    done = []
    for route in ROUTES:
        door = door_of(route)
        if (
            door and not door.any_method and part_of(route) != "accounts"
        ):  # forms of allauth take PUT as POST, with its CSRF token
            answer = walk.ask(scene, "manager", method, _path(scene, door, route), {})
            if walk.word(answer) not in REFUSED | {"bad"}:
                done.append(f"{method} {route}: {answer.status_code}")
    assert not done, "\n".join(done)


def test_nobody_but_the_operator_sees_the_admin(scene):
    below = [route for route in ROUTES if route.startswith("admin/") and not route.startswith("admin/log")]
    for route in below:
        path = walk.address(route, {})
        for who in ("anonymous", "administrator", "manage_token"):
            assert walk.word(walk.ask(scene, who, "GET", path, {})) == "login", path


def test_the_tables_are_drawn_in_the_documentation():
    drawn = Path(permissions.PAGE).read_text()
    assert drawn == permissions.page(), "run: python -m infra.permissions"


def _path(scene: Scene, door: Door, route: str) -> str:
    given = {name: value.format(**scene.facts) for name, value in door.at.items()}
    return walk.address(route, given)
