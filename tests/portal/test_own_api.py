"""What is one's own by program: tokens, whose secret is shown once, and how often mail comes. By session alone."""

from __future__ import annotations

import pytest
from django.test import Client

from portal.outbox.models import Message
from portal.people import ror
from portal.people.institution_actions import import_register
from portal.people.models import Institution
from portal.projects.models import Project
from portal.tokens import actions as tokens
from portal.tokens.models import AccessToken
from portal.tokens.scopes import Kind
from tests.portal.test_access_api import client, post
from tests.portal.world import browser

TOKENS = "/api/v1/me/tokens"
MAIL = "/api/v1/me/mail"
PROFILE, ADDRESS, INSTITUTIONS = "/api/v1/me/profile", "/api/v1/me/address", "/api/v1/institutions"
JSON = {"content_type": "application/json"}


def test_a_token_is_made_works_and_is_revoked(lyceum):
    own = browser(lyceum.reviewers[0])
    made = post(own, TOKENS, label="cluster", kind="review", days=7)
    assert (made.status_code, made.json()["scopes"]) == (201, ["review"])
    program = Client(headers={"Authorization": f"Bearer {made.json()['secret']}"})
    assert program.get("/api/v1/applications").status_code == 200
    (row,) = own.get(TOKENS).json()["results"]
    assert (row["kind"], row["label"], "secret" in row) == ("review", "cluster", False)
    assert post(own, f"{TOKENS}/{row['id']}/revoke").json()["revoked_at"]
    assert program.get("/api/v1/applications").status_code == 401
    assert post(own, f"{TOKENS}/{row['id']}/revoke").json()["code"] == "already_revoked"


def test_a_secret_is_not_kept_with_the_answer(mara):
    own, asked = browser(mara), {"label": "cluster", "kind": "download"}
    first, again = (own.post(TOKENS, asked, **JSON, headers={"Idempotency-Key": "t-1"}).json() for _ in range(2))
    assert first["secret"].startswith("wb_dl_")
    assert again == first | {"secret": None}
    assert AccessToken.objects.filter(user=mara).count() == 1


def test_no_token_makes_lists_or_ends_another(mara):
    token, _ = tokens.issue(by=mara, kind=Kind.QUERY, label="mine")
    program = client(mara, Kind.DOWNLOAD)
    assert program.get(TOKENS).json()["code"] == "insufficient_scope"
    assert post(program, TOKENS, label="more", kind="query").json()["code"] == "insufficient_scope"
    assert post(program, f"{TOKENS}/{token.pk}/revoke").json()["code"] == "insufficient_scope"


def test_a_strangers_token_is_not_there(mara, stranger):
    token, _ = tokens.issue(by=mara, kind=Kind.QUERY, label="mine")
    assert browser(stranger).get(TOKENS).json()["count"] == 0
    assert post(browser(stranger), f"{TOKENS}/{token.pk}/revoke").status_code == 404
    foreign = str(Project.objects.get(members__user=mara).pk)
    assert post(browser(stranger), TOKENS, label="a", kind="query", project=foreign).json()["fields"]["project"]


@pytest.mark.parametrize(
    ("asked", "code"),
    [
        ({"label": "a", "kind": "everything"}, 400),
        ({"label": "a", "kind": "service"}, 403),
        ({"label": "a", "kind": "download", "days": 91}, 400),
        ({"label": " ", "kind": "download"}, 400),
        ({"label": "a", "kind": "review"}, 403),
        ({"label": "a", "kind": "query", "project": "00000000-0000-4000-8000-000000000000"}, 400),
    ],
)
def test_no_token_goes_beyond_what_one_may(mara, asked, code):
    refused = post(browser(mara), TOKENS, **asked)
    assert refused.status_code == code
    assert not AccessToken.objects.exists()


def test_somebody_chooses_how_often_mail_comes(mara):
    own = browser(mara)
    assert own.get(MAIL).json()["paces"] == {"applications": "at_once", "queries": "at_once"}
    chosen = own.put(MAIL, {"paces": {"applications": "daily"}, "hour": 7, "zone": "Europe/Oslo"}, **JSON).json()
    assert (chosen["paces"], chosen["hour"], chosen["zone"]) == (
        {"applications": "daily", "queries": "at_once"},
        7,
        "Europe/Oslo",
    )
    assert own.get(MAIL).json() == chosen


def test_a_choice_that_is_none_is_refused_and_nothing_changes(lyceum, mara):
    own, right = browser(mara), {"paces": {}, "hour": 7, "zone": "Europe/Oslo"}
    for wrong in ({"paces": {"review": "off"}}, {"paces": {"applications": "hourly"}}, {"zone": "Mars"}, {"hour": 24}):
        assert own.put(MAIL, right | wrong, **JSON).status_code == 400
    assert own.get(MAIL).json()["zone"] == "UTC"
    reviewing = browser(lyceum.reviewers[0]).put(MAIL, right | {"paces": {"review": "off"}}, **JSON)
    assert reviewing.json()["paces"]["review"] == "off"


def test_whoever_asks_more_than_is_given_is_told_when_to_ask_again(mara):
    """It is their own doing (429): a 503 would say that the portal fails, and be tried again by programs."""
    own, url = browser(mara), f"{MAIL}/check"
    answers = [own.post(url) for _ in range(6)]
    assert [each.status_code for each in answers] == [409] * 5 + [429], "five a day, put right or not"
    assert (answers[5].json()["code"], answers[5]["Retry-After"]) == ("too_many", "86400")
    searches = [own.get(INSTITUTIONS, {"q": "north"}) for _ in range(121)]
    assert [each.status_code for each in searches] == [200] * 120 + [429]
    assert searches[120]["Retry-After"] == "60"


# --- Who one is ---------------------------------------------------------------------------------------------------------


@pytest.fixture
def northfield(db):
    import_register(ror.read(ror.SAMPLE), by=None)
    return Institution.objects.named("Northfield University")


def test_somebody_finds_their_institution_and_shows_that_they_are_there(northfield, mara):
    own = browser(mara)
    assert own.get(PROFILE).json() == {"name": mara.name, "email": mara.email, "page": "", "place": None}
    found = own.get(INSTITUTIONS, {"q": "north"}).json()["results"]
    assert northfield.ror in {row["ror"] for row in found}
    place = {"ror": northfield.ror, "position": "phd"}
    saved = own.put(PROFILE, {"name": "Mara L.", "page": "https://mara.example/", "place": place}, **JSON).json()
    assert (saved["name"], saved["page"]) == ("Mara L.", "https://mara.example/")
    assert (saved["place"]["organisation"], saved["place"]["affiliation_class"]) == (
        "Northfield University",
        "academia",
    )
    assert (saved["place"]["evidence"], saved["place"]["verified_until"]) == ("", None)
    asked = post(own, ADDRESS, address="mara@northfield.example")
    assert (asked.status_code, asked.json()["evidence"]) == (202, ""), "asking shows nothing yet"
    mail = Message.objects.latest("pk").payload
    assert mail["to"] == "mara@northfield.example"
    own.post(mail["context"]["path"])
    shown = own.get(PROFILE).json()["place"]
    assert (shown["evidence"], bool(shown["verified_until"])) == ("address at northfield.example", True)


def test_a_profile_without_a_place_leaves_the_place_as_it_is(northfield, mara):
    own = browser(mara)
    own.put(PROFILE, {"name": "Mara", "place": {"ror": northfield.ror}}, **JSON)
    assert own.put(PROFILE, {"name": "Mara Lind"}, **JSON).json()["place"]["ror"] == northfield.ror


@pytest.mark.parametrize(
    ("wrong", "field"),
    [
        ({"name": " "}, "name"),
        ({"page": "javascript:alert(1)"}, "page"),
        ({"place": {"ror": "https://ror.org/000000000"}}, "organisation"),
        ({"place": {"organisation": "A Cooperative"}}, "site"),
        ({"place": {"organisation": "A Cooperative", "site": "https://coop.example", "country": "ZZ"}}, "place"),
        ({"email": "other@northfield.example"}, "email"),
    ],
)
def test_a_wrong_profile_is_refused_field_by_field_and_nothing_changes(northfield, mara, wrong, field):
    own = browser(mara)
    refused = own.put(PROFILE, {"name": "Mara Lind"} | wrong, **JSON)
    assert refused.status_code == 400
    assert field in {name.partition(".")[0] for name in refused.json()["fields"]}
    assert own.get(PROFILE).json()["name"] == mara.name


def test_an_address_elsewhere_or_without_a_place_shows_nothing(northfield, mara):
    own = browser(mara)
    assert post(own, ADDRESS, address="mara@northfield.example").json()["code"] == "no_institution"
    own.put(PROFILE, {"name": "Mara", "place": {"ror": northfield.ror}}, **JSON)
    for address in ("mara@gmail.com", "mara@elsewhere.example", "mara"):
        assert post(own, ADDRESS, address=address).json()["fields"]["address"]
    assert not Message.objects.filter(payload__template="institution_confirm").exists()


def test_no_token_and_no_stranger_reads_or_changes_a_profile(northfield, mara, stranger):
    browser(mara).put(PROFILE, {"name": "Mara", "place": {"ror": northfield.ror}}, **JSON)
    assert browser(stranger).get(PROFILE).json()["place"] is None
    program = client(mara, Kind.DOWNLOAD)
    for answer in (program.get(PROFILE), program.get(INSTITUTIONS, {"q": "north"}), program.put(PROFILE, {}, **JSON)):
        assert answer.json()["code"] == "insufficient_scope"


def test_mail_is_checked_where_some_came_back_and_only_there(mara):
    assert post(browser(mara), f"{MAIL}/check").json()["code"] == "reached"
    assert client(mara, Kind.DOWNLOAD).get(MAIL).json()["code"] == "insufficient_scope"
