"""What came out and what was withdrawn, told to feed readers; and what search engines, previews and keepers of passwords find."""

from __future__ import annotations

import re
from typing import Any
from xml.etree import ElementTree

import pytest
from django.test import Client

from portal import env
from portal.errors import Misconfigured
from releases import actions, crawlers
from releases.models import Family, Model, Revision
from tests.portal import world
from tests.portal.world import browser

MAP = "{http://www.sitemaps.org/schemas/sitemap/0.9}"
ATOM = "{http://www.w3.org/2005/Atom}"


def fed(client: Client, address: str) -> list[tuple[str, str]]:
    """(title, category) of every item of a feed, whose addresses all differ."""
    answer = client.get(address)
    assert answer["Content-Type"].startswith("application/atom+xml"), address
    items = ElementTree.fromstring(answer.content).findall(f"{ATOM}entry")
    ids = {item.findtext(f"{ATOM}id") for item in items}
    assert len(ids) == len(items)
    found = [(item.findtext(f"{ATOM}title", ""), item.find(f"{ATOM}category")) for item in items]
    return [(title, "" if kind is None else kind.get("term", "")) for title, kind in found]


@pytest.fixture
def family(lyceum: world.World) -> Family:
    return actions.open_family(lab=lyceum.lab, slug="heron", title="Heron", by=lyceum.manager)


def test_a_model_its_family_and_the_portal_tell_of_what_came_out(
    lyceum: world.World, family: Family, publish: Any, client: Client
) -> None:
    mine, other = publish(lyceum, "mine", family=family), publish(lyceum, "other", gate=lyceum.gate)
    told = {model: f"{model.full_name}: revision {model.main.commit[:8]} is published" for model in (mine, other)}
    assert fed(client, "/lyceum/mine/revisions.atom") == [(told[mine], "published")]
    assert fed(client, "/families/lyceum/heron/releases.atom") == [(told[mine], "published")]
    assert fed(client, "/releases.atom") == [(told[other], "published"), (told[mine], "published")]
    for page, feed in (
        ("/lyceum/mine", "/lyceum/mine/revisions"),
        ("/lyceum/mine/revisions", "/lyceum/mine/revisions"),
        ("/families/lyceum/heron/", "/families/lyceum/heron/releases"),
        ("/", "/releases"),
    ):
        assert f'href="{feed}.atom"' in client.get(page).content.decode()


def test_a_withdrawal_is_an_item_of_its_own_with_its_reason(lyceum: world.World, publish: Any, client: Client) -> None:
    model = publish(lyceum, "mine")
    revision = model.main
    actions.withdraw(revision=revision, by=lyceum.manager, reason="The weights are <those> of another.")
    kinds = [kind for _title, kind in fed(client, "/releases.atom")]
    assert kinds == ["withdrawn", "published"]
    assert "The weights are &lt;those&gt; of another." in client.get("/releases.atom").content.decode()


def test_a_draft_is_told_to_nobody_its_own_lab_included(lyceum: world.World, publish: Any, client: Client) -> None:
    publish(lyceum, "secret", publish=False)
    assert client.get("/lyceum/secret/revisions.atom").status_code == 404
    assert fed(client, "/releases.atom") == []
    assert fed(browser(lyceum.manager), "/lyceum/secret/revisions.atom") == []


def test_the_newest_fifty_with_as_many_statements(
    lyceum: world.World, publish: Any, client: Client, django_assert_max_num_queries: Any
) -> None:
    model = publish(lyceum, "mine")
    first: Revision = model.main
    now = first.published_at
    Revision.objects.bulk_create(
        Revision(
            model=model, commit=f"{n:040x}", tree=f"{n:040x}", author="A", email="a@lyceum.example", message=f"No. {n}",
            authored_at=now, state="published", checked_at=now, published_at=now, parent=first.commit,
        )
        for n in range(1, 120)
    )  # fmt: skip
    with django_assert_max_num_queries(4):
        assert len(fed(client, "/releases.atom")) == 50


def test_search_engines_find_what_is_public_and_nothing_else(
    lyceum: world.World, family: Family, publish: Any, client: Client
) -> None:
    mine = publish(lyceum, "mine", family=family, gate=lyceum.gate)
    publish(lyceum, "secret", publish=False)
    told = client.get("/robots.txt").content.decode()
    maps = re.findall(r"^Sitemap: (.+)/sitemap/(.+)$", told, re.MULTILINE)
    (base,) = {base for base, _name in maps}
    parsed = [ElementTree.fromstring(client.get(f"/sitemap/{name}").content) for _base, name in maps]
    found = [one.text or "" for each in parsed for one in each.iter(f"{MAP}loc")]
    assert all(one.startswith(f"{base}/") for one in found)
    paths = [one.removeprefix(base) for one in found]
    assert {"/", "/help/", "/lyceum/mine", "/families/lyceum/heron/"} <= set(paths)
    assert not [path for path in paths if "secret" in path]
    hidden = [path.replace("*", "") for path in re.findall(r"^Disallow: (.+)$", told, re.MULTILINE)]
    assert not [path for path in paths if any(path.startswith(one) for one in hidden)]
    for path in paths:
        assert client.get(path).status_code == 200
    actions.withdraw(revision=mine.main, by=lyceum.manager, reason="Wrong weights.")
    assert "/lyceum/mine" not in client.get("/sitemap/models.xml").content.decode()


def test_a_long_map_is_named_page_by_page(lyceum: world.World, publish: Any, client: Client, monkeypatch: Any) -> None:
    for name in ("one", "two", "three"):
        publish(lyceum, name)
    monkeypatch.setattr(crawlers.Models, "limit", 2)
    maps = re.findall(r"^Sitemap: .+(/sitemap/models.+)$", client.get("/robots.txt").content.decode(), re.MULTILINE)
    assert maps == ["/sitemap/models.xml", "/sitemap/models.xml?p=2"]
    assert "Allow: /sitemap/\n" in client.get("/robots.txt").content.decode()
    assert "/lyceum/three" in client.get(maps[1]).content.decode()
    for absent in ("/sitemap/models.xml?p=99", "/sitemap/people.xml"):
        assert client.get(absent).status_code == 404


def test_a_link_that_somebody_passes_on_has_a_title_and_a_sentence(
    lyceum: world.World, family: Family, publish: Any, client: Client
) -> None:
    publish(lyceum, "mine", family=family)
    Model.objects.update(summary='Small, "and" <quick>.')
    page = client.get("/lyceum/mine?revision=main").content.decode()
    assert '<meta property="og:title" content="lyceum/mine">' in page
    assert '<meta name="description" content="Small, &quot;and&quot; &lt;quick&gt;.">' in page
    assert re.search(r'<link rel="canonical" href="https?://[^/]+/lyceum/mine">', page)
    assert '<meta property="og:title" content="Heron">' in client.get("/families/lyceum/heron/").content.decode()
    assert 'property="og:title"' in client.get("/").content.decode()


@pytest.mark.django_db
def test_whom_to_tell_of_a_weakness_is_said_where_the_operator_named_somebody(client: Client, settings: Any) -> None:
    assert client.get("/.well-known/security.txt").status_code == 404
    settings.SECURITY_CONTACT = "mailto:security@lab.example"
    answer = client.get("/.well-known/security.txt")
    assert answer["Content-Type"] == "text/plain; charset=utf-8"
    lines = dict(line.split(": ", 1) for line in answer.content.decode().splitlines())
    assert lines["Contact"] == "mailto:security@lab.example"
    assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ", lines["Expires"])
    assert lines["Canonical"].endswith("/.well-known/security.txt")


@pytest.mark.django_db
def test_keepers_of_passwords_find_where_one_is_changed(client: Client) -> None:
    assert client.get("/.well-known/change-password")["Location"] == "/account/password/change/"


@pytest.mark.parametrize(
    ("written", "read"),
    [
        ("", ""),
        ("security@lab.example", "mailto:security@lab.example"),
        ("https://lab.example/security", "https://lab.example/security"),
    ],
)
def test_a_contact_is_a_mail_address_or_a_page(monkeypatch: Any, written: str, read: str) -> None:
    monkeypatch.setenv("SECURITY_CONTACT", written)
    assert env.contact("SECURITY_CONTACT") == read


@pytest.mark.parametrize(
    "written", ["security", "http://lab.example", "a@b", "x y@lab.example", "mailto:a@lab.example"]
)
def test_what_is_no_contact_is_refused_with_an_example(monkeypatch: Any, written: str) -> None:
    monkeypatch.setenv("SECURITY_CONTACT", written)
    with pytest.raises(Misconfigured, match=r"security@lab\.example"):
        env.contact("SECURITY_CONTACT")
